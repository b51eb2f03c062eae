"""An org's team: members, their roles, invitations."""

from typing import Any

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts import choices, invites, members, queries
from site2crm.accounts.invites import Invited
from site2crm.accounts.permissions import Permission, Role
from site2crm.accounts.settings_pages import settings_url, tabs
from site2crm.core import inputs
from site2crm.core.access import Who, needs
from site2crm.core.errors import AppError, Conflict, Forbidden, Invalid
from site2crm.core.inputs import Fields
from site2crm.core.machine import Machine
from site2crm.core.web import AnyRequest, page, redirect


class InviteForm(Struct):
    email: str
    role: Role


class RoleForm(Struct):
    role: Role


@get("/", opt=needs(Permission.MEMBERS_READ))
async def show_team(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    machine: NamedDependency[Machine],
    who: NamedDependency[Who],
) -> Response[Any]:
    return await _team(request, session, machine, who)


@post("/invites", opt=needs(Permission.MEMBERS_WRITE))
async def invite(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    machine: NamedDependency[Machine],
    who: NamedDependency[Who],
) -> Response[Any]:
    """Answers with the page itself: the link is shown here, once, to whoever invited."""
    fields = inputs.read(await request.form())
    try:
        form = inputs.parse(InviteForm, fields)
        invited = await invites.create(
            session,
            who.org_id,
            email=form.email,
            role=form.role,
            by=who.permissions,
            actor=who.actor,
            vault=machine.vault,
        )
    except (Invalid, Conflict, Forbidden) as refused:
        await session.rollback()
        return await _team(request, session, machine, who, fields=fields, refused=refused)
    return await _team(request, session, machine, who, invited=invited)


@post("/invites/{invite_id:str}/resend", opt=needs(Permission.MEMBERS_WRITE))
async def resend_invite(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    machine: NamedDependency[Machine],
    who: NamedDependency[Who],
    invite_id: FromPath[str],
) -> Response[Any]:
    invited = await invites.resend(session, who.org_id, invite_id=invite_id, by=who.permissions, vault=machine.vault)
    return await _team(request, session, machine, who, invited=invited)


@post("/invites/{invite_id:str}/revoke", opt=needs(Permission.MEMBERS_WRITE))
async def revoke_invite(
    session: NamedDependency[AsyncSession], who: NamedDependency[Who], invite_id: FromPath[str]
) -> Response[Any]:
    await invites.revoke(session, who.org_id, invite_id=invite_id)
    return redirect(f"{settings_url(who)}/team", flash="The invitation is withdrawn; its link is dead.")


@post("/{member_id:str}/role", opt=needs(Permission.MEMBERS_WRITE))
async def change_role(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    machine: NamedDependency[Machine],
    who: NamedDependency[Who],
    member_id: FromPath[str],
) -> Response[Any]:
    fields = inputs.read(await request.form())
    try:
        role = inputs.parse(RoleForm, fields).role
        await members.change_role(session, who.org_id, member_id=member_id, role=role, by=who.permissions)
    except (Invalid, Conflict, Forbidden) as refused:
        await session.rollback()
        return await _team(request, session, machine, who, refused=refused)
    return redirect(f"{settings_url(who)}/team", flash="The role is changed.")


@post("/{member_id:str}/remove", opt=needs(Permission.MEMBERS_WRITE))
async def remove_member(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    machine: NamedDependency[Machine],
    who: NamedDependency[Who],
    member_id: FromPath[str],
) -> Response[Any]:
    try:
        await members.remove(session, who.org_id, member_id=member_id, by=who.permissions)
    except (Conflict, Forbidden) as refused:
        await session.rollback()
        return await _team(request, session, machine, who, refused=refused)
    return redirect(f"{settings_url(who)}/team", flash="Removed from the team.")


async def _team(
    request: AnyRequest,
    session: AsyncSession,
    machine: Machine,
    who: Who,
    *,
    fields: Fields | None = None,
    refused: AppError | None = None,
    invited: Invited | None = None,
) -> Response[Any]:
    return await page(
        request,
        session,
        "accounts/team.html",
        title="Team",
        status=refused.status if refused else 200,
        tabs=tabs(who, "team"),
        url=f"{settings_url(who)}/team",
        members=(await queries.members(session, who.org_id)).data,
        invites=(await queries.invites(session, who.org_id)).data,
        roles=choices.roles(who),
        role_names=choices.role_names(who),
        fields=fields or Fields(role=Role.MEMBER),
        refused=refused,
        invited=invited,
        link=machine.url(f"/invite/{invited.token}") if invited else "",
        prints=machine.mailer.prints,
    )


ROUTER = Router(
    path="/o/{org:str}/settings/team",
    include_in_schema=False,
    route_handlers=[show_team, invite, resend_invite, revoke_invite, change_role, remove_member],
)
