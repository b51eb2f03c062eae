"""What happens in an org, for the features below."""

from site2crm.core.events import Event


class OrgCreated(Event, frozen=True, kw_only=True):
    slug: str
    name: str
    owner_id: str


class OrgChanged(Event, frozen=True, kw_only=True):
    """Name, address, time zone or country."""


class MemberInvited(Event, frozen=True, kw_only=True):
    invite_id: str
    email: str
    role: str


class InviteRevoked(Event, frozen=True, kw_only=True):
    invite_id: str
    email: str


class MemberJoined(Event, frozen=True, kw_only=True):
    member_id: str
    user_id: str
    role: str


class MemberRoleChanged(Event, frozen=True, kw_only=True):
    member_id: str
    user_id: str
    before: str
    after: str


class MemberRemoved(Event, frozen=True, kw_only=True):
    member_id: str
    user_id: str


class KeyCreated(Event, frozen=True, kw_only=True):
    key_id: str
    name: str
    scopes: tuple[str, ...]


class KeyRevoked(Event, frozen=True, kw_only=True):
    key_id: str
