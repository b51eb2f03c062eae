"""Who may do what: one table. A role is a set of permissions; the scopes of an API key are permissions too."""

from collections.abc import Collection
from enum import StrEnum


class Permission(StrEnum):
    ORG_READ = "org:read"
    ORG_WRITE = "org:write"
    MEMBERS_READ = "members:read"
    MEMBERS_WRITE = "members:write"
    KEYS_READ = "keys:read"
    KEYS_WRITE = "keys:write"
    LINKS_READ = "links:read"
    LINKS_WRITE = "links:write"
    FORMS_READ = "forms:read"
    FORMS_WRITE = "forms:write"
    LEADS_READ = "leads:read"
    LEADS_WRITE = "leads:write"
    LEADS_EXPORT = "leads:export"
    CONNECTIONS_READ = "connections:read"
    CONNECTIONS_WRITE = "connections:write"
    DELIVERIES_READ = "deliveries:read"
    DELIVERIES_WRITE = "deliveries:write"
    DEALS_READ = "deals:read"
    DEALS_WRITE = "deals:write"
    """Reading them now, and what counts how much in the ranking."""
    ANALYTICS_READ = "analytics:read"
    ANALYTICS_WRITE = "analytics:write"
    """Forgetting visitors."""


class Role(StrEnum):
    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"


ALL_SCOPES = "all"
"""A key with this scope may do everything, also what a later version adds."""

EVERYTHING = frozenset(Permission)

_VIEWER = frozenset(
    {
        Permission.ORG_READ,
        Permission.LINKS_READ,
        Permission.FORMS_READ,
        Permission.LEADS_READ,
        Permission.CONNECTIONS_READ,
        Permission.DELIVERIES_READ,
        Permission.DEALS_READ,
        Permission.ANALYTICS_READ,
    }
)
_MEMBER = _VIEWER | {
    Permission.LEADS_WRITE,
    Permission.LEADS_EXPORT,
    Permission.DELIVERIES_WRITE,
    Permission.FORMS_WRITE,
    Permission.LINKS_WRITE,
}
_ADMIN = _MEMBER | {
    Permission.CONNECTIONS_WRITE,
    Permission.MEMBERS_READ,
    Permission.MEMBERS_WRITE,
    Permission.KEYS_READ,
    Permission.KEYS_WRITE,
    Permission.DEALS_WRITE,
    Permission.ANALYTICS_WRITE,
}

ROLES: dict[Role, frozenset[Permission]] = {
    Role.OWNER: EVERYTHING,
    Role.ADMIN: _ADMIN,
    Role.MEMBER: _MEMBER,
    Role.VIEWER: _VIEWER,
}

ROLE_HINTS: dict[Role, str] = {
    Role.OWNER: "Everything, also the organisation itself and other owners.",
    Role.ADMIN: "CRMs, team and API keys.",
    Role.MEMBER: "Works with links, forms, leads and deliveries.",
    Role.VIEWER: "Sees everything but team and keys, changes nothing.",
}


def scopes_of(stored: Collection[str]) -> frozenset[str]:
    """What the stored scopes of a key allow today."""
    return EVERYTHING if ALL_SCOPES in stored else EVERYTHING.intersection(stored)


def grantable_roles(permissions: Collection[str]) -> list[Role]:
    """Nobody gives more than they have: so an admin makes no owner, and a key of a member no admin."""
    return [role for role in Role if ROLES[role].issubset(permissions)]
