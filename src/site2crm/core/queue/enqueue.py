"""Putting jobs into the queue, in the caller's transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from saq.job import Status
from sqlalchemy import case
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import log
from site2crm.core.queue import dialect
from site2crm.core.queue.model import is_status, jobs
from site2crm.core.sql import insert
from site2crm.kit import clock

REQUEST = "_request"
"""Beside the arguments of a job: the request that enqueued it, so that its log lines name the same request."""

Payload = tuple[str | None, datetime | None, Mapping[str, Any]]
"""(key, at, kwargs) of one job."""


async def enqueue(
    session: AsyncSession, name: str, /, *, key: str | None = None, at: datetime | None = None, **kwargs: Any
) -> None:
    """Run the job `name` with `kwargs` once this transaction is committed, or at `at`.

    While a job with `key` is waiting, another one is not added; if it is wanted earlier, the waiting one comes
    forward. One that is already running does not count: it may have read its rows before this change.
    """
    await enqueue_many(session, name, [(key, at, kwargs)])


async def enqueue_many(session: AsyncSession, name: str, payloads: Sequence[Payload]) -> None:
    """`enqueue` for many payloads, in one statement."""
    if not payloads:
        return
    added = insert(jobs)
    sooner = case((added.excluded.scheduled < jobs.c.scheduled, added.excluded.scheduled), else_=jobs.c.scheduled)
    upsert = added.on_conflict_do_update(
        index_elements=[jobs.c.key], index_where=is_status(Status.QUEUED), set_={"scheduled": sooner}
    )
    now = clock.unix()
    await session.execute(upsert, [_row(name, payload, now=now) for payload in payloads])
    await dialect.notify(session)


def _row(name: str, payload: Payload, *, now: float) -> dict[str, Any]:
    key, at, kwargs = payload
    request_id = log.bound().get("request_id")
    return {
        "name": name,
        "key": key,
        "kwargs": {**kwargs, REQUEST: request_id} if request_id else dict(kwargs),
        "status": Status.QUEUED.value,
        "scheduled": at.timestamp() if at else now,
        "attempts": 0,
        "touched": now,
    }
