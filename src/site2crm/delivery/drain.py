"""Sending what is due at one connection: a few calls side by side, one after the other for the same lead.

Leads that waited for the connection itself (it was parked, paused, or did not exist yet) go in single file, oldest
first: the next call begins when the one before it has ended. One that hangs is passed after a few seconds, so that it
holds up nobody. Where one call takes many leads, the file is one of calls.

Each turn is one transaction: the outcomes of finished calls and the intents of the next ones together, so that the
disk is asked once for many. An intent is on disk before its call begins. One drain for a connection at a time, in
this process; a wake-up that finds one running tells it to look again, and one whose time is over wakes the next.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors.contract import ErrorClass
from site2crm.core import db, log
from site2crm.core.errors import DatabaseBusy
from site2crm.core.events import emit
from site2crm.core.machine import Machine
from site2crm.delivery import calling, ledger, outbox, settling, turns, way
from site2crm.delivery.breaker import Breaker
from site2crm.delivery.calling import Caller, Claim, Result
from site2crm.delivery.events import DeliveriesSettled
from site2crm.delivery.judging import Schedule
from site2crm.delivery.shares import Shares
from site2crm.delivery.states import PERSON
from site2crm.delivery.underway import UnderWay
from site2crm.delivery.way import Way
from site2crm.kit import clock

SIDE_BY_SIDE = 6
BATCHES_SIDE_BY_SIDE = 2
"""Where a call takes many leads: one is under way while the next one is read."""
CALLS_IN_ALL = 60
"""In this process, shared by the connections: fewer than the pool of outgoing connections has."""
AHEAD = 24
"""Claimed in one turn: a transaction for each call would be slower than the call."""
MOST_IN_A_CALL = 50
UNWRITTEN_AT_MOST_S = 0.25
"""How long an outcome may wait for others to be written with it."""
TURNS_AT_MOST_S = 20.0
"""After this long another connection gets the job slot."""
LEASE_SLACK_S = 60.0
BUSY_PAUSE_S = 0.5
TELL_EVERY_S = 1.0
"""Open pages look again at the end of a drain, and this often while it goes on."""
STARTING_PAUSE_S = 1.0
LOOK_AGAIN_S = 60.0
"""A long pause may be lifted by a person; the sweep finds out by then."""

_NEEDS_THE_BOOKS = (ErrorClass.THROTTLE, ErrorClass.REAUTH, ErrorClass.REFRESH, ErrorClass.CONFIG)
"""After these nothing more is begun before the connection is looked at again."""
_log = log.get("delivery")


@dataclass
class Drains:
    """What this process is sending, and what it knows about each connection."""

    running: dict[str, "Drain"] = field(default_factory=dict)
    breakers: dict[str, Breaker] = field(default_factory=dict)
    resting: dict[str, datetime] = field(default_factory=dict)
    """Until when there is nothing to do at a connection, though something is due."""
    shares: Shares = field(default_factory=lambda: Shares(1))
    swept_at: datetime = field(default_factory=clock.now)
    """When the last sweep began that came to its end."""

    def in_hand(self) -> set[str]:
        """Deliveries whose call is under way here: the lock that outlives their lease."""
        return {delivery_id for drain in self.running.values() for delivery_id in drain.in_hand}

    def quiet(self) -> set[str]:
        """Connections that the sweep need not wake."""
        most = timedelta(seconds=LOOK_AGAIN_S)
        return {*self.running, *(id for id, until in self.resting.items() if clock.is_ahead(until, most=most))}

    def clock_was_put_back(self) -> bool:
        """Since the last sweep."""
        return clock.now() < self.swept_at - clock.SKEW


def drains(machine: Machine) -> Drains:
    if Drains not in machine.parts:
        machine.put(Drains(shares=Shares(max(1, machine.settings.queue.workers // 2))))
    return machine.get(Drains)


def lease(machine: Machine, *, side_by_side: int = 1) -> datetime:
    """Until when what is claimed now is ours. One after the other is the worst: each may take the longest time."""
    return clock.after(calling.longest_s(machine) * AHEAD / side_by_side + LEASE_SLACK_S)


async def drain(machine: Machine, org_id: str, connection_id: str) -> None:
    """Send what is due, until nothing is."""
    known = drains(machine)
    busy = known.running.get(connection_id)
    if busy is not None:
        busy.look_again()
        return
    mine = Drain(machine, org_id, connection_id)
    known.running[connection_id] = mine
    try:
        await mine.run()
    finally:
        mine.cancel()
        del known.running[connection_id]
    if mine.is_wanted_again:
        async with machine.session() as session:
            await outbox.wake(session, org_id, [connection_id])


class Drain:
    """One run over one connection."""

    def __init__(self, machine: Machine, org_id: str, connection_id: str) -> None:
        self._machine = machine
        self._org_id = org_id
        self._connection_id = connection_id
        self._drains = drains(machine)
        self._breaker = self._drains.breakers.setdefault(connection_id, Breaker())
        self._schedule = Schedule(machine.settings.queue.retry, machine.settings.queue.jitter)
        self._ahead: deque[Claim] = deque()
        self._calls = UnderWay(Caller(machine, org_id))
        self._finished: list[Result] = []
        self._again = asyncio.Event()
        self._now = asyncio.get_running_loop().time
        self._ends_at = self._now() + TURNS_AT_MOST_S
        self._write_at = 0.0
        self._told_at = 0.0
        self._is_untold = False
        self._batch = 1

    @property
    def in_hand(self) -> set[str]:
        finished = (result.claim for result in self._finished)
        return {claim.id for claim in (*self._ahead, *self._calls.claims, *finished)}

    @property
    def is_wanted_again(self) -> bool:
        """A wake-up has come that it has not looked for."""
        return self._again.is_set()

    def look_again(self) -> None:
        self._again.set()

    def cancel(self) -> None:
        """What is cut off here is due again when its lease ends, or at the next start."""
        self._calls.cancel()

    async def run(self) -> None:
        if not await self._anything_due() and not self._again.is_set():
            return
        while True:
            self._again.clear()
            found = await self._turn_patiently()
            await self._call_ahead(found)
            if not self.in_hand and (self._is_over() or not self._again.is_set()):
                return  # over, it claims nothing however often it is woken: on a busy database that would not end

    async def _call_ahead(self, found: Way | None) -> None:
        """Make calls until there is something to write that should not wait. A removed connection begins none."""
        while True:
            while found is not None and self._has_room() and self._held_up_s(found) <= 0:
                self._calls.begin(found, self._next(), soon=list(self._ahead))
            if not self._calls or self._again.is_set():
                return
            for result in await self._calls.ended(woken=self._again, at_most_s=self._look_up_in_s(found)):
                self._take_in(result)
            if self._finished and (not self._ahead or self._now() >= self._write_at or self._must_look()):
                return

    def _look_up_in_s(self, found: Way | None) -> float | None:
        """When something is to be done though no call has ended: write what came of others, or begin the next one."""
        moments = [self._held_up_s(found)] if found is not None and self._has_room() else []
        if self._finished:
            moments.append(max(0, self._write_at - self._now()))
        return min(moments, default=None)

    def _has_room(self) -> bool:
        return bool(self._ahead) and len(self._calls) < self._breaker.room(self._side_by_side())

    def _held_up_s(self, found: Way) -> float:
        return self._calls.held_up_s(self._ahead[0], active_since=found.state_at)

    def _side_by_side(self) -> int:
        """A fair share: connections that answer slowly must not use up all ways out."""
        mine = SIDE_BY_SIDE if self._batch == 1 else BATCHES_SIDE_BY_SIDE
        return max(1, min(mine, CALLS_IN_ALL // max(1, len(self._drains.running))))

    def _in_a_call(self) -> int:
        return 1 if self._breaker.is_open else self._batch

    def _next(self) -> list[Claim]:
        """Whom the next call is about: people together, a deal alone."""
        claims = [self._ahead.popleft()]
        while self._ahead and len(claims) < self._in_a_call() and claims[0].step == self._ahead[0].step == PERSON:
            claims.append(self._ahead.popleft())
        return claims

    def _take_in(self, result: Result) -> None:
        if not self._finished:
            self._write_at = self._now() + UNWRITTEN_AT_MOST_S
        self._finished.append(result)
        if result.error is None or result.error.kind is ErrorClass.PERMANENT:
            self._breaker.answered()
        elif result.error.kind is ErrorClass.RETRY and not result.is_of_deal:
            self._breaker.failed(result.claim.id)

    def _must_look(self) -> bool:
        errors = [result.error for result in self._finished if result.error is not None]
        return self._breaker.is_open or any(error.kind in _NEEDS_THE_BOOKS for error in errors)

    async def _anything_due(self) -> bool:
        """Without the write lock, for a wake-up that finds nothing; the next one has its time all the same."""
        async with self._machine.session() as session:
            if await ledger.anything_due(session, self._connection_id):
                return True
            at = await ledger.next_due(session, self._connection_id)
            if at is not None:
                await outbox.wake(session, self._org_id, [self._connection_id], at=at)
        return False

    async def _turn_patiently(self) -> Way | None:
        """A locked database delays the books; what the CRM did is not forgotten meanwhile."""
        while True:
            try:
                return await self._turn()
            except DatabaseBusy:
                _log.info("delivery.waits_for_database", connection=self._connection_id)
                await asyncio.sleep(BUSY_PAUSE_S)

    async def _turn(self) -> Way | None:
        """One transaction: settle, then claim or give back; and if there is nothing left, when to come back."""
        settled, ahead = list(self._finished), list(self._ahead)
        async with self._machine.session() as session:
            await db.lock(session)
            found = await self._way(session)
            if settled:
                await settling.settle(session, self._connection_id, found, results=settled, schedule=self._schedule)
                if any(result.error is not None for result in settled):
                    found = await self._way(session)  # it may be parked or paused now
            claims = await self._claim(session, found)
            if claims is None:
                await ledger.release(session, ahead)
            is_last = not claims and not self._calls and (claims is None or not ahead)
            if is_last:
                await self._come_back(session, found)
            await self._tell(session, is_due=is_last, has_news=bool(settled))
        del self._finished[: len(settled)]
        if claims is None:
            self._ahead.clear()
        else:
            self._ahead.extend(claims)
        return found

    async def _claim(self, session: AsyncSession, found: Way | None) -> list[Claim] | None:
        """More to send; None: nothing may be sent now, also not what was claimed before."""
        if found is None or not found.is_active or self._rests_until(found) is not None or self._is_over():
            return None
        called = len(list(self._calls.claims))
        most = 1 if self._breaker.is_open else max(AHEAD, BATCHES_SIDE_BY_SIDE * self._batch)
        if self._breaker.is_open and len(self._ahead) + called > most:
            return None
        room = most - len(self._ahead) - called
        if room <= 0 or len(self._ahead) > SIDE_BY_SIDE * self._batch:
            return []
        lease_until = lease(self._machine, side_by_side=self._side_by_side())
        claims = await ledger.claim(
            session, self._connection_id, limit=room, lease_until=lease_until, node=self._machine.node
        )
        return await turns.taken(session, found.translation, claims)

    async def _come_back(self, session: AsyncSession, found: Way | None) -> None:
        if found is None or not found.is_active:
            await outbox.hold(session, self._connection_id, is_removed=found is None)
            return
        rests_until = self._rests_until(found)
        if rests_until is not None:
            self._drains.resting[self._connection_id] = min(rests_until, clock.after(LOOK_AGAIN_S))
        at = rests_until or await self._next_due(session)
        if at is not None:
            await outbox.wake(session, self._org_id, [self._connection_id], at=at)
        elif found.state == outbox.DRAINING:
            await outbox.finish(session, self._org_id, self._connection_id)

    async def _next_due(self, session: AsyncSession) -> datetime | None:
        if not self._is_over():
            return await ledger.next_due(session, self._connection_id)
        return clock.after(0 if self._machine.ready else STARTING_PAUSE_S)

    def _is_over(self) -> bool:
        """Nothing new is begun while the instance comes up or goes down."""
        return not self._machine.ready or self._now() > self._ends_at

    def _rests_until(self, found: Way) -> datetime | None:
        """Because of the vendor's limit, or because it fails lead after lead."""
        ends = (found.paused_until, self._breaker.rests_until if self._breaker.rests else None)
        return max((moment for moment in ends if moment), default=None)

    async def _way(self, session: AsyncSession) -> Way | None:
        found = await way.find(session, self._machine, self._org_id, connection_id=self._connection_id)
        if found is not None:
            self._breaker.connected(found.state_at)
            self._batch = min(found.batch, MOST_IN_A_CALL)
        return found

    async def _tell(self, session: AsyncSession, *, is_due: bool, has_news: bool) -> None:
        """Open pages, once this is on disk; not at every turn of a long drain."""
        self._is_untold = self._is_untold or has_news
        if self._is_untold and (is_due or self._now() >= self._told_at + TELL_EVERY_S):
            self._told_at, self._is_untold = self._now(), False
            await emit(session, DeliveriesSettled(org_id=self._org_id, connection_id=self._connection_id))
