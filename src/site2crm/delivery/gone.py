"""Reads of what we delivered and the CRM no longer has."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.delivery.models import Comparison, Missing

MOST_SHOWN = 50


class Compared(Struct, frozen=True, kw_only=True):
    """The last comparison with a CRM. `finished_at` None: none has been finished yet."""

    is_running: bool
    checked: int
    finished_at: datetime | None
    compared: int
    error: str


class MissingItem(Struct, frozen=True, kw_only=True):
    """A lead that arrived there and is gone. `delivery`: the last one of it that arrived."""

    lead: str
    remote_id: str
    delivery: str
    delivered_at: datetime
    found_at: datetime


async def missing_counts(session: AsyncSession, connection_ids: Sequence[str]) -> dict[str, int]:
    """Of those connections that miss any."""
    rows = await session.execute(
        select(Missing.connection_id, func.count().label("many"))
        .where(Missing.connection_id.in_(connection_ids))
        .group_by(Missing.connection_id)
    )
    return {row.connection_id: row.many for row in rows}


async def compared(session: AsyncSession, org_id: str, connection_id: str) -> Compared | None:
    """None: it has never been looked at."""
    row = await session.scalar(
        select(Comparison).where(Comparison.org_id == org_id, Comparison.connection_id == connection_id)
    )
    if row is None:
        return None
    return Compared(
        is_running=row.began_at is not None,
        checked=row.checked,
        finished_at=row.finished_at,
        compared=row.compared,
        error=row.error,
    )


async def missing(session: AsyncSession, org_id: str, connection_id: str) -> list[MissingItem]:
    """The last delivered first."""
    rows = await session.scalars(
        select(Missing)
        .where(Missing.org_id == org_id, Missing.connection_id == connection_id)
        .order_by(Missing.delivered_at.desc(), Missing.lead_id)
        .limit(MOST_SHOWN)
    )
    return [
        MissingItem(
            lead=row.lead_id,
            remote_id=row.remote_id,
            delivery=row.delivery_id,
            delivered_at=row.delivered_at,
            found_at=row.found_at,
        )
        for row in rows
    ]
