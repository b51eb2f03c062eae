"""SAQ's queue over the records database.

Everything the worker has to write - claims, outcomes, cron ticks, heartbeats - is collected and written by one
flusher in one transaction per turn: with a transaction per write the disk allows a tenth of the jobs a second.
So an outcome is handed in without waiting, and the slot asks for its next job at once.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from saq.job import Job, Status
from saq.queue.base import Queue
from saq.types import CountKind, QueueInfo, WorkerInfo
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import db
from site2crm.core.queue import dialect, store
from site2crm.core.queue.crons import CronBook
from site2crm.core.queue.enqueue import REQUEST, enqueue_many
from site2crm.core.queue.model import is_status, jobs
from site2crm.core.queue.spec import JobContext, JobSpec
from site2crm.kit import clock, ids

log = logging.getLogger("site2crm.queue")

POLL_S = 1.0
HEARTBEAT_S = 15.0
SWEEP_S = 60.0
PAUSE_AFTER_ERROR_S = (0.1, 2.0)
RETRY_BASE_S, RETRY_MAX_S = 2.0, 600.0
BUSY_PAUSE_S = 2.0


class SqlJob(Job):
    """One claimed run of a job."""

    row_id: int
    spec: JobSpec
    dedupe: str | None
    request_id: str
    """The request that enqueued it; empty for crons and what came from outside of one."""

    def info(self, full: bool = False) -> str:
        """SAQ builds its text field by field, for each job, even when nobody logs it; and it shows the payload."""
        return f"{self.function} {self.key}"


class SqlQueue(Queue):
    """Hands out claimed jobs and takes their outcomes; `run` is the flusher."""

    def __init__(
        self, database: db.Database, specs: Sequence[JobSpec], *, crons: CronBook, node: str, concurrency: int
    ) -> None:
        super().__init__(name="jobs", dump=None, load=None)
        self.worker_id = f"{node}/{ids.new('wrk')}"
        self._node = node
        self.specs = {spec.name: spec for spec in specs}
        self._database = database
        self._crons = crons
        self._concurrency = concurrency
        self._ready: deque[SqlJob] = deque()
        self._waiting: deque[asyncio.Future[SqlJob | None]] = deque()
        self._outcomes: list[store.Outcome] = []
        self._in_hand: set[int] = set()
        self._wake = asyncio.Event()
        self._prepared = False
        self._closing = False
        self._more = True
        self._beat = self._swept = clock.unix()

    def wake(self) -> None:
        """Look for due jobs now. Only from the event loop's thread."""
        self._wake.set()

    # The flusher

    async def run(self) -> None:
        """Write and claim until closed and everything handed in is written.

        Nothing that happens to the database ends it, and nothing handed in is dropped: it waits and tries again.
        """
        shortest, longest = PAUSE_AFTER_ERROR_S
        pause = shortest
        while not self._closing or self._outcomes or self._in_hand:
            try:
                await self._turn()
                pause = shortest
            except Exception as error:  # whatever it is, jobs must go on once it is over
                if pause == shortest:
                    log.warning("queue.waits_for_database", exc_info=None if db.is_passing(error) else error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, longest)

    async def _turn(self) -> None:
        await self.prepare()
        self._wake.clear()
        if not self._outcomes and await self._idle():
            return
        for job in await self.flush(claims=self._concurrency):
            self._hand_out(job)

    async def _idle(self) -> bool:
        """Sleep until something may be due; False if something is due now. Reads only: no write lock when idle."""
        if self._room() and self._more:
            return False
        wait = self._crons.next_due() - clock.unix()
        if self._room():
            async with self._database.session() as session:
                due = await store.next_due(session)
            wait = min(wait, due - clock.unix() if due is not None else POLL_S)
        if wait <= 0 or self._upkeep_is_due():
            return False
        try:
            async with asyncio.timeout(min(wait, POLL_S)):
                await self._wake.wait()
        except TimeoutError:
            pass
        return True

    async def prepare(self) -> None:
        """Once, before the first claim: take back what a dead process left, read the crons' moments."""
        if self._prepared:
            return
        async with self._database.session() as session:
            await db.lock(session)
            lost = await store.take_back(session, dialect.orphaned(self._database, self._node), tries=self._tries())
            await self._crons.load(session)
        if lost:
            log.warning("queue.taken_back", extra={"fields": {"jobs": len(lost)}})
        self._prepared = True

    async def flush(self, *, claims: int) -> list[SqlJob]:
        """One transaction: outcomes, heartbeats, cron ticks, then at most `claims` jobs for the free slots."""
        ticks = self._crons.due()
        async with self._database.session() as session:
            await db.lock(session)
            outcomes, room = tuple(self._outcomes), min(claims, self._room())  # with those that came during the wait
            await store.settle(session, self.worker_id, outcomes)
            beat, swept = await self._keep(session)
            await self._crons.enqueue(session, ticks)
            rows = await store.claim(session, self.worker_id, limit=room) if room and not self._closing else []
        # only now: whatever failed above is done again in the next turn
        del self._outcomes[: len(outcomes)]
        self._in_hand -= {outcome.id for outcome in outcomes}
        self._in_hand |= {row.id for row in rows}
        self._more = 0 < room == len(rows)
        self._crons.passed(ticks)
        self._beat, self._swept = beat, swept
        return [self._job(row) for row in rows]

    async def _keep(self, session: AsyncSession) -> tuple[float, float]:
        """Heartbeats and, each minute, the sweep. SAQ's waits up to five seconds for each stuck job, in a row."""
        now, beat, swept = clock.unix(), self._beat, self._swept
        if self._in_hand and _overdue(HEARTBEAT_S, beat):
            beat = now
            await store.touch(session, self._in_hand)
        if _overdue(SWEEP_S, swept):
            swept = now
            lost = await store.take_back(session, store.not_heard_of(self._in_hand), tries=self._tries())
            await store.bring_forward(session)
            await store.drop_old_failures(session)
            if lost:
                log.warning("queue.taken_back", extra={"fields": {"jobs": len(lost)}})
        return beat, swept

    def _upkeep_is_due(self) -> bool:
        return _overdue(SWEEP_S, self._swept) or (bool(self._in_hand) and _overdue(HEARTBEAT_S, self._beat))

    def _room(self) -> int:
        """Slots without a job: one that has handed in its outcome will ask for the next job at once."""
        return self._concurrency - len(self._in_hand) + len(self._outcomes)

    def _tries(self) -> dict[str, int]:
        return {name: spec.retries + 1 for name, spec in self.specs.items()}

    def _job(self, row: store.JobValues) -> SqlJob:
        spec = self.specs.get(row.name) or JobSpec(row.name, _unknown, retries=0)
        kwargs = dict(row.kwargs or {})
        request_id = kwargs.pop(REQUEST, "")
        job = SqlJob(
            function=row.name,
            kwargs=kwargs,
            queue=self,
            key=str(row.id),
            # SAQ's own: 10 s, one try and 600 s; a timeout of 0 is never swept
            timeout=max(1, round(spec.timeout_s)),
            retries=spec.retries + 1,
            ttl=-1,
            attempts=row.attempts,
            error=row.error,
            status=Status(row.status),
            worker_id=row.worker,
        )
        job.row_id, job.spec, job.dedupe, job.request_id = row.id, spec, row.key, request_id
        return job

    def _hand_out(self, job: SqlJob) -> None:
        while self._waiting:
            slot = self._waiting.popleft()
            if not slot.done():
                slot.set_result(job)
                return
        if self._closing:
            self.put_back(job)
        else:
            self._ready.append(job)

    def _hand_in(self, job: SqlJob, status: Status, *, delay_s: float = 0, uncounted: int = 0) -> None:
        self._outcomes.append(
            store.Outcome(
                id=job.row_id,
                key=job.dedupe,
                status=status,
                attempts=job.attempts - uncounted,
                scheduled=clock.unix() + delay_s,
                error=job.error,
            )
        )
        self._wake.set()

    # What the worker calls

    async def dequeue(self, timeout: float = 0.0, poll_interval: float = 0.0) -> SqlJob | None:
        """The next job, or None when the queue closes. Never raises: SAQ would call again at once, unlogged."""
        if self._closing:
            return None
        if self._ready:
            return self._ready.popleft()
        slot: asyncio.Future[SqlJob | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(slot)
        try:
            return await slot
        except asyncio.CancelledError:
            if slot.done() and not slot.cancelled() and (job := slot.result()) is not None:
                self.put_back(job)
            raise

    def put_back(self, job: SqlJob, *, delay_s: float = 0) -> None:
        """Not the job's fault (we stop, the database is busy): queued again, and the try does not count."""
        self._hand_in(job, Status.QUEUED, delay_s=delay_s, uncounted=1)

    async def _finish(self, job: Job, status: Status, *, result: Any = None, error: str | None = None) -> None:
        assert isinstance(job, SqlJob)
        self._hand_in(job, status)

    async def _retry(self, job: Job, error: str | None) -> None:
        assert isinstance(job, SqlJob)
        delay = min(RETRY_MAX_S, RETRY_BASE_S * 2 ** (job.attempts - 1))
        self._hand_in(job, Status.QUEUED, delay_s=delay * random.uniform(0.5, 1))  # noqa: S311 - spread, not secret

    async def update(self, job: Job, **kwargs: Any) -> None:
        """Nothing to do: the claim has written the status. SAQ's second write could fail a job that never ran."""

    async def disconnect(self) -> None:
        """Claim no more and let idle slots go; `run` ends when the rest is written."""
        self._closing = True
        for slot in self._waiting:
            if not slot.done():
                slot.set_result(None)
        self._waiting.clear()
        while self._ready:
            self.put_back(self._ready.popleft())
        self._wake.set()

    # The rest of SAQ's interface, for its own tools

    async def _update(self, job: Job, status: Status | None = None, **kwargs: Any) -> None:
        """See `update`."""

    async def write_worker_info(self, worker_id: str, info: WorkerInfo, ttl: int) -> None:
        """Heartbeats are on the jobs themselves."""

    async def _enqueue(self, job: Job) -> Job:
        async with self._database.session() as session:
            await enqueue_many(session, job.function, [(job.key, None, job.kwargs or {})])
        return job

    async def sweep(self, lock: int = 60, abort: float = 5.0) -> list[str]:
        async with self._database.session() as session:
            await db.lock(session)
            lost = await store.take_back(session, store.not_heard_of(self._in_hand), tries=self._tries())
        return [str(job_id) for job_id in lost]

    async def abort(self, job: Job, error: str, ttl: float = 5) -> None:
        raise NotImplementedError("a job ends by its timeout, or when the server stops")

    async def info(self, jobs: bool = False, offset: int = 0, limit: int = 10) -> QueueInfo:
        async with self._database.session() as session:
            stats = await store.stats(session)
        return QueueInfo(
            workers={}, name=self.name, queued=stats.queued, active=stats.active, scheduled=stats.queued, jobs=[]
        )

    async def count(self, kind: CountKind) -> int:
        async with self._database.session() as session:
            stats = await store.stats(session)
        depth: Mapping[str, int] = {"queued": stats.queued, "active": stats.active}
        return depth.get(kind, stats.queued + stats.active)

    async def job(self, job_key: str) -> Job | None:
        return (await self.jobs([job_key]))[0]

    async def jobs(self, job_keys: Iterable[str]) -> list[Job | None]:
        keys = [int(key) for key in job_keys]
        async with self._database.session() as session:
            rows = await session.execute(select(*jobs.c).where(jobs.c.id.in_(keys)))
            found = {row.id: self._job(row) for row in rows}
        return [found.get(key) for key in keys]

    async def iter_jobs(
        self,
        statuses: list[Status] = list(Status),  # noqa: B006 - SAQ's signature
        batch_size: int = 100,
    ) -> AsyncIterator[Job]:
        for status in statuses:
            async with self._database.session() as session:
                rows = (await session.execute(select(*jobs.c).where(is_status(status)))).all()
            for row in rows:
                yield self._job(row)


def _overdue(every_s: float, last: float) -> bool:
    return abs(clock.unix() - last) >= every_s  # abs: the clock may be set back


async def _unknown(ctx: JobContext, **payload: Any) -> None:
    raise LookupError("No job has this name in this version")
