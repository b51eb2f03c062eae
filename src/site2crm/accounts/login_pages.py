"""Pages for people who are not signed in yet: log in, set up, a new password."""

from typing import Any

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts import authentication, choices, login, passwords, queries, resets, service, sessions, tokens
from site2crm.accounts.service import FirstOrg, Owner
from site2crm.accounts.tokens import Purpose
from site2crm.core import inputs
from site2crm.core.access import SIGNED_IN, Who, needs, public, who_asks
from site2crm.core.errors import AppError, Conflict, Invalid
from site2crm.core.inputs import Fields
from site2crm.core.machine import Machine
from site2crm.core.redirects import HOME, local_path
from site2crm.core.web import AnyRequest, Html, page, redirect


class SetupForm(Struct):
    name: str
    email: str
    org: str
    time_zone: str = "UTC"


@get("/login", opt=public())
async def show_login(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Response[Any]:
    target = local_path(request.query_params.get("next"))
    who = who_asks(request)
    if who is not None and who.user_id is not None:
        return redirect(target)
    return await page(request, session, "accounts/login.html", title="Log in", target=target, email="", error=None)


@post("/login", opt=public())
async def log_in(
    request: AnyRequest, session: NamedDependency[AsyncSession], machine: NamedDependency[Machine]
) -> Response[Any]:
    fields = inputs.read(await request.form())
    target, email = local_path(fields.get("next")), fields.get("email", "").strip()
    try:
        user = await login.check(
            machine, session, email=email, password=fields.get("password", ""), address=address_of(request)
        )
    except AppError as refused:
        await session.rollback()
        answer = await page(
            request,
            session,
            "accounts/login.html",
            title="Log in",
            status=refused.status,
            target=target,
            email=email,
            error=refused,
        )
        answer.headers.update(refused.headers)
        return answer
    return await signed_in(request, session, machine, user_id=user.id, target=target)


@post("/logout", opt=public())
async def log_out(
    request: AnyRequest, session: NamedDependency[AsyncSession], machine: NamedDependency[Machine]
) -> Response[Any]:
    """Ends it on the server: a copied cookie opens nothing afterwards."""
    fields = inputs.read(await request.form())
    who = who_asks(request)
    if who is not None and who.session_hash:
        await sessions.end(session, who.session_hash)
    response = redirect(local_path(fields.get("next"), "/login"), flash="You are logged out.")
    authentication.clear_session(response, machine.settings)
    return response


@get("/setup/{token:str}", opt=public())
async def show_setup(
    request: AnyRequest, session: NamedDependency[AsyncSession], machine: NamedDependency[Machine], token: FromPath[str]
) -> Response[Any]:
    await service.expect_setup(session, token)
    return await _setup_page(request, session, machine, fields=Fields())


@post("/setup/{token:str}", opt=public())
async def set_up(
    request: AnyRequest, session: NamedDependency[AsyncSession], machine: NamedDependency[Machine], token: FromPath[str]
) -> Response[Any]:
    await service.expect_setup(session, token)
    fields = inputs.read(await request.form())
    try:
        form = inputs.parse(SetupForm, fields)
        minimum = machine.settings.auth.password_min
        hashed = await passwords.hashed(fields.get("password", ""), minimum=minimum, like=(form.email, form.name))
        owner = Owner(form.email, form.name, hashed)
        user, org = await service.set_up(session, token, owner=owner, org=FirstOrg(form.org, form.time_zone))
    except (Invalid, Conflict) as refused:
        await session.rollback()
        return await _setup_page(request, session, machine, fields=fields, refused=refused)
    return await signed_in(request, session, machine, user_id=user.id, target=f"/o/{org.slug}/")


@get("/reset", opt=public())
async def show_reset_ask(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Response[Any]:
    return await _reset_ask(request, session)


@post("/reset", opt=public())
async def ask_reset(
    request: AnyRequest, session: NamedDependency[AsyncSession], machine: NamedDependency[Machine]
) -> Response[Any]:
    email = inputs.read(await request.form()).get("email", "").strip()
    try:
        await resets.ask(session, machine, email=email, address=address_of(request))
    except Invalid as refused:
        return await _reset_ask(request, session, email=email, refused=refused)
    title = "Look into your mailbox"
    return await page(request, session, "accounts/reset_sent.html", title=title, prints=machine.mailer.prints)


@get("/reset/{token:str}", opt=public())
async def show_reset(
    request: AnyRequest, session: NamedDependency[AsyncSession], machine: NamedDependency[Machine], token: FromPath[str]
) -> Response[Any]:
    await tokens.expect(session, Purpose.RESET, token)
    return await _reset_page(request, session, machine)


@post("/reset/{token:str}", opt=public())
async def use_reset(
    request: AnyRequest, session: NamedDependency[AsyncSession], machine: NamedDependency[Machine], token: FromPath[str]
) -> Response[Any]:
    await tokens.expect(session, Purpose.RESET, token)
    fields = inputs.read(await request.form())
    minimum = machine.settings.auth.password_min
    try:
        hashed = await passwords.hashed(fields.get("password", ""), minimum=minimum)
    except Invalid as refused:
        return await _reset_page(request, session, machine, refused=refused)
    await resets.use(session, token, password_hash=hashed)
    return redirect("/login", flash="The new password is set. Log in with it.")


@get("/o", opt=needs(SIGNED_IN))
async def show_home(
    request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Response[Any]:
    """To the org where one was last, else the first."""
    if not who.orgs:
        may_create = who.is_super
        return await page(request, session, "accounts/no_org.html", title="No organisation yet", may_create=may_create)
    last = await queries.last_org_id(session, who.user_id or "")
    org = next((org for org in who.orgs if org.id == last), who.orgs[0])
    return redirect(f"/o/{org.slug}/")


async def signed_in(
    request: AnyRequest, session: AsyncSession, machine: Machine, *, user_id: str, target: str = HOME
) -> Html:
    """A fresh session for this browser; the one it had, whoever planted it, ends."""
    settings = machine.settings
    token = await sessions.start(
        session,
        user_id,
        max_s=settings.auth.session_max,
        user_agent=request.headers.get("user-agent", ""),
        replaces=request.cookies.get(authentication.cookie_name(settings), ""),
    )
    response = redirect(target)
    authentication.set_session(response, settings, token)
    return response


def address_of(request: AnyRequest) -> str:
    address: str = request.scope["state"].get("address", "")
    return address


async def _setup_page(
    request: AnyRequest,
    session: AsyncSession,
    machine: Machine,
    *,
    fields: Fields,
    refused: AppError | None = None,
) -> Response[Any]:
    return await page(
        request,
        session,
        "accounts/setup.html",
        title="Set up Site2CRM",
        status=refused.status if refused else 200,
        url=request.url.path,
        fields=fields,
        errors=refused.errors if refused else (),
        zones=choices.zones(),
        minimum=machine.settings.auth.password_min,
    )


async def _reset_ask(
    request: AnyRequest, session: AsyncSession, *, email: str = "", refused: AppError | None = None
) -> Response[Any]:
    status, errors = (refused.status, refused.errors) if refused else (200, ())
    shown = {"email": email, "errors": errors}
    return await page(request, session, "accounts/reset_ask.html", title="Forgotten password", status=status, **shown)


async def _reset_page(
    request: AnyRequest, session: AsyncSession, machine: Machine, *, refused: AppError | None = None
) -> Response[Any]:
    return await page(
        request,
        session,
        "accounts/reset.html",
        title="Choose a new password",
        status=refused.status if refused else 200,
        url=request.url.path,
        errors=refused.errors if refused else (),
        minimum=machine.settings.auth.password_min,
    )


ROUTER = Router(
    path="/",
    include_in_schema=False,
    route_handlers=[
        show_login,
        log_in,
        log_out,
        show_setup,
        set_up,
        show_reset_ask,
        ask_reset,
        show_reset,
        use_reset,
        show_home,
    ],
)
