"""`/o/{org}/deliveries`: the list with its bulk actions, one delivery with its attempts, edit and resend."""

from typing import Any

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import queries as connections
from site2crm.core import downloads, formats, inputs, web
from site2crm.core.access import Who, needs
from site2crm.core.errors import FieldError, Invalid
from site2crm.core.machine import Machine
from site2crm.core.web import AnyRequest, Html
from site2crm.delivery import backfill, comparing, export, filters, queries, service, timeline, words
from site2crm.delivery.errors import NotNow
from site2crm.delivery.queries import Wanted
from site2crm.delivery.states import State
from site2crm.forms import queries as forms

READ, WRITE = needs("deliveries:read"), needs("deliveries:write")
PLACE = "deliveries"
PROPERTY = "property."
REFRESH_S = 5
NOT_ARRIVED = "What did not arrive"
SENT_AGAIN = (
    (State.DEAD, "Refused"),
    (State.RETRYING, "Being tried again"),
    (State.SKIPPED, "Skipped"),
    (State.DELIVERED, "Delivered"),
)
"""What may be sent again by a filter; the first three together without one."""

Answer = Response[Any]


@get("/deliveries", opt=READ)
async def list_deliveries(
    request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Html:
    query, base = web.query(request), who.path(PLACE)
    wanted = _wanted(query, who)
    found = await queries.page(session, who.org_id, wanted, cursor=query.get("cursor") or None)
    crms, form_names = await timeline.crm_names(session, who.org_id), await forms.names(session, who.org_id)
    leads = await queries.lead_names(session, who.org_id, [delivery.lead for delivery in found.data])
    cursor = found.page.next_cursor
    return await web.page(
        request,
        session,
        "delivery/index.html",
        title="Deliveries",
        base=base,
        org_url=base.removesuffix(f"/{PLACE}"),
        deliveries=found.data,
        query={name: query.get(name, "") for name in filters.NAMES},
        crms=crms,
        form_names=form_names,
        leads=leads,
        tabs=filters.tabs(base, query, await queries.counts(session, who.org_id)),
        chips=filters.chips(base, query, {**crms, **form_names, **leads}),
        again_url=filters.address(f"{base}/again", query),
        here=filters.address(base, query, cursor=query.get("cursor") or None),
        csv=filters.address(f"{base}.csv", query),
        older=filters.address(base, query, cursor=cursor) if cursor else "",
        is_filtered=any(query.get(name) for name in filters.NAMES),
        is_connected=await connections.any_exists(session, who.org_id),
        refresh_s=REFRESH_S,
    )


@get("/deliveries.csv", opt=READ)
async def export_deliveries(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Stream:
    """The list with its filters."""
    wanted = _wanted(web.query(request), who)
    await queries.page(session, who.org_id, wanted, limit=1)  # a wrong filter is told before the first line is sent
    return downloads.csv(who, "deliveries", export.lines(machine, who.org_id, wanted))


@get("/deliveries/again", opt=WRITE)
async def count_again(request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]) -> Html:
    """Which deliveries a filter finds, before they are sent again."""
    query, base = web.query(request), who.path(PLACE)
    wanted = _wanted(query, who)
    if wanted.state not in dict(SENT_AGAIN):
        wanted = msgspec.structs.replace(wanted, state="")
    found = await service.replay_many(session, who.org_id, wanted, dry_run=True)
    of_any = msgspec.structs.replace(wanted, code="")
    codes = (await service.replay_many(session, who.org_id, of_any, dry_run=True)).codes if wanted.code else found.codes
    crms, form_names = await timeline.crm_names(session, who.org_id), await forms.names(session, who.org_id)
    shown = {name: query.get(name, "") for name in filters.NAMES} | {"state": wanted.state}
    return await web.page(
        request,
        session,
        "delivery/again.html",
        title="Send again",
        base=base,
        query=shown,
        found=found,
        codes=[(code, f"{code} ({count:,})") for code, count in sorted(codes.items())],
        states=SENT_AGAIN,
        words=dict(SENT_AGAIN),
        not_arrived=NOT_ARRIVED,
        crms=crms,
        form_names=form_names,
        leads=await queries.lead_names(session, who.org_id, [wanted.lead] if wanted.lead else []),
        fields={**{name: value for name, value in shown.items() if value}, "as_of": found.as_of.isoformat()},
    )


@post("/deliveries/replay", opt=WRITE)
async def replay_deliveries(
    request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Answer:
    """Those that were ticked (`id`, repeated), else all that fit the filters."""
    posted = inputs.read(await request.form())
    chosen = posted.lists.get("id", ())
    wanted = Wanted(state=posted.get("ticked", "")) if chosen else _wanted(posted, who)
    if not chosen and not wanted.state and wanted.as_of is None:
        raise Invalid.field("id", "Tick the deliveries that are to be sent again.")
    done = await service.replay_many(session, who.org_id, wanted, ids=chosen)
    return web.redirect(who.path(PLACE), flash=f"{formats.plural(done.count, 'lead')} on the way again.")


@post("/deliveries/skip", opt=WRITE)
async def skip_deliveries(
    request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Answer:
    chosen = inputs.read(await request.form()).lists.get("id", ())
    if not chosen:
        raise Invalid.field("id", "Tick the deliveries that are to be skipped.")
    count = await service.skip_many(session, who.org_id, ids=chosen)
    return web.redirect(who.path(PLACE), flash=f"Skipped: {count}.")


@get("/deliveries/{delivery_id:str}", opt=READ)
async def show_delivery(
    delivery_id: FromPath[str], request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Html:
    delivery = await queries.get(session, who.org_id, delivery_id)
    crm = (await timeline.crm_names(session, who.org_id)).get(delivery.connection, "a removed CRM")
    lead = (await queries.lead_names(session, who.org_id, [delivery.lead]))[delivery.lead]
    properties = await _properties(session, who, delivery_id)
    stopped, cure = await connections.stopped(session, who.org_id, delivery.connection)
    return await web.page(
        request,
        session,
        "delivery/show.html",
        title=f"{lead} to {crm}",
        base=who.path(PLACE),
        org_url=who.path(),
        delivery=delivery,
        attempts=(await queries.attempts(session, who.org_id, [delivery_id]))[delivery_id],
        properties=properties,
        form_name=(await forms.names(session, who.org_id)).get(delivery.form, ""),
        crm=crm,
        lead=lead,
        said=words.explain(delivery, crm, properties=properties, stopped=stopped, cure=cure),
        mapping_mends=words.mapping_mends(delivery),
        tones=timeline.TONES,
        may_replay=delivery.state in service.REPLAYABLE,
        may_skip=delivery.state in service.SKIPPABLE,
        refresh_s=REFRESH_S,
    )


@post("/deliveries/{delivery_id:str}/replay", opt=WRITE)
async def replay_delivery(
    delivery_id: FromPath[str], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Answer:
    await service.replay(session, who.org_id, delivery_id)
    return web.redirect(f"{who.path(PLACE)}/{delivery_id}", flash="On the way again.")


@post("/deliveries/{delivery_id:str}/skip", opt=WRITE)
async def skip_delivery(
    delivery_id: FromPath[str], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Answer:
    await service.skip(session, who.org_id, delivery_id)
    return web.redirect(f"{who.path(PLACE)}/{delivery_id}", flash="Skipped. It can still be sent.")


@get("/deliveries/{delivery_id:str}/edit", opt=WRITE)
async def edit_delivery(
    delivery_id: FromPath[str], request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Html:
    return await _editor(request, session, who, delivery_id=delivery_id)


@post("/deliveries/{delivery_id:str}/edit", opt=WRITE)
async def resend_delivery(
    delivery_id: FromPath[str], request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Answer:
    posted = inputs.read(await request.form())
    mapped = {item.name: item.mapped for item in await service.properties(session, who.org_id, delivery_id)}
    entered = {name: posted[PROPERTY + name].strip() for name in mapped if PROPERTY + name in posted}
    overrides = {name: value for name, value in entered.items() if _plain(value) != _plain(mapped[name])}
    try:
        await service.edit_and_resend(session, who.org_id, delivery_id, overrides=overrides)
    except Invalid as refused:
        await session.rollback()
        return await _editor(request, session, who, delivery_id=delivery_id, entered=entered, errors=refused.errors)
    return web.redirect(f"{who.path(PLACE)}/{delivery_id}", flash="On the way again, with your changes.")


@post("/crms/{connection_id:str}/backfill", opt=WRITE)
async def send_what_came_before(
    connection_id: FromPath[str], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Answer:
    found = await backfill.start(session, who.org_id, connection_id)
    leads = formats.plural(found.total, "lead")
    text = f"{leads} on the way, oldest first." if found.is_running else "There is nothing to send."
    return web.redirect(f"{who.path('crms')}/{connection_id}", flash=text)


@post("/crms/{connection_id:str}/compare", opt=WRITE)
async def compare(
    connection_id: FromPath[str], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Answer:
    await comparing.compare_now(session, who.org_id, connection_id)
    text = "The CRM is being asked; it takes a while where there is much."
    return web.redirect(f"{who.path('crms')}/{connection_id}#compared", flash=text)


@post("/crms/{connection_id:str}/missing/resend", opt=WRITE)
async def resend_missing(
    connection_id: FromPath[str], request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Answer:
    """All of them, or the one lead that is named."""
    leads = [lead for lead in (inputs.read(await request.form()).get("lead", ""),) if lead]
    count = await comparing.resend(session, who.org_id, connection_id, leads=leads)
    text = f"{formats.plural(count, 'lead')} on the way again."
    return web.redirect(f"{who.path('crms')}/{connection_id}", flash=text)


async def _editor(
    request: AnyRequest,
    session: AsyncSession,
    who: Who,
    *,
    delivery_id: str,
    entered: dict[str, str] | None = None,
    errors: tuple[FieldError, ...] = (),
) -> Html:
    delivery = await queries.get(session, who.org_id, delivery_id)
    crm = (await timeline.crm_names(session, who.org_id)).get(delivery.connection, "")
    said = {error.field.removeprefix("overrides."): error.message for error in errors}
    if not errors and delivery.error_field and delivery.error:
        said = {delivery.error_field: delivery.error}
    return await web.page(
        request,
        session,
        "delivery/edit.html",
        title="Edit and resend",
        status=422 if errors else 200,
        base=who.path(PLACE),
        delivery=delivery,
        properties=await service.properties(session, who.org_id, delivery_id),
        entered=entered or {},
        said=said,
        crm=crm,
        prefix=PROPERTY,
    )


async def _properties(session: AsyncSession, who: Who, delivery_id: str) -> list[service.Property]:
    try:
        return await service.properties(session, who.org_id, delivery_id)
    except NotNow:
        return []


def _plain(text: str) -> str:
    """A browser sends line breaks its own way; that is no edit."""
    return text.replace("\r\n", "\n").strip()


def _wanted(query: dict[str, str], who: Who) -> Wanted:
    assert who.org is not None
    return filters.of_query(query, zone=who.org.time_zone)


router = Router(
    path="/o/{org:str}",
    route_handlers=[
        list_deliveries, export_deliveries, count_again, replay_deliveries, skip_deliveries, show_delivery,
        replay_delivery, skip_delivery, edit_delivery, resend_delivery, send_what_came_before, compare,
        resend_missing,
    ],
    include_in_schema=False,
)  # fmt: skip
