"""Staying below a vendor's limit: a bucket of tokens for each connection, corrected by what the vendor says remains.

A token comes back when the vendor's window has passed since its call was answered: when the vendor counted it, within
the call, is not known. So no window of the vendor's has more calls of ours than it allows, however slow the line, and
what is reached is tokens / (window + the time that a call takes). Waiting is counted on the machine's own clock, for it
is a matter of seconds; when a vendor says until when nothing may be sent at all, that is a moment of `kit.clock`.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime, timedelta
from typing import NamedTuple

from site2crm.kit import clock

RESERVE = 0.1
"""The share of a limit that is left to others who use the same access, at least one call: where the vendor's count has
shown calls that are not ours, and where it shows nothing at all, as with searches."""
RESERVE_ALONE = 0.05
"""... and where it shows ours alone: for the first calls of somebody who comes, within the window in which we have not
seen them yet. It is of what is reached: a token that comes back late, by as long as calls take, has been left to others
already. So at a small limit it may be less than a call."""
OTHERS_S = 30.0
"""For so long after a call of theirs others are taken to be there."""
DELIVERY_SHARE = 0.2
"""The share of what may be used that is never taken by what can wait, while leads are sent."""
LENT_SHARE = 0.02
"""... and while none is: for the first call of the next lead, where a window is long. Its other calls go before all
that waits, so they have each token that comes back."""
LEADS_S = 30.0
"""For so long after a call for a lead the next one is expected."""
DAY_S = 86_400.0
ALONE_AFTER = timedelta(minutes=1)
"""After a wait so long one call goes first, alone: where the limit is reached still, one refusal is enough for all."""
LOOK_AGAIN_S = 0.2
"""An answer to another call may bring tokens earlier than the window does."""
_REMEMBERED = 16


class Limit(NamedTuple):
    """So many calls within any time of so many seconds."""

    calls: int
    window_s: float


MOST_CALLS, LONGEST_WINDOW_S = 10_000, 3600.0
"""Of a vendor's word on its limit for a short time: each call is noted, and leads wait."""


class Left(NamedTuple):
    """What the vendor said that is left of a limit, less what was used since. `window_s`: of how many seconds."""

    calls: int
    of: int
    window_s: float


class Ticket(NamedTuple):
    """One call: the how many-th of its budget it is, and how many others were under way when it began."""

    number: int
    beside: int


class Budget:
    """What we may still send at one connection, shared by all who use it. Without a limit: anything."""

    def __init__(self, limit: Limit | None = None, *, within: "Budget | None" = None) -> None:
        self._limit = limit
        self._within = within
        self._calls = 0
        self._under_way = 0
        self._ended = asyncio.Event()
        self._answered: deque[float] = deque()
        """When each call whose token has not come back was answered, oldest first."""
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._lead_at = -math.inf
        self._spare_turn = asyncio.Lock()
        self._closed_until: datetime | None = None
        self._goes_alone = False
        self._is_trying = False
        self._spare_closed_until: datetime | None = None
        self._spare_wait = timedelta()
        self._parts: dict[str, Budget] = {}
        self._last_wait = timedelta()
        self._alone_from = math.inf
        """From when on the vendor's count is taken to show ours alone."""
        self._lasts_s = 0.0
        """How long a call takes, of late."""
        self._as_spare: Budget | None = None
        self._is_told = False
        self._day: Left | None = None
        self._day_until: datetime | None = None

    @property
    def left(self) -> list[Left]:
        """Of the limit for a short time and of that for a day; only what the vendor itself has told."""
        found: list[Left] = []
        if self._is_told and self._limit is not None:
            self._wait_s()  # brings back the tokens whose time is over
            used = self._limit.calls if self.closed_for else len(self._answered) + self._under_way
            found.append(Left(max(0, self._limit.calls - used), self._limit.calls, self._limit.window_s))
        if self._day is not None and self._day_until is not None and self._day_until > clock.now():
            found.append(self._day)
        return found

    @property
    def closed_for(self) -> timedelta:
        """How long nothing may be sent at all; zero: it is open."""
        mine = _until(self._closed_until)
        return max(mine, self._within.closed_for) if self._within else mine

    @property
    def spare(self) -> "Budget":
        """The same budget for what can wait: reading deals back never takes what the delivery of leads needs."""
        if self._as_spare is None:
            self._as_spare = Spare(self)  # the same one each time: some keep what they know of a budget beside it
        return self._as_spare

    def part(self, name: str, limit: Limit) -> "Budget":
        """The budget of calls that have a limit of their own instead of the common one; closed when that is closed."""
        return self._parts.setdefault(name, Budget(limit, within=self))

    def gate(self, name: str, limit: Limit) -> "Budget":
        """A limit beside the common one, for calls that count in both: passed around a call of this budget.

        Whoever has passed waits for that call's turn: it must not be taken for the one that goes first itself.
        """
        return self._parts.setdefault(name, Budget(limit))

    @asynccontextmanager
    async def call(self) -> AsyncIterator[Ticket]:
        """Around one call: begins when there is a token for it. First come, first served."""
        self._waiting += 1
        self._lead_at = time.monotonic()
        try:
            async with self._turn:
                while (wait_s := self._wait_s()) > 0:
                    await self._rest(wait_s)
                ticket = self._begin()
        finally:
            self._waiting -= 1
        with self._under(ticket):
            yield ticket

    @asynccontextmanager
    async def spare_call(self) -> AsyncIterator[Ticket]:
        """Around a call that can wait: begins when nobody else waits and the share of the others is untouched."""
        async with self._spare_turn:
            while (wait_s := LOOK_AGAIN_S if self._waiting else self._wait_s(self._share)) > 0:
                await self._rest(wait_s)
            ticket = self._begin()
        with self._under(ticket):
            yield ticket

    def close(self, wait: timedelta) -> None:
        """The limit is reached: no token until then."""
        self._closed_until = clock.now() + max(wait, _until(self._closed_until))
        self._goes_alone |= wait >= ALONE_AFTER

    def told_of_day(self, remaining: int, calls: int, renewed_in: timedelta, *, most: timedelta = timedelta()) -> None:
        """The vendor's word on its limit for a day: what can wait stops before the share of the others begins.

        `most`: nobody knows when it is renewed, and each time that it was asked in vain doubles the wait up to this.
        """
        if calls > 0:
            self._day, self._day_until = Left(max(0, remaining), calls, DAY_S), clock.now() + timedelta(seconds=DAY_S)
        if remaining > calls * DELIVERY_SHARE:
            self.enough_of_day()
            return
        if not (most and _until(self._spare_closed_until)):
            self._spare_wait = max(renewed_in, min(self._spare_wait * 2, most))
        self._spare_closed_until = clock.now() + self._spare_wait

    def enough_of_day(self) -> None:
        """Nothing need wait for the end of the day."""
        self._spare_closed_until, self._spare_wait = None, timedelta()

    def refused(self, first: timedelta, most: timedelta, *, asked: timedelta | None) -> timedelta:
        """A limit was reached; without a word on for how long (`asked`) each refusal in a row doubles the wait."""
        if asked is None and self.closed_for:  # it answers a call that was on its way when the limit was reached
            return self.closed_for
        wait = asked if asked is not None else min(max(first, self._last_wait * 2), most)
        self._last_wait = wait
        self.close(wait)
        return wait

    def accepted(self) -> None:
        """A call went well: the next refusal begins with the shortest wait again."""
        self._last_wait = timedelta()

    def told(self, remaining: int, limit: Limit, ticket: Ticket) -> None:
        """The vendor's own word, in the answer to this call: it knows who else uses this access.

        Whether it has counted the calls that were made at the same time or since, nobody knows: they come on top.
        """
        limit = Limit(min(limit.calls, MOST_CALLS), min(limit.window_s, LONGEST_WINDOW_S))
        self._limit, self._is_told = limit, True
        counted = limit.calls - remaining
        at_most = counted + ticket.beside + self._calls - ticket.number
        while self._answered and len(self._answered) + self._under_way > at_most:
            self._answered.popleft()
        others, now = counted - len(self._answered) - self._under_way, time.monotonic()
        self._answered.extend([now] * others)
        self._alone_from = now + OTHERS_S if others > 0 else min(self._alone_from, now + OTHERS_S)
        if remaining <= 0 and others > 0:  # when theirs come back, nobody knows; when ours do, we know
            self.close(timedelta(seconds=limit.window_s))

    def _tokens(self, limit: Limit) -> int:
        """What may be used of it within a window."""
        if time.monotonic() < self._alone_from:
            return max(1, limit.calls - max(1, round(limit.calls * RESERVE)))
        late = self._lasts_s / limit.window_s if limit.window_s else 0.0
        return max(1, min(limit.calls, round(limit.calls * (1 - RESERVE_ALONE) * (1 + late))))

    @property
    def _share(self) -> int:
        """The tokens that what can wait leaves alone; it always gets one."""
        tokens = self._tokens(self._limit) if self._limit else 0
        if time.monotonic() - self._lead_at >= LEADS_S:
            return round(tokens * LENT_SHARE)
        return min(max(1, round(tokens * DELIVERY_SHARE)), tokens - 1)

    @property
    def _is_held(self) -> bool:
        """Whether one call goes first, and is not answered yet."""
        return self._is_trying or (self._within is not None and self._within._is_held)

    def _begin(self) -> Ticket:
        self._calls += 1
        self._under_way += 1
        return Ticket(self._calls, self._under_way - 1)

    @contextmanager
    def _under(self, ticket: Ticket) -> Iterator[None]:
        began = time.monotonic()
        first, is_answered = self._going_first(), True
        try:
            yield
        except asyncio.CancelledError:
            is_answered = False  # nothing was learnt: the next one goes alone
            raise
        finally:
            now = time.monotonic()
            for one in first:
                one._is_trying, one._goes_alone = False, not is_answered or bool(_until(one._closed_until))
            self._under_way -= 1
            self._ended.set()
            self._answered.append(now)
            self._lasts_s += (now - began - self._lasts_s) / _REMEMBERED

    async def _rest(self, wait_s: float) -> None:
        """Until then, or until a call has ended: where so many may be under way at once, the next one may go."""
        self._ended.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(min(wait_s, LOOK_AGAIN_S)):
                await self._ended.wait()

    def _going_first(self) -> "list[Budget]":
        """Of which budgets this call is the one that is sent after a long wait."""
        whole = self._within._going_first() if self._within else []
        if not self._goes_alone or self.closed_for:
            return whole
        self._is_trying = True
        return [*whole, self]

    def _wait_s(self, untouched: int = 0) -> float:
        if self._is_held:
            return LOOK_AGAIN_S
        if self._limit is None:
            self._answered.clear()
            return 0
        now = time.monotonic()
        while self._answered and self._answered[0] <= now - self._limit.window_s:
            self._answered.popleft()
        missing = len(self._answered) + self._under_way + 1 + untouched - self._tokens(self._limit)
        if missing <= 0:
            return 0
        if missing > len(self._answered):
            return LOOK_AGAIN_S
        return self._answered[missing - 1] + self._limit.window_s - now


class Spare(Budget):
    """A budget seen by who can wait."""

    def __init__(self, whole: Budget) -> None:
        super().__init__()
        self._whole = whole

    @property
    def closed_for(self) -> timedelta:
        return max(self._whole.closed_for, _until(self._whole._spare_closed_until))

    @property
    def spare(self) -> Budget:
        return self

    def part(self, name: str, limit: Limit) -> Budget:
        return self._whole.part(name, limit).spare

    def gate(self, name: str, limit: Limit) -> Budget:
        return self._whole.gate(name, limit).spare

    @asynccontextmanager
    async def call(self) -> AsyncIterator[Ticket]:
        async with self._whole.spare_call() as ticket:
            yield ticket

    def close(self, wait: timedelta) -> None:
        self._whole.close(wait)

    def refused(self, first: timedelta, most: timedelta, *, asked: timedelta | None) -> timedelta:
        return self._whole.refused(first, most, asked=asked)

    def accepted(self) -> None:
        self._whole.accepted()

    def told_of_day(self, remaining: int, calls: int, renewed_in: timedelta, *, most: timedelta = timedelta()) -> None:
        self._whole.told_of_day(remaining, calls, renewed_in, most=most)

    def enough_of_day(self) -> None:
        self._whole.enough_of_day()

    def told(self, remaining: int, limit: Limit, ticket: Ticket) -> None:
        self._whole.told(remaining, limit, ticket)


def _until(moment: datetime | None) -> timedelta:
    is_ahead = clock.is_ahead(moment, most=timedelta(seconds=DAY_S))
    return moment - clock.now() if moment is not None and is_ahead else timedelta()
