"""Reads of accounts: for its own pages, and for features that need an org's settings or a person's name."""

from collections.abc import Collection, Sequence
from datetime import datetime

from msgspec import Struct
from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts.models import ApiKey, Invite, LoginSession, Member, Org, User
from site2crm.accounts.permissions import ROLES, Role
from site2crm.core import paging
from site2crm.core.access import OrgRef
from site2crm.core.errors import NotFound
from site2crm.core.paging import Page
from site2crm.kit import clock

SHOWN = 200
"""How many members, invites, keys or sessions a settings page lists."""

# In this order: each browser also names those that it wants to be taken for
_BROWSERS = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrom", "Chrome"), ("Safari", "Safari"))
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac", "macOS"),
    ("Linux", "Linux"),
)


class OrgOut(Struct, frozen=True):
    id: str
    slug: str
    name: str
    time_zone: str
    country: str
    created_at: datetime


class MemberOut(Struct, frozen=True):
    id: str
    user_id: str
    email: str
    name: str
    role: str
    created_at: datetime


class InviteOut(Struct, frozen=True):
    id: str
    email: str
    role: str
    invited_by: str
    created_at: datetime
    expires_at: datetime

    @property
    def state(self) -> str:
        return "invited" if self.expires_at > clock.now() else "expired"


class KeyOut(Struct, frozen=True):
    """`start` is how the key begins: enough to recognise it, useless without its secret."""

    id: str
    name: str
    start: str
    scopes: list[str]
    created_by: str | None
    created_at: datetime
    last_used_at: datetime | None


class SessionOut(Struct, frozen=True):
    id: str
    user_agent: str
    created_at: datetime
    seen_at: datetime
    current: bool

    @property
    def browser(self) -> str:
        """`Firefox on Linux`; what is none of the usual ones, as it calls itself."""
        name = next((name for sign, name in _BROWSERS if sign in self.user_agent), None)
        system = next((name for sign, name in _SYSTEMS if sign in self.user_agent), None)
        return f"{name} on {system}" if name and system else self.user_agent[:60] or "Unknown"


async def org(session: AsyncSession, org_id: str) -> OrgOut:
    """Raises NotFound."""
    return await _one_org(session, _orgs().where(Org.id == org_id))


async def org_of_slug(session: AsyncSession, slug: str) -> OrgOut:
    """Raises NotFound."""
    return await _one_org(session, _orgs().where(Org.slug == slug))


async def org_ids(session: AsyncSession) -> Sequence[str]:
    """Every org of the instance, for background work."""
    return (await session.scalars(select(Org.id).order_by(Org.id))).all()


async def names(session: AsyncSession, actors: Collection[str]) -> dict[str, str]:
    """Id of a user or key -> what to call it on a page."""
    users = await session.execute(select(User.id, User.name, User.email).where(User.id.in_(actors)))
    keys = await session.execute(select(ApiKey.id, ApiKey.name).where(ApiKey.id.in_(actors)))
    return {row.id: row.name or row.email for row in users} | {row.id: f"API key {row.name}" for row in keys}


async def members(
    session: AsyncSession, org_id: str, *, limit: int = SHOWN, cursor: str | None = None
) -> Page[MemberOut]:
    """Newest first."""
    columns = (Member.id, Member.user_id, User.email, User.name, Member.role, Member.created_at)
    statement = select(*columns).join(User, User.id == Member.user_id).where(Member.org_id == org_id)
    statement = paging.older_than(statement, (Member.created_at, Member.id), cursor).limit(limit + 1)
    rows = [MemberOut(*row) for row in await session.execute(statement)]
    return paging.page_of(rows, limit, lambda row: (row.created_at, row.id))


async def invites(
    session: AsyncSession, org_id: str, *, limit: int = SHOWN, cursor: str | None = None
) -> Page[InviteOut]:
    """Those that wait for an answer, expired ones too; newest first."""
    columns = (Invite.id, Invite.email, Invite.role, Invite.invited_by, Invite.created_at, Invite.expires_at)
    statement = select(*columns).where(
        Invite.org_id == org_id, Invite.accepted_at.is_(None), Invite.revoked_at.is_(None)
    )
    statement = paging.older_than(statement, (Invite.created_at, Invite.id), cursor).limit(limit + 1)
    rows = [InviteOut(*row) for row in await session.execute(statement)]
    return paging.page_of(rows, limit, lambda row: (row.created_at, row.id))


async def keys(session: AsyncSession, org_id: str, *, limit: int = SHOWN, cursor: str | None = None) -> Page[KeyOut]:
    """Those that work, newest first."""
    statement = select(ApiKey).where(ApiKey.org_id == org_id, ApiKey.revoked_at.is_(None))
    statement = paging.older_than(statement, (ApiKey.created_at, ApiKey.id), cursor).limit(limit + 1)
    rows = [key_out(row) for row in await session.scalars(statement)]
    return paging.page_of(rows, limit, lambda row: (row.created_at, row.id))


def key_out(key: ApiKey) -> KeyOut:
    start = f"s2c_live_{key.public_id}_…"
    return KeyOut(key.id, key.name, start, key.scopes, key.created_by, key.created_at, key.last_used_at)


async def sessions(session: AsyncSession, user_id: str, *, current: str) -> list[SessionOut]:
    """Where this user is logged in; `current` is the digest of the session that asks."""
    statement = select(LoginSession).where(LoginSession.user_id == user_id, LoginSession.expires_at > clock.now())
    rows = await session.scalars(statement.order_by(LoginSession.seen_at.desc()).limit(SHOWN))
    return [
        SessionOut(row.token_hash[:16], row.user_agent, row.created_at, row.seen_at, row.token_hash == current)
        for row in rows
    ]


async def signed_in(session: AsyncSession, token_hash: str, *, idle_s: float) -> tuple[LoginSession, User] | None:
    """The session with this digest, and its user, unless it has ended."""
    statement = select(LoginSession, User).join(User, User.id == LoginSession.user_id)
    alive = (LoginSession.expires_at > clock.now(), LoginSession.seen_at > clock.since(idle_s))
    found = (await session.execute(statement.where(LoginSession.token_hash == token_hash, *alive))).one_or_none()
    return (found[0], found[1]) if found else None


async def memberships(session: AsyncSession, user_id: str) -> Sequence[Row[Org, str]]:
    """The user's orgs by name, each with the role there."""
    statement = select(Org, Member.role).join(Member, Member.org_id == Org.id).where(Member.user_id == user_id)
    return (await session.execute(statement.order_by(Org.name, Org.id))).all()


async def rights(session: AsyncSession, user_id: str) -> list[tuple[OrgRef, frozenset[str]]]:
    """Each org that this user belongs to, by name, and what they may do there."""
    return [
        (OrgRef(id=org.id, slug=org.slug, name=org.name, time_zone=org.time_zone), frozenset(ROLES[Role(role)]))
        for org, role in await memberships(session, user_id)
    ]


async def rights_in(session: AsyncSession, org_id: str, *, user_id: str) -> frozenset[str]:
    """What this user may do in this org; nothing in one that they do not belong to."""
    role = await session.scalar(select(Member.role).where(Member.org_id == org_id, Member.user_id == user_id))
    return frozenset(ROLES[Role(role)]) if role else frozenset()


async def working_key(session: AsyncSession, public_id: str) -> tuple[ApiKey, Org] | None:
    statement = select(ApiKey, Org).join(Org, Org.id == ApiKey.org_id)
    found = (
        await session.execute(statement.where(ApiKey.public_id == public_id, ApiKey.revoked_at.is_(None)))
    ).one_or_none()
    return (found[0], found[1]) if found else None


async def last_org_id(session: AsyncSession, user_id: str) -> str | None:
    """Where the user was last; they may have left it since."""
    return await session.scalar(select(User.last_org_id).where(User.id == user_id))


def _orgs() -> Select[str, str, str, str, str, datetime]:
    return select(Org.id, Org.slug, Org.name, Org.time_zone, Org.country, Org.created_at)


async def _one_org(session: AsyncSession, statement: Select[str, str, str, str, str, datetime]) -> OrgOut:
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise NotFound
    return OrgOut(*row)


async def countries(session: AsyncSession) -> dict[str, str]:
    """Org id -> the country that its phone numbers are from by default."""
    rows = await session.execute(select(Org.id, Org.country))
    return {row.id: row.country for row in rows}
