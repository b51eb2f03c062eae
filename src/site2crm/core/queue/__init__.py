"""Background jobs, kept in the records database and run in this process.

    @queue.job("delivery.deliver", timeout_s=60, retries=5)
    async def deliver(ctx: queue.JobContext, *, delivery_id: str) -> None: ...

    await queue.enqueue(session, "delivery.deliver", key=delivery_id, delivery_id=delivery_id)

A job is enqueued in the transaction of the rows that need it, so that there is never one without the other. It runs
at least once: a killed process may run it again, so a job takes ids, re-reads its rows and can be repeated.
SAQ is the runner underneath; what it does differently from us, and why, stands at each override in `sql_queue.py` and
`worker.py`.
"""

from site2crm.core.queue.enqueue import enqueue, enqueue_many
from site2crm.core.queue.runner import Jobs
from site2crm.core.queue.spec import Cron, JobContext, JobSpec, job
from site2crm.core.queue.store import Failure, JobStats, failures, requeue

__all__ = [
    "Cron",
    "Failure",
    "JobContext",
    "JobSpec",
    "JobStats",
    "Jobs",
    "enqueue",
    "enqueue_many",
    "failures",
    "job",
    "requeue",
]
