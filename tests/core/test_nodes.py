"""Two nodes on one PostgreSQL: a job is taken once, a cron runs once, a change is seen by both."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import update

from site2crm.core import db, queue, revisions
from site2crm.core.config_types import Secret
from site2crm.core.queue.model import JobRow
from site2crm.core.revisions import Revisions
from site2crm.kit import clock
from tests import records
from tests.core import queue_kit as kit

NAMES = ("here", "there")


@pytest.fixture
def place() -> Iterator[Secret]:
    cluster = records.cluster()
    name = cluster.create()
    yield Secret(cluster.url(name))
    cluster.drop(name)


@pytest.fixture
async def nodes(place: Secret) -> AsyncIterator[list[db.Database]]:
    made = [db.Database(place), db.Database(place)]
    async with AsyncExitStack() as stack:
        for database in made:
            stack.push_async_callback(database.close)
            assert database.line is not None
            listening = asyncio.create_task(database.line.run())
            stack.callback(listening.cancel)
        yield made


async def test_a_job_is_taken_by_one_of_two_nodes(nodes: list[db.Database]) -> None:
    books = [kit.Notebook(), kit.Notebook()]
    async with AsyncExitStack() as stack:
        for database, book, name in zip(nodes, books, NAMES, strict=True):
            await stack.enter_async_context(kit.running(kit.make_jobs(database, book, node=name)))
        for start in range(0, 300, 20):
            async with nodes[start % 40 // 20].session() as session:
                await queue.enqueue_many(session, "test.note", [(None, None, {"what": start + n}) for n in range(20)])
        await kit.until(lambda: kit.is_empty(nodes[0]))
    ran = Counter(books[0].ran + books[1].ran)
    assert sorted(ran) == list(range(300))
    assert set(ran.values()) == {1}


async def test_a_cron_runs_once_however_many_nodes_there_are(nodes: list[db.Database]) -> None:
    ticks: list[int] = []

    async def tick(_ctx: queue.JobContext) -> None:
        ticks.append(1)

    cron = queue.Cron("test.tick", function=tick, every_s=1)
    async with AsyncExitStack() as stack:
        for database, name in zip(nodes, NAMES, strict=True):
            jobs = kit.make_jobs(database, kit.Notebook(), crons=(cron,), node=name)
            await stack.enter_async_context(kit.running(jobs))
        await kit.until(lambda: len(ticks) >= 3)
        begun = asyncio.get_running_loop().time()
        before = len(ticks)
        await asyncio.sleep(3)
        passed = asyncio.get_running_loop().time() - begun
    assert len(ticks) - before <= passed + 1


async def test_what_one_node_has_changed_the_other_reloads_without_looking(
    nodes: list[db.Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revisions, "POLL_S", 3600.0)  # what arrives has been told
    here, there = Revisions(nodes[0]), Revisions(nodes[1])
    reloaded: list[str] = []

    async def reload() -> None:
        reloaded.append("forms")

    await there.watch("forms", reload)
    looking = asyncio.create_task(there.run())
    try:
        for times in (2, 3):  # the first may also come of the line being opened
            async with nodes[0].session() as session:
                await revisions.bump(session, "forms")
            await kit.until(lambda times=times: len(reloaded) == times)  # type: ignore[misc]
    finally:
        looking.cancel()
    assert here is not there


async def test_jobs_of_a_node_that_runs_are_not_taken_back_by_one_that_starts(nodes: list[db.Database]) -> None:
    book, other = kit.Notebook(), kit.Notebook()
    async with kit.running(kit.make_jobs(nodes[0], book)):
        await kit.enqueue(nodes[0], "test.wait", what=1)
        await kit.until(lambda: book.ran == [("began", 1)])
        async with kit.running(kit.make_jobs(nodes[1], other, node="there")):
            await kit.enqueue(nodes[1], "test.note", what=2)
            await kit.until(lambda: 2 in [*book.ran, *other.ran])
            book.gate.set()
            await kit.until(lambda: kit.is_empty(nodes[0]))
    assert ("ended", 1) in book.ran
    assert other.ran in ([], [2])


async def test_a_killed_node_finds_its_own_jobs_again_when_it_starts(nodes: list[db.Database]) -> None:
    book, other = kit.Notebook(), kit.Notebook()
    for what in ("mine", "theirs"):
        await kit.enqueue(nodes[0], "test.note", what=what)
    async with nodes[0].session() as session:
        for number, worker in ((1, "here/wrk_dead"), (2, "elsewhere/wrk_dead")):
            lost = update(JobRow).where(JobRow.id == number)
            await session.execute(lost.values(status="active", worker=worker, attempts=1, touched=clock.unix()))
    await kit.make_jobs(nodes[1], other, node="there").run_due()
    await kit.make_jobs(nodes[0], book, node="here").run_due()
    assert (book.ran, other.ran) == (["mine"], [])


async def test_who_waits_for_the_other_nodes_lock_is_told_to_come_again(nodes: list[db.Database]) -> None:
    async with nodes[0].session() as session:
        await db.lock(session)
        with pytest.raises(db.DatabaseBusy):
            async with nodes[1].session() as waiting:
                await db.lock(waiting)
