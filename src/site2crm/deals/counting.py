"""How many deals are alike and what they are worth, kept with every change: no page counts a hundred thousand rows."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager

from sqlalchemy import delete, func, inspect, select
from sqlalchemy import insert as insert_from
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import db
from site2crm.core.sql import insert
from site2crm.deals.models import Deal, DealCount

_LOW = 10**9
AMOUNTS = (func.sum(Deal.amount_minor // _LOW), func.sum(Deal.amount_minor % _LOW))
"""What `whole` makes one of: SQLite adds within 64 bits only, and fails beyond them."""
_ALIKE = (Deal.pipeline, Deal.stage, Deal.owner, Deal.status, Deal.currency)
_KEY = tuple(column.key for column in _ALIKE)
_FIGURES = ("deals", "high", "low")

Tally = Mapping[tuple[str, ...], tuple[int, int, int]]


def whole(high: int | None, low: int | None) -> int:
    """The sum of `AMOUNTS`."""
    return int(high or 0) * _LOW + int(low or 0)


@asynccontextmanager
async def counted(session: AsyncSession, org_id: str, connection_id: str, ids: Collection[str]) -> AsyncIterator[None]:
    """Around a change of these deals of one connection, whether they are there already or not."""
    await db.lock(session)
    before = await _tally(session, ids)
    yield
    after = await _tally(session, ids)
    nothing = (0, 0, 0)
    changes = {
        key: tuple(now - was for now, was in zip(after.get(key, nothing), before.get(key, nothing), strict=True))
        for key in {*before, *after}
    }
    rows = [
        {
            "org_id": org_id,
            "connection_id": connection_id,
            **dict(zip(_KEY, key, strict=True)),
            **dict(zip(_FIGURES, change, strict=True)),
        }
        for key, change in changes.items()
        if any(change)
    ]
    if rows:
        added = insert(DealCount)
        grown = {name: getattr(DealCount, name) + added.excluded[name] for name in _FIGURES}
        primary = [column.name for column in inspect(DealCount).primary_key]
        await session.execute(added.on_conflict_do_update(index_elements=primary, set_=grown), rows)


async def recount(session: AsyncSession, connection_id: str) -> None:
    """From the rows: beside this node there may have been one of an older version, which kept no counts."""
    await db.lock(session)
    await session.execute(delete(DealCount).where(DealCount.connection_id == connection_id))
    key = (Deal.org_id, Deal.connection_id, *_ALIKE)
    sums = (func.coalesce(amount, 0) for amount in AMOUNTS)
    found = select(*key, func.count(), *sums).where(Deal.connection_id == connection_id).group_by(*key)
    columns = [*(column.key for column in key), *_FIGURES]
    await session.execute(insert_from(DealCount).from_select(columns, found))


async def _tally(session: AsyncSession, ids: Collection[str]) -> Tally:
    alike = select(*_ALIKE, func.count(), *AMOUNTS).where(Deal.id.in_(ids)).group_by(*_ALIKE)
    return {
        tuple(key): (count, int(high or 0), int(low or 0)) for *key, count, high, low in await session.execute(alike)
    }
