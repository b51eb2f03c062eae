"""`/o/{org}/deals`: a pipeline by stage, the list, one deal, and the salespeople."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream
from msgspec import structs
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors.sales import Status
from site2crm.core import downloads, inputs, web
from site2crm.core.access import Who, needs
from site2crm.core.errors import FieldError, Invalid
from site2crm.core.machine import Machine
from site2crm.core.web import AnyRequest, Html
from site2crm.deals import export, filters, progress, queries, ranking, service, shown, sums
from site2crm.deals.queries import Wanted
from site2crm.deals.ranking import WeightsOut
from site2crm.delivery import queries as delivery
from site2crm.leads import queries as leads

READ, WRITE = needs("deals:read"), needs("deals:write")
PLACE = "deals"
_THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+(\.\d*)?|\d{1,3}(\.\d{3})+,\d*")
_NUMBER = re.compile(r"\d{1,12}([.,]\d{0,12})?|[.,]\d{1,12}", re.ASCII)

Answer = Response[Any]


@get("/deals", opt=READ)
async def list_deals(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Html:
    query, base = web.query(request), who.path(PLACE)
    wanted = _wanted(query, who)
    found = await queries.page(session, who.org_id, wanted, cursor=query.get("cursor") or None)
    crms = await queries.selling(session, who.org_id)
    board = await _pipeline_shown(session, who.org_id, wanted)
    board_of = f"{board.connection}:{board.pipeline}" if board else ""
    in_sight = await sums.in_sight(session, who.org_id, wanted)
    columns = await sums.board(session, who.org_id, in_sight, board) if board and in_sight is not None else []
    totals = sums.totals(in_sight or [], wanted)
    names = await delivery.lead_names(session, who.org_id, [deal.lead for deal in found.data if deal.lead])
    pipelines, owners = await _choices(session, who.org_id, crms)
    readings = await progress.of_org(session, machine, who.org_id)
    cursor = found.page.next_cursor
    return await web.page(
        request,
        session,
        "deals/index.html",
        title="Deals",
        base=base,
        org_url=base.removesuffix(f"/{PLACE}"),
        deals=found.data,
        query={name: query.get(name, "") for name in filters.NAMES},
        crms=crms,
        leads=names,
        tiles=shown.tiles(base, query, totals) if in_sight is not None else [],
        too_many=sums.MOST_FOUND if in_sight is None else 0,
        board=shown.bars(base, query, board_of, columns),
        board_of=dict(pipelines).get(board_of, ""),
        pipelines=pipelines,
        owners=owners,
        sections=_sections(base, "deals"),
        tabs=filters.tabs(base, query, with_deleted=in_sight is None or bool(totals[Status.DELETED].count)),
        chips=filters.chips(base, query, {**crms, **dict(pipelines), **dict(owners)}),
        **shown.of_readings(readings),
        here=filters.address(base, query, cursor=query.get("cursor") or None),
        csv=filters.address(f"{base}.csv", query),
        older=filters.address(base, query, cursor=cursor) if cursor else "",
        is_filtered=any(query.get(name) for name in filters.NAMES),
        amounts=shown.amounts,
    )


@get("/deals.csv", opt=READ)
async def export_deals(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Stream:
    """The list with its filters."""
    wanted = _wanted(web.query(request), who)
    await queries.page(session, who.org_id, wanted, limit=1)  # a wrong filter is told before the first line is sent
    return downloads.csv(who, "deals", export.deals(machine, who.org_id, wanted))


@get("/deals/people", opt=READ)
async def list_people(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Html:
    return await _people_page(request, session, who, machine=machine)


@get("/deals/people.csv", opt=READ)
async def export_people(
    request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Stream:
    found = await _ranking(session, who, web.query(request))
    return downloads.csv(who, "salespeople", export.people(found, await queries.selling(session, who.org_id)))


@post("/deals/people", opt=WRITE)
async def save_weights(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Answer:
    posted = inputs.read(await request.form())
    try:
        await service.save_weights(session, who.org_id, _weights(posted))
    except Invalid as refused:
        await session.rollback()
        return await _people_page(request, session, who, machine=machine, entered=posted, errors=refused.errors)
    return web.redirect(f"{who.path(PLACE)}/people", flash="Saved. The ranking counts by it from now on.")


@post("/deals/sync", opt=WRITE)
async def read_now(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    machine: NamedDependency[Machine],
    who: NamedDependency[Who],
) -> Answer:
    posted = inputs.read(await request.form())
    await service.read_now(session, machine, org_id=who.org_id, connection=posted.get("connection", ""))
    return web.redirect(who.path(PLACE), flash="Reading what is new.")


@get("/deals/{deal_id:str}", opt=READ)
async def show_deal(
    deal_id: FromPath[str], request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Html:
    deal = await queries.get(session, who.org_id, deal_id)
    lead = await leads.lead(session, who.org_id, deal.lead) if deal.lead else None
    base = who.path(PLACE)
    return await web.page(
        request,
        session,
        "deals/show.html",
        title=deal.title,
        base=base,
        org_url=base.removesuffix(f"/{PLACE}"),
        deal=deal,
        crm=(await queries.selling(session, who.org_id)).get(deal.connection, "a CRM that was removed"),
        lead=lead,
        first=lead.attribution.get("first", {}) if lead else {},
        activities=await queries.activities(session, who.org_id, deal_id),
        amounts=shown.amounts,
    )


async def _people_page(
    request: AnyRequest,
    session: AsyncSession,
    who: Who,
    *,
    machine: Machine,
    entered: Mapping[str, str] | None = None,
    errors: Sequence[FieldError] = (),
) -> Html:
    query, base = web.query(request), f"{who.path(PLACE)}/people"
    try:
        found, wrong_days = await _ranking(session, who, query), ""
    except Invalid as refused:
        found, wrong_days = await _ranking(session, who, {}), refused.detail
    crms = await queries.selling(session, who.org_id)
    readings = await progress.of_org(session, machine, who.org_id)
    period = query.get("period", "") or ("" if query.get("from") else filters.USUAL)
    return await web.page(
        request,
        session,
        "deals/people.html",
        title="Salespeople",
        status=422 if errors or wrong_days else 200,
        base=base,
        wrong_days=wrong_days,
        chips=filters.day_chips(base, query),
        deals_url=who.path(PLACE),
        org_url=who.path(),
        ranking=found,
        crms=crms,
        query={name: query.get(name, "") for name in ("connection", "period", "from", "to")},
        period=period,
        periods=[(name, f"Last {days} days") for name, days in filters.PERIODS.items()],
        sections=_sections(who.path(PLACE), "people"),
        untold=shown.untold(found, crms),
        several=len({sum.currency for one in found.people for sum in one.amounts} | {found.currency}) > 1,
        is_first=any(reading.is_first and not reading.is_stopped for reading in readings),
        **shown.of_readings(readings),
        here=f"{base}?{request.url.query}" if request.url.query else base,
        weights={**_points(found.weights), **(entered or {})},
        errors=errors,
        csv=f"{base}.csv?{request.url.query}",
        amounts=shown.amounts,
    )


async def _ranking(session: AsyncSession, who: Who, query: Mapping[str, str]) -> ranking.Ranking:
    assert who.org is not None
    since, until = filters.period(query, zone=who.org.time_zone)
    connection = query.get("connection", "").strip()
    return await ranking.ranking(session, who.org_id, since=since, until=until, connection=connection)


async def _pipeline_shown(session: AsyncSession, org_id: str, wanted: Wanted) -> Wanted | None:
    """The pipeline that was chosen, else the one with the most deals of what is in sight."""
    if wanted.pipeline:
        return filters.without_stage(wanted)
    busiest = await sums.busiest(session, org_id, connection=wanted.connection)
    if busiest is None:
        return None
    return structs.replace(filters.without_stage(wanted), connection=busiest[0], pipeline=busiest[1])


async def _choices(
    session: AsyncSession, org_id: str, crms: Mapping[str, str]
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Pipelines and owners as filters; with several CRMs each says where it is."""

    def named(label: str, connection: str) -> str:
        return f"{label} ({crms[connection]})" if len(crms) > 1 else label

    pipelines = [
        (f"{one.connection}:{one.id}", named(one.label, one.connection))
        for one in await queries.pipelines(session, org_id)
        if one.connection in crms
    ]
    owners = [
        (f"{connection}:{one.id}", named(one.name if one.active else f"{one.name}, left", connection))
        for connection, one in await queries.owners(session, org_id)
        if connection in crms
    ]
    return pipelines, owners


def _weights(posted: Mapping[str, str]) -> WeightsOut:
    points: dict[str, float] = {}
    refused = []
    for name in ("call", "email", "meeting", "won", "amount"):
        try:
            points[name] = _number(posted.get(name, "").strip())
        except ValueError:
            refused.append(FieldError(name, "A number, such as 0.5 or 1000; 0 for nothing."))
    if refused:
        raise Invalid(refused[0].message, errors=refused)
    return WeightsOut(**points, currency=posted.get("currency", "").strip())


def _number(text: str) -> float:
    """`0.5` or `0,5`. Raises ValueError: `1,000` is one in some countries and a thousand in others."""
    if _THOUSANDS.fullmatch(text) or not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return float(text.replace(",", "."))


def _points(weights: WeightsOut) -> dict[str, str]:
    points = {name: f"{getattr(weights, name):.12g}" for name in ("call", "email", "meeting", "won", "amount")}
    return {**points, "currency": weights.currency}


def _sections(base: str, here: str) -> list[tuple[str, str, bool]]:
    return [("Deals", base, here == "deals"), ("Salespeople", f"{base}/people", here == "people")]


def _wanted(query: Mapping[str, str], who: Who) -> Wanted:
    assert who.org is not None
    return filters.of_query(query, zone=who.org.time_zone)


router = Router(
    path="/o/{org:str}",
    route_handlers=[
        list_deals, export_deals, list_people, export_people, save_weights, read_now, show_deal,
    ],
    include_in_schema=False,
)  # fmt: skip
