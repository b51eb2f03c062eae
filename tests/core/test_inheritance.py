"""Journals that others have left are read to their end, once, and then emptied."""

import asyncio
import os
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from site2crm.core import folder
from site2crm.core.consumer import consume
from site2crm.core.inheritance import Inheritance
from site2crm.core.journal.contract import EVENTS, SUBMISSIONS, JournalInUse, Position, Readable, Record
from site2crm.core.journal.journal import Journal, locked
from site2crm.core.journal.leftover import Leftover
from site2crm.kit import clock


class Sink:
    """What was applied, and how far, by journal and epoch."""

    def __init__(self) -> None:
        self.applied: list[bytes] = []
        self.positions: dict[str, Position] = {}

    async def drain(self, stream: str, journal: Readable) -> None:
        async def load() -> Position | None:
            return self.positions.get(f"{stream}:{journal.epoch}")

        async def apply(records: list[Record]) -> None:
            self.applied += [record.data for record in records]
            self.positions[f"{stream}:{journal.epoch}"] = records[-1].next

        async def poison(record: Record, error: Exception) -> None:
            raise AssertionError(record, error)

        await consume(journal, stream, load=load, apply=apply, poison=poison, is_data_error=lambda _: False)


def opened(home: Path, instance: str = "main") -> Journal:
    return Journal.open(home, instance=instance, segment_bytes=64 * 1024, on_alarm=print)


async def a_journal(home: Path, *texts: str, instance: str = "main") -> None:
    journal = opened(home, instance)
    for text in texts:
        await journal.append_durable(text.encode())
        journal.append(f"click {text}".encode())
    await journal.close()


def is_given_free(home: Path) -> bool:
    if (home / "epoch").exists():
        return False
    try:
        os.close(locked(home / "lock"))
    except JournalInUse:
        return False
    return True


async def inherited(data_dir: Path, sink: Sink, own: Journal) -> None:
    inheritance = Inheritance(data_dir, own, on_alarm=print)
    inheritance.drains += [partial(sink.drain, SUBMISSIONS), partial(sink.drain, EVENTS)]
    await inheritance.look()
    assert inheritance.stats().submissions.lag_records >= own.stats().submissions.lag_records
    running = asyncio.create_task(inheritance.run())
    while not is_given_free(data_dir / folder.JOURNAL / "main"):
        await asyncio.sleep(0.01)
    running.cancel()
    inheritance.close()


async def test_what_another_left_is_read_and_its_files_go(tmp_path: Path) -> None:
    home, sink = tmp_path / folder.JOURNAL, Sink()
    await a_journal(home, "ada", "bob")
    own = opened(home, "main-2")
    await inherited(tmp_path, sink, own)
    assert sorted(sink.applied) == [b"ada", b"bob", b"click ada", b"click bob"]
    await own.close()
    again = opened(home)
    assert again.read(SUBMISSIONS, None, limit=9) == []
    await again.close()


async def test_its_name_may_be_taken_anew_even_by_a_clock_that_was_set_back(tmp_path: Path) -> None:
    home, sink = tmp_path / folder.JOURNAL, Sink()
    await a_journal(home, "ada")
    own = opened(home, "main-2")
    await inherited(tmp_path, sink, own)
    with clock.travel(datetime(2001, 1, 1, tzinfo=UTC)):
        await a_journal(home, "eve")
    await inherited(tmp_path, sink, own)
    assert b"eve" in sink.applied
    await own.close()


async def test_one_that_was_read_half_is_gone_on_with(tmp_path: Path) -> None:
    home, sink = tmp_path / folder.JOURNAL, Sink()
    await a_journal(home, "ada", "bob")
    first = Leftover.open(home / "main", on_alarm=print)
    [record] = first.read(SUBMISSIONS, None, limit=1)
    sink.positions[f"{SUBMISSIONS}:{first.epoch}"] = record.next
    first.close()
    own = opened(home, "main-2")
    await inherited(tmp_path, sink, own)
    assert [text for text in sink.applied if not text.startswith(b"click")] == [b"bob"]
    await own.close()


async def test_one_that_somebody_writes_is_left_alone(tmp_path: Path) -> None:
    home = tmp_path / folder.JOURNAL
    theirs, own = opened(home), opened(home, "main-2")
    await theirs.append_durable(b"ada")
    with pytest.raises(JournalInUse):
        Leftover.open(home / "main", on_alarm=print)
    inheritance = Inheritance(tmp_path, own, on_alarm=print)
    await inheritance.look()
    assert inheritance.stats().submissions.lag_records == 0
    await theirs.close()
    await own.close()


async def test_each_process_takes_the_first_name_that_is_free(tmp_path: Path) -> None:
    home = tmp_path / folder.JOURNAL
    first, second = (Journal.open_free(home, on_alarm=print) for _ in range(2))
    assert (first.instance, second.instance) == ("main", "main-2")
    await first.close()
    third = Journal.open_free(home, on_alarm=print)
    assert third.instance == "main"
    await third.close()
    await second.close()
