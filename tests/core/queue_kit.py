"""What the tests of the queue share: a database, a notebook that jobs write into, a few jobs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2  # the copy that the product uses: a second one in this process would not see its locks
from sqlalchemy import select

from site2crm.core import db, queue
from site2crm.core.config_types import Secret
from site2crm.core.queue.model import JobRow
from tests import records


@dataclass
class Notebook:
    """Given to jobs as their machine."""

    ran: list[Any] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)


@queue.job("test.note", retries=2)
async def note(ctx: queue.JobContext, *, what: Any = None) -> None:
    ctx.machine.ran.append(what)


@queue.job("test.fail", retries=2)
async def fail(ctx: queue.JobContext) -> None:
    ctx.machine.ran.append(ctx.attempt)
    raise ValueError("no luck \ud800\x00")


@queue.job("test.wait", retries=2)
async def wait(ctx: queue.JobContext, *, what: Any = None) -> None:
    """Runs until the gate is opened."""
    ctx.machine.ran.append(("began", what))
    await ctx.machine.gate.wait()
    ctx.machine.ran.append(("ended", what))


@queue.job("test.slow", timeout_s=0.05, retries=0)
async def slow(ctx: queue.JobContext) -> None:
    await asyncio.sleep(60)


@queue.job("test.deaf")
async def deaf(ctx: queue.JobContext) -> None:
    """Ignores its cancellation until the gate is opened."""
    ctx.machine.ran.append("began")
    while not ctx.machine.gate.is_set():
        try:
            await ctx.machine.gate.wait()
        except asyncio.CancelledError:
            continue


ALL = (note, fail, wait, slow, deaf)


def place(folder: Path) -> Path | Secret:
    return Secret(records.url_of(folder)) if records.on_postgresql() else folder / "records.db"


def word(place: Path | Secret) -> str:
    """The place as another process is told it: a Secret as text is three stars, and a file of that name."""
    return place.reveal() if isinstance(place, Secret) else str(place)


def place_from(word: str) -> Path | Secret:
    return Secret(word) if "://" in word else Path(word)


@asynccontextmanager
async def fresh_database(folder: Path) -> AsyncIterator[db.Database]:
    database = db.Database(place(folder))
    if not records.on_postgresql():
        async with database.writer.begin() as connection:
            tables = [db.Base.metadata.tables[name] for name in ("job", "job_cron")]
            await connection.run_sync(lambda sync: db.Base.metadata.create_all(sync, tables=tables))
    try:
        yield database
    finally:
        await database.close()


def make_jobs(
    database: db.Database,
    book: Notebook,
    *,
    crons: tuple[queue.Cron, ...] = (),
    concurrency: int = 4,
    also: tuple[queue.JobSpec, ...] = (),
    node: str = "here",
) -> queue.Jobs:
    return queue.Jobs(database, jobs=(*ALL, *also), crons=crons, context=book, node=node, concurrency=concurrency)


@asynccontextmanager
async def running(jobs: queue.Jobs) -> AsyncIterator[queue.Jobs]:
    await jobs.start()
    try:
        yield jobs
    finally:
        await jobs.stop(0)


async def enqueue(database: db.Database, name: str, **options: Any) -> None:
    async with database.session() as session:
        await queue.enqueue(session, name, **options)


async def rows(database: db.Database) -> list[JobRow]:
    async with database.session() as session:
        return list(await session.scalars(select(JobRow).order_by(JobRow.id)))


async def until(condition: Callable[[], Awaitable[bool] | bool]) -> None:
    """Wait for it; pytest's own timeout ends a test whose condition never comes."""
    while True:
        met = condition()
        if met if isinstance(met, bool) else await met:
            return
        await asyncio.sleep(0.01)


async def holds(database: db.Database, count: int) -> bool:
    return len(await rows(database)) == count


async def is_empty(database: db.Database) -> bool:
    return await holds(database, 0)


@asynccontextmanager
async def held_by_another_process(database: db.Database) -> AsyncIterator[None]:
    if isinstance(database.place, Secret):
        async with db.Database(database.place).session() as session:
            await db.lock(session)
            yield
        return
    other = dbapi2.connect(database.place, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()
