"""JSON API of accounts: who asks, the org, its team and its keys."""

from datetime import datetime
from typing import Annotated

from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta, Struct
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts import invites, keys, members, orgs, queries
from site2crm.accounts.orgs import OrgChange
from site2crm.accounts.permissions import Permission, Role
from site2crm.accounts.queries import InviteOut, KeyOut, MemberOut, OrgOut
from site2crm.core.access import OrgRef, Who, needs, public
from site2crm.core.machine import Machine
from site2crm.core.paging import Page, checked_limit

Session = NamedDependency[AsyncSession]
Asker = NamedDependency[Who]


class Me(Struct, frozen=True):
    """A user or a key, and what it may do here."""

    user_id: str | None
    key_id: str | None
    email: str
    name: str
    role: str
    permissions: list[str]
    org: OrgRef | None
    orgs: tuple[OrgRef, ...]


class RoleIn(Struct, forbid_unknown_fields=True):
    role: Role


class InviteIn(Struct, forbid_unknown_fields=True):
    email: Annotated[str, Meta(max_length=320)]
    role: Role = Role.MEMBER


class InvitedOut(Struct, frozen=True):
    """`url` is told once: it brings whoever opens it into the org."""

    id: str
    email: str
    role: str
    url: str


class KeyIn(Struct, forbid_unknown_fields=True):
    name: str
    scopes: list[str]


class MadeKeyOut(Struct, frozen=True):
    """`key` is told once."""

    id: str
    name: str
    key: str
    scopes: list[str]
    created_at: datetime


# Open to every key whatever its scopes; asking for `who` refuses those who are nobody.
@get("/me", opt=public(), tags=["account"])
async def show_me(who: Asker) -> Me:
    return Me(
        user_id=who.user_id,
        key_id=who.key_id,
        email=who.email,
        name=who.name,
        role=who.role,
        permissions=sorted(who.permissions),
        org=who.org,
        orgs=who.orgs,
    )


@get("/org", opt=needs(Permission.ORG_READ), tags=["org"])
async def show_org(session: Session, who: Asker) -> OrgOut:
    return await queries.org(session, who.org_id)


@patch("/org", opt=needs(Permission.ORG_WRITE), tags=["org"])
async def change_org(session: Session, who: Asker, data: JSONBody[OrgChange]) -> OrgOut:
    return await orgs.change(session, who.org_id, data)


@get("/members", opt=needs(Permission.MEMBERS_READ), tags=["team"])
async def list_members(
    session: Session, who: Asker, limit: FromQuery[int | None] = None, cursor: FromQuery[str | None] = None
) -> Page[MemberOut]:
    return await queries.members(session, who.org_id, limit=checked_limit(limit), cursor=cursor)


@patch("/members/{member_id:str}", opt=needs(Permission.MEMBERS_WRITE), tags=["team"], status_code=204)
async def change_role(session: Session, who: Asker, member_id: FromPath[str], data: JSONBody[RoleIn]) -> None:
    await members.change_role(session, who.org_id, member_id=member_id, role=data.role, by=who.permissions)


@delete("/members/{member_id:str}", opt=needs(Permission.MEMBERS_WRITE), tags=["team"])
async def remove_member(session: Session, who: Asker, member_id: FromPath[str]) -> None:
    await members.remove(session, who.org_id, member_id=member_id, by=who.permissions)


@get("/invites", opt=needs(Permission.MEMBERS_READ), tags=["team"])
async def list_invites(
    session: Session, who: Asker, limit: FromQuery[int | None] = None, cursor: FromQuery[str | None] = None
) -> Page[InviteOut]:
    return await queries.invites(session, who.org_id, limit=checked_limit(limit), cursor=cursor)


@post("/invites", opt=needs(Permission.MEMBERS_WRITE), tags=["team"])
async def create_invite(
    session: Session, machine: NamedDependency[Machine], who: Asker, data: JSONBody[InviteIn]
) -> InvitedOut:
    made = await invites.create(
        session,
        who.org_id,
        email=data.email,
        role=data.role,
        by=who.permissions,
        actor=who.actor,
        vault=machine.vault,
    )
    return InvitedOut(made.id, made.email, made.role, machine.url(f"/invite/{made.token}"))


@post("/invites/{invite_id:str}/resend", opt=needs(Permission.MEMBERS_WRITE), tags=["team"], status_code=200)
async def resend_invite(
    session: Session, machine: NamedDependency[Machine], who: Asker, invite_id: FromPath[str]
) -> InvitedOut:
    made = await invites.resend(session, who.org_id, invite_id=invite_id, by=who.permissions, vault=machine.vault)
    return InvitedOut(made.id, made.email, made.role, machine.url(f"/invite/{made.token}"))


@delete("/invites/{invite_id:str}", opt=needs(Permission.MEMBERS_WRITE), tags=["team"])
async def revoke_invite(session: Session, who: Asker, invite_id: FromPath[str]) -> None:
    await invites.revoke(session, who.org_id, invite_id=invite_id)


@get("/keys", opt=needs(Permission.KEYS_READ), tags=["keys"])
async def list_keys(
    session: Session, who: Asker, limit: FromQuery[int | None] = None, cursor: FromQuery[str | None] = None
) -> Page[KeyOut]:
    return await queries.keys(session, who.org_id, limit=checked_limit(limit), cursor=cursor)


@post("/keys", opt=needs(Permission.KEYS_WRITE), tags=["keys"])
async def create_key(session: Session, who: Asker, data: JSONBody[KeyIn]) -> MadeKeyOut:
    made = await keys.create(
        session, who.org_id, name=data.name, scopes=data.scopes, by=who.permissions, actor=who.actor
    )
    return MadeKeyOut(made.row.id, made.row.name, made.plain, made.row.scopes, made.row.created_at)


@delete("/keys/{key_id:str}", opt=needs(Permission.KEYS_WRITE), tags=["keys"])
async def revoke_key(session: Session, who: Asker, key_id: FromPath[str]) -> None:
    await keys.revoke(session, who.org_id, key_id=key_id)


ROUTER = Router(
    path="/api/v1",
    route_handlers=[
        show_me,
        show_org,
        change_org,
        list_members,
        change_role,
        remove_member,
        list_invites,
        create_invite,
        resend_invite,
        revoke_invite,
        list_keys,
        create_key,
        revoke_key,
    ],
)
