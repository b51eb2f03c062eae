"""Hours, days, weeks and months on the clock of a zone, as numbers that DuckDB computes and moments that pages show.

Days are 23 or 25 hours long where clocks change. Between two changes of a zone's offset, the local day of an event is
plain arithmetic; there are few changes in a span, so they become a CASE over the slots.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from site2crm.core.errors import Invalid
from site2crm.core.eventstore.contract import Interval
from site2crm.core.eventstore.schema import SLOT_S

MOST_POINTS = 10_000
_STEP = timedelta(days=7)
_SLOTS = {Interval.HOUR: 3600 // SLOT_S, Interval.DAY: 86400 // SLOT_S, Interval.WEEK: 7 * 86400 // SLOT_S}
_MONDAY = 3 * _SLOTS[Interval.DAY]
"""1970 began on a Thursday."""


class Change(NamedTuple):
    """From this moment on, local time is UTC and `seconds` more."""

    at: datetime
    seconds: int


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


def expression(start: datetime, end: datetime, interval: Interval, zone: str) -> str:
    """SQL for the number of an event's interval; `numbers` says it of their beginnings."""
    if interval is Interval.MONTH:
        firsts = starts(start, end, interval, zone)
        return _tree(list(zip(map(_slot, firsts), numbers(firsts, interval), strict=True)))
    shifts = _shifts(start, end, interval, zone)
    offset = str(shifts[0][1])
    if len(shifts) > 1:
        whens = "".join(f" WHEN slot < {until} THEN {before}" for (_, before), (until, _) in pairwise(shifts))
        offset = f"CASE{whens} ELSE {shifts[-1][1]} END"
    return f"((slot + {offset}) // {_SLOTS[interval]})::INTEGER"


def numbers(starts: list[datetime], interval: Interval) -> list[int]:
    """Of the intervals that begin at these local times."""
    if interval is Interval.MONTH:
        return [at.year * 12 + at.month - 1 for at in starts]
    clocks = starts[:1] * len(starts) if interval is Interval.HOUR else starts
    shifts = [_aligned(_offset(at), interval) for at in clocks]
    return [(_slot(at) + shift) // _SLOTS[interval] for at, shift in zip(starts, shifts, strict=True)]


def _tree(firsts: list[tuple[int, int]]) -> str:
    """SQL that finds a slot's interval among (first slot, number) in a few comparisons."""
    if len(firsts) == 1:
        return str(firsts[0][1])
    middle = len(firsts) // 2
    return f"CASE WHEN slot < {firsts[middle][0]} THEN {_tree(firsts[:middle])} ELSE {_tree(firsts[middle:])} END"


def _shifts(start: datetime, end: datetime, interval: Interval, zone: str) -> list[tuple[int, int]]:
    """(first slot, slots to add) of each stretch with one offset."""
    changes = [Change(start, _offset(start.astimezone(ZoneInfo(zone))))]
    if interval is not Interval.HOUR:
        changes += _changes(start, end, ZoneInfo(zone))
    return [(_slot(at), _aligned(seconds, interval)) for at, seconds in changes]


def _changes(start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[Change]:
    """Where the zone's offset changes inside the span, to the minute."""
    at = start
    while at < end:
        after = min(at + _STEP, end)
        if _offset(at.astimezone(zone)) != _offset(after.astimezone(zone)):
            low, high = at, after
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) / 2
                if _offset(middle.astimezone(zone)) == _offset(low.astimezone(zone)):
                    low = middle
                else:
                    high = middle
            yield Change(_rounded(high), _offset(high.astimezone(zone)))
        at = after


def _aligned(offset_s: int, interval: Interval) -> int:
    """Slots to add before dividing.

    Hours go on through a change of clocks, so that one that comes twice is two: only the quarters of the zone are
    added, those of the span's beginning (Lord Howe's clocks change by half an hour).
    """
    slots = offset_s // SLOT_S
    if interval is Interval.HOUR:
        return slots % _SLOTS[Interval.HOUR]
    return slots + _MONDAY if interval is Interval.WEEK else slots


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


def _rounded(at: datetime) -> datetime:
    return datetime.fromtimestamp(round(at.timestamp() / 60) * 60, UTC)
