"""Sending what is due at one connection: a few leads side by side, one after the other for the same lead.

Each turn is one transaction: the outcomes of finished calls and the intents of the next ones together, so that the
disk is asked once for both. An intent is on disk before its call begins. One drain for a connection at a time, in
this process; a wake-up that finds one running tells it to look again.
"""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import service as connections
from site2crm.connectors.contract import ErrorClass
from site2crm.connectors.errors import ConnectionNotFound
from site2crm.core import db, log
from site2crm.core.errors import DatabaseBusy
from site2crm.core.machine import Machine
from site2crm.delivery import calling, ledger, outbox
from site2crm.delivery.breaker import Breaker
from site2crm.delivery.calling import Claim, Result
from site2crm.delivery.judging import Schedule, Verdict, judge
from site2crm.delivery.states import State
from site2crm.kit import clock

SIDE_BY_SIDE = 6
TURNS_AT_MOST_S = 20.0
"""After this long another connection gets the job slot."""
LEASE_SLACK_S = 60.0
BUSY_PAUSE_S = 0.5
STARTING_PAUSE_S = 1.0
MENDED_PAUSE_S = 5.0
"""A refusal that came too late for parking is tried again after this, so that a wrong clock makes no storm."""

_log = log.get("delivery")


class Way(Struct, frozen=True, kw_only=True):
    """The connection as this turn found it; no state: it was removed."""

    state: str = ""
    state_at: datetime | None = None
    paused_until: datetime | None = None

    @property
    def is_active(self) -> bool:
        return self.state == outbox.ACTIVE


@dataclass
class Drains:
    """What this process is sending, and what it knows about each connection."""

    running: dict[str, "Drain"] = field(default_factory=dict)
    breakers: dict[str, Breaker] = field(default_factory=dict)
    resting: dict[str, datetime] = field(default_factory=dict)
    """Until when there is nothing to do at a connection, though something is due."""

    def in_hand(self) -> set[str]:
        """Deliveries whose call is under way here: the lock that outlives their lease."""
        return {delivery_id for drain in self.running.values() for delivery_id in drain.in_hand}

    def quiet(self) -> set[str]:
        """Connections that the sweep need not wake."""
        now = clock.now()
        return {*self.running, *(id for id, until in self.resting.items() if until > now)}


def drains(machine: Machine) -> Drains:
    made: Drains = machine.parts.setdefault(Drains, Drains())
    return made


async def drain(machine: Machine, org_id: str, connection_id: str) -> None:
    """Send what is due, until nothing is."""
    all_drains = drains(machine)
    busy = all_drains.running.get(connection_id)
    if busy is not None:
        busy.look_again()
        return
    mine = Drain(machine, org_id, connection_id)
    all_drains.running[connection_id] = mine
    try:
        await mine.run()
    finally:
        mine.cancel()
        del all_drains.running[connection_id]


class Drain:
    """One run over one connection."""

    def __init__(self, machine: Machine, org_id: str, connection_id: str) -> None:
        self._machine = machine
        self._org_id = org_id
        self._connection_id = connection_id
        self._all = drains(machine)
        self._breaker = self._all.breakers.setdefault(connection_id, Breaker())
        queue = machine.settings.queue
        self._schedule = Schedule(queue.retry, queue.jitter)
        self._calls: dict[asyncio.Task[Result], Claim] = {}
        self._finished: list[Result] = []
        self._again = asyncio.Event()
        self._ends = asyncio.get_running_loop().time() + TURNS_AT_MOST_S

    @property
    def in_hand(self) -> set[str]:
        return {claim.id for claim in self._calls.values()} | {result.claim.id for result in self._finished}

    def look_again(self) -> None:
        self._again.set()

    def cancel(self) -> None:
        """What is cut off here is due again when its lease ends, or at the next start."""
        for call in self._calls:
            call.cancel()

    async def run(self) -> None:
        if not await self._anything_due():
            return
        while True:
            self._again.clear()
            await self._turn_patiently()
            if not self._calls and not self._again.is_set():
                return
            await self._wait()

    async def _wait(self) -> None:
        """Until a call ends or somebody wakes us."""
        if not self._calls:
            return
        woken = asyncio.create_task(self._again.wait())
        try:
            await asyncio.wait({*self._calls, woken}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
        for call in [call for call in self._calls if call.done()]:
            del self._calls[call]
            self._take_in(call.result())

    def _take_in(self, result: Result) -> None:
        self._finished.append(result)
        if result.error is None or result.error.kind is ErrorClass.PERMANENT:
            self._breaker.answered()
        elif result.error.kind is ErrorClass.RETRY:
            self._breaker.failed(result.claim.id)

    async def _anything_due(self) -> bool:
        """Without the write lock, for a wake-up that finds nothing; the next one has its time all the same."""
        async with self._machine.session() as session:
            if await ledger.anything_due(session, self._connection_id):
                return True
            at = await ledger.next_due(session, self._connection_id)
            if at is not None:
                await outbox.wake(session, self._org_id, [self._connection_id], at=at)
        return False

    async def _turn_patiently(self) -> None:
        """A locked database delays the books; what the CRM did is not forgotten meanwhile."""
        while True:
            try:
                return await self._turn()
            except DatabaseBusy:
                _log.info("delivery.waits_for_database", connection=self._connection_id)
                await asyncio.sleep(BUSY_PAUSE_S)

    async def _turn(self) -> None:
        """One transaction: settle, claim; and if there is nothing more to do, when to come back."""
        settled = list(self._finished)
        async with self._machine.session() as session:
            await db.lock(session)
            await self._settle(session, settled)
            way = await self._way(session)
            claims = await self._claim(session, way)
            if not claims and not self._calls:
                await self._come_back(session, way)
        self._finished = [result for result in self._finished if result not in settled]
        for claim in claims:
            self._calls[asyncio.create_task(calling.call(self._machine, claim), name=f"deliver {claim.id}")] = claim

    async def _claim(self, session: AsyncSession, way: Way) -> list[Claim]:
        room = min(self._breaker.room(SIDE_BY_SIDE), SIDE_BY_SIDE) - len(self._calls)
        if room <= 0 or not way.is_active or self._rests_until(way) is not None or self._is_over():
            return []
        lease_until = clock.after(calling.longest_s(self._machine) + LEASE_SLACK_S)
        return await ledger.claim(session, self._connection_id, limit=room, lease_until=lease_until)

    async def _come_back(self, session: AsyncSession, way: Way) -> None:
        if not way.is_active:
            await outbox.hold(session, self._connection_id, is_removed=not way.state)
            return
        rests_until = self._rests_until(way)
        if rests_until is not None:
            self._all.resting[self._connection_id] = rests_until
        at = rests_until or await self._next_due(session)
        if at is not None:
            await outbox.wake(session, self._org_id, [self._connection_id], at=at)

    async def _next_due(self, session: AsyncSession) -> datetime | None:
        if not self._is_over():
            return await ledger.next_due(session, self._connection_id)
        starting = timedelta(seconds=0 if self._machine.ready else STARTING_PAUSE_S)
        return clock.now() + starting

    def _is_over(self) -> bool:
        """Nothing new is begun while the instance comes up or goes down."""
        return not self._machine.ready or asyncio.get_running_loop().time() > self._ends

    def _rests_until(self, way: Way) -> datetime | None:
        """Because of the vendor's limit, or because it fails lead after lead."""
        now = clock.now()
        ends = [moment for moment in (way.paused_until, self._breaker.rests_until) if moment and moment > now]
        return max(ends, default=None)

    async def _way(self, session: AsyncSession) -> Way:
        try:
            found = await connections.get(session, self._org_id, self._connection_id)
        except ConnectionNotFound:
            return Way()
        self._breaker.connected(found.state_at)
        return Way(state=found.state, state_at=found.state_at, paused_until=found.paused_until)

    async def _settle(self, session: AsyncSession, results: Collection[Result]) -> None:
        if not results:
            return
        way = await self._way(session)
        outcomes = [(result, await self._verdict(session, way, result)) for result in results]
        await ledger.settle(session, outcomes)
        warned = {warning.property: warning.text for result in results for warning in result.written.warnings}
        for name, text in warned.items():
            await connections.note_warning(session, self._connection_id, property=name, text=text)
        for result, verdict in outcomes:
            _tell(result, verdict)

    async def _verdict(self, session: AsyncSession, way: Way, result: Result) -> Verdict | None:
        """None: delivered. What is to be tried again waits if the connection was stopped in the meantime."""
        if result.error is None:
            return None
        failures = result.claim.failures
        verdict = judge(result.error, failures=failures, now=clock.now(), schedule=self._schedule)
        if verdict.pause_until is not None:
            await connections.throttle(session, self._connection_id, until=verdict.pause_until)
        if verdict.state is State.DEAD:
            return verdict
        if not way.state:
            return Verdict(state=State.SKIPPED, failures=failures, code="removed", text=outbox.REMOVED_TEXT)
        if verdict.park and not await self._park(session, result, verdict.text):
            verdict = Verdict(state=State.PENDING, failures=failures, due_at=clock.after(MENDED_PAUSE_S))
        if not way.is_active:
            return Verdict(state=State.PARKED, failures=failures, code=verdict.code, text=verdict.text)
        return verdict

    async def _park(self, session: AsyncSession, result: Result, reason: str) -> bool:
        """False: it was mended while the call was under way, so the call's refusal is old news."""
        return await connections.park(session, self._connection_id, reason, began=result.started_at)


def _tell(result: Result, verdict: Verdict | None) -> None:
    about = {"delivery": result.claim.id, "connection": result.claim.connection_id, "lead": result.claim.lead_id}
    if verdict is None:
        _log.info("delivery.delivered", **about, remote=result.written.id)
    else:
        _log.info("delivery.failed", **about, state=verdict.state.value, code=verdict.code)
