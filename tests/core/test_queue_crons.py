"""Crons: once per tick, whatever restarts, overlaps and clocks do."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from site2crm.core import db, queue
from site2crm.core.queue.model import CronRow
from site2crm.kit import clock
from tests.core import queue_kit as kit

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


async def tick(ctx: queue.JobContext) -> None:
    ctx.machine.ran.append(clock.now())


async def broken(ctx: queue.JobContext) -> None:
    ctx.machine.ran.append(clock.now())
    raise ValueError("broken")


EACH_MINUTE = queue.Cron("test.tick", every_s=60, function=tick)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[db.Database]:
    async with kit.fresh_database(tmp_path) as fresh:
        yield fresh


@pytest.fixture
def book() -> kit.Notebook:
    return kit.Notebook()


async def test_a_cron_runs_once_per_tick(database, book):
    jobs = kit.make_jobs(database, book, crons=(EACH_MINUTE,))
    with clock.travel(NOON) as forward:
        for _ in range(13):  # 12:00:00 to 12:03:00 in steps of 15 s; a new cron waits for its next tick
            await jobs.run_due()
            forward(15)

    assert book.ran == [NOON + timedelta(minutes=n) for n in (1, 2, 3)]


async def test_a_restart_does_not_run_a_tick_twice(database, book):
    with clock.travel(NOON) as forward:
        await kit.make_jobs(database, book, crons=(EACH_MINUTE,)).run_due()
        forward(60)
        for _ in range(3):
            await kit.make_jobs(database, book, crons=(EACH_MINUTE,)).run_due()
            forward(10)

    assert len(book.ran) == 1


async def test_two_workers_share_a_tick(database, book):
    first, second = (kit.make_jobs(database, book, crons=(EACH_MINUTE,)) for _ in range(2))
    with clock.travel(NOON) as forward:
        await first.run_due()
        await second.run_due()
        forward(60)
        await first.run_due()
        await second.run_due()

    assert len(book.ran) == 1


async def test_ticks_missed_while_stopped_are_made_up_for_once(database, book):
    with clock.travel(NOON) as forward:
        await kit.make_jobs(database, book, crons=(EACH_MINUTE,)).run_due()
        forward(86_400)
        await kit.make_jobs(database, book, crons=(EACH_MINUTE,)).run_due()

    assert len(book.ran) == 1


async def test_a_schedule_in_cron_syntax_is_in_utc(database, book):
    nightly = queue.Cron("test.nightly", schedule="30 3 * * *", function=tick)
    jobs = kit.make_jobs(database, book, crons=(nightly,))
    with clock.travel(NOON) as forward:
        for _ in range(96):
            await jobs.run_due()
            forward(1800)

    assert book.ran == [datetime(2026, 3, day, 3, 30, tzinfo=UTC) for day in (3, 4)]


async def test_a_cron_that_fails_runs_at_its_next_tick_and_leaves_one_failure(database, book):
    jobs = kit.make_jobs(database, book, crons=(queue.Cron("test.broken", every_s=60, function=broken),))
    with clock.travel(NOON) as forward:
        for _ in range(4):
            await jobs.run_due()
            forward(60)

    assert len(book.ran) == 3
    assert (await jobs.stats()).failed == 1


async def test_a_cron_that_still_runs_skips_its_tick(database, book):
    async def long(ctx: queue.JobContext) -> None:
        ctx.machine.ran.append("began")
        await ctx.machine.gate.wait()

    crons = (queue.Cron("test.long", every_s=60, function=long), EACH_MINUTE)
    with clock.travel(NOON) as forward:
        async with kit.running(kit.make_jobs(database, book, crons=crons)) as jobs:
            await kit.until(lambda: _has_crons(database))
            for minutes in (1, 2, 3):
                forward(60)
                jobs.wake()
                await kit.until(lambda: book.ran.count(NOON + timedelta(minutes=minutes)) == 1)  # noqa: B023

    assert book.ran.count("began") == 1


@pytest.mark.parametrize("ahead", [timedelta(minutes=5), timedelta(hours=3), timedelta(days=4000)])
@pytest.mark.parametrize("restarts", [True, False])
async def test_crons_go_on_when_the_clock_is_put_back(database, book, ahead: timedelta, restarts: bool):
    jobs = kit.make_jobs(database, book, crons=(EACH_MINUTE,))
    with clock.travel(NOON + ahead) as forward:
        await jobs.run_due()
        forward(60)
        await jobs.run_due()
    jobs = kit.make_jobs(database, book, crons=(EACH_MINUTE,)) if restarts else jobs
    with clock.travel(NOON) as forward:
        await jobs.run_due()
        forward(60)
        await jobs.run_due()

    assert book.ran == [NOON + ahead + timedelta(minutes=1), NOON + timedelta(minutes=1)]


@pytest.mark.parametrize("when", [{}, {"every_s": 1, "schedule": "* * * * *"}, {"every_s": 0}, {"schedule": "soon"}])
def test_a_cron_needs_one_valid_schedule(when):
    with pytest.raises(ValueError, match=r"test\.tick"):
        queue.Cron("test.tick", function=tick, **when)


async def _has_crons(database: db.Database) -> bool:
    async with database.session() as session:
        return await session.scalar(select(func.count()).select_from(CronRow)) == 2
