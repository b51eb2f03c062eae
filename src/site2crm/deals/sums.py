"""What the deals in sight come to: by status, and by stage of a pipeline."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors.sales import Status
from site2crm.core.db import these
from site2crm.deals import counting, finding, queries
from site2crm.deals.models import Deal, DealCount, Stage
from site2crm.deals.queries import STATES, Sum, Wanted, in_words


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


async def in_sight(session: AsyncSession, org_id: str, wanted: Wanted) -> list[Alike]:
    """All that the filters leave, but for pipeline, stage and status, by which it is divided afterwards.

    From the counts that are kept, unless a search, a time or a lead is asked for, which they do not know.
    """
    if wanted.search or wanted.since or wanted.until or wanted.lead:
        columns = (Deal.connection_id, Deal.pipeline, Deal.stage, Deal.status, Deal.currency)
        figures = select(*columns, func.count(), *counting.AMOUNTS).group_by(*columns)
        found = figures.where(*await _fitting(session, org_id, wanted))
    else:
        kept = DealCount
        columns = (kept.connection_id, kept.pipeline, kept.stage, kept.status, kept.currency)
        figures = select(*columns, func.sum(kept.deals), func.sum(kept.high), func.sum(kept.low))
        equal = {kept.connection_id: wanted.connection, kept.owner: wanted.owner}
        mine = figures.where(kept.org_id == org_id, *(column == value for column, value in equal.items() if value))
        found = mine.group_by(*columns).having(func.sum(kept.deals) > 0)
    rows = await session.execute(found)
    return [
        Alike(connection, pipeline, stage, status, currency, int(deals), counting.whole(high, low))
        for connection, pipeline, stage, status, currency, deals, high, low in rows
    ]


async def _fitting(session: AsyncSession, org_id: str, wanted: Wanted) -> list[ColumnElement[bool]]:
    narrowed = replace(wanted, pipeline="", stage="", status="")
    found = queries.conditions(narrowed, states=STATES)
    if wanted.lead:
        found += [
            these(Deal, org_id, await queries.about(session, org_id, wanted.lead)),
            *finding.having(wanted.search),
        ]
    elif wanted.search:
        few = await finding.few(session, org_id, wanted.search)
        many = finding.all_of(session, org_id, wanted.search)
        found += [Deal.id.in_(many if few is None else few), func.coalesce(Deal.org_id, "") == org_id]
    else:
        found.append(Deal.org_id == org_id)
    return found


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
