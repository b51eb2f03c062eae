"""What somebody sees who follows an invitation's link."""

from typing import Any

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts import invites, login_pages, passwords, users
from site2crm.accounts.invites import OpenInvite
from site2crm.core import inputs
from site2crm.core.access import Who, public, who_asks
from site2crm.core.errors import AppError, Conflict, Invalid, Unauthorized
from site2crm.core.inputs import Fields
from site2crm.core.machine import Machine
from site2crm.core.web import AnyRequest, page, redirect


@get("/invite/{token:str}", opt=public())
async def show_invite(
    request: AnyRequest, session: NamedDependency[AsyncSession], machine: NamedDependency[Machine], token: FromPath[str]
) -> Response[Any]:
    invite = await invites.open_invite(session, token)
    return await _invite_page(request, session, machine, invite=invite)


@post("/invite/{token:str}", opt=public())
async def accept_invite(
    request: AnyRequest, session: NamedDependency[AsyncSession], machine: NamedDependency[Machine], token: FromPath[str]
) -> Response[Any]:
    """With the account that is logged in; else with a new one."""
    invite = await invites.open_invite(session, token)
    who = _person(request)
    if who is not None:
        await invites.accept(session, token, user_id=who.user_id or "")
        return redirect(f"/o/{invite.org_slug}/", flash=f"Welcome to {invite.org_name}.")
    if invite.has_account:
        raise Unauthorized(f"{invite.email} has an account. Log in with it, then open the link again.")
    fields = inputs.read(await request.form())
    try:
        user_id = await _new_user(session, machine, token, invite=invite, fields=fields)
    except (Invalid, Conflict) as refused:
        await session.rollback()
        return await _invite_page(request, session, machine, invite=invite, fields=fields, refused=refused)
    return await login_pages.signed_in(request, session, machine, user_id=user_id, target=f"/o/{invite.org_slug}/")


async def _new_user(session: AsyncSession, machine: Machine, token: str, *, invite: OpenInvite, fields: Fields) -> str:
    name = fields.get("name", "")
    minimum = machine.settings.auth.password_min
    hashed = await passwords.hashed(fields.get("password", ""), minimum=minimum, like=(invite.email, name))
    return (await invites.accept_as_new(session, token, name=name, password_hash=hashed)).id


async def _invite_page(
    request: AnyRequest,
    session: AsyncSession,
    machine: Machine,
    *,
    invite: OpenInvite,
    fields: Fields | None = None,
    refused: AppError | None = None,
) -> Response[Any]:
    who = _person(request)
    is_theirs = who is not None and users.email_key(who.email) == users.email_key(invite.email)
    status, errors = (refused.status, refused.errors) if refused else (200, ())
    shown = {
        "invite": invite,
        "visitor": ("theirs" if is_theirs else "other") if who else ("known" if invite.has_account else "new"),
        "here": request.url.path,
        "fields": fields or Fields(),
        "errors": errors,
        "minimum": machine.settings.auth.password_min,
    }
    return await page(request, session, "accounts/invite.html", title=f"Join {invite.org_name}", status=status, **shown)


def _person(request: AnyRequest) -> Who | None:
    who = who_asks(request)
    return who if who is not None and who.user_id is not None else None


ROUTER = Router(path="/", include_in_schema=False, route_handlers=[show_invite, accept_invite])
