"""What runs in the background: the readings that are due, and the hooks that are to be renewed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import queries as connections
from site2crm.connectors.events import AccessReplaced, ConnectionCreated, ConnectionRemoved, ConnectionResumed
from site2crm.core import patience
from site2crm.core.machine import Machine
from site2crm.core.queue import Cron, JobContext, enqueue, job
from site2crm.deals import counting, feeds, hooks, syncing
from site2crm.deals.models import Feed, Stream
from site2crm.deals.progress import Paces
from site2crm.kit import clock

LOOK_EVERY_S = 30.0
MOST_AT_ONCE = 2
"""Readings in one process: the other workers belong to the leads."""
ITS_TURN_IN = timedelta(seconds=10)
FORGET = "deals.forget"
FORGOTTEN_AT_ONCE = 2_000
RECOUNT_EVERY_S = 86_400.0


class Readings:
    """The connections that this process reads at this moment."""

    def __init__(self) -> None:
        self.running: set[str] = set()


@job(feeds.SYNC, timeout_s=syncing.SLICE_S + feeds.LEASE.total_seconds(), retries=3)
async def sync(ctx: JobContext, *, org_id: str, connection_id: str) -> None:
    """Read what is new at this connection."""
    machine: Machine = ctx.machine
    running = machine.get(Readings).running
    if connection_id in running:
        return
    if len(running) >= MOST_AT_ONCE:
        await _again(machine, org_id, connection_id, wait=ITS_TURN_IN)
        return
    running.add(connection_id)
    try:
        goes_on = await syncing.read(machine, org_id, connection_id)
    finally:
        running.discard(connection_id)
    if goes_on:
        await _again(machine, org_id, connection_id, wait=timedelta())


@job(hooks.WATCH, timeout_s=300, retries=1)
async def watch(ctx: JobContext, *, org_id: str, connection_id: str) -> None:
    """Make or renew the hooks of this connection."""
    await hooks.watch(ctx.machine, org_id, connection_id)


@job(FORGET, timeout_s=600, retries=5)
async def forget(ctx: JobContext, *, connection_id: str) -> None:
    """The connection was removed: what was read there goes with it."""
    machine: Machine = ctx.machine
    more = True
    while more:  # in parts, so that leads that come in meanwhile do not wait for all of it
        async with machine.session() as session:
            more = await feeds.forget_some(session, connection_id, most=FORGOTTEN_AT_ONCE)


async def look(ctx: JobContext) -> None:
    """Which connections are due. Mostly two reads that find nothing."""
    machine: Machine = ctx.machine
    async with machine.session() as session:
        refs = [
            ref
            for ref in await connections.everywhere(session)
            if ref.state == feeds.ACTIVE and connections.caps(ref.kind).deals
        ]
        known = set(await session.scalars(select(Feed.connection_id)))
    if new := [ref for ref in refs if ref.id not in known]:
        async with machine.session() as session:
            await feeds.open_all(session, machine.vault, new)
    alive = {ref.id for ref in refs}
    async with machine.session() as session:
        for org_id, connection_id in await feeds.due(session):
            if connection_id in alive:
                await _enqueue(session, feeds.SYNC, org_id, connection_id)
        stale = select(Feed.org_id, Feed.connection_id).where(hooks.are_due())
        for org_id, connection_id in (await session.execute(stale)).all():
            if connection_id in alive:
                await _enqueue(session, hooks.WATCH, org_id, connection_id)


async def recount(ctx: JobContext) -> None:
    """Once a day: a tenth of a second for a hundred thousand deals."""
    machine: Machine = ctx.machine
    async with machine.session() as session:
        refs = await connections.everywhere(session)
    for ref in refs:
        async with machine.session() as session:
            await counting.recount(session, ref.id)


@asynccontextmanager
async def ready(machine: Machine) -> AsyncIterator[None]:
    """This process holds the folder: a lease that stands was left by one that was killed, unless another node reads."""
    machine.put(Readings())
    machine.put(Paces())
    machine.put(hooks.Hinted())
    async with patience.done("deals.ready", partial(_take_back, machine)):
        yield


async def _take_back(machine: Machine) -> None:
    """A reading of ours that has begun meanwhile finds its lease gone, and writes nothing more."""
    mine = (feeds.of_node(machine.node),) if machine.database.is_shared else ()
    async with machine.session() as session:
        if await session.scalar(select(Feed.connection_id).where(Feed.lease != "", *mine).limit(1)) is not None:
            await feeds.take_back(session, *mine)
    async with machine.session() as session:
        await feeds.renew_secrets(session, machine.vault)


async def created(session: AsyncSession, _: ConnectionCreated) -> None:
    """A listener: whoever connects a CRM sees its deals come in, without waiting for the next look."""
    await enqueue(session, LOOK.name, key=LOOK.key)


async def removed(session: AsyncSession, event: ConnectionRemoved) -> None:
    """A listener: a hundred thousand rows are for a job."""
    await feeds.forget_counts(session, event.connection_id)
    await syncing.hush(session, event.org_id, event.connection_id)
    await enqueue(session, FORGET, key=f"{FORGET}:{event.connection_id}", connection_id=event.connection_id)


async def read_anew(session: AsyncSession, event: AccessReplaced | ConnectionResumed) -> None:
    """A listener: what it failed of may be mended, so it does not wait any longer. Nor is what still reads with the
    access from before believed: of that it may be about to fail."""
    mine = update(Feed).where(Feed.connection_id == event.connection_id, Feed.org_id == event.org_id)
    await session.execute(mine.values(due_at=clock.now(), lease="", lease_until=None))
    refused = update(Stream).where(Stream.connection_id == event.connection_id, Stream.org_id == event.org_id)
    await session.execute(refused.values(retry_at=None))
    await _enqueue(session, feeds.SYNC, event.org_id, event.connection_id)


async def watch_anew(session: AsyncSession, event: AccessReplaced) -> None:
    """A listener: the hooks that the old access had made are gone."""
    mine = update(Feed).where(Feed.connection_id == event.connection_id, Feed.org_id == event.org_id)
    await session.execute(mine.values(hook_due_at=clock.now(), hook_until=None))


async def _enqueue(session: AsyncSession, name: str, org_id: str, connection_id: str) -> None:
    await enqueue(session, name, key=f"{name}:{connection_id}", org_id=org_id, connection_id=connection_id)


async def _again(machine: Machine, org_id: str, connection_id: str, *, wait: timedelta) -> None:
    key = f"{feeds.SYNC}:{connection_id}"
    async with machine.session() as session:
        at = clock.now() + wait
        await enqueue(session, feeds.SYNC, key=key, at=at, org_id=org_id, connection_id=connection_id)


JOBS = (sync, watch, forget)
LOOK = Cron("deals.look", function=look, every_s=LOOK_EVERY_S, timeout_s=60)
CRONS = (
    LOOK,
    Cron("deals.recount", function=recount, every_s=RECOUNT_EVERY_S, timeout_s=600),
)
