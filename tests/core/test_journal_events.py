"""The events stream: no wait, no loss at a kill, dropped and counted at the cap."""

import asyncio
from pathlib import Path

from tests.core.journal_support import SEGMENT_BYTES, Alarms, FailingDisk, files, opened, payloads_of, until

BIG = b"e" * (SEGMENT_BYTES * 2 // 3)


async def test_events_are_readable_at_once_and_after_a_restart(tmp_path: Path) -> None:
    payloads = [b"click %d" % number for number in range(500)]
    async with opened(tmp_path) as journal:
        assert all(journal.append(payload) for payload in payloads)
        assert payloads_of(journal, "events") == payloads
    async with opened(tmp_path) as journal:
        assert payloads_of(journal, "events") == payloads
        assert journal.append(b"later")
        assert payloads_of(journal, "events") == [*payloads, b"later"]


async def test_events_are_synced_in_the_background(tmp_path: Path) -> None:
    disk = FailingDisk()
    async with opened(tmp_path, fsync=disk.fsync) as journal:
        for _ in range(100):
            journal.append(b"click")
        await until(lambda: len(disk.synced) > 0)
        assert journal.stats().syncs <= 3


async def test_a_reader_of_events_is_woken(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        waiting = asyncio.ensure_future(journal.wait("events", None))
        await asyncio.sleep(0)
        journal.append(b"click")
        await waiting


async def test_events_fill_one_segment_after_the_other(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        for number in range(5):
            await until(lambda event=b"%d" % number + BIG: journal.append(event))
        assert [data[:1] for data in payloads_of(journal, "events")] == [b"0", b"1", b"2", b"3", b"4"]


async def test_at_the_cap_events_are_dropped_and_counted_and_submissions_go_on(tmp_path: Path) -> None:
    alarms = Alarms()
    async with opened(tmp_path, alarms, events_cap_bytes=3 * SEGMENT_BYTES) as journal:
        kept = 0
        while "journal.events_short" not in alarms.codes or journal.append(BIG):
            kept += journal.append(BIG)
            await asyncio.sleep(0.005)
        dropped = journal.stats().dropped_events
        assert not journal.append(BIG)
        assert journal.stats().dropped_events == dropped + 1
        assert sum(path.stat().st_size for path in files(tmp_path, "events")) <= 3 * SEGMENT_BYTES
        await journal.append_durable(b"lead")
        assert payloads_of(journal) == [b"lead"]
    assert alarms.codes == ["journal.events_short"]


async def test_after_a_release_events_are_kept_again(tmp_path: Path) -> None:
    async with opened(tmp_path, events_cap_bytes=2 * SEGMENT_BYTES) as journal:
        journal.append(b"first" + BIG)
        await until(lambda: journal.append(b"second" + BIG))
        assert not journal.append(b"third" + BIG)
        [first, second] = journal.read("events", None, limit=10)
        journal.release("events", second.position)
        await until(lambda: journal.append(b"fourth" + BIG))
        assert [data[:6] for data in payloads_of(journal, "events", second.position)] == [b"second", b"fourth"]
        assert first.next < second.position


async def test_a_failed_sync_moves_events_to_another_segment(tmp_path: Path) -> None:
    disk, alarms = FailingDisk(), Alarms()
    async with opened(tmp_path, alarms, fsync=disk.fsync) as journal:
        disk.sync_failures = 1
        journal.append(b"one")
        await until(lambda: alarms.codes == ["journal.sync_failed"])
        await until(lambda: journal.append(b"two"))
        one, two = journal.read("events", None, limit=10)
        assert one.position.segment < two.position.segment
        await journal.append_durable(b"lead")
