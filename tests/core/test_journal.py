"""Appending, reading, waiting and releasing on a healthy disk."""

import asyncio
import threading
from pathlib import Path

import pytest

from site2crm.core.journal.contract import JournalBroken, JournalInUse
from tests.core.journal_support import SEGMENT_BYTES, FailingDisk, append_all, files, opened, payloads_of, until


async def test_records_come_back_in_the_order_of_their_appends(tmp_path: Path) -> None:
    payloads = [b"%d" % number for number in range(1000)]
    async with opened(tmp_path) as journal:
        positions = await append_all(journal, payloads)
        assert payloads_of(journal) == payloads
    assert positions == sorted(set(positions))


async def test_every_record_names_its_place_and_the_place_behind_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        positions = await append_all(journal, [b"one", b"two"])
        one, two = journal.read("submissions", None, limit=10)
        assert (one.position, two.position) == (positions[0], positions[1])
        assert one.next == two.position
        assert journal.read("submissions", two.next, limit=10) == []


async def test_concurrent_appends_share_a_sync(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        before = journal.stats().syncs
        await append_all(journal, [b"x"] * 200)
        assert journal.stats().syncs - before <= 20


async def test_32_writers_lose_and_mix_nothing(tmp_path: Path) -> None:
    async def write(writer: int) -> None:
        for number in range(50):
            await journal.append_durable(b"%d/%d" % (writer, number))

    async with opened(tmp_path) as journal:
        await asyncio.gather(*(write(writer) for writer in range(32)))
        found = payloads_of(journal)
    assert len(found) == len(set(found)) == 1600
    for writer in range(32):
        own = [data for data in found if data.startswith(b"%d/" % writer)]
        assert own == [b"%d/%d" % (writer, number) for number in range(50)]


async def test_nothing_is_readable_before_its_sync_has_finished(tmp_path: Path) -> None:
    syncing, may_go_on = threading.Event(), threading.Event()

    def slow_fsync(fd: int) -> None:
        syncing.set()
        may_go_on.wait(5)  # so that a failing test ends

    async with opened(tmp_path, fsync=slow_fsync) as journal:
        future = journal.append_durable(b"slow")
        await asyncio.to_thread(syncing.wait)
        assert not future.done()
        assert payloads_of(journal) == []
        may_go_on.set()
        await future
        assert payloads_of(journal) == [b"slow"]


async def test_reading_respects_limit_and_bytes_but_returns_at_least_one_record(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await append_all(journal, [b"x" * 1000] * 10)
        assert len(journal.read("submissions", None, limit=3)) == 3
        assert len(journal.read("submissions", None, limit=10, max_bytes=5000)) == 4
        assert len(journal.read("submissions", None, limit=10, max_bytes=1)) == 1


async def test_a_record_that_does_not_fit_goes_to_the_next_segment(tmp_path: Path) -> None:
    big = b"b" * (SEGMENT_BYTES * 2 // 3)
    async with opened(tmp_path) as journal:
        first, second, third = await append_all(journal, [big, big, b"small"])
        assert first.segment < second.segment == third.segment
        assert payloads_of(journal) == [big, big, b"small"]


async def test_empty_and_oversized_payloads_are_refused(tmp_path: Path) -> None:
    async with opened(tmp_path, segment_bytes=32 * 1024 * 1024) as journal:
        for payload in (b"", b"x" * (8 * 1024 * 1024 + 1)):
            with pytest.raises(ValueError, match="a record holds"):
                journal.append_durable(payload)
            with pytest.raises(ValueError, match="a record holds"):
                journal.append(payload)
        await journal.append_durable(b"x" * (8 * 1024 * 1024))
        assert [len(data) for data in payloads_of(journal)] == [8 * 1024 * 1024]


async def test_a_reader_waits_until_something_is_there(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        waiting = asyncio.ensure_future(journal.wait("submissions", None))
        await asyncio.sleep(0)
        assert not waiting.done()
        await journal.append_durable(b"x")
        await waiting
        [record] = journal.read("submissions", None, limit=1)
        again = asyncio.ensure_future(journal.wait("submissions", record.next))
        await asyncio.sleep(0)
        assert not again.done()
        await journal.append_durable(b"y")
        await again


async def test_a_cancelled_wait_leaves_nothing_behind(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        waiting = asyncio.ensure_future(journal.wait("submissions", None))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await journal.append_durable(b"x")


async def test_a_visitor_who_leaves_does_not_take_his_record_along(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        journal.append_durable(b"left").cancel()
        await journal.append_durable(b"stayed")
        assert payloads_of(journal) == [b"left", b"stayed"]


async def test_release_removes_the_segments_that_were_passed(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await append_all(journal, [b"x" * 10_000] * 50)
        before = files(tmp_path)
        records = journal.read("submissions", None, limit=50)
        journal.release("submissions", records[24].next)
        await until(lambda: len(files(tmp_path)) < len(before))
        assert payloads_of(journal, start=records[24].next) == [b"x" * 10_000] * 25
        journal.release("submissions", records[-1].next)
        await until(lambda: len(files(tmp_path)) <= 2)
        await journal.append_durable(b"after")
        assert payloads_of(journal, start=records[-1].next) == [b"after"]


async def test_release_keeps_a_segment_with_one_unread_record(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await append_all(journal, [b"x" * 20_000] * 7)
        records = journal.read("submissions", None, limit=7)
        journal.release("submissions", records[1].next)
        await journal.append_durable(b"x")
        assert len(payloads_of(journal)) == 8


async def test_stats_tell_how_far_the_consumer_is_behind(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await append_all(journal, [b"x" * 100] * 10)
        assert journal.stats().submissions.lag_records == 10
        fourth = journal.read("submissions", None, limit=4)[-1]
        journal.release("submissions", fourth.next)
        stats = journal.stats().submissions
        assert (stats.lag_records, stats.lag_bytes) == (6, 6 * 128)
        assert stats.bytes == stats.segments * SEGMENT_BYTES
        last = journal.read("submissions", None, limit=10)[-1]
        journal.release("submissions", last.next)
        assert journal.stats().submissions.lag_records == 0
        assert journal.stats().submissions.oldest_unread_s == 0


async def test_close_writes_what_is_pending_and_refuses_what_comes_after(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        pending = journal.append_durable(b"pending")
        await journal.close()
        await pending
        assert not journal.append(b"late")
        with pytest.raises(JournalBroken):
            await journal.append_durable(b"late")
    async with opened(tmp_path) as journal:
        assert payloads_of(journal) == [b"pending"]


async def test_two_processes_cannot_write_one_journal(tmp_path: Path) -> None:
    async with opened(tmp_path):
        with pytest.raises(JournalInUse):
            async with opened(tmp_path):
                pass


async def test_each_sync_goes_to_the_segment_that_was_written(tmp_path: Path) -> None:
    disk = FailingDisk()
    async with opened(tmp_path, fsync=disk.fsync) as journal:
        await append_all(journal, [b"x" * 40_000] * 3)
        assert len(set(disk.synced)) == 3
