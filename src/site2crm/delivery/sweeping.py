"""What the sweep asks: two short walks along an index, however many deliveries there are."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import CTE, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from site2crm.connectors import queries as connections
from site2crm.delivery import ledger, outbox
from site2crm.delivery.models import Delivery
from site2crm.delivery.states import STARTABLE, State


async def lapsed(session: AsyncSession, now: datetime) -> Sequence[str]:
    """Deliveries whose lease has ended. Few are ever being sent, so all of them are looked at."""
    rows = select(Delivery.id).where(Delivery.state == State.SENDING, ledger.lapsed(now))
    return (await session.scalars(rows)).all()


async def asleep(session: AsyncSession, due_before: datetime, *, quiet: Collection[str]) -> list[tuple[str, str]]:
    """(org, connection) of those where something could be sent and nobody does."""
    each = _connections()
    startable = (
        select(Delivery.org_id)
        .where(Delivery.connection_id == each.c.id, Delivery.state.in_(STARTABLE), ledger.claimable(due_before))
        .limit(1)
        .correlate(each)
        .scalar_subquery()
    )
    rows = await session.execute(select(each.c.id, startable.label("org_id")).where(each.c.id.not_in(list(quiet))))
    return [(row.org_id, row.id) for row in rows if row.org_id is not None]


async def drained(session: AsyncSession) -> list[tuple[str, str]]:
    """(org, connection) of those that were to finish what waits, and have."""
    draining = await connections.draining(session)
    return [(org_id, id) for org_id, id in draining if not await outbox.is_left(session, id)]


async def connections_of(session: AsyncSession, delivery_ids: Sequence[str]) -> list[tuple[str, str]]:
    rows = select(Delivery.org_id, Delivery.connection_id).where(Delivery.id.in_(delivery_ids)).distinct()
    return [(row.org_id, row.connection_id) for row in await session.execute(rows)]


def _connections() -> CTE:
    """All that have deliveries, read by leaps along the index: one step for a connection, not one for a row."""
    one = aliased(Delivery)
    leaps = select(func.min(one.connection_id).label("id")).cte("leaps", recursive=True)
    following = (
        select(func.min(one.connection_id)).where(one.connection_id > leaps.c.id).correlate(leaps).scalar_subquery()
    )
    return leaps.union_all(select(following).where(leaps.c.id.is_not(None)))
