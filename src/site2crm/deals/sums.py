"""What the deals in sight come to: by status, and by stage of a pipeline.

No page adds up a hundred thousand rows. What covers all the deals there are comes from the counts that are kept, what
covers most of them from the counts less the rest; and of a search that very many fit, nothing is added up.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import ColumnElement, Row, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors.sales import Status
from site2crm.core.db import these
from site2crm.deals import counting, finding, queries
from site2crm.deals.models import Deal, DealCount, Stage
from site2crm.deals.queries import STATES, Sum, Wanted, in_words

MOST_FOUND = 5_000
"""Deals that have the words of a search: each is looked up by itself, in some hundredths of a millisecond."""


class Alike(NamedTuple):
    """So many deals have all of this in common. `amount`: what they are worth, in minor units."""

    connection: str
    pipeline: str
    stage: str
    status: str
    currency: str
    deals: int
    amount: int


class Column(Struct, frozen=True):
    """A stage of a pipeline, with how many deals are in it and what they are worth, per currency."""

    stage: str
    label: str
    status: str
    count: int
    sums: list[Sum]


class Total(Struct, frozen=True):
    """Deals of one status."""

    count: int
    sums: list[Sum]


async def in_sight(session: AsyncSession, org_id: str, wanted: Wanted) -> list[Alike] | None:
    """All that the filters leave, but for pipeline, stage and status, by which it is divided afterwards.

    None: more deals have the words than are added up.
    """
    wanted = replace(wanted, pipeline="", stage="", status="")
    if wanted.search or wanted.lead:
        fitting = await _fitting(session, org_id, wanted)
        return None if fitting is None else await _added_up(session, fitting)
    if wanted.since or wanted.until:
        return await _of_period(session, org_id, wanted)
    return await _kept(session, org_id, wanted)


async def _kept(session: AsyncSession, org_id: str, wanted: Wanted) -> list[Alike]:
    """Of all times, by the counts."""
    kept = DealCount
    columns = (kept.connection_id, kept.pipeline, kept.stage, kept.status, kept.currency)
    figures = select(*columns, func.sum(kept.deals), func.sum(kept.high), func.sum(kept.low))
    equal = {kept.connection_id: wanted.connection, kept.owner: wanted.owner}
    mine = figures.where(kept.org_id == org_id, *(column == value for column, value in equal.items() if value))
    return _alike(await session.execute(mine.group_by(*columns).having(func.sum(kept.deals) > 0)))


async def _of_period(session: AsyncSession, org_id: str, wanted: Wanted) -> list[Alike]:
    """The deals of the period are added up, or those outside it, whichever are fewer."""
    whole = replace(wanted, since=None, until=None)
    kept = await _kept(session, org_id, whole)
    half = sum(one.deals for one in kept) // 2
    some = select(Deal.id).where(*_in_time(org_id, wanted)).limit(half + 1).subquery()
    if (await session.scalar(select(func.count()).select_from(some)) or 0) <= half:
        return await by_rows(session, org_id, wanted)
    before = [replace(whole, until=wanted.since)] if wanted.since else []
    after = [replace(whole, since=wanted.until)] if wanted.until else []
    outside = [one for each in (*before, *after) for one in await by_rows(session, org_id, each)]
    return _without(kept, outside)


async def by_rows(session: AsyncSession, org_id: str, wanted: Wanted) -> list[Alike]:
    """As `in_sight`, of a connection, an owner and a period: row by row."""
    return await _added_up(session, _in_time(org_id, wanted))


def _without(kept: Iterable[Alike], rest: Iterable[Alike]) -> list[Alike]:
    left = {one[:5]: one for one in kept}
    for one in rest:
        if (of := left.get(one[:5])) is not None:
            left[one[:5]] = of._replace(deals=of.deals - one.deals, amount=of.amount - one.amount)
    return [one for one in left.values() if one.deals > 0]


def _in_time(org_id: str, wanted: Wanted) -> list[ColumnElement[bool]]:
    return [*queries.conditions(wanted, states=STATES), Deal.org_id == org_id]


async def _added_up(session: AsyncSession, fitting: Sequence[ColumnElement[bool]]) -> list[Alike]:
    columns = (Deal.connection_id, Deal.pipeline, Deal.stage, Deal.status, Deal.currency)
    figures = select(*columns, func.count(), *counting.AMOUNTS).where(*fitting).group_by(*columns)
    return _alike(await session.execute(figures))


def _alike(rows: Iterable[Row[*tuple[Any, ...]]]) -> list[Alike]:
    return [
        Alike(connection, pipeline, stage, status, currency, int(deals), counting.whole(high, low))
        for connection, pipeline, stage, status, currency, deals, high, low in rows
    ]


async def _fitting(session: AsyncSession, org_id: str, wanted: Wanted) -> list[ColumnElement[bool]] | None:
    """None: too many."""
    found = queries.conditions(wanted, states=STATES)
    if wanted.lead:
        theirs = these(Deal, org_id, await queries.about(session, org_id, wanted.lead))
        return [*found, theirs, *finding.having(wanted.search)]
    few: Any = await finding.few(session, org_id, wanted.search)
    if few is None:
        if await finding.are_more(session, org_id, wanted.search, than=MOST_FOUND):
            return None
        few = finding.all_of(session, org_id, wanted.search)
    return [*found, Deal.id.in_(few), func.coalesce(Deal.org_id, "") == org_id]


def totals(found: Iterable[Alike], wanted: Wanted) -> dict[str, Total]:
    """Status -> how many and how much, in the pipeline and the stage that are wanted."""
    counts: dict[str, int] = defaultdict(int)
    sums: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for one in found:
        if wanted.pipeline in ("", one.pipeline) and wanted.stage in ("", one.stage):
            counts[one.status] += one.deals
            sums[one.status][one.currency] += one.amount
    return {status: Total(counts[status], in_words(sums[status])) for status in STATES}


async def board(session: AsyncSession, org_id: str, found: Sequence[Alike], wanted: Wanted) -> list[Column]:
    """The stages of one pipeline in the CRM's order, then those that it no longer has and that deals are in."""
    counts: dict[str, int] = defaultdict(int)
    sums: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for one in found:
        if (one.connection, one.pipeline) == (wanted.connection, wanted.pipeline) and one.status != Status.DELETED:
            counts[one.stage] += one.deals
            sums[one.stage][one.currency] += one.amount
    known = await session.scalars(
        select(Stage)
        .where(Stage.org_id == org_id, Stage.connection_id == wanted.connection, Stage.pipeline == wanted.pipeline)
        .order_by(Stage.place, Stage.remote_id)
    )
    columns = [
        Column(row.remote_id, row.label, row.status, counts.pop(row.remote_id, 0), in_words(sums[row.remote_id]))
        for row in known
    ]
    return [*columns, *(Column(id, id or "No stage", "", count, in_words(sums[id])) for id, count in counts.items())]


async def busiest(session: AsyncSession, org_id: str, *, connection: str = "") -> tuple[str, str] | None:
    """(connection, pipeline) with the most deals: what is shown when nobody chose one."""
    count = func.sum(DealCount.deals)
    row = (
        await session.execute(
            select(DealCount.connection_id, DealCount.pipeline)
            .where(DealCount.org_id == org_id, DealCount.pipeline != "", DealCount.status != Status.DELETED)
            .where(*([DealCount.connection_id == connection] if connection else []))
            .group_by(DealCount.connection_id, DealCount.pipeline)
            .having(count > 0)
            .order_by(count.desc(), DealCount.connection_id)
            .limit(1)
        )
    ).first()
    return (row.connection_id, row.pipeline) if row else None
