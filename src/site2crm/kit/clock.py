"""The one source of time, so that a test can stand on any minute of a 76-hour schedule."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta

SKEW = timedelta(minutes=1)
"""The clocks of two nodes differ by less: what lies further ahead was written before somebody put a clock back."""

_now: Callable[[], float] = time.time


def now() -> datetime:
    """Current time, aware, UTC."""
    return datetime.fromtimestamp(_now(), UTC)


def unix() -> float:
    """Current time in seconds since 1970."""
    return _now()


def since(seconds: float) -> datetime:
    """The moment that many seconds ago."""
    return now() - timedelta(seconds=seconds)


def after(seconds: float) -> datetime:
    """The moment that many seconds from now."""
    return now() + timedelta(seconds=seconds)


def is_ahead(moment: datetime | None, *, most: timedelta) -> bool:
    """Whether it is to come. One that is further away than `most` was set before somebody put the clock back."""
    return moment is not None and now() < moment <= now() + most + SKEW


def as_utc(moment: datetime) -> datetime | None:
    """None for the years 1 and 9999, at whose ends some zone has no time: somebody typed them, and meant none."""
    return moment.astimezone(UTC) if MINYEAR < moment.year < MAXYEAR else None


@contextmanager
def travel(to: datetime) -> Iterator[Callable[[float], None]]:
    """Stand still at `to`; the yielded function moves on by seconds. Tests only."""
    global _now
    before, at = _now, [to.timestamp()]
    _now = lambda: at[0]  # noqa: E731

    def forward(seconds: float) -> None:
        at[0] += seconds

    try:
        yield forward
    finally:
        _now = before
