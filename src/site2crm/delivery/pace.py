"""How the deliveries of many connections go, in two walks along indexes, however many deliveries there are."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct
from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.delivery.models import Delivery
from site2crm.delivery.states import WAITING, State
from site2crm.kit import clock

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FAILING = (State.DEAD, State.RETRYING)


class Pace(Struct, frozen=True, kw_only=True):
    """`failing`: leads that the CRM has refused, or failed at, in the last 24 hours, and that are not there since."""

    delivered_hour: int = 0
    delivered_day: int = 0
    delivered_at: datetime | None = None
    """When the last of the last 24 hours arrived."""
    waiting: int = 0
    oldest_waiting: datetime | None = None
    refused: int = 0
    failing: int = 0

    @property
    def error_rate(self) -> float | None:
        """Of the leads of the last 24 hours that the CRM has answered; None where it was asked nothing."""
        answered = self.failing + self.delivered_day
        return self.failing / answered if answered else None


NO_PACE = Pace()


async def paces(session: AsyncSession, connection_ids: Sequence[str]) -> dict[str, Pace]:
    """Of each of these connections; the caller knows whose they are."""
    now = clock.now()
    arrived = await session.execute(
        select(
            Delivery.connection_id,
            func.count().label("day"),
            func.sum(case((Delivery.delivered_at >= now - HOUR, 1), else_=0)).label("hour"),
            func.max(Delivery.delivered_at).label("last"),
        )
        .where(Delivery.connection_id.in_(connection_ids), Delivery.delivered_at >= now - DAY)
        .group_by(Delivery.connection_id)
    )
    found = dict.fromkeys(connection_ids, NO_PACE)
    for row in arrived:
        pace = Pace(delivered_hour=row.hour, delivered_day=row.day, delivered_at=row.last)
        found[row.connection_id] = pace
    unfinished = await session.execute(
        select(
            Delivery.connection_id,
            Delivery.state,
            func.count().label("many"),
            func.min(Delivery.created_at).label("oldest"),
            func.sum(case((Delivery.updated_at >= now - DAY, 1), else_=0)).label("of_day"),
        )
        .where(Delivery.connection_id.in_(connection_ids), Delivery.state.in_((*WAITING, State.DEAD)))
        .group_by(Delivery.connection_id, Delivery.state)
    )
    for row in unfinished:
        found[row.connection_id] = _with(found[row.connection_id], row.state, row.many, row.oldest, row.of_day)
    return found


def _with(pace: Pace, state: str, many: int, oldest: datetime, of_day: int) -> Pace:
    failing = pace.failing + (of_day if state in FAILING else 0)
    if state == State.DEAD:
        return msgspec.structs.replace(pace, refused=many, failing=failing)
    first = min(pace.oldest_waiting or oldest, oldest)
    return msgspec.structs.replace(pace, waiting=pace.waiting + many, oldest_waiting=first, failing=failing)
