"""A user's own pages: name, password, theme, sessions, new organisations."""

from typing import Any

from litestar import Response, Router, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts import authentication, choices, login, orgs, passwords, queries, sessions, users
from site2crm.accounts.errors import WrongCredentials
from site2crm.accounts.login_pages import address_of
from site2crm.core import inputs, redirects
from site2crm.core.access import SIGNED_IN, Who, needs, public, who_asks
from site2crm.core.errors import AppError, Conflict, FieldError, Forbidden, Invalid
from site2crm.core.inputs import Fields
from site2crm.core.machine import Machine
from site2crm.core.web import AnyRequest, in_org_of, page, redirect

_YEAR_S = 365 * 86400


class OrgForm(Struct):
    name: str
    slug: str = ""
    time_zone: str = "UTC"
    country: str = ""


@get("/profile", opt=needs(SIGNED_IN))
async def show_profile(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    machine: NamedDependency[Machine],
    who: NamedDependency[Who],
) -> Response[Any]:
    return await _profile(request, session, machine, who)


@post("/profile", opt=needs(SIGNED_IN))
async def save_profile(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    machine: NamedDependency[Machine],
    who: NamedDependency[Who],
) -> Response[Any]:
    fields = inputs.read(await request.form())
    try:
        await users.rename(session, who.user_id or "", name=fields.get("name", ""))
    except Invalid as refused:
        await session.rollback()
        return await _profile(request, session, machine, who, fields=fields, refused=refused)
    return redirect("/profile", flash="Saved")


@post("/profile/password", opt=needs(SIGNED_IN))
async def change_password(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    machine: NamedDependency[Machine],
    who: NamedDependency[Who],
) -> Response[Any]:
    """Ends every other session: who knew the old password is out."""
    fields, user_id = inputs.read(await request.form()), who.user_id or ""
    new = fields.get("password", "")
    try:
        passwords.check(new, minimum=machine.settings.auth.password_min, like=(who.email, who.name))
        await login.confirm(
            machine, user_id, email=who.email, password=fields.get("current", ""), address=address_of(request)
        )
        hashed = await passwords.hashed(new, minimum=machine.settings.auth.password_min)
    except AppError as refused:
        await session.rollback()
        return await _profile(request, session, machine, who, refused=_about_current(refused))
    await users.set_password(session, user_id, password_hash=hashed, keep=who.session_hash)
    return redirect("/profile", flash="The new password is set, and every other session has ended.")


@post("/profile/sessions/end-others", opt=needs(SIGNED_IN))
async def end_other_sessions(session: NamedDependency[AsyncSession], who: NamedDependency[Who]) -> Response[Any]:
    await sessions.end_others(session, who.user_id or "", keep=who.session_hash)
    return redirect("/profile", flash="Every other session has ended.")


@post("/profile/sessions/{session_id:str}/end", opt=needs(SIGNED_IN))
async def end_session(
    session: NamedDependency[AsyncSession], who: NamedDependency[Who], session_id: FromPath[str]
) -> Response[Any]:
    await sessions.end_one(session, who.user_id or "", session_id=session_id)
    return redirect("/profile", flash="That session has ended.")


@post("/theme", opt=public())
async def choose_theme(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Response[Any]:
    """For this browser, and for the user's other ones if somebody is signed in."""
    theme = inputs.read(await request.form()).get("theme", "")
    if theme not in users.THEMES:
        raise Invalid.field("theme", "system, light or dark.")
    who = who_asks(request)
    if who is not None and who.user_id is not None:
        await users.choose_theme(session, who.user_id, theme=theme)
    response = redirect(redirects.back(request))
    response.set_cookie(Cookie(key="theme", value=theme, path="/", max_age=_YEAR_S, samesite="lax"))
    return response


@get("/orgs/new", opt=needs(SIGNED_IN))
async def show_new_org(
    request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Response[Any]:
    _refuse_strangers(who)
    return await _new_org(request, session, who, fields=Fields())


@post("/orgs/new", opt=needs(SIGNED_IN))
async def create_org(
    request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Response[Any]:
    _refuse_strangers(who)
    fields = inputs.read(await request.form())
    try:
        form = inputs.parse(OrgForm, fields)
        org = await orgs.create(
            session,
            who.user_id or "",
            name=form.name,
            slug=form.slug,
            time_zone=form.time_zone,
            country=form.country,
        )
    except (Invalid, Conflict) as refused:
        await session.rollback()
        return await _new_org(request, session, who, fields=fields, refused=refused)
    return redirect(f"/o/{org.slug}/", flash=f"{org.name} is ready.")


def _refuse_strangers(who: Who) -> None:
    """Somebody invited to look at one client's leads does not open clients of their own."""
    if not who.makes_orgs:
        raise Forbidden("Only owners make new organisations. Ask whoever invited you.")


async def _profile(
    request: AnyRequest,
    session: AsyncSession,
    machine: Machine,
    who: Who,
    *,
    fields: Fields | None = None,
    refused: AppError | None = None,
) -> Response[Any]:
    status, errors = (refused.status, refused.errors) if refused else (200, ())
    in_org_of(request, await authentication.at_home(session, who))
    answer = await page(
        request,
        session,
        "accounts/profile.html",
        title="Profile",
        status=status,
        fields=fields or Fields(name="" if who.name == who.email else who.name),
        errors=errors,
        sessions=await queries.sessions(session, who.user_id or "", current=who.session_hash),
        minimum=machine.settings.auth.password_min,
    )
    if refused is not None:
        answer.headers.update(refused.headers)
    return answer


async def _new_org(
    request: AnyRequest, session: AsyncSession, who: Who, *, fields: Fields, refused: AppError | None = None
) -> Response[Any]:
    in_org_of(request, await authentication.at_home(session, who))
    return await page(
        request,
        session,
        "accounts/org_new.html",
        title="New organisation",
        status=refused.status if refused else 200,
        fields=fields,
        errors=refused.errors if refused else (),
        zones=choices.zones(),
        slug_rule=orgs.SLUG_RULE,
        slug_needed=False,
    )


def _about_current(refused: AppError) -> AppError:
    """A wrong current password and a wait belong to that field."""
    if refused.errors:
        return refused
    error = Invalid(refused.detail, errors=[FieldError("current", refused.detail)], headers=refused.headers)
    error.status = 422 if isinstance(refused, WrongCredentials) else refused.status
    return error


ROUTER = Router(
    path="/",
    include_in_schema=False,
    route_handlers=[
        show_profile,
        save_profile,
        change_password,
        end_other_sessions,
        end_session,
        choose_theme,
        show_new_org,
        create_org,
    ],
)
