"""Figures: a metric in total, over time, by anything. Clicks are asked of the event store, leads of the records.

Conversion is leads with a click / human clicks: of the leads that came to be in the time, those that a click on one of
our links has brought, by the clicks of the same time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.analytics import periods
from site2crm.analytics.asking import Ask, Metric
from site2crm.analytics.periods import Span
from site2crm.core.eventstore.contract import EventStore, Interval, Point, Share, Totals
from site2crm.leads import queries as leads
from site2crm.leads.queries import Among

RATE_DIGITS = 4
MOST_COMPARED = 1_000
"""Values of a dimension among which the best conversions are looked for: those with the most clicks."""


@dataclass(frozen=True)
class Books:
    """Where figures come from. A session answers one question at a time, the store several."""

    session: AsyncSession
    store: EventStore


class Figure(Struct, frozen=True, omit_defaults=True):
    """`value` is null for a conversion without a click; the rest is there where it belongs to the metric."""

    value: float | int | None
    visitors: int | None = None
    clicks: int | None = None
    leads: int | None = None


class Moment(Struct, frozen=True, omit_defaults=True):
    """`at` is the beginning of the interval."""

    at: datetime
    value: float | int | None
    visitors: int | None = None
    clicks: int | None = None
    leads: int | None = None


class Portion(Struct, frozen=True, omit_defaults=True):
    """What has this value of the dimension; key "" has none."""

    key: str
    value: float | int | None
    visitors: int | None = None
    clicks: int | None = None
    leads: int | None = None


async def total(books: Books, ask: Ask, metric: Metric, span: Span) -> Figure:
    if metric is Metric.LEADS:
        return Figure((await leads_in(books, ask, span))[0])
    found = await clicks(books, ask, span, with_visitors=metric is not Metric.CONVERSION)
    if metric is Metric.CONVERSION:
        [brought] = await leads_in(books, ask, span, clicked=True)
        return Figure(rate(brought, found.value), clicks=found.value, leads=brought)
    return Figure(found.visitors if metric is Metric.VISITORS else found.value, visitors=found.visitors)


async def over_time(books: Books, ask: Ask, metric: Metric, span: Span, interval: Interval) -> list[Moment]:
    if metric is Metric.LEADS:
        counts = await leads_over_time(books, ask, [span], interval)
        return [Moment(at, count) for at, count in counts[0]]
    points = await clicks_over_time(books, ask, span, interval, with_visitors=metric is not Metric.CONVERSION)
    if metric is Metric.CONVERSION:
        [brought] = await leads_over_time(books, ask, [span], interval, clicked=True)
        return [
            Moment(at, rate(count, point.value), clicks=point.value, leads=count)
            for (at, count), point in zip(brought, points, strict=True)
        ]
    return [
        Moment(
            point.at.astimezone(UTC),
            point.visitors if metric is Metric.VISITORS else point.value,
            visitors=point.visitors,
        )
        for point in points
    ]


async def by(books: Books, ask: Ask, metric: Metric, *, dimension: str, limit: int) -> list[Portion]:
    """Largest first."""
    if metric is Metric.LEADS:
        return [Portion(key, count) for key, count in await leads_by(books, ask, dimension=dimension, limit=limit)]
    if metric is Metric.CONVERSION:
        return await _conversions_by(books, ask, dimension=dimension, limit=limit)
    if metric is Metric.CLICKS:
        shares = await clicks_by(books, ask, dimension=dimension, limit=limit)
        return [Portion(each.key, each.value, visitors=each.visitors) for each in shares]
    shares = await clicks_by(books, ask, dimension=dimension, limit=MOST_COMPARED)
    most = sorted(shares, key=lambda each: -each.visitors)[:limit]
    return [Portion(each.key, each.visitors, visitors=each.visitors) for each in most]


async def clicks(books: Books, ask: Ask, span: Span, *, with_visitors: bool = True) -> Totals:
    question = ask.question(span, with_visitors=with_visitors)
    return await books.store.totals(question)


async def clicks_over_time(
    books: Books, ask: Ask, span: Span, interval: Interval, *, with_visitors: bool = True
) -> list[Point]:
    question = ask.question(span, with_visitors=with_visitors)
    return await books.store.timeseries(question, interval=interval, zone=span.zone)


async def clicks_by(books: Books, ask: Ask, *, dimension: str, limit: int, with_visitors: bool = True) -> list[Share]:
    question = ask.question(ask.span, with_visitors=with_visitors)
    return await books.store.breakdown(question, dimension=dimension, limit=limit)


async def leads_in(books: Books, ask: Ask, *spans: Span, clicked: bool = False) -> list[int]:
    among = Among(where=ask.where, clicked=clicked)
    ranges = [(span.start, span.end) for span in spans]
    return await leads.created(books.session, ask.org_id, ranges, among=among)


async def leads_over_time(
    books: Books, ask: Ask, spans: Sequence[Span], interval: Interval, *, clicked: bool = False
) -> list[list[tuple[datetime, int]]]:
    """For each span its intervals, all in one query."""
    edges = [periods.edges(span, interval) for span in spans]
    ranges = [_ranges(span, found) for span, found in zip(spans, edges, strict=True)]
    among = Among(where=ask.where, clicked=clicked)
    counts = iter(
        await leads.created(books.session, ask.org_id, [each for part in ranges for each in part], among=among)
    )
    return [[(at, next(counts)) for at in found[:-1]] for found in edges]


async def leads_by(
    books: Books, ask: Ask, *, dimension: str, limit: int, clicked: bool = False
) -> list[tuple[str, int]]:
    return await leads.created_by(
        books.session,
        ask.org_id,
        (ask.span.start, ask.span.end),
        dimension=dimension,
        limit=limit,
        among=Among(where=ask.where, clicked=clicked),
    )


def rate(part: float, whole: float) -> float | None:
    return round(part / whole, RATE_DIGITS) if whole else None


async def _conversions_by(books: Books, ask: Ask, *, dimension: str, limit: int) -> list[Portion]:
    shares = await clicks_by(books, ask, dimension=dimension, limit=MOST_COMPARED, with_visitors=False)
    brought = dict(await leads_by(books, ask, dimension=dimension, limit=MOST_COMPARED, clicked=True))
    found = [
        Portion(each.key, rate(count, each.value), clicks=each.value, leads=count)
        for each in shares
        if (count := brought.get(each.key, 0)) or each.value
    ]
    return sorted(found, key=lambda each: (-(each.value or 0), -(each.clicks or 0)))[:limit]


def _ranges(span: Span, edges: Sequence[datetime]) -> list[tuple[datetime, datetime]]:
    """The intervals, the first and last cut where the span begins and ends."""
    return [(max(since, span.start), until) for since, until in pairwise(edges)]
