"""`/o/{org}/crms`: the connections, a new one, and the page of one."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import entering, queries, service, views
from site2crm.connectors.entering import kind_named
from site2crm.connectors.errors import NotConnected, StillRefused
from site2crm.connectors.kinds import ConnectorKind
from site2crm.connectors.models import Connection
from site2crm.connectors.registry import KINDS
from site2crm.connectors.service import ConnectionIn, ConnectionPatch, Made
from site2crm.connectors.states import State
from site2crm.core import feature, inputs, web
from site2crm.core.access import Who, needs
from site2crm.core.errors import FieldError, Invalid, NotFound
from site2crm.core.inputs import Fields
from site2crm.core.machine import Machine
from site2crm.core.web import AnyRequest, Html
from site2crm.forms import queries as forms

READ, WRITE = needs("connections:read"), needs("connections:write")

Answer = Response[Any]
ANYWAY = "anyway"
UNTESTED = "Saved without a test. Leads go there from now on; test it as soon as you can."


class _Draft(NamedTuple):
    """A connection that is not saved yet. `held`: its secrets, sealed; `made`: those that we made, to be shown."""

    fields: Fields
    errors: Sequence[FieldError] = ()
    held: str = ""
    made: Mapping[str, str] = {}
    may_be_saved: bool = False


@get(opt=READ)
async def list_crms(request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]) -> Html:
    assert who.org is not None
    rows = (await queries.page(session, who.org_id, limit=200)).data
    panels = {row.id: await feature.panels(session, who.org, "connection", row.id) for row in rows}
    names = await forms.names(session, who.org_id)
    return await web.page(
        request, session, "connectors/index.html", title="CRMs", rows=rows, panels=panels, names=names, **_around(who)
    )


@get("/new", opt=WRITE)
async def choose_kind(request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]) -> Html:
    return await web.page(
        request, session, "connectors/choose.html", title="Connect a CRM", offers=views.offers(), **_around(who)
    )


@get("/new/{kind:str}", opt=WRITE)
async def new_crm(
    kind: FromPath[str], request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Html:
    return await _new(request, session, who, kind=_kind(kind), draft=_Draft(Fields()))


@post("/new/{kind:str}", opt=WRITE)
async def create_crm(
    kind: FromPath[str],
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Answer:
    """Connect and test in one go. What the CRM refuses is not saved, unless it is asked for then."""
    assert who.org is not None
    chosen = _kind(kind)
    fields = _read(await request.form())
    held = entering.handed_back(machine, who.org_id, kind, fields.get("held", ""))
    data = ConnectionIn(
        kind=chosen.name,
        name=fields.get("name", "")[:120],
        settings={**held, **{name: value for name, value in _entered(fields).items() if value.strip()}},
        form_ids=list(fields.lists.get("form_ids", ())),
    )
    make = service.create_untested if fields.get("save") == ANYWAY else service.create
    try:
        made = await make(session, machine, org=who.org, data=data)
    except Invalid as refused:
        await session.rollback()
        draft = _Draft(fields, refused.errors, held=fields.get("held", "") if held else "")
        if isinstance(refused, NotConnected):
            sealed = entering.held(machine, who.org_id, kind, refused.secrets)
            draft = _Draft(fields, refused.errors, held=sealed, made=refused.made, may_be_saved=True)
        return await _new(request, session, who, kind=chosen, draft=draft)
    return await _after_creation(request, session, who, made)


@get("/{connection_id:str}", opt=READ)
async def show_crm(
    connection_id: FromPath[str], request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Html:
    return await _show(request, session, who, connection=await service.get(session, who.org_id, connection_id))


@post("/{connection_id:str}/test", opt=WRITE)
async def test_crm(
    connection_id: FromPath[str], who: NamedDependency[Who], machine: NamedDependency[Machine]
) -> Answer:
    checked = await service.test(machine, who.org_id, connection_id)
    async with machine.session() as reading:
        kind = (await service.get(reading, who.org_id, connection_id)).kind
    text, tone = views.said(kind, checked)
    return web.redirect(_url(who, connection_id), flash=text, tone=tone)


@post("/{connection_id:str}/reconnect", opt=WRITE)
async def reconnect_crm(
    connection_id: FromPath[str],
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Answer:
    """New access, tested before it replaces the old one."""
    fields = _read(await request.form())
    patch = ConnectionPatch(settings={name: value for name, value in _entered(fields).items() if value.strip()})
    try:
        connection = await service.change(session, machine, org_id=who.org_id, connection_id=connection_id, patch=patch)
    except Invalid as refused:
        await session.rollback()
        connection = await service.get(session, who.org_id, connection_id)
        return await _show(request, session, who, connection=connection, fields=fields, errors=refused.errors)
    if connection.state == State.PARKED:
        text = f"Saved, but {connection.name} could not be asked at the moment. Test it again."
        return web.redirect(_url(who, connection_id), flash=text, tone="warn")
    return web.redirect(_url(who, connection_id), flash=f"{connection.name} is connected. Waiting leads go out now.")


@post("/{connection_id:str}/edit", opt=WRITE)
async def edit_crm(
    connection_id: FromPath[str],
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Answer:
    """Name, and which forms' leads it gets."""
    fields = _read(await request.form())
    patch = ConnectionPatch(name=fields.get("name", "")[:120], form_ids=list(fields.lists.get("form_ids", ())))
    try:
        await service.change(session, machine, org_id=who.org_id, connection_id=connection_id, patch=patch)
    except Invalid as refused:
        await session.rollback()
        connection = await service.get(session, who.org_id, connection_id)
        return await _show(request, session, who, connection=connection, fields=fields, errors=refused.errors)
    return web.redirect(_url(who, connection_id), flash="Saved.")


@post("/{connection_id:str}/pause", opt=WRITE)
async def pause_crm(
    connection_id: FromPath[str], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Answer:
    connection = await service.pause(session, who.org_id, connection_id)
    return web.redirect(_url(who, connection_id), flash=f"{connection.name} is paused. New leads wait.")


@post("/{connection_id:str}/resume", opt=WRITE)
async def resume_crm(
    connection_id: FromPath[str],
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Answer:
    try:
        connection = await service.resume(session, machine, org_id=who.org_id, connection_id=connection_id)
    except StillRefused as refused:
        await session.rollback()
        return web.redirect(_url(who, connection_id), flash=str(refused)[: views.LONGEST_FLASH], tone="bad")
    return web.redirect(_url(who, connection_id), flash=f"{connection.name} is active. Waiting leads go out now.")


@post("/{connection_id:str}/remove", opt=WRITE)
async def remove_crm(
    connection_id: FromPath[str], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Answer:
    await service.remove(session, who.org_id, connection_id)
    return web.redirect(_base(who), flash="The connection is removed, and its access with it.")


async def _after_creation(request: AnyRequest, session: AsyncSession, who: Who, made: Made) -> Answer:
    connection = made.connection
    text, tone = views.said(connection.kind, made.checked) if made.checked else (UNTESTED, "warn")
    if not made.secrets:
        return web.redirect(_url(who, connection.id), flash=text, tone=tone)
    return await web.page(
        request,
        session,
        "connectors/secret.html",
        title=f"{connection.name}: its secret",
        secrets=made.secrets,
        connection=connection,
        said=text,
        tone=tone,
        **_around(who),
    )


async def _new(
    request: AnyRequest,
    session: AsyncSession,
    who: Who,
    *,
    kind: ConnectorKind,
    draft: _Draft,
) -> Html:
    return await web.page(
        request,
        session,
        "connectors/new.html",
        title=f"Connect {kind.label}",
        status=422 if draft.errors else 200,
        kind=kind,
        settings=views.settings_of(kind, _entered(draft.fields), is_new=not draft.held),
        names=await forms.names(session, who.org_id),
        draft=draft,
        fields=draft.fields,
        chosen=draft.fields.lists.get("form_ids", ()) if draft.fields else (),
        errors=draft.errors,
        anyway=ANYWAY,
        **_around(who),
    )


async def _show(
    request: AnyRequest,
    session: AsyncSession,
    who: Who,
    *,
    connection: Connection,
    fields: Fields | None = None,
    errors: Sequence[FieldError] = (),
) -> Html:
    assert who.org is not None
    values = {**connection.settings, **_entered(fields or Fields())}
    return await web.page(
        request,
        session,
        "connectors/show.html",
        title=connection.name,
        status=422 if errors else 200,
        connection=connection,
        kind=kind_named(connection.kind),
        cure=views.cure(connection.kind, connection.state_reason),
        lines=views.lines(connection),
        settings=views.settings_of(kind_named(connection.kind), values, is_new=False),
        names=await forms.names(session, who.org_id),
        panels=await feature.panels(session, who.org, "connection_page", connection.id),
        is_inbox=views.is_inbox(connection.kind),
        errors=errors,
        url=_url(who, connection.id),
        **_around(who),
    )


def _kind(name: str) -> ConnectorKind:
    if name not in KINDS:
        raise NotFound("This kind of CRM cannot be connected.")
    return KINDS[name]


def _read(posted: Any) -> Fields:
    fields = inputs.read(posted)
    fields.setdefault("name", "")
    return fields


def _entered(fields: Fields) -> dict[str, str]:
    return {name.removeprefix("settings."): value for name, value in fields.items() if name.startswith("settings.")}


def _around(who: Who) -> dict[str, Any]:
    return {
        "base": _base(who),
        "label": views.label,
        "sentence": views.sentence,
        "icon": views.icon,
        "forms_text": views.forms_text,
        "account_line": views.account_line,
    }


def _base(who: Who) -> str:
    assert who.org is not None
    return f"/o/{who.org.slug}/crms"


def _url(who: Who, connection_id: str) -> str:
    return f"{_base(who)}/{connection_id}"


router = Router(
    path="/o/{org:str}/crms",
    route_handlers=[
        list_crms,
        choose_kind,
        new_crm,
        create_crm,
        show_crm,
        test_crm,
        reconnect_crm,
        edit_crm,
        pause_crm,
        resume_crm,
        remove_crm,
    ],
    include_in_schema=False,
)
