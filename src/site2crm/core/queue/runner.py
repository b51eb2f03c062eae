"""The running queue: what the server starts and stops, and what a test steps through by hand."""

import asyncio
import logging
from collections.abc import Sequence

from site2crm.core import db
from site2crm.core.queue import dialect, store
from site2crm.core.queue.crons import CronBook
from site2crm.core.queue.spec import Cron, JobSpec
from site2crm.core.queue.sql_queue import SqlQueue
from site2crm.core.queue.worker import SqlWorker

log = logging.getLogger("site2crm.queue")

LAST_WRITE_S = 5.0
"""How long a stop waits for a locked database; what stays unwritten is taken back at the next start."""


class Jobs:
    """All jobs and crons of an instance. `context` becomes `ctx.machine`; `node` is the same after a restart."""

    def __init__(
        self,
        database: db.Database,
        *,
        jobs: Sequence[JobSpec],
        crons: Sequence[Cron],
        context: object,
        node: str,
        concurrency: int,
    ) -> None:
        self._database = database
        self._specs = [*jobs, *(cron.spec() for cron in crons)]
        names = [spec.name for spec in self._specs]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"declared twice: {', '.join(sorted(twice))}")
        self._crons = tuple(crons)
        self._context = context
        self._node = node
        self._concurrency = concurrency
        self._loop: asyncio.AbstractEventLoop | None = None
        self._flusher: asyncio.Task[None] | None = None
        self._fresh()

    async def start(self) -> None:
        """Begin to run jobs. What a dead process left is taken back before the first claim."""
        if self._flusher is not None:
            raise RuntimeError("the jobs are running already")
        self._fresh()
        self._loop = asyncio.get_running_loop()
        dialect.listen(self._database, self.wake)
        self._flusher = asyncio.create_task(self._queue.run(), name="queue flusher")
        self._worker.begin()

    async def stop(self, grace_s: float) -> None:
        """Let running jobs finish for `grace_s`; the rest goes back to the queue and its try does not count."""
        if self._flusher is None:
            return
        dialect.unlisten(self._database, self.wake)
        await self._worker.stop(grace_s)
        _, unwritten = await asyncio.wait({self._flusher}, timeout=LAST_WRITE_S)
        if unwritten:
            log.warning("queue.stopped_without_database")
            self._flusher.cancel()
            await asyncio.wait({self._flusher})
        self._loop = self._flusher = None

    @property
    def is_alive(self) -> bool:
        """Whether started jobs are still taken; between `start` and `stop` it has no reason to be false."""
        return self._flusher is not None and not self._flusher.done()

    def wake(self) -> None:
        """Look for due jobs now instead of within a second. From any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._queue.wake)

    async def run_due(self, until_idle: bool = True) -> int:
        """For tests, without `start`: run what is due at `kit.clock`'s time, and what that enqueues; else one batch.

        Returns how many runs there were, failed ones included.
        """
        if self._flusher is not None:
            raise RuntimeError("the background loop runs the jobs")
        await self._queue.prepare()
        ran = 0
        while batch := await self._queue.flush(claims=self._concurrency):
            await asyncio.gather(*(self._worker.perform(job) for job in batch))
            ran += len(batch)
            if not until_idle:
                await self._queue.flush(claims=0)
                break
        return ran

    async def stats(self) -> store.JobStats:
        async with self._database.session() as session:
            return await store.stats(session)

    def _fresh(self) -> None:
        book = CronBook(self._crons)
        self._queue = SqlQueue(self._database, self._specs, crons=book, node=self._node, concurrency=self._concurrency)
        self._worker = SqlWorker(self._queue, self._specs, machine=self._context, concurrency=self._concurrency)
