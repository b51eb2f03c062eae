"""Vendors' limits of a day, where they are what binds: counted as each vendor counts them, over days that take no time."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from site2crm.demo.server import Answer, Request
from site2crm.kit import clock

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Daily:
    """A limit of 24 hours; `used` and `most`: the names under which `counter` keeps them in the played CRM.

    `rolls`: of any 24 hours; else it begins anew at midnight, UTC. `each`: what one of `most` is worth.
    """

    published: int
    used: str
    most: str
    counter: Callable[[Any], Any] = lambda server: server
    rolls: bool = True
    each: int = 1


DAILY = {
    "hubspot": Daily(250_000, "used", "daily", lambda portal: portal.limits, rolls=False),
    "pipedrive": Daily(30_000, "spent", "seats", lambda account: account.limits, rolls=False, each=30_000),
    "salesforce": Daily(100_000, "daily_used", "daily_limit"),
    "zoho": Daily(50_000, "credits_used", "credits"),
}
"""Of the smallest plan that has an API and is not for trying it out. Nutshell publishes no limit at all."""


class Days:
    """Others use the limit too, always: `ours` of it are left each day."""

    def __init__(self, server: Any, daily: Daily, *, ours: int) -> None:
        self._daily, self._counter = daily, daily.counter(server)
        self._ours, self._others = ours, daily.published - ours
        self._today: date | None = None
        self._seen: deque[tuple[datetime, int]] = deque()
        self.used = 0
        setattr(self._counter, daily.most, daily.published // daily.each)
        self._answer, server.answer = server.answer, self.answer

    def answer(self, request: Request) -> Answer:
        now = clock.now()
        if self._daily.rolls:
            while self._seen and self._seen[0][0] <= now - DAY:
                self._seen.popleft()
            before = self._others + sum(spent for _, spent in self._seen)
        else:
            before = self._count if now.date() == self._today else self._others
        self._today = now.date()
        setattr(self._counter, self._daily.used, before)
        answer: Answer = self._answer(request)
        if spent := self._count - before:
            self._seen.append((now, spent))
            self.used += spent
        return answer

    @property
    def _count(self) -> int:
        return int(getattr(self._counter, self._daily.used))

    @property
    def least_s(self) -> float:
        """For what was used: a day's share at once, and the next one a day later."""
        return (math.ceil(self.used / self._ours) - 1) * DAY.total_seconds()
