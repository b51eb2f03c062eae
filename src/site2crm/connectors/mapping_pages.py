"""`/o/{org}/crms/{id}/mapping` and `/inbox`: which field goes where, the exact request, and what a Test inbox got."""

from collections.abc import Sequence
from typing import Any

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import editor, examples, mapping, queries, sending, service, views
from site2crm.connectors.editor import EditRow
from site2crm.connectors.entering import kind_named
from site2crm.connectors.models import Connection
from site2crm.connectors.opening import INBOX
from site2crm.connectors.service import ConnectionPatch
from site2crm.core import inputs, web
from site2crm.core.access import Who, needs
from site2crm.core.errors import FieldError, Invalid, NotFound
from site2crm.core.machine import Machine
from site2crm.core.web import AnyRequest, Html

READ, WRITE = needs("connections:read"), needs("connections:write")

Answer = Response[Any]


@get("/mapping", opt=READ)
async def show_mapping(
    connection_id: FromPath[str],
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Html:
    connection = await service.get(session, who.org_id, connection_id)
    edited = editor.of_rows(mapping.stored(connection.mapping))
    return await _editor(request, session, who, machine=machine, connection=connection, edited=edited)


@post("/mapping", opt=WRITE)
async def save_mapping(
    connection_id: FromPath[str],
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Answer:
    """`act=preview` shows the request for what is in the table; anything else saves it."""
    fields = inputs.read(await request.form())
    edited = editor.of_posted(fields)
    errors: Sequence[FieldError] = ()
    try:
        rows = editor.to_rows(edited)
        if fields.get("act") != "preview":
            patch = ConnectionPatch(mapping=rows)
            await service.change(session, machine, org_id=who.org_id, connection_id=connection_id, patch=patch)
            return web.redirect(_url(who, connection_id), flash="The mapping is saved. The next lead goes by it.")
    except Invalid as refused:
        await session.rollback()
        errors = refused.errors
    connection = await service.get(session, who.org_id, connection_id)
    return await _editor(request, session, who, machine=machine, connection=connection, edited=edited, errors=errors)


@post("/discover", opt=WRITE)
async def discover_fields(
    connection_id: FromPath[str], who: NamedDependency[Who], machine: NamedDependency[Machine]
) -> Answer:
    """Ask the CRM for its properties again."""
    checked = await service.test(machine, who.org_id, connection_id)
    async with machine.session() as reading:
        kind = (await service.get(reading, who.org_id, connection_id)).kind
    text, tone = views.said(kind, checked)
    return web.redirect(f"{_url(who, connection_id)}/mapping", flash=text, tone=tone)


@get("/inbox", opt=READ)
async def show_inbox(
    connection_id: FromPath[str],
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    cursor: FromQuery[str | None] = None,
) -> Html:
    connection = await _inbox(session, who.org_id, connection_id)
    return await web.page(
        request,
        session,
        "connectors/inbox.html",
        title=f"{connection.name}: received",
        connection=connection,
        records=await queries.records(session, who.org_id, connection_id, cursor=cursor),
        count=await queries.record_count(session, who.org_id, connection_id),
        url=_url(who, connection_id),
        base=_base(who),
    )


@get("/inbox/{record_id:str}", opt=READ)
async def show_record(
    connection_id: FromPath[str],
    record_id: FromPath[str],
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
) -> Html:
    connection = await _inbox(session, who.org_id, connection_id)
    record = await queries.record(session, who.org_id, connection_id, record_id)
    return await web.page(
        request,
        session,
        "connectors/record.html",
        title=record.key,
        connection=connection,
        record=record,
        url=_url(who, connection_id),
        base=_base(who),
    )


async def _editor(
    request: AnyRequest,
    session: AsyncSession,
    who: Who,
    *,
    machine: Machine,
    connection: Connection,
    edited: Sequence[EditRow],
    errors: Sequence[FieldError] = (),
) -> Html:
    fields = sending.field_defs(connection)
    questions = await queries.questions(session, who.org_id)
    labels = await examples.custom_labels(session, who.org_id)
    lead = await examples.standing_in(session, who.org_id)
    shown = None if errors else sending.preview(machine, connection, lead, rows=editor.to_rows(edited))
    return await web.page(
        request,
        session,
        "connectors/mapping.html",
        title=f"Mapping of {connection.name}",
        status=422 if errors else 200,
        connection=connection,
        kind=kind_named(connection.kind),
        rows=edited,
        place="mapping",
        blanks=[EditRow()] * editor.BLANK_ROWS,
        known={field.key: field for field in fields},
        choices_text=views.choices_text,
        warnings={row.property: views.warning_of(row.property, connection) for row in edited},
        sources=editor.source_options(questions, labels, editor.taken(edited)),
        properties=editor.property_options(fields),
        changes=views.CHANGES,
        lead=lead,
        preview=shown,
        request_text=views.request_text,
        errors=errors,
        url=_url(who, connection.id),
        base=_base(who),
    )


async def _inbox(session: AsyncSession, org_id: str, connection_id: str) -> Connection:
    connection = await service.get(session, org_id, connection_id)
    if connection.kind != INBOX:
        raise NotFound("Only the Test inbox keeps its records here.")
    return connection


def _base(who: Who) -> str:
    assert who.org is not None
    return f"/o/{who.org.slug}/crms"


def _url(who: Who, connection_id: str) -> str:
    return f"{_base(who)}/{connection_id}"


router = Router(
    path="/o/{org:str}/crms/{connection_id:str}",
    route_handlers=[show_mapping, save_mapping, discover_fields, show_inbox, show_record],
    include_in_schema=False,
)
