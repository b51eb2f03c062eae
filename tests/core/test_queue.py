"""Enqueue, run, retry, give up: stepped through by hand with `run_due`."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from site2crm.core import db, queue
from site2crm.core.errors import DatabaseBusy
from site2crm.kit import clock
from tests.core import queue_kit as kit

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[db.Database]:
    async with kit.fresh_database(tmp_path) as fresh:
        yield fresh


@pytest.fixture
def book() -> kit.Notebook:
    return kit.Notebook()


async def test_a_job_runs_once_with_its_payload_and_leaves_no_row(database, book):
    await kit.enqueue(database, "test.note", what={"name": "Zoë", "status": "queued"})

    ran = await kit.make_jobs(database, book).run_due()

    assert (ran, book.ran) == (1, [{"name": "Zoë", "status": "queued"}])
    assert await kit.rows(database) == []


async def test_a_payload_may_use_the_names_that_the_queue_itself_uses(database, book):
    seen = {}

    @queue.job("test.names")
    async def names(ctx: queue.JobContext, **payload: object) -> None:
        seen.update(payload)

    payload = {"name": "n", "session": "s", "status": "x", "meta": {}, "timeout": 1, "queue": "q", "function": "f"}
    async with database.session() as session:
        await queue.enqueue(session, "test.names", **payload)

    await kit.make_jobs(database, book, also=(names,)).run_due()

    assert seen == payload


async def test_a_rolled_back_transaction_takes_its_job_with_it(database, book):
    with pytest.raises(ZeroDivisionError):
        async with database.session() as session:
            await queue.enqueue(session, "test.note")
            raise ZeroDivisionError

    assert await kit.make_jobs(database, book).run_due() == 0
    assert await kit.rows(database) == []


async def test_a_key_that_is_waiting_is_not_doubled(database, book):
    await kit.enqueue(database, "test.note", key="a", what=1)
    await kit.enqueue(database, "test.note", key="a", what=2)
    await kit.enqueue(database, "test.note", key="b", what=3)

    await kit.make_jobs(database, book).run_due()

    assert book.ran == [1, 3]


async def test_a_key_that_is_wanted_earlier_comes_forward_but_never_goes_back(database, book):
    with clock.travel(NOON):
        await kit.enqueue(database, "test.note", key="a", at=NOON + timedelta(hours=20))
        await kit.enqueue(database, "test.note", key="a")
        await kit.enqueue(database, "test.note", key="a", at=NOON + timedelta(hours=1))

        assert await kit.make_jobs(database, book).run_due() == 1


async def test_a_job_for_later_waits_for_its_moment(database, book):
    jobs = kit.make_jobs(database, book)
    with clock.travel(NOON) as forward:
        await kit.enqueue(database, "test.note", at=NOON + timedelta(seconds=0.5))
        early = await jobs.run_due()
        forward(0.5)

        assert (early, await jobs.run_due()) == (0, 1)


async def test_enqueue_many_takes_keys_moments_and_payloads(database, book):
    with clock.travel(NOON):
        payloads = [
            ("a", None, {"what": 1}),
            ("a", None, {"what": 2}),
            (None, NOON + timedelta(days=1), {}),
            (None, None, {}),
        ]
        async with database.session() as session:
            await queue.enqueue_many(session, "test.note", payloads)
            await queue.enqueue_many(session, "test.note", [])

        await kit.make_jobs(database, book).run_due()

        assert book.ran == [1, None]
        assert len(await kit.rows(database)) == 1


async def test_what_a_job_enqueues_is_due_too_and_a_single_batch_leaves_it(database, book):
    @queue.job("test.parent")
    async def parent(ctx: queue.JobContext) -> None:
        await kit.enqueue(database, "test.note", what="child")

    jobs = kit.make_jobs(database, book, also=(parent,))
    await kit.enqueue(database, "test.parent")

    assert await jobs.run_due(until_idle=False) == 1
    assert book.ran == []
    assert await jobs.run_due() == 1


async def test_a_failing_job_is_retried_later_each_time_then_kept_with_its_error(database, book, caplog):
    jobs = kit.make_jobs(database, book)
    with clock.travel(NOON) as forward:
        await kit.enqueue(database, "test.fail", key="f")
        at_once = await jobs.run_due()
        for _ in range(5):
            forward(600)
            await jobs.run_due()

    assert (at_once, book.ran) == (1, [1, 2, 3])
    async with database.session() as session:
        [failure] = await queue.failures(session)
    assert (failure.name, failure.key, failure.attempts) == ("test.fail", "f", 3)
    assert "ValueError: no luck" in failure.error
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == ["job.failed"]


async def test_the_wait_before_a_retry_is_spread_and_has_a_fraction(database, book):
    async with database.session() as session:
        await queue.enqueue_many(session, "test.fail", [(None, None, {})] * 20)
    with clock.travel(clock.now()):
        await kit.make_jobs(database, book).run_due()

        waits = {round(row.scheduled - clock.unix(), 3) for row in await kit.rows(database)}

    assert len(waits) > 10
    assert all(1 <= wait <= 2 for wait in waits)


async def test_a_failed_job_can_be_queued_again_with_all_its_tries(database, book):
    @queue.job("test.once", retries=0)
    async def once(ctx: queue.JobContext) -> None:
        book.ran.append(ctx.attempt)
        assert len(book.ran) > 1

    jobs = kit.make_jobs(database, book, also=(once,))
    await kit.enqueue(database, "test.once")
    await jobs.run_due()
    async with database.session() as session:
        [failure] = await queue.failures(session)
        await queue.requeue(session, failure.id)

    await jobs.run_due()

    assert book.ran == [1, 1]
    assert await kit.rows(database) == []


async def test_a_later_success_of_the_same_key_clears_the_failure(database, book):
    jobs = kit.make_jobs(database, book)
    await kit.enqueue(database, "test.slow", key="k")
    await jobs.run_due()
    failed = await jobs.stats()
    await kit.enqueue(database, "test.note", key="k")
    await jobs.run_due()

    assert (failed.failed, (await jobs.stats()).failed) == (1, 0)


async def test_a_job_that_takes_too_long_is_stopped_and_fails(database, book):
    await kit.enqueue(database, "test.slow")

    await kit.make_jobs(database, book).run_due()

    async with database.session() as session:
        [failure] = await queue.failures(session)
    assert "longer than 0.05 s" in failure.error


async def test_a_name_that_this_version_does_not_know_fails_visibly(database, book):
    await kit.enqueue(database, "test.gone", what=1)

    await kit.make_jobs(database, book).run_due()

    async with database.session() as session:
        [failure] = await queue.failures(session)
    assert (failure.name, failure.attempts) == ("test.gone", 1)


async def test_a_payload_that_does_not_fit_the_function_is_an_ordinary_failure(database, book):
    await kit.enqueue(database, "test.slow", surprise=1)

    await kit.make_jobs(database, book).run_due()

    async with database.session() as session:
        [failure] = await queue.failures(session)
    assert "surprise" in failure.error


async def test_a_busy_database_inside_a_job_costs_it_no_try(database, book):
    @queue.job("test.busy", retries=0)
    async def busy(ctx: queue.JobContext) -> None:
        book.ran.append(ctx.attempt)
        if len(book.ran) < 4:
            raise DatabaseBusy

    jobs = kit.make_jobs(database, book, also=(busy,))
    with clock.travel(NOON) as forward:
        await kit.enqueue(database, "test.busy")
        for _ in range(4):
            await jobs.run_due()
            forward(5)

    assert book.ran == [1, 1, 1, 1]
    assert await kit.rows(database) == []


async def test_a_key_enqueued_again_while_it_fails_is_one_job_afterwards(database, book):
    @queue.job("test.again")
    async def again(ctx: queue.JobContext) -> None:
        await kit.enqueue(database, "test.note", key="k", at=NOON + timedelta(days=1))
        raise ValueError

    jobs = kit.make_jobs(database, book, also=(again,))
    with clock.travel(NOON) as forward:
        await kit.enqueue(database, "test.again", key="k")
        await jobs.run_due()
        [row] = await kit.rows(database)
        forward(2)

        assert row.name == "test.note"
        assert await jobs.run_due() == 1


async def test_stats_count_by_status_and_tell_the_oldest_due_age(database, book):
    jobs = kit.make_jobs(database, book)
    with clock.travel(NOON) as forward:
        await kit.enqueue(database, "test.slow")
        await jobs.run_due()
        await kit.enqueue(database, "test.note")
        await kit.enqueue(database, "test.note", at=NOON + timedelta(days=1))
        forward(7)

        assert await jobs.stats() == queue.JobStats(queued=2, active=0, failed=1, oldest_due_s=7)


def test_a_name_is_declared_once(database, book):
    twin = queue.JobSpec("test.note", kit.wait.function)

    with pytest.raises(ValueError, match=r"declared twice: test\.note"):
        kit.make_jobs(database, book, also=(twin,))


def test_a_plain_function_is_no_job():
    with pytest.raises(TypeError, match="async"):
        queue.job("test.plain")(lambda ctx: None)
