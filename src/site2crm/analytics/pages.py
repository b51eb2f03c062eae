"""`/o/{org}/`: the overview, and every table of figures as CSV."""

from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.response import Stream
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.analytics import asking, export, live, overview, queries, viewing, words
from site2crm.analytics.asking import Ask, Metric
from site2crm.analytics.overview import Overview
from site2crm.analytics.queries import Books, Portion
from site2crm.connectors import queries as connections
from site2crm.core import web
from site2crm.core.access import OrgRef, Who, needs
from site2crm.core.eventstore import access
from site2crm.core.machine import Machine
from site2crm.core.web import AnyRequest, Html
from site2crm.forms import queries as forms
from site2crm.leads import queries as leads
from site2crm.leads.queries import Among
from site2crm.links import queries as links

READ = needs("analytics:read")
REFRESH_S = 60
MOST_LINES = 1_000


@get("/", opt=READ)
async def show_overview(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Html:
    org = _org(who)
    view = viewing.of_query(request.query_params.dict(), org, base=f"/o/{org.slug}/")
    await asking.exist(session, who.org_id, view.ask.where)
    found = await overview.make(Books(session, access.of(machine)), view, org_url=f"/o/{org.slug}")
    steps = await _steps(session, org, found) if not view.ask.where else []
    names = found.form_names | await words.names(session, who.org_id, "link", view.ask.where.get("link", ()))
    return await web.page(
        request,
        session,
        "analytics/overview.html",
        title="Overview",
        view=view,
        found=found,
        chips=view.chips(names),
        steps=steps,
        is_new=bool(steps) and not found.has_clicks,
        org_url=f"/o/{org.slug}",
        refresh_s=REFRESH_S,
    )


@get("/overview/live", opt=READ)
async def live_overview(who: NamedDependency[Who]) -> Stream:
    """Server-sent events: the page looks again at each one."""
    return live.answer(who.org_id)


@get("/analytics/timeseries.csv", opt=READ)
async def export_timeseries(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Response[bytes]:
    """A chart's numbers; `metric` and the filters as in the address of its page."""
    ask, metric = await _asked(request, session, who)
    books, interval = Books(session, access.of(machine)), ask.span.interval
    now = await queries.over_time(books, ask, metric, ask.span, interval)
    before = await queries.over_time(books, ask, metric, ask.span.before, interval)
    return export.download(export.over_time(now, before, ask.span.zone), f"{metric}-by-{interval}")


@get("/analytics/breakdown.csv", opt=READ)
async def export_breakdown(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Response[bytes]:
    """A top list with up to a thousand lines; `dimension`, `metric` and the filters."""
    ask, metric = await _asked(request, session, who)
    chosen = asking.dimension(asking.one(request.query_params.dict(), "dimension") or "link", metric)
    books = Books(session, access.of(machine))
    found = await queries.by(books, ask, metric, dimension=chosen, limit=MOST_LINES)
    names = await words.names(session, who.org_id, chosen, [each.key for each in found])
    rows = [(each, words.label(chosen, each.key, names)) for each in found]
    return export.download(export.by(rows, chosen), f"{metric}-by-{chosen}")


@get("/analytics/sources.csv", opt=READ)
async def export_sources(
    request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Response[bytes]:
    """Where leads came from: the overview's list, in full."""
    ask, _ = await _asked(request, session, who)
    asking.fits(ask, Metric.LEADS)
    span, among = (ask.span.start, ask.span.end), Among(where=ask.where)
    found = await leads.sources(session, who.org_id, span, limit=MOST_LINES, among=among)
    rows = [(Portion(each.value, each.count), each.value or words.UNKNOWN_SOURCE) for each in found]
    return export.download(export.by(rows, "source"), "leads-by-source")


async def _asked(request: AnyRequest, session: AsyncSession, who: Who) -> tuple[Ask, Metric]:
    query = request.query_params.dict()
    view = viewing.of_query(query, _org(who), base="")
    metric = asking.metric(asking.one(query, "metric") or Metric.CLICKS)
    bots = asking.bots(asking.one(query, "bots") or "exclude")
    ask = Ask(org_id=who.org_id, span=view.ask.span, where=view.ask.where, bots=bots)
    asking.fits(ask, metric)
    await asking.exist(session, who.org_id, ask.where)
    return ask, metric


async def _steps(session: AsyncSession, org: OrgRef, found: Overview) -> list[tuple[bool, str, str, str, str]]:
    """For an org that has had no lead yet: (done, what, why, button, address) of each step to the first one."""
    if found.latest or await leads.any_lead(session, org.id):
        return []
    base = f"/o/{org.slug}"
    return [
        (
            await forms.any_exists(session, org.id),
            "Create a form",
            "It catches leads: hosted, embedded, or behind a form you already have.",
            "New form",
            f"{base}/forms/new",
        ),
        (
            await links.any_exists(session, org.id),
            "Create a short link",
            "Its clicks are counted, and the lead that a click brings knows it.",
            "New link",
            f"{base}/links/new",
        ),
        (
            await connections.any_exists(session, org.id),
            "Connect a CRM",
            "Every lead goes there by itself. The Test inbox needs no account.",
            "Connect",
            f"{base}/crms/new",
        ),
    ]


def _org(who: Who) -> OrgRef:
    assert who.org is not None
    return who.org


router = Router(
    path="/o/{org:str}",
    route_handlers=[show_overview, live_overview, export_timeseries, export_breakdown, export_sources],
    include_in_schema=False,
)
