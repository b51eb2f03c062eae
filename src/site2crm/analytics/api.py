"""`/api/v1/analytics`: totals, timeseries, breakdown; erasing what is kept of a visitor."""

from typing import Annotated

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody, QueryParameter
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.analytics import asking, export, forgetting, periods, queries, words
from site2crm.analytics.asking import Ask, Metric
from site2crm.analytics.forgetting import Forgotten
from site2crm.analytics.periods import Span
from site2crm.analytics.queries import Books, Portion
from site2crm.analytics.shapes import BreakdownOut, EraseIn, Named, Previous, PreviousMoments, TimeseriesOut, TotalsOut
from site2crm.core.access import Who, needs
from site2crm.core.errors import Invalid
from site2crm.core.eventstore import access
from site2crm.core.eventstore.contract import Interval
from site2crm.core.machine import Machine
from site2crm.core.web import AnyRequest
from site2crm.leads import queries as leads

READ = needs("analytics:read")
FORMATS = ("json", "csv")
COMMON = ("metric", "from", "to", "tz", "bots", "format")

FromText = Annotated[str, QueryParameter(name="from")]
ToText = Annotated[str, QueryParameter(name="to")]
FormatText = Annotated[str, QueryParameter(name="format")]


class _Asked(Struct, frozen=True):
    books: Books
    ask: Ask
    metric: Metric
    csv: bool

    @property
    def before(self) -> Span:
        return self.ask.span.before


@get("/totals", opt=READ)
async def totals(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
    metric: FromQuery[str] = "clicks",
    since: FromText = "",
    until: ToText = "",
    tz: FromQuery[str] = "",
    bots: FromQuery[str] = "exclude",
    form: FormatText = "json",
) -> TotalsOut | Response[bytes]:
    """How many, and how many in the same time before.

    `metric`: clicks, visitors, leads or conversion (leads with a click / clicks). `from` and `to`: days of the zone,
    both included, or moments; without them the last 30 days. `tz`: a time zone, else the organisation's. `bots`:
    exclude, only or all. Filters, each may be repeated: link, form, domain, campaign, variant, country, region, city,
    device, os, browser, language, referrer, path, utm_source, utm_medium, utm_campaign, utm_term, utm_content, bot, qr;
    leads are known by form, link, campaign, referrer and utm_*. `format=csv` for a table.
    """
    asked = await _asked(request, session, who, machine, also=())
    now = await queries.total(asked.books, asked.ask, asked.metric, asked.ask.span)
    before = await queries.total(asked.books, asked.ask, asked.metric, asked.before)
    if asked.csv:
        return export.download(export.total(asked.metric, now, before), f"{asked.metric}-totals")
    return TotalsOut(
        metric=asked.metric,
        value=now.value,
        visitors=now.visitors,
        clicks=now.clicks,
        leads=now.leads,
        since=asked.ask.span.start,
        until=asked.ask.span.end,
        tz=asked.ask.span.zone,
        bots=asked.ask.bots,
        previous=Previous(
            since=asked.before.start,
            until=asked.before.end,
            value=before.value,
            visitors=before.visitors,
            clicks=before.clicks,
            leads=before.leads,
        ),
    )


@get("/timeseries", opt=READ)
async def timeseries(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
    metric: FromQuery[str] = "clicks",
    interval: FromQuery[str] = "",
    since: FromText = "",
    until: ToText = "",
    tz: FromQuery[str] = "",
    bots: FromQuery[str] = "exclude",
    form: FormatText = "json",
) -> TimeseriesOut | Response[bytes]:
    """The metric over time, and over the same time before. Parameters as for totals.

    `interval`: hour, day, week or month, on the clock of `tz`; without it one that makes a readable chart. At most
    1,000 points.
    """
    asked = await _asked(request, session, who, machine, also=("interval",))
    step: Interval = asking.interval(interval, asked.ask.span)
    now = await queries.over_time(asked.books, asked.ask, asked.metric, asked.ask.span, step)
    before = await queries.over_time(asked.books, asked.ask, asked.metric, asked.before, step)
    if asked.csv:
        return export.download(export.over_time(now, before, asked.ask.span.zone), f"{asked.metric}-by-{step}")
    return TimeseriesOut(
        metric=asked.metric,
        interval=step,
        since=asked.ask.span.start,
        until=asked.ask.span.end,
        tz=asked.ask.span.zone,
        bots=asked.ask.bots,
        data=now,
        previous=PreviousMoments(since=asked.before.start, until=asked.before.end, data=before),
    )


@get("/breakdown", opt=READ)
async def breakdown(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
    dimension: FromQuery[str] = "",
    metric: FromQuery[str] = "clicks",
    limit: FromQuery[int | None] = None,
    since: FromText = "",
    until: ToText = "",
    tz: FromQuery[str] = "",
    bots: FromQuery[str] = "exclude",
    form: FormatText = "json",
) -> BreakdownOut | Response[bytes]:
    """The metric by anything that can be filtered by, largest first. Parameters as for totals.

    `dimension`: what to group by; what has no value there has the key "". Leads and conversion are known by form (leads
    only), link, campaign, referrer and utm_*. `limit`: at most 1,000, else 10.
    """
    asked = await _asked(request, session, who, machine, also=("dimension", "limit"))
    chosen, most = asking.dimension(dimension, asked.metric), asking.limit(limit)
    found = await queries.by(asked.books, asked.ask, asked.metric, dimension=chosen, limit=most)
    names = await words.names(session, who.org_id, chosen, [each.key for each in found])
    labels = [words.label(chosen, each.key, names) for each in found]
    if asked.csv:
        rows = list(zip(found, labels, strict=True))
        return export.download(export.by(rows, chosen), f"{asked.metric}-by-{chosen}")
    return BreakdownOut(
        metric=asked.metric,
        dimension=chosen,
        since=asked.ask.span.start,
        until=asked.ask.span.end,
        tz=asked.ask.span.zone,
        bots=asked.ask.bots,
        data=[_named(each, label) for each, label in zip(found, labels, strict=True)],
    )


@post("/erase", opt=needs("analytics:write"), status_code=200)
async def erase(
    data: JSONBody[EraseIn],
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Forgotten:
    """Forget the visitor who made a click (or those who made the clicks of a lead): erase all events of theirs.

    Send either `click` or `lead`; a lead's timeline names its clicks. A visitor is a browser on one day. The lead
    itself stays as it is. The wish is kept until it is fulfilled, also for clicks that are not counted yet, and what
    the visitor clicks afterwards is counted again. 404 if nothing is kept of the click; `erased` is 0 for a lead
    without a click that is kept. Sending it again does no harm.
    """
    if bool(data.click) == bool(data.lead):
        raise Invalid.field("click", "Send either `click`, the id of a click, or `lead`, the id of a lead.")
    if data.click:
        await forgetting.seen(machine, who.org_id, data.click)
    clicks = [data.click] if data.click else await leads.clicks_of(session, who.org_id, data.lead)
    return await forgetting.forget(machine, who.org_id, clicks=clicks, by=who.actor)


async def _asked(
    request: AnyRequest, session: AsyncSession, who: Who, machine: Machine, *, also: tuple[str, ...]
) -> _Asked:
    """What all three are asked for alike. Raises Invalid, and NotFound for another org's link or form."""
    query = request.query_params.dict()
    asking.known_only(query, (*COMMON, *also))
    assert who.org is not None
    metric = asking.metric(asking.one(query, "metric") or Metric.CLICKS)
    zone = periods.checked_zone(asking.one(query, "tz") or who.org.time_zone)
    ask = Ask(
        org_id=who.org_id,
        span=periods.between(asking.one(query, "from"), asking.one(query, "to"), zone),
        where=asking.filters(query),
        bots=asking.bots(asking.one(query, "bots") or "exclude"),
    )
    asking.fits(ask, metric)
    form = asking.one(query, "format") or "json"
    if form not in FORMATS:
        raise Invalid.field("format", f"One of: {', '.join(FORMATS)}.")
    await asking.exist(session, who.org_id, ask.where)
    return _Asked(Books(session, access.of(machine)), ask, metric, form == "csv")


def _named(portion: Portion, label: str) -> Named:
    return Named(portion.key, portion.value, portion.visitors, portion.clicks, portion.leads, label=label)


router = Router(path="/api/v1/analytics", route_handlers=[totals, timeseries, breakdown, erase], tags=["Analytics"])
