"""Syncs that fail and disks that are full: nothing is acknowledged that is not on the disk."""

import asyncio
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from site2crm.core.journal.contract import JournalBroken, JournalFull
from tests.core.journal_support import SEGMENT_BYTES, Alarms, FailingDisk, append_all, files, opened, payloads_of, until

SRC = Path(__file__).parents[2] / "src"
BIG = b"b" * (SEGMENT_BYTES // 2)


async def test_after_a_failed_sync_the_group_is_written_into_a_new_segment(tmp_path: Path) -> None:
    disk, alarms = FailingDisk(), Alarms()
    async with opened(tmp_path, alarms, fsync=disk.fsync) as journal:
        before = await journal.append_durable(b"before")
        disk.sync_failures = 1
        rewritten = await append_all(journal, [b"one", b"two"])
        after = await journal.append_durable(b"after")
        assert before.segment < rewritten[0].segment <= rewritten[1].segment <= after.segment
        assert payloads_of(journal) == [b"before", b"one", b"two", b"after"]
        assert journal.stats().sync_errors == 1
    assert alarms.codes == ["journal.sync_failed"]


async def test_a_file_whose_sync_failed_is_never_synced_again(tmp_path: Path) -> None:
    disk = FailingDisk()
    async with opened(tmp_path, fsync=disk.fsync) as journal:
        disk.sync_failures = 1
        await journal.append_durable(b"x")
        await journal.append_durable(b"y")
    assert len(disk.failed) == 1
    assert disk.failed[0] not in disk.synced


async def test_when_the_new_segment_fails_too_the_caller_is_told(tmp_path: Path) -> None:
    disk = FailingDisk()
    async with opened(tmp_path, fsync=disk.fsync) as journal:
        await journal.append_durable(b"before")
        disk.sync_failures = 2
        outcomes = await asyncio.gather(*(journal.append_durable(b"x") for _ in range(5)), return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {JournalBroken}
        await journal.append_durable(b"after")
        assert payloads_of(journal) == [b"before", b"after"]


async def test_records_of_a_failed_sync_may_come_twice_after_a_crash_but_in_order(tmp_path: Path) -> None:
    disk = FailingDisk()
    async with opened(tmp_path, fsync=disk.fsync) as journal:
        await journal.append_durable(b"before")
        disk.sync_failures = 1
        await journal.append_durable(b"x")
    async with opened(tmp_path) as journal:
        assert payloads_of(journal) == [b"before", b"x", b"x"]


async def test_a_failing_disk_leaves_no_heap_of_empty_segments(tmp_path: Path) -> None:
    disk = FailingDisk()
    async with opened(tmp_path, fsync=disk.fsync) as journal:
        disk.sync_failures = 40
        for _ in range(20):
            with pytest.raises(JournalBroken):
                await journal.append_durable(b"x")
        await journal.append_durable(b"works again")
        assert len(files(tmp_path)) <= 3


async def test_a_full_disk_is_alarmed_early_and_the_room_that_is_left_is_used(tmp_path: Path) -> None:
    disk, alarms = FailingDisk(), Alarms()
    async with opened(tmp_path, alarms, allocate=disk.allocate) as journal:
        await journal.append_durable(BIG)
        disk.is_full = True
        await journal.append_durable(BIG)  # goes into the reserve
        await until(lambda: "journal.disk_full" in alarms.codes)
        with pytest.raises(JournalFull):
            await journal.append_durable(BIG)
        await journal.append_durable(b"still fits")
        with pytest.raises(JournalFull):
            await journal.append_durable(BIG)
        assert payloads_of(journal) == [BIG, BIG, b"still fits"]
    assert alarms.codes == ["journal.disk_full"]


async def test_a_full_disk_fails_only_the_records_that_do_not_fit(tmp_path: Path) -> None:
    disk = FailingDisk()
    async with opened(tmp_path, allocate=disk.allocate) as journal:
        disk.is_full = True
        payloads = [BIG, b"1", BIG, b"2", BIG, b"3"]
        outcomes = await asyncio.gather(*map(journal.append_durable, payloads), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes[4:]] == [JournalFull, type(outcomes[5])]
        assert payloads_of(journal) == [BIG, b"1", BIG, b"2", b"3"]


async def test_accepting_goes_on_without_a_restart_when_there_is_space_again(tmp_path: Path) -> None:
    disk = FailingDisk()
    disk.is_full = True
    async with opened(tmp_path, allocate=disk.allocate) as journal:
        with pytest.raises(JournalFull):
            await journal.append_durable(b"x")
        disk.is_full = False
        await journal.append_durable(b"y")
        assert payloads_of(journal) == [b"y"]


async def test_a_full_disk_never_holds_up_submissions_for_events(tmp_path: Path) -> None:
    disk = FailingDisk()
    async with opened(tmp_path, allocate=disk.allocate) as journal:
        disk.is_full = True
        while journal.append(BIG):
            pass
        await journal.append_durable(b"lead")
        assert journal.stats().dropped_events == 1


def test_a_real_file_size_limit_reads_as_full(tmp_path: Path) -> None:
    script = """
        import asyncio, resource, sys
        from pathlib import Path
        from site2crm.core.journal.contract import JournalFull
        from site2crm.core.journal.journal import Journal

        async def main():
            resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
            journal = Journal.open(Path(sys.argv[1]), instance="a", segment_bytes=65536, on_alarm=lambda c, t: print(c))
            try:
                await journal.append_durable(b"x")
            except JournalFull:
                print("full")
            await journal.close()

        asyncio.run(main())
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == ["journal.disk_full", "journal.events_short", "full"]
    assert files(tmp_path) == []
