"""What this process has done so far, as plain numbers that every request adds to; `/metrics` reads them out.

Adding costs a third of a microsecond: no lock (one thread counts), no label set to be looked up, no library. A
histogram has few buckets, chosen around the budgets, so that a page of figures stays short.
"""

from bisect import bisect_left
from collections import Counter, deque
from datetime import datetime
from typing import NamedTuple

from site2crm.kit import clock

BOUNDS_S = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5)
"""Upper bounds of the buckets; the last bucket has none."""
MOST_ROUTES = 2_000
REMEMBERED = 20


class Timing:
    """How often something was done, and how long it took."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS_S) + 1)
        self.seconds = 0.0

    @property
    def count(self) -> int:
        return sum(self.buckets)

    def add(self, seconds: float) -> None:
        self.buckets[bisect_left(BOUNDS_S, seconds)] += 1
        self.seconds += seconds


class Trouble(NamedTuple):
    """An error that the log has in full."""

    at: datetime
    event: str
    what: str
    """The type of the exception; never its text, which may hold what a visitor sent."""
    request_id: str


class Meter:
    """One for each instance."""

    def __init__(self) -> None:
        self.started_at = clock.now()
        self.redirects = Timing()
        self.forms = Timing()
        self.pages = Timing()
        self.api = Timing()
        self.statics = 0
        self.requests: Counter[tuple[str, str, int]] = Counter()
        """(route's pattern, method, first digit of the status) -> how often."""

    @property
    def timings(self) -> dict[str, Timing]:
        return {"redirect": self.redirects, "form": self.forms, "page": self.pages, "api": self.api}

    def answered(self, route: str, method: str, status: int) -> None:
        """One more; methods and routes that nobody has declared do not make the list grow for ever."""
        key = (route, method, status // 100)
        if key in self.requests or len(self.requests) < MOST_ROUTES:
            self.requests[key] += 1


troubles: deque[Trouble] = deque(maxlen=REMEMBERED)
"""The last errors of this process, newest last; `core.log` fills it."""
counted: Counter[str] = Counter()
"""Lines of the log by level, from warnings up."""
