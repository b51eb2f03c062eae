"""What a link's page shows of its clicks: over time, from where, with what; machines and QR codes apart."""

import asyncio
from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.analytics import asking, drawing, queries, tiles, viewing, words
from site2crm.analytics.asking import Ask, Metric
from site2crm.analytics.drawing import Drawn
from site2crm.analytics.queries import Books
from site2crm.analytics.tiles import Row, Tile
from site2crm.analytics.viewing import View
from site2crm.core import web
from site2crm.core.access import OrgRef
from site2crm.core.errors import Unavailable
from site2crm.core.eventstore import access
from site2crm.core.eventstore.contract import Bots, Point, Share, Totals
from site2crm.core.feature import Panel
from site2crm.core.machine import Machine
from site2crm.kit.charts import Series

TABLES = {
    "referrer": "Referrers",
    "country": "Countries",
    "device": "Devices",
    "browser": "Browsers",
    "utm_campaign": "UTM campaigns",
    "language": "Languages",
}
TOP = 6
REFRESH_S = 60


class Table(Struct, frozen=True):
    dimension: str
    title: str
    rows: list[Row]
    csv: str


class LinkClicks(Struct, frozen=True):
    tiles: list[Tile]
    drawn: Drawn
    csv: str
    tables: list[Table]
    apart: list[Row]
    """Requests of machines, by the reason why they do not count."""
    apart_csv: str
    by_qr: list[Row]
    by_qr_csv: str


class _Asked(Struct, frozen=True):
    now: Totals
    before: Totals
    points: list[Point]
    points_before: list[Point]
    shares: list[list[Share]]
    machines: list[Share]
    by_qr: list[Share]


async def of_link(session: AsyncSession, org: OrgRef, link_id: str) -> Panel:
    request = web.request_of(session)
    machine: Machine = request.scope["state"]["machine"]
    view = viewing.of_query(request.query_params.dict(), org, base=request.url.path, where={"link": (link_id,)})
    asking.fits(view.ask, Metric.CLICKS)
    org_url = f"/o/{org.slug}"
    found = await _make(Books(session, access.of(machine)), view, org_url=org_url)
    data = {"view": view, "found": found, "org_url": org_url, "refresh_s": REFRESH_S}
    return Panel("analytics/_link.html", data)


async def _make(books: Books, view: View, *, org_url: str) -> LinkClicks | None:
    """None while the event store cannot be asked."""
    ask = view.ask
    brought = await _brought(books, ask)
    try:
        asked = await _ask(books, ask)
    except Unavailable:
        return None
    return LinkClicks(
        tiles=_tiles(asked, brought),
        drawn=_drawn(asked, ask),
        csv=_csv(view, org_url, "timeseries"),
        tables=[
            Table(name, title, _rows(name, shares, view), _csv(view, org_url, "breakdown", dimension=name))
            for (name, title), shares in zip(TABLES.items(), asked.shares, strict=True)
        ],
        apart=[Row(words.label("bot", each.key, {}), each.value) for each in asked.machines],
        apart_csv=_csv(view, org_url, "breakdown", dimension="bot", bots="only"),
        by_qr=_rows("qr", asked.by_qr, view),
        by_qr_csv=_csv(view, org_url, "breakdown", dimension="qr"),
    )


async def _brought(books: Books, ask: Ask) -> tuple[int, int] | None:
    """Leads with a click, in this period and before; None where they are not known by a filter."""
    if not ask.knows_leads:
        return None
    now, before = await queries.leads_in(books, ask, ask.span, ask.span.before, clicked=True)
    return now, before


async def _ask(books: Books, ask: Ask) -> _Asked:
    """Everything at once: the store answers two at a time."""
    interval, before = ask.span.interval, ask.span.before
    machines = Ask(org_id=ask.org_id, span=ask.span, where=ask.where, bots=Bots.ONLY)
    totals, points, points_before, [apart, by_qr, *shares] = await asyncio.gather(
        asyncio.gather(queries.clicks(books, ask, ask.span), queries.clicks(books, ask, before)),
        queries.clicks_over_time(books, ask, ask.span, interval),
        queries.clicks_over_time(books, ask, before, interval, with_visitors=False),
        asyncio.gather(
            queries.clicks_by(books, machines, dimension="bot", limit=TOP, with_visitors=False),
            *(
                queries.clicks_by(books, ask, dimension=name, limit=TOP, with_visitors=False)
                for name in ("qr", *TABLES)
            ),
        ),
    )
    return _Asked(*totals, points, points_before, shares, apart, by_qr)


def _tiles(asked: _Asked, brought: tuple[int, int] | None) -> list[Tile]:
    clicks = (asked.now.value, asked.before.value)
    return [
        tiles.counts("Clicks", clicks),
        tiles.counts("Visitors", (asked.now.visitors, asked.before.visitors)),
        tiles.counts("Leads", brought),
        tiles.conversion(brought, clicks),
    ]


def _drawn(asked: _Asked, ask: Ask) -> Drawn:
    return drawing.compared(
        "Clicks",
        [(point.at, point.value) for point in asked.points],
        [(point.at, point.value) for point in asked.points_before],
        span=ask.span,
        interval=ask.span.interval,
        beside=Series("Visitors", [point.visitors for point in asked.points], "line"),
    )


def _rows(dimension: str, shares: Sequence[Share], view: View) -> list[Row]:
    return [
        Row(words.label(dimension, each.key, {}), each.value, href=view.only(**{dimension: each.key}))
        for each in shares
    ]


def _csv(view: View, org_url: str, report: str, **changed: str) -> str:
    link = view.ask.where["link"][0]
    return view.address(f"{org_url}/analytics/{report}.csv", link=link, **changed)
