"""The background loop: waking, stopping, crashes, a locked database."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import update

from site2crm.core import db, queue
from site2crm.core.queue import sql_queue, store, worker
from site2crm.core.queue.model import JobRow
from site2crm.kit import clock
from tests.core import queue_kit as kit


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[db.Database]:
    async with kit.fresh_database(tmp_path) as fresh:
        yield fresh


@pytest.fixture
def book() -> kit.Notebook:
    return kit.Notebook()


async def leave_active(database: db.Database, *, attempts: int, worker: str = "here/wrk_dead") -> None:
    """As a killed process leaves a job that it had claimed."""
    async with database.session() as session:
        await session.execute(
            update(JobRow).values(status="active", worker=worker, attempts=attempts, touched=clock.unix())
        )


async def test_five_hundred_jobs_run_once_each(database, book):
    async with database.session() as session:
        payloads = [(f"k{n}" if n % 2 else None, None, {"what": n}) for n in range(500)]
        await queue.enqueue_many(session, "test.note", payloads)

    async with kit.running(kit.make_jobs(database, book)):
        await kit.until(lambda: kit.is_empty(database))

    assert sorted(book.ran) == list(range(500))


async def test_a_commit_wakes_the_loop_without_waiting_for_the_poll(database, book, monkeypatch):
    monkeypatch.setattr(sql_queue, "POLL_S", 3600)

    async with kit.running(kit.make_jobs(database, book)):
        for n in range(3):
            await asyncio.sleep(0.05)
            await kit.enqueue(database, "test.note", what=n)
        await kit.until(lambda: book.ran == [0, 1, 2])


async def test_what_another_process_enqueued_is_found_by_the_poll(database, book, tmp_path):
    other = db.Database(kit.place(tmp_path))

    async with kit.running(kit.make_jobs(database, book)):
        await asyncio.sleep(0.05)
        await kit.enqueue(other, "test.note", what=1)
        await kit.until(lambda: book.ran == [1])
    await other.close()


async def test_as_many_jobs_run_at_once_as_there_are_slots(database, book):
    async with database.session() as session:
        await queue.enqueue_many(session, "test.wait", [(None, None, {"what": n}) for n in range(5)])

    async with kit.running(kit.make_jobs(database, book, concurrency=3)) as jobs:
        await kit.until(lambda: len(book.ran) == 3)
        stats = await jobs.stats()
        book.gate.set()
        await kit.until(lambda: kit.is_empty(database))

    assert (stats.active, stats.queued) == (3, 2)


async def test_a_stop_lets_jobs_finish_within_the_grace(database, book):
    jobs = kit.make_jobs(database, book)
    await kit.enqueue(database, "test.wait")
    await jobs.start()
    await kit.until(lambda: len(book.ran) == 1)

    asyncio.get_running_loop().call_later(0.05, book.gate.set)
    await jobs.stop(60)

    assert book.ran[-1] == ("ended", None)
    assert await kit.rows(database) == []


async def test_a_stop_returns_running_jobs_and_their_try_does_not_count(database, book):
    jobs = kit.make_jobs(database, book, concurrency=2)
    await kit.enqueue(database, "test.wait", key="w")
    await jobs.start()
    await kit.until(lambda: len(book.ran) == 1)

    await jobs.stop(0)

    [row] = await kit.rows(database)
    assert (row.status, row.attempts, row.worker) == ("queued", 0, None)


async def test_a_job_that_ignores_its_cancellation_does_not_hold_up_the_stop(database, book):
    jobs = kit.make_jobs(database, book)
    await kit.enqueue(database, "test.deaf")
    await jobs.start()
    await kit.until(lambda: book.ran == ["began"])

    await jobs.stop(0)
    book.gate.set()

    [row] = await kit.rows(database)
    assert row.status == "queued"


async def test_a_job_that_ignores_its_timeout_gives_its_slot_back(database, book, monkeypatch):
    spec = queue.JobSpec("test.deaf_and_slow", kit.deaf.function, timeout_s=0.01, retries=0)
    monkeypatch.setattr(worker, "CANCEL_S", 0.05)

    async with kit.running(kit.make_jobs(database, book, concurrency=1, also=(spec,))) as jobs:
        await kit.enqueue(database, "test.deaf_and_slow")
        await kit.enqueue(database, "test.note", what="next")
        await kit.until(lambda: kit.holds(database, 1))
        stats = await jobs.stats()
    book.gate.set()

    assert (book.ran, stats.failed) == (["began", "next"], 1)


async def test_no_job_is_lost_or_doubled_by_stops_in_the_middle(database, book):
    @queue.job("test.step")
    async def step(ctx: queue.JobContext, *, what: int) -> None:
        await asyncio.sleep(0.002)
        book.ran.append(what)  # no await after this: what is noted is finished

    async with database.session() as session:
        await queue.enqueue_many(session, "test.step", [(None, None, {"what": n}) for n in range(300)])
    stops = 0
    while await kit.rows(database):
        jobs = kit.make_jobs(database, book, also=(step,), concurrency=8)
        await jobs.start()
        await asyncio.sleep(0.03)
        await jobs.stop(0)
        stops += 1
        assert {row.status for row in await kit.rows(database)} <= {"queued"}

    assert stops > 1
    assert Counter(book.ran) == Counter(range(300))


async def test_it_can_be_started_again_after_a_stop(database, book):
    jobs = kit.make_jobs(database, book)
    async with kit.running(jobs):
        pass
    await kit.enqueue(database, "test.note", what=1)

    async with kit.running(jobs):
        await kit.until(lambda: book.ran == [1])


async def test_a_dead_workers_job_is_taken_back_and_the_crash_counts_as_a_try(database, book):
    seen = []

    @queue.job("test.seen")
    async def seen_again(ctx: queue.JobContext) -> None:
        seen.append((ctx.attempt, ctx.job_key))

    await kit.enqueue(database, "test.seen", key="s")
    await leave_active(database, attempts=1)

    async with kit.running(kit.make_jobs(database, book, also=(seen_again,))):
        await kit.until(lambda: kit.is_empty(database))

    assert seen == [(2, "s")]


async def test_a_job_that_kills_the_process_each_time_is_given_up(database, book):
    await kit.enqueue(database, "test.note")
    await leave_active(database, attempts=3)

    await kit.make_jobs(database, book).run_due()

    async with database.session() as session:
        [failure] = await queue.failures(session)
    assert (book.ran, failure.attempts) == ([], 3)
    assert "process ended" in failure.error


async def test_several_orphans_of_one_key_become_one_job(database, book):
    for n in range(3):
        await kit.enqueue(database, "test.note", key="k", what=n)
        await leave_active(database, attempts=1)

    await kit.make_jobs(database, book).run_due()

    assert len(book.ran) == 1
    assert await kit.rows(database) == []


async def test_the_sweep_takes_back_what_was_not_heard_of_but_not_what_runs_here(database, book):
    async with kit.running(kit.make_jobs(database, book)) as jobs:
        await kit.enqueue(database, "test.wait", what="ours")
        await kit.until(lambda: len(book.ran) == 1)
        await kit.enqueue(database, "test.note", what="lost", at=clock.after(3600))
        async with database.session() as session:
            lost = update(JobRow).where(JobRow.name == "test.note")
            await session.execute(lost.values(status="active", worker="wrk_dead", attempts=1, scheduled=clock.unix()))
            await session.execute(update(JobRow).values(touched=clock.unix() - store.LOST_AFTER_S - 1))

        with clock.travel(clock.after(sql_queue.SWEEP_S + 1)):
            jobs.wake()
            await kit.until(lambda: "lost" in book.ran)

            await kit.until(lambda: kit.holds(database, 1))

        [row] = await kit.rows(database)
        assert (row.name, row.status, row.attempts) == ("test.wait", "active", 1)


async def test_a_locked_database_fails_nothing(database, book, caplog):
    async with database.session() as session:
        await queue.enqueue_many(session, "test.wait", [(None, None, {"what": n}) for n in range(6)])

    async with kit.running(kit.make_jobs(database, book)):
        await kit.until(lambda: len(book.ran) == 4)
        async with kit.held_by_another_process(database):
            book.gate.set()
            await kit.until(lambda: "queue.waits_for_database" in caplog.text)
        await kit.until(lambda: kit.is_empty(database))

    assert Counter(book.ran) == Counter((part, n) for part in ("began", "ended") for n in range(6))


async def test_a_start_on_a_locked_database_waits_and_then_works(database, book, caplog):
    await kit.enqueue(database, "test.note", what=1)

    async with kit.held_by_another_process(database):
        jobs = kit.make_jobs(database, book)
        await jobs.start()
        await kit.until(lambda: "queue.waits_for_database" in caplog.text)
    await kit.until(lambda: kit.is_empty(database))
    await jobs.stop(0)

    assert book.ran == [1]


VICTIM = """
import asyncio, sys
from site2crm.core import db
from tests.core import queue_kit as kit

async def main():
    jobs = kit.make_jobs(db.Database(kit.place_from(sys.argv[1])), kit.Notebook(), concurrency=3)
    await jobs.start()
    while (await jobs.stats()).active < 3:
        await asyncio.sleep(0.01)
    print("busy", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_a_killed_process_loses_no_job(database, book):
    async with database.session() as session:
        await queue.enqueue_many(session, "test.wait", [(f"k{n}", None, {"what": n}) for n in range(5)])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    victim = subprocess.Popen(
        [sys.executable, "-c", VICTIM, kit.word(database.place)], stdout=subprocess.PIPE, env=environment, text=True
    )
    assert victim.stdout is not None
    said = await asyncio.to_thread(victim.stdout.readline)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    victim.stdout.close()

    left = Counter((row.status, row.attempts) for row in await kit.rows(database))
    book.gate.set()
    await kit.make_jobs(database, book).run_due()

    assert said == "busy\n"
    assert left == {("active", 1): 3, ("queued", 0): 2}
    assert Counter(book.ran) == Counter((part, n) for part in ("began", "ended") for n in range(5))
    assert await kit.rows(database) == []
