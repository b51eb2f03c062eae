"""SAQ's worker, with what it does differently inside a server. Each override names its reason."""

import asyncio
import logging
import traceback
from collections.abc import Sequence
from typing import Any

from saq.job import Status
from saq.worker import Worker

from site2crm.core import db, tracing
from site2crm.core import log as events
from site2crm.core.queue.spec import JobContext, JobSpec
from site2crm.core.queue.sql_queue import BUSY_PAUSE_S, SqlJob, SqlQueue

log = logging.getLogger("site2crm.queue")
logging.getLogger("saq").setLevel(logging.WARNING)  # two lines of INFO for each job otherwise

CANCEL_S = 1.0
"""How long a cancelled job may take to clean up."""
ERROR_CHARS = 4000


class SqlWorker(Worker[Any]):
    """Runs jobs in this process: `begin`, then `stop`."""

    SIGNALS = []  # noqa: RUF012 - SAQ's own would take SIGTERM away from the server, which then never stops

    queue: SqlQueue

    def __init__(self, queue: SqlQueue, specs: Sequence[JobSpec], *, machine: object, concurrency: int) -> None:
        named = [(spec.name, spec.function) for spec in specs]  # SAQ's `__qualname__` is the same for two `sweep`s
        super().__init__(queue, named, id=queue.worker_id, concurrency=concurrency)
        self._machine = machine

    def begin(self) -> None:
        """Instead of `start`: it waits for the end, and its upkeep (crons, sweep, abort, info) is the flusher's."""
        self.event.clear()
        for _ in range(self.concurrency):
            self._process()

    async def stop(self, grace_s: float = 0) -> None:
        """Idle slots end at once, running jobs get `grace_s`, then go back to the queue.

        SAQ gives the grace to idle slots and to its own sleeps too, so that every stop takes all of it.
        """
        self.event.set()
        await self.queue.disconnect()
        tasks = set(self.tasks)
        if tasks:
            _, running = await asyncio.wait(tasks, timeout=grace_s)
            for task in running:
                task.cancel()
            if running:
                await asyncio.wait(running, timeout=2 * CANCEL_S)
        self.pool.shutdown(wait=False)  # never used; SAQ waits for it, in the event loop

    async def process(self) -> bool:
        """One job. SAQ's version loses an error of `dequeue`, writes each step apart, and fails a job whose success
        could not be written."""
        job = await self.queue.dequeue()
        if job is None:
            return False
        await self.perform(job)
        return True

    async def perform(self, job: SqlJob) -> None:
        """Run a claimed job to its outcome."""
        task = asyncio.create_task(self._call(job), name=job.function)
        try:
            await asyncio.wait({task}, timeout=job.spec.timeout_s)
        except asyncio.CancelledError:
            await self._interrupt(job, task)
            if task.done() and not task.cancelled():
                await self._settle(job, task.exception())
            else:
                self.queue.put_back(job)
            raise
        if not task.done():
            await self._interrupt(job, task)
            await self._settle(job, TimeoutError(f"Took longer than {job.spec.timeout_s:g} s"))
        elif task.cancelled():
            await self._settle(job, RuntimeError("The job cancelled itself"))
        else:
            await self._settle(job, task.exception())

    async def _call(self, job: SqlJob) -> None:
        ctx = JobContext(machine=self._machine, attempt=job.attempts, job_key=job.dedupe or job.key)
        with events.scope(**_named(job)), tracing.span(job.function, job=job.key) as told:
            told |= {"job_id": job.key, "attempt": job.attempts}
            await job.spec.function(ctx, **(job.kwargs or {}))

    async def _interrupt(self, job: SqlJob, task: asyncio.Task[None]) -> None:
        """SAQ's `cancel_tasks` waits without end for a task that ignores its cancellation."""
        task.cancel()
        _, deaf = await asyncio.wait({task}, timeout=CANCEL_S)
        if deaf:
            log.error("job.does_not_stop", extra={"fields": {"job": job.function, "job_id": job.key}})

    async def _settle(self, job: SqlJob, error: BaseException | None) -> None:
        about = {**_named(job), "attempt": job.attempts}
        if error is None:
            await self.queue.finish(job, Status.COMPLETE)
        elif db.is_passing(error):
            log.info("job.waits_for_database", extra={"fields": about})
            job.error = None
            self.queue.put_back(job, delay_s=BUSY_PAUSE_S)
        elif job.retryable:
            log.info("job.retried", extra={"fields": {**about, "error": repr(error)}})
            await self.queue.retry(job, _text(error))
        else:
            log.error("job.failed", extra={"fields": about}, exc_info=error)
            await self.queue.finish(job, Status.FAILED, error=_text(error))


def _named(job: SqlJob) -> dict[str, object]:
    """What every log line of a job says, its own and ours."""
    request = {"request_id": job.request_id} if job.request_id else {}
    return {"job": job.function, "job_id": job.key, **request}


def _text(error: BaseException) -> str:
    """What is kept of an error: its end, which names it; no character that a database would refuse."""
    text = "".join(traceback.format_exception(error))[-ERROR_CHARS:]
    return text.encode("utf-8", "replace").decode().replace("\x00", "")
