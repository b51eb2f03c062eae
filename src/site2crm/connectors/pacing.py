"""Staying below a vendor's limit: a bucket of tokens for each connection, corrected by what the vendor says remains.

A token comes back when the vendor's window has passed since its call was answered: when the vendor counted it, within
the call, is not known. Waiting is counted on the machine's own clock, for it is a matter of seconds; when a vendor says
until when nothing may be sent at all, that is a moment of `kit.clock`.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import NamedTuple

from site2crm.kit import clock

RESERVE = 0.1
"""The share of a limit that is never used: calls that are still on the way are not in what the vendor says."""
LOOK_AGAIN_S = 0.2
"""An answer to another call may bring tokens earlier than the window does."""


class Limit(NamedTuple):
    """So many calls within any time of so many seconds."""

    calls: int
    window_s: float

    @property
    def tokens(self) -> int:
        return max(1, self.calls - max(1, round(self.calls * RESERVE)))


class Ticket(NamedTuple):
    """One call: the how many-th of its budget it is, and how many others were under way when it began."""

    number: int
    beside: int


class Budget:
    """What we may still send at one connection, shared by all who use it. Without a limit: anything."""

    def __init__(self, limit: Limit | None = None) -> None:
        self._limit = limit
        self._calls = 0
        self._under_way = 0
        self._answered: deque[float] = deque()
        """When each call whose token has not come back was answered, oldest first."""
        self._turn = asyncio.Lock()
        self._closed_until: datetime | None = None
        self._parts: dict[str, Budget] = {}

    @property
    def closed_for(self) -> timedelta:
        """How long nothing may be sent at all; zero: it is open."""
        return max(self._closed_until - clock.now(), timedelta()) if self._closed_until else timedelta()

    def part(self, name: str, limit: Limit) -> "Budget":
        """The budget of calls that have a limit of their own beside the common one."""
        return self._parts.setdefault(name, Budget(limit))

    @asynccontextmanager
    async def call(self) -> AsyncIterator[Ticket]:
        """Around one call: begins when there is a token for it. First come, first served."""
        async with self._turn:
            while (wait_s := self._wait_s()) > 0:  # noqa: ASYNC110 - it is time that brings tokens, nobody
                await asyncio.sleep(min(wait_s, LOOK_AGAIN_S))
            self._calls += 1
            self._under_way += 1
        ticket = Ticket(self._calls, self._under_way - 1)
        try:
            yield ticket
        finally:
            self._under_way -= 1
            self._answered.append(time.monotonic())

    def close(self, wait: timedelta) -> None:
        """The limit is reached: no token until then."""
        until = clock.now() + wait
        self._closed_until = max(until, self._closed_until or until)

    def told(self, remaining: int, limit: Limit, ticket: Ticket) -> None:
        """The vendor's own word, in the answer to this call: it knows who else uses this access.

        Whether it has counted the calls that were made at the same time or since, nobody knows: they come on top.
        """
        self._limit = limit
        if remaining <= 0:
            self.close(timedelta(seconds=limit.window_s))
            return
        counted = limit.calls - remaining
        at_most = counted + ticket.beside + self._calls - ticket.number
        while self._answered and len(self._answered) + self._under_way > at_most:
            self._answered.popleft()
        others = counted - len(self._answered) - self._under_way
        self._answered.extend([time.monotonic()] * others)

    def _wait_s(self) -> float:
        if self._limit is None:
            self._answered.clear()
            return 0
        now = time.monotonic()
        while self._answered and self._answered[0] <= now - self._limit.window_s:
            self._answered.popleft()
        missing = len(self._answered) + self._under_way + 1 - self._limit.tokens
        if missing <= 0:
            return 0
        if missing > len(self._answered):
            return LOOK_AGAIN_S
        return self._answered[missing - 1] + self._limit.window_s - now
