"""The first page of an org: how it goes, against the period before, and what brought it about.

The event store is asked three things at once, while the records are asked one after the other.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.analytics import drawing, queries, remembered, tiles, words
from site2crm.analytics.asking import Ask
from site2crm.analytics.drawing import Drawn
from site2crm.analytics.queries import Books
from site2crm.analytics.tiles import Row, Sent, Tile
from site2crm.analytics.viewing import View
from site2crm.core.errors import Unavailable
from site2crm.core.eventstore.contract import Interval, Point, Share
from site2crm.delivery import queries as deliveries
from site2crm.forms import queries as forms
from site2crm.leads import queries as leads
from site2crm.leads.queries import Among, LeadItem, Source

TOP = 5
LATEST = 10

Series = list[tuple[datetime, float]]


class Overview(Struct, frozen=True):
    tiles: list[Tile]
    charts: list[Drawn]
    links: list[Row]
    forms: list[Row]
    sources: list[Row]
    latest: list[LeadItem]
    form_names: dict[str, str]
    attention: list[tuple[str, str]]
    """(what, where to mend it)"""
    clicks_known: bool
    """Whether the event store could be asked."""
    has_clicks: bool


class _Clicks(Struct, frozen=True):
    now: list[Point]
    before: list[Point]
    links: list[Share]


class _Leads(Struct, frozen=True):
    now: Series
    before: Series
    clicked: tuple[int, int]
    """Those with a click: in this period, in the one before."""
    forms: list[tuple[str, int]]
    sources: list[Source]


async def make(books: Books, view: View, *, org_url: str) -> Overview:
    ask, interval = view.ask, view.ask.span.interval
    asked = asyncio.create_task(_clicks(books, ask, interval)) if ask.knows_clicks else None
    try:
        came = await _leads_remembered(books, ask, interval) if ask.knows_leads else None
        form_names = await forms.names(books.session, ask.org_id)
        sent = None if ask.where else await _deliveries(books.session, ask)
        latest = [] if ask.where else await leads.latest(books.session, ask.org_id, LATEST)
        attention = await _attention(books.session, ask.org_id, org_url)
    finally:
        clicked, is_down = await _unless_unavailable(asked)
    names = await words.names(
        books.session, ask.org_id, "link", [each.key for each in clicked.links] if clicked else []
    )
    return Overview(
        tiles=_tiles(came, clicked, sent, "" if ask.where else org_url),
        charts=_charts(came, clicked, ask, interval),
        links=[_link(each, names, view, org_url) for each in clicked.links] if clicked else [],
        forms=[_form(form_id, count, form_names, view, org_url) for form_id, count in came.forms] if came else [],
        sources=[_source(each, view) for each in came.sources] if came else [],
        latest=latest,
        form_names=form_names,
        attention=attention,
        clicks_known=not is_down,
        has_clicks=clicked is not None and any(point.value for point in [*clicked.now, *clicked.before]),
    )


async def _clicks(books: Books, ask: Ask, interval: Interval) -> _Clicks:
    now, before, links = await asyncio.gather(
        queries.clicks_over_time(books, ask, ask.span, interval, with_visitors=False),
        queries.clicks_over_time(books, ask, ask.span.before, interval, with_visitors=False),
        queries.clicks_by(books, ask, dimension="link", limit=TOP, with_visitors=False),
    )
    return _Clicks(now, before, links)


async def _unless_unavailable(asked: asyncio.Task[_Clicks] | None) -> tuple[_Clicks | None, bool]:
    """What the store said, and whether it could not say anything: then the page shows the rest."""
    if asked is None:
        return None, False
    try:
        return await asked, False
    except Unavailable:
        return None, True


async def _leads_remembered(books: Books, ask: Ask, interval: Interval) -> _Leads:
    return await remembered.get(ask.org_id, msgspec.json.encode(ask), lambda: _leads(books, ask, interval))


async def _leads(books: Books, ask: Ask, interval: Interval) -> _Leads:
    now, before = await queries.leads_over_time(books, ask, [ask.span, ask.span.before], interval)
    span = (ask.span.start, ask.span.end)
    among = Among(where=ask.where)
    clicked = await queries.leads_in(books, ask, ask.span, ask.span.before, clicked=True)
    return _Leads(
        now=[(at, float(count)) for at, count in now],
        before=[(at, float(count)) for at, count in before],
        clicked=(clicked[0], clicked[1]),
        forms=await queries.leads_by(books, ask, dimension="form", limit=TOP),
        sources=await leads.sources(books.session, ask.org_id, span, limit=TOP, among=among),
    )


async def _deliveries(session: AsyncSession, ask: Ask) -> Sent:
    before = ask.span.before
    now = await deliveries.arrived(session, ask.org_id, (ask.span.start, ask.span.end))
    return now, await deliveries.arrived(session, ask.org_id, (before.start, before.end))


async def _attention(session: AsyncSession, org_id: str, org_url: str) -> list[tuple[str, str]]:
    """What waits for a person and has no banner."""
    review, held = await leads.count_to_review(session, org_id), await leads.count_quarantined(session, org_id)
    found = []
    if review:
        found.append(
            (f"{_counted(review, 'lead')} without an address or number", f"{org_url}/leads?status=needs_review")
        )
    if held:
        found.append((f"{_counted(held, 'submission')} in quarantine", f"{org_url}/quarantine"))
    return found


def _counted(count: int, noun: str) -> str:
    return f"{count:,}{'+' if count >= leads.MOST_COUNTED else ''} {noun}{'' if count == 1 else 's'}"


def _tiles(came: _Leads | None, clicked: _Clicks | None, sent: Sent | None, org_url: str) -> list[Tile]:
    """`org_url`: "" where the numbers are filtered and lead to no list."""
    leads_pair = (_sum(came.now), _sum(came.before)) if came else None
    pair = (_sum(_series(clicked.now)), _sum(_series(clicked.before))) if clicked else None
    found = [
        tiles.counts("Leads", leads_pair, href=org_url and f"{org_url}/leads"),
        tiles.counts("Clicks", pair, href=org_url and f"{org_url}/links"),
        tiles.conversion(came.clicked if came else None, pair),
    ]
    return [*found, tiles.delivered(sent, f"{org_url}/deliveries")] if sent else found


def _charts(came: _Leads | None, clicked: _Clicks | None, ask: Ask, interval: Interval) -> list[Drawn]:
    drawn = []
    if came is not None:
        drawn.append(drawing.compared("Leads", came.now, came.before, span=ask.span, interval=interval))
    if clicked is not None:
        now, before = _series(clicked.now), _series(clicked.before)
        drawn.append(drawing.compared("Clicks", now, before, span=ask.span, interval=interval))
    return drawn


def _series(points: Sequence[Point]) -> Series:
    return [(point.at, float(point.value)) for point in points]


def _sum(series: Series) -> float:
    return sum(value for _, value in series)


def _link(share: Share, names: dict[str, str], view: View, org_url: str) -> Row:
    label = words.label("link", share.key, names)
    if share.key not in names:  # deleted: nothing can be filtered by it
        return Row(label, share.value)
    return Row(label, share.value, href=view.only(link=share.key), page=f"{org_url}/links/{share.key}")


def _form(form_id: str, count: int, names: dict[str, str], view: View, org_url: str) -> Row:
    label = words.label("form", form_id, names)
    if form_id not in names:
        return Row(label, count)
    return Row(label, count, href=view.only(form=form_id), page=f"{org_url}/forms/{form_id}")


def _source(source: Source, view: View) -> Row:
    """Without a utm_source, both are said: else those with one would be among them."""
    label = source.value or words.UNKNOWN_SOURCE
    if source.by == "utm_source":
        return Row(label, source.count, href=view.only(utm_source=source.value))
    return Row(label, source.count, href=view.only(utm_source="", referrer=source.value))
