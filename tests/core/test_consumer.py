"""Carrying records into a database: in order, once, around poison, through outages."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from site2crm.core.consumer import consume
from site2crm.core.journal.contract import Position, Record
from site2crm.core.journal.journal import Journal
from tests.core.journal_support import append_all, files, opened, until


class Unstorable(Exception):
    """A data error."""


class Database:
    """Rows and position change together; refuses what contains 'bad', and everything while `outages` lasts."""

    def __init__(self) -> None:
        self.rows: list[bytes] = []
        self.poisoned: list[bytes] = []
        self.position: Position | None = None
        self.outages = 0
        self.batches: list[int] = []

    async def load(self) -> Position | None:
        return self.position

    async def apply(self, records: list[Record]) -> None:
        self._fail_in_an_outage()
        if any(b"bad" in record.data for record in records):
            raise Unstorable
        self.batches.append(len(records))
        self.rows += [record.data for record in records]
        self.position = records[-1].next

    async def poison(self, record: Record, error: Exception) -> None:
        self._fail_in_an_outage()
        assert isinstance(error, Unstorable)
        self.poisoned.append(record.data)
        self.position = record.next

    def _fail_in_an_outage(self) -> None:
        if self.outages:
            self.outages -= 1
            raise ConnectionError("database is locked")


@asynccontextmanager
async def consuming(journal: Journal, database: Database, *, batch: int = 100) -> AsyncIterator[None]:
    task = asyncio.ensure_future(
        consume(
            journal,
            "submissions",
            load=database.load,
            apply=database.apply,
            poison=database.poison,
            is_data_error=lambda error: isinstance(error, Unstorable),
            batch=batch,
        )
    )
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def applied(database: Database, count: int) -> Callable[[], bool]:
    return lambda: len(database.rows) + len(database.poisoned) >= count


async def test_a_backlog_is_applied_in_order_and_in_larger_batches_when_nothing_comes_in(tmp_path: Path) -> None:
    payloads, database = [b"%d" % number for number in range(550)], Database()
    async with opened(tmp_path) as journal:
        await append_all(journal, payloads)
        async with consuming(journal, database):
            await until(applied(database, 550))
    assert database.rows == payloads
    assert database.batches == [100, 400, 50]


async def test_records_that_come_later_are_applied_too(tmp_path: Path) -> None:
    database = Database()
    async with opened(tmp_path) as journal, consuming(journal, database):
        for number in range(3):
            await journal.append_durable(b"%d" % number)
            await until(applied(database, number + 1))
    assert database.rows == [b"0", b"1", b"2"]


async def test_a_restart_goes_on_at_the_stored_position(tmp_path: Path) -> None:
    database = Database()
    for number in range(3):
        async with opened(tmp_path) as journal:
            await append_all(journal, [b"%d" % number])
            async with consuming(journal, database):
                await until(applied(database, number + 1))
    assert database.rows == [b"0", b"1", b"2"]


@pytest.mark.parametrize("bad", [[0], [49], [99], [3, 4, 77], list(range(100))])
async def test_only_the_record_that_fails_alone_is_poisoned(tmp_path: Path, bad: list[int]) -> None:
    payloads = [b"%d%s" % (number, b"bad" if number in bad else b"") for number in range(100)]
    database = Database()
    async with opened(tmp_path) as journal:
        await append_all(journal, payloads)
        async with consuming(journal, database):
            await until(applied(database, 100))
    assert database.poisoned == [payload for payload in payloads if b"bad" in payload]
    assert database.rows == [payload for payload in payloads if b"bad" not in payload]


async def test_an_outage_poisons_nothing(tmp_path: Path) -> None:
    database = Database()
    database.outages = 2
    async with opened(tmp_path) as journal:
        await append_all(journal, [b"one", b"two"])
        async with consuming(journal, database):
            await until(applied(database, 2))
    assert (database.rows, database.poisoned) == ([b"one", b"two"], [])


async def test_an_outage_while_poisoning_is_waited_out(tmp_path: Path) -> None:
    database = Database()
    async with opened(tmp_path) as journal:
        await append_all(journal, [b"bad"])
        refuse = database.apply

        async def apply(records: list[Record]) -> None:
            database.outages = 0
            try:
                await refuse(records)
            finally:
                database.outages = 1

        database.apply = apply  # type: ignore[method-assign]
        async with consuming(journal, database):
            await until(applied(database, 1))
    assert database.poisoned == [b"bad"]


async def test_passed_segments_are_removed(tmp_path: Path) -> None:
    database = Database()
    async with opened(tmp_path) as journal:
        await append_all(journal, [b"x" * 10_000] * 50)
        async with consuming(journal, database, batch=10):
            await until(lambda: len(files(tmp_path)) <= 2)
    assert len(database.rows) == 50


async def test_a_cancelled_consumer_has_stored_only_whole_batches(tmp_path: Path) -> None:
    database, entered = Database(), asyncio.Event()
    async with opened(tmp_path) as journal:
        await append_all(journal, [b"one"])

        async def hang(records: list[Record]) -> None:
            entered.set()
            await asyncio.sleep(3600)

        apply, database.apply = database.apply, hang  # type: ignore[method-assign]
        async with consuming(journal, database):
            await entered.wait()
        assert database.position is None
        database.apply = apply  # type: ignore[method-assign]
        async with consuming(journal, database):
            await until(applied(database, 1))
    assert database.rows == [b"one"]
