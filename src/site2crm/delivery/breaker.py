"""A circuit breaker: when a CRM fails lead after lead it is left alone for a while, then asked with one lead first.

In this process's memory: a restart begins with a closed one. The waits are short beside the schedule's, so that a
rest delays a retry by a minute at most, and waiting leads keep their place.
"""

from datetime import datetime, timedelta

from site2crm.kit import clock

FAILURES = 5
FIRST_REST_S = 5.0
LONGEST_REST_S = 60.0


class Breaker:
    """One per connection."""

    def __init__(self) -> None:
        self._failing: set[str] = set()
        self._rest_s = 0.0
        self.rests_until: datetime | None = None
        self.since: datetime | None = None
        """When the connection last changed its state; a later change forgets all failures."""

    @property
    def is_open(self) -> bool:
        return len(self._failing) >= FAILURES

    def room(self, most: int) -> int:
        """How many calls may be under way now: none while it rests, then one, then all."""
        if not self.is_open:
            return most
        return 0 if self.rests else 1

    @property
    def rests(self) -> bool:
        return clock.is_ahead(self.rests_until, most=timedelta(seconds=LONGEST_REST_S))

    def failed(self, delivery_id: str) -> None:
        """Five tries of one lead say nothing about the CRM, so different deliveries are counted."""
        self._failing.add(delivery_id)
        if not self.is_open or self.rests:
            return
        self._rest_s = min(2 * self._rest_s or FIRST_REST_S, LONGEST_REST_S)
        self.rests_until = clock.now() + timedelta(seconds=self._rest_s)

    def answered(self) -> None:
        """The CRM works, whatever it said."""
        self._failing.clear()
        self._rest_s, self.rests_until = 0.0, None

    def connected(self, at: datetime) -> None:
        """A connection that was resumed since starts anew."""
        if self.since is not None and at > self.since:
            self.answered()
        self.since = at
