"""What runs in the background: the drain that a wake-up starts, the sweep that needs none, and the tidying at start."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import service as connections
from site2crm.core import db, log, patience
from site2crm.core.machine import Machine
from site2crm.core.queue import Cron, JobContext, enqueue, job
from site2crm.delivery import backfill, comparing, ledger, outbox, refused, sweeping
from site2crm.delivery.drain import drain, drains, lease
from site2crm.kit import clock

SWEEP_S = 5.0
NIGHTS_S = 600.0
OVERDUE = timedelta(seconds=2)
"""What is due for less than this has its wake-up on the way."""

_log = log.get("delivery")


@job(outbox.DRAIN, timeout_s=600, retries=3)
async def drain_connection(ctx: JobContext, *, org_id: str, connection_id: str) -> None:
    """Send what is due at this connection."""
    machine: Machine = ctx.machine
    await drains(machine).shares.run(f"drain {connection_id}", drain(machine, org_id, connection_id))


@job(backfill.BACKFILL, timeout_s=1800, retries=5)
async def give_what_came_before(ctx: JobContext, *, org_id: str, connection_id: str, total: int) -> None:
    """`total` stays in the queue's row, for the page that shows how far it is."""
    await backfill.run(ctx.machine, org_id, connection_id)


@job(comparing.COMPARE, timeout_s=900, retries=3)
async def compare(ctx: JobContext, *, org_id: str, connection_id: str) -> None:
    """Look up in the CRM what we delivered there; a slice at a time, so that others get their turn."""
    machine: Machine = ctx.machine
    wait = await comparing.run(machine, org_id, connection_id)
    if wait is not None:
        async with machine.session() as session:
            key, at = f"{comparing.COMPARE}:{connection_id}", clock.now() + wait
            await enqueue(session, comparing.COMPARE, key=key, at=at, org_id=org_id, connection_id=connection_id)


async def look_for_nights(ctx: JobContext) -> None:
    async with ctx.machine.session() as session:
        await comparing.look(session)


async def sweep(ctx: JobContext) -> None:
    """Find what nobody woke: leases that ended, and due deliveries without a job. Mostly one read that finds none.

    And end the alarms that have become untrue, and pause what was to finish first.
    """
    machine: Machine = ctx.machine
    now, spared = clock.now(), drains(machine)
    is_put_back = spared.clock_was_put_back()
    async with machine.session() as session:
        lapsed = await sweeping.lapsed(session, now)
        asleep = await sweeping.asleep(session, now - OVERDUE, quiet=spared.quiet())
        mended = await refused.mended(session)
        drained = await sweeping.drained(session)
    if not (is_put_back or asleep or mended or drained or set(lapsed) - spared.in_hand()):
        spared.swept_at = now
        return
    async with machine.session() as session:
        await db.lock(session)
        if is_put_back:
            await ledger.bring_forward(session, lease_until=lease(machine))
        taken = await ledger.take_back(session, ledger.lapsed(now), spared=spared.in_hand())
        await _wake_all(session, [*asleep, *await sweeping.connections_of(session, taken)])
        await refused.clear(session, mended)
        for org_id, connection_id in await sweeping.drained(session):
            await connections.pause(session, org_id, connection_id)
    spared.swept_at = now


@asynccontextmanager
async def recovered(machine: Machine) -> AsyncIterator[None]:
    """This process holds `data/lock`: whatever stands as being sent was cut off with the process before.

    Where other nodes may be sending, that is so of what this one had claimed; the lease of theirs has to end first,
    and the sweep finds it then.
    At the end, drains that go on beside the queue get the time that jobs get.
    """
    async with patience.done("delivery.recovered", partial(recover, machine, clock.now())):
        yield
    await drains(machine).shares.close(machine.settings.server.shutdown_grace)


async def recover(machine: Machine, begun_at: datetime) -> None:
    """What was claimed since then is ours, and under way: a database that was locked at the start is asked late."""
    async with machine.session() as session:
        await db.lock(session)
        mine = (ledger.of_node(machine.node),) if machine.database.is_shared else ()
        lost = (*mine, ledger.claimed_before(begun_at))
        taken = await ledger.take_back(session, *lost, spared=drains(machine).in_hand(), pause_s=ledger.SETTLES_S)
        await ledger.bring_forward(session, lease_until=lease(machine))
        await _wake_all(session, await sweeping.asleep(session, clock.now(), quiet=()))
        await _wake_all(session, await sweeping.connections_of(session, taken), at=clock.after(ledger.SETTLES_S))
    if taken:
        _log.warning("delivery.interrupted", count=len(taken))


async def _wake_all(session: AsyncSession, found: list[tuple[str, str]], *, at: datetime | None = None) -> None:
    for org_id, connection_id in found:
        await outbox.wake(session, org_id, [connection_id], at=at)


JOBS = (drain_connection, give_what_came_before, compare)
CRONS = (
    Cron("delivery.sweep", function=sweep, every_s=SWEEP_S, timeout_s=60),
    Cron("delivery.compare_nightly", function=look_for_nights, every_s=NIGHTS_S, timeout_s=60),
)
