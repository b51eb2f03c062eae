"""The statements of the queue. Each runs in the caller's transaction."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from saq.job import Status
from sqlalchemy import ColumnElement, Row, case, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core.queue import dialect
from site2crm.core.queue.model import is_status, jobs
from site2crm.kit import clock

JobValues = Row[tuple[object, ...]]

FAILED_KEPT_S = 30 * 86_400
LOST_AFTER_S = 60.0
"""An active job whose worker was not heard of for this long is taken back."""


@dataclass(frozen=True)
class Outcome:
    """How one run ended: COMPLETE, QUEUED (again, at `scheduled`) or FAILED."""

    id: int
    key: str | None
    status: Status
    attempts: int
    scheduled: float = 0
    error: str | None = None


@dataclass(frozen=True)
class JobStats:
    queued: int
    """Waiting, those for later included."""
    active: int
    failed: int
    oldest_due_s: float
    """How long the job that is due the longest has been waiting; 0 if none is due."""


@dataclass(frozen=True)
class Failure:
    """A job that was given up."""

    id: int
    name: str
    key: str | None
    attempts: int
    at: datetime
    error: str


async def next_due(session: AsyncSession) -> float | None:
    """When the next waiting job is due, in unix seconds."""
    due: float | None = await session.scalar(select(func.min(jobs.c.scheduled)).where(is_status(Status.QUEUED)))
    return due


async def claim(session: AsyncSession, worker: str, *, limit: int) -> list[JobValues]:
    """Take due jobs, longest due first. The try is counted here, so that a crash has counted it too."""
    now = clock.unix()
    due = (
        select(jobs.c.id)
        .where(is_status(Status.QUEUED), jobs.c.scheduled <= now)
        .order_by(jobs.c.scheduled, jobs.c.id)
        .limit(limit)
    )
    taken = await session.execute(
        update(jobs)
        .where(jobs.c.id.in_(dialect.skip_locked(due)))
        .values(status=Status.ACTIVE.value, worker=worker, attempts=jobs.c.attempts + 1, touched=now)
        .returning(*jobs.c)
    )
    return sorted(taken, key=lambda row: (row.scheduled, row.id))


async def settle(session: AsyncSession, worker: str, outcomes: Collection[Outcome]) -> None:
    """Write how runs of this worker ended. Repeating it changes nothing."""
    done = [outcome for outcome in outcomes if outcome.status is Status.COMPLETE]
    if done:
        over = jobs.c.id.in_([outcome.id for outcome in done]) & _held(worker)
        made_good = _failed_before([outcome.key for outcome in done if outcome.key])
        await session.execute(delete(jobs).where(or_(over, made_good)))
    for outcome in outcomes:
        if outcome.status is Status.FAILED:
            await _give_up(session, outcome, mine=_held(worker))
        elif outcome.status is Status.QUEUED:
            await _put_back(session, outcome, mine=_held(worker))


async def take_back(session: AsyncSession, lost: ColumnElement[bool], *, tries: dict[str, int]) -> list[int]:
    """Active jobs that nobody runs any more go back to the queue, or fail if that was their last try.

    `tries` is how many each job name has. Returns the ids.
    """
    rows = await session.execute(select(*jobs.c).where(is_status(Status.ACTIVE), lost))
    found = rows.all()
    for row in found:
        over = row.attempts >= tries.get(row.name, 1)
        outcome = Outcome(
            id=row.id,
            key=row.key,
            status=Status.FAILED if over else Status.QUEUED,
            attempts=row.attempts,
            scheduled=row.scheduled,
            error="The process ended while this job was running",
        )
        await (_give_up if over else _put_back)(session, outcome, mine=is_status(Status.ACTIVE))
    return [row.id for row in found]


async def bring_forward(session: AsyncSession) -> None:
    """What was to run later, by a clock that somebody has put back since, runs as much later from now."""
    now = clock.unix()
    wait = jobs.c.scheduled - jobs.c.touched
    wrong = update(jobs).where(is_status(Status.QUEUED), jobs.c.touched > now + clock.SKEW.total_seconds())
    await session.execute(wrong.values(scheduled=now + wait, touched=now))


def not_heard_of(in_hand: Collection[int]) -> ColumnElement[bool]:
    """Jobs without a recent heartbeat, except those this process knows to be running."""
    return (jobs.c.touched < clock.unix() - LOST_AFTER_S) & jobs.c.id.not_in(list(in_hand))


async def touch(session: AsyncSession, in_hand: Collection[int]) -> None:
    """The heartbeat of running jobs."""
    await session.execute(update(jobs).where(jobs.c.id.in_(list(in_hand))).values(touched=clock.unix()))


async def drop_old_failures(session: AsyncSession) -> None:
    old = jobs.c.touched < clock.unix() - FAILED_KEPT_S
    await session.execute(delete(jobs).where(is_status(Status.FAILED), old))


async def stats(session: AsyncSession) -> JobStats:
    counted = await session.execute(select(jobs.c.status, func.count().label("depth")).group_by(jobs.c.status))
    depth: dict[str, int] = {row.status: row.depth for row in counted}
    due = await next_due(session)
    return JobStats(
        queued=depth.get(Status.QUEUED.value, 0),
        active=depth.get(Status.ACTIVE.value, 0),
        failed=depth.get(Status.FAILED.value, 0),
        oldest_due_s=max(0.0, clock.unix() - due) if due is not None else 0.0,
    )


async def failures(session: AsyncSession, *, limit: int = 100) -> Sequence[Failure]:
    """Jobs that were given up, newest first."""
    rows = await session.execute(
        select(jobs).where(is_status(Status.FAILED)).order_by(jobs.c.touched.desc()).limit(limit)
    )
    return [
        Failure(row.id, row.name, row.key, row.attempts, datetime.fromtimestamp(row.touched, UTC), row.error or "")
        for row in rows
    ]


async def requeue(session: AsyncSession, job_id: int) -> None:
    """Give a failed job all its tries again, from now."""
    row = (await session.execute(select(*jobs.c).where(is_status(Status.FAILED), jobs.c.id == job_id))).first()
    if row is None:
        return
    outcome = Outcome(id=row.id, key=row.key, status=Status.QUEUED, attempts=0, scheduled=clock.unix())
    await _put_back(session, outcome, mine=is_status(Status.FAILED))
    await dialect.notify(session)


def _held(worker: str) -> ColumnElement[bool]:
    return is_status(Status.ACTIVE) & (jobs.c.worker == worker)


async def _give_up(session: AsyncSession, outcome: Outcome, *, mine: ColumnElement[bool]) -> None:
    """One failure per key is kept, the newest: a cron that fails each minute leaves one row, not 1,440 a day."""
    if outcome.key is not None:
        await session.execute(delete(jobs).where(_failed_before([outcome.key])))
    await session.execute(
        update(jobs)
        .where(jobs.c.id == outcome.id, mine)
        .values(status=Status.FAILED.value, error=outcome.error, attempts=outcome.attempts, touched=clock.unix())
    )


async def _put_back(session: AsyncSession, outcome: Outcome, *, mine: ColumnElement[bool]) -> None:
    """Queue it again; if its key was enqueued anew meanwhile, that job stands for both."""
    if outcome.key is not None and await _came_forward(session, outcome.key, outcome.scheduled):
        await session.execute(delete(jobs).where(jobs.c.id == outcome.id, mine))
        return
    await session.execute(
        update(jobs)
        .where(jobs.c.id == outcome.id, mine)
        .values(
            status=Status.QUEUED.value,
            scheduled=outcome.scheduled,
            attempts=outcome.attempts,
            error=outcome.error,
            worker=None,
            touched=clock.unix(),
        )
    )


async def _came_forward(session: AsyncSession, key: str, scheduled: float) -> bool:
    sooner = case((jobs.c.scheduled > scheduled, scheduled), else_=jobs.c.scheduled)
    waiting = await session.execute(
        update(jobs).where(jobs.c.key == key, is_status(Status.QUEUED)).values(scheduled=sooner).returning(jobs.c.id)
    )
    return waiting.first() is not None


def _failed_before(keys: Collection[str]) -> ColumnElement[bool]:
    return is_status(Status.FAILED) & jobs.c.key.in_(list(keys))
