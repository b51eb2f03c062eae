"""Spans of time on the clock of a zone: the usual ones, the one before, and their hours, days, weeks, months.

Days are the zone's own: one is 23 or 25 hours long where clocks change, and the period before is moved by days.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

from site2crm.core.errors import Invalid
from site2crm.core.eventstore import buckets
from site2crm.core.eventstore.contract import Interval
from site2crm.kit import clock

PRESETS = {"today": 1, "7d": 7, "30d": 30, "90d": 90}
"""Name -> days, today included."""
DEFAULT = "30d"
LONGEST_DAYS = 3_660
MOST_POINTS = 1_000
EARLIEST, LATEST = 2000, 2099

_MOMENT = "A day such as 2026-11-21 or a moment such as 2026-11-21T14:00:00Z."
_HOURS_UNTIL_DAYS, _DAYS_UNTIL_WEEKS, _DAYS_UNTIL_MONTHS = 2, 95, 400
_LOST_PLUS = re.compile(r"(T[\d:.]+) (\d\d:?\d\d)$")


class Span(Struct, frozen=True):
    """[start, end). `days`: whole days of the zone that it is about, today's rest included; 0: exact moments."""

    start: datetime
    end: datetime
    zone: str
    days: int = 0

    @property
    def before(self) -> "Span":
        """The same length just before; a part of today against the same part of the earlier day."""
        if not self.days:
            return Span(self.start - (self.end - self.start), self.start, self.zone)
        return Span(
            moved(self.start, -self.days, self.zone), moved(self.end, -self.days, self.zone), self.zone, self.days
        )

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    @property
    def interval(self) -> Interval:
        """What makes a readable chart of it."""
        if self.length <= timedelta(days=_HOURS_UNTIL_DAYS):
            return Interval.HOUR
        if self.length <= timedelta(days=_DAYS_UNTIL_WEEKS):
            return Interval.DAY
        return Interval.WEEK if self.length <= timedelta(days=_DAYS_UNTIL_MONTHS) else Interval.MONTH


def preset(name: str, zone: str) -> Span:
    """The last days until now."""
    days, until = PRESETS[name], _now()
    today = clock.now().astimezone(ZoneInfo(zone)).date()
    return Span(_midnight(today - timedelta(days=days - 1), zone), until, zone, days)


def between(since: str, until: str, zone: str) -> Span:
    """From what somebody wrote: days of the zone (the last one included) or moments. Without an end: until now."""
    if not since and not until:
        return preset(DEFAULT, zone)
    end, ends_day = _moment("to", until, zone, is_end=True) if until else (_now(), None)
    start, starts_day = _moment("from", since, zone) if since else (moved(end, -PRESETS[DEFAULT], zone), ends_day)
    _check(start, end)
    return Span(start, end, zone, _days(start, end, zone) if starts_day and ends_day is not False else 0)


def clipped(span: Span) -> Span:
    """Without the future: a day that is not over is compared with the same part of the day before."""
    now = _now()
    return span if span.end <= now or span.start >= now else Span(span.start, now, span.zone, span.days)


def checked_zone(name: str) -> str:
    """Raises Invalid for what is no time zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Invalid.field("tz", "A time zone such as Europe/Berlin, America/New_York or UTC.") from error
    return name


def edges(span: Span, interval: Interval) -> list[datetime]:
    """Where each interval begins, and the end. The first and the last may be cut by the span."""
    found = [at.astimezone(UTC) for at in buckets.starts(span.start, span.end, interval, span.zone)]
    if len(found) > MOST_POINTS:
        raise Invalid.field(
            "interval", f"More than {MOST_POINTS:,} points: choose a longer interval or a shorter time."
        )
    return [*found, span.end]


def moved(at: datetime, days: int, zone: str) -> datetime:
    """The same time of day so many days later on that zone's clock."""
    there = at.astimezone(ZoneInfo(zone))
    return datetime.combine(there.date() + timedelta(days=days), there.time(), ZoneInfo(zone)).astimezone(UTC)


def _now() -> datetime:
    """The end of this hour: asked twice within it, the question is the same, and its answer may be known already."""
    return clock.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def _days(start: datetime, end: datetime, zone: str) -> int:
    first, last = start.astimezone(ZoneInfo(zone)), (end - timedelta(microseconds=1)).astimezone(ZoneInfo(zone))
    return (last.date() - first.date()).days + 1


def _moment(field: str, text: str, zone: str, *, is_end: bool = False) -> tuple[datetime, bool]:
    """When, and whether a day was meant. In an address a plus sign is a blank: it is put back."""
    written = _LOST_PLUS.sub(r"\1+\2", text.strip())
    try:
        at = datetime.fromisoformat(written)
    except ValueError as error:
        raise Invalid.field(field, _MOMENT) from error
    if not EARLIEST <= at.year <= LATEST:
        raise Invalid.field(field, f"A year between {EARLIEST} and {LATEST}.")
    if len(written) <= len("2026-11-21"):
        return _midnight(at.date() + timedelta(days=is_end), zone), True
    return (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC), False


def _check(start: datetime, end: datetime) -> None:
    if start >= end:
        raise Invalid.field("to", "`to` must be after `from`.")
    if end - start > timedelta(days=LONGEST_DAYS):
        raise Invalid.field("from", f"At most {LONGEST_DAYS // 366} years at once: choose a later `from`.")
