"""Hours, days, weeks and months on the clock of a zone.

Days are 23 or 25 hours long where clocks change, and some clocks change by half an hour; but every interval of every
zone begins with a slot. So the database counts by slot, and here slots become intervals.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from site2crm.core import heavy
from site2crm.core.errors import Invalid
from site2crm.core.eventstore.contract import Interval
from site2crm.core.eventstore.schema import SLOT_S

MOST_POINTS = 10_000


def starts(start: datetime, end: datetime, interval: Interval, zone: str) -> list[datetime]:
    """The beginning of every interval that the span touches, on the clock of the zone."""
    tz, found = ZoneInfo(zone), []
    at = _floor(start.astimezone(tz), interval)
    while at.astimezone(UTC) < end:  # not on the zone's clock: two times of one zone compare by what the clock shows
        found.append(at)
        if len(found) > MOST_POINTS:
            raise Invalid.field("interval", f"More than {MOST_POINTS:,} points: choose a longer interval.")
        at = _next(at, interval)
    return found


def places(starts: Sequence[datetime], slots: Any) -> Any:
    """The number of the interval that each slot is in: arrays of NumPy."""
    return heavy.numpy().searchsorted([_slot(at) for at in starts], slots, side="right") - 1


def sums(starts: Sequence[datetime], slots: Any, numbers: Any) -> list[int]:
    """What the slots of each interval have together."""
    found = heavy.numpy().bincount(places(starts, slots), weights=numbers, minlength=len(starts))
    return found.astype("int64").tolist()  # type: ignore[no-any-return]


def _floor(at: datetime, interval: Interval) -> datetime:
    if interval is Interval.HOUR:
        over = (int(at.timestamp()) + _offset(at)) % 3600
        return datetime.fromtimestamp(int(at.timestamp()) - over, at.tzinfo)
    day = at.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if interval is Interval.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if interval is Interval.MONTH else day


def _next(at: datetime, interval: Interval) -> datetime:
    if interval is Interval.HOUR:
        return (at.astimezone(UTC) + timedelta(hours=1)).astimezone(at.tzinfo)
    if interval is Interval.MONTH:
        return at.replace(year=at.year + at.month // 12, month=at.month % 12 + 1)
    return at + timedelta(days=7 if interval is Interval.WEEK else 1)


def _slot(at: datetime) -> int:
    return int(at.timestamp()) // SLOT_S


def _offset(local: datetime) -> int:
    offset = local.utcoffset()
    return int(offset.total_seconds()) if offset else 0
