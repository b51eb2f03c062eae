"""What a person must know and nobody has asked: kept until it is cleared, counted when it repeats."""

from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import log
from site2crm.core.errors import NotFound
from site2crm.core.tables import Alarm
from site2crm.kit import clock, ids

INSTANCE = ""
"""The `org_id` of alarms about the machine itself."""

_log = log.get("alarm")


class OpenAlarm(Struct, frozen=True):
    id: str
    org_id: str
    code: str
    subject: str
    text: str
    count: int


async def ring(session: AsyncSession, org_id: str, *, code: str, text: str, subject: str = "") -> None:
    """Raise it, or count it once more if it is open already."""
    _log.warning("alarm", org=org_id, code=code, subject=subject, text=text)
    now = clock.now()
    again = await session.execute(
        update(Alarm)
        .where(Alarm.org_id == org_id, Alarm.code == code, Alarm.subject == subject, Alarm.cleared_at.is_(None))
        .values(count=Alarm.count + 1, last_at=now, text=text)
        .returning(Alarm.id)
    )
    if again.first() is None:
        session.add(
            Alarm(id=ids.new("alm"), org_id=org_id, code=code, subject=subject, text=text, first_at=now, last_at=now)
        )


async def clear(session: AsyncSession, org_id: str, *, code: str, subject: str = "") -> None:
    """It is mended."""
    await session.execute(
        update(Alarm)
        .where(Alarm.org_id == org_id, Alarm.code == code, Alarm.subject == subject, Alarm.cleared_at.is_(None))
        .values(cleared_at=clock.now())
    )


async def seen(session: AsyncSession, org_ids: Sequence[str], alarm_id: str, *, count: int) -> None:
    """Somebody has read it as it was when it had rung `count` times; one that has rung again since stays.

    Raises NotFound if none of these orgs has it.
    """
    this = (Alarm.id == alarm_id, Alarm.org_id.in_(org_ids))
    if await session.scalar(select(Alarm.id).where(*this)) is None:
        raise NotFound
    read = update(Alarm).where(*this, Alarm.cleared_at.is_(None), Alarm.count <= count)
    await session.execute(read.values(cleared_at=clock.now()))


async def open_alarms(session: AsyncSession, org_id: str) -> Sequence[OpenAlarm]:
    rows = await session.execute(
        select(Alarm.id, Alarm.org_id, Alarm.code, Alarm.subject, Alarm.text, Alarm.count)
        .where(Alarm.org_id == org_id, Alarm.cleared_at.is_(None))
        .order_by(Alarm.first_at)
    )
    return [OpenAlarm(*row) for row in rows]


async def open_of(session: AsyncSession, code: str) -> list[tuple[str, str]]:
    """(org, subject) of those of this kind."""
    rows = select(Alarm.org_id, Alarm.subject).where(Alarm.code == code, Alarm.cleared_at.is_(None))
    return [(row.org_id, row.subject) for row in await session.execute(rows)]


async def open_elsewhere(session: AsyncSession) -> int:
    """How many the orgs have, without saying which."""
    return await session.scalar(select(func.count()).where(Alarm.org_id != INSTANCE, Alarm.cleared_at.is_(None))) or 0
