"""An org's settings: its own facts and its API keys; the tabs that all settings share."""

from typing import Any

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts import choices, keys, orgs, queries
from site2crm.accounts.orgs import OrgChange
from site2crm.accounts.permissions import Permission
from site2crm.core import inputs
from site2crm.core.access import Who, needs
from site2crm.core.declared import books
from site2crm.core.errors import AppError, Conflict, Forbidden, Invalid
from site2crm.core.inputs import Fields
from site2crm.core.web import AnyRequest, page, redirect

_TABS = (
    ("General", "general", Permission.ORG_READ),
    ("Team", "team", Permission.MEMBERS_READ),
    ("API keys", "keys", Permission.KEYS_READ),
)


class GeneralForm(Struct):
    name: str
    slug: str
    time_zone: str
    country: str = ""


class KeyForm(Struct):
    name: str = ""
    scopes: list[str] = []


@get("/general", opt=needs(Permission.ORG_READ))
async def show_general(
    request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Response[Any]:
    return await _general(request, session, who)


@post("/general", opt=needs(Permission.ORG_WRITE))
async def save_general(
    request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Response[Any]:
    fields = inputs.read(await request.form())
    try:
        form = inputs.parse(GeneralForm, fields)
        change = OrgChange(name=form.name, slug=form.slug, time_zone=form.time_zone, country=form.country)
        org = await orgs.change(session, who.org_id, change)
    except (Invalid, Conflict) as refused:
        await session.rollback()
        return await _general(request, session, who, fields=fields, refused=refused)
    return redirect(f"/o/{org.slug}/settings/general", flash="Saved")


@get("/keys", opt=needs(Permission.KEYS_READ))
async def show_keys(
    request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Response[Any]:
    return await _keys(request, session, who)


@post("/keys", opt=needs(Permission.KEYS_WRITE))
async def create_key(
    request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Response[Any]:
    """Answers with the page itself, not a redirect: the key is shown here and nowhere else."""
    fields = inputs.read(await request.form())
    try:
        form = inputs.parse(KeyForm, fields)
        made = await keys.create(
            session, who.org_id, name=form.name, scopes=form.scopes, by=who.permissions, actor=who.actor
        )
    except (Invalid, Forbidden) as refused:
        await session.rollback()
        return await _keys(request, session, who, fields=fields, refused=refused)
    return await _keys(request, session, who, plain=made.plain, status=201)


@post("/keys/{key_id:str}/revoke", opt=needs(Permission.KEYS_WRITE))
async def revoke_key(
    session: NamedDependency[AsyncSession], who: NamedDependency[Who], key_id: FromPath[str]
) -> Response[Any]:
    await keys.revoke(session, who.org_id, key_id=key_id)
    return redirect(f"{settings_url(who)}/keys", flash="The key opens nothing any more.")


def tabs(who: Who, current: str) -> list[tuple[str, str, bool]]:
    """The settings that this person may see, for `ui.tabs`."""
    return [(label, f"{settings_url(who)}/{path}", path == current) for label, path, right in _TABS if who.can(right)]


def settings_url(who: Who) -> str:
    return f"/o/{who.org.slug if who.org else ''}/settings"


async def _general(
    request: AnyRequest,
    session: AsyncSession,
    who: Who,
    *,
    fields: Fields | None = None,
    refused: AppError | None = None,
) -> Response[Any]:
    org = await queries.org(session, who.org_id)
    stored = Fields(name=org.name, slug=org.slug, time_zone=org.time_zone, country=org.country)
    return await page(
        request,
        session,
        "accounts/general.html",
        title="General settings",
        status=refused.status if refused else 200,
        tabs=tabs(who, "general"),
        url=f"{settings_url(who)}/general",
        org=org,
        fields=fields or stored,
        errors=refused.errors if refused else (),
        zones=choices.zones(org.time_zone),
        slug_rule=orgs.SLUG_RULE,
        slug_needed=True,
        lock=await books.lock_of(session, org.id),
    )


async def _keys(
    request: AnyRequest,
    session: AsyncSession,
    who: Who,
    *,
    fields: Fields | None = None,
    refused: AppError | None = None,
    plain: str = "",
    status: int = 200,
) -> Response[Any]:
    rows = (await queries.keys(session, who.org_id)).data
    makers = await queries.names(session, {row.created_by for row in rows if row.created_by})
    return await page(
        request,
        session,
        "accounts/keys.html",
        title="API keys",
        status=refused.status if refused else status,
        tabs=tabs(who, "keys"),
        url=f"{settings_url(who)}/keys",
        keys=rows,
        makers=makers,
        plain=plain,
        key_name=fields.get("name", "") if fields else "",
        chosen=fields.lists.get("scopes", []) if fields else [],
        scopes=choices.scopes(who),
        refused=refused,
    )


ROUTER = Router(
    path="/o/{org:str}/settings",
    include_in_schema=False,
    route_handlers=[show_general, save_general, show_keys, create_key, revoke_key],
)
