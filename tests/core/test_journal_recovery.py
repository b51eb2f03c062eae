"""Opening what a kill, a power cut or a bad disk has left."""

from pathlib import Path

import pytest

from site2crm.core.journal.contract import Position
from site2crm.core.journal.frame import HEADER_BYTES, encode, key_of
from tests.core.journal_support import SEGMENT_BYTES, Alarms, append_all, files, opened, payloads_of

PAYLOADS = [b"record %02d" % number for number in range(20)]
FRAME_BYTES = HEADER_BYTES + len(PAYLOADS[0])


async def _filled(folder: Path, payloads: list[bytes] = PAYLOADS) -> Path:
    """A folder with one sealed segment; returns the segment."""
    async with opened(folder) as journal:
        await append_all(journal, payloads)
    return next(path for path in files(folder) if path.stat().st_size < SEGMENT_BYTES)


def _unseal(path: Path) -> None:
    """As a killed process leaves it: no footer, zeros up to the allocated size."""
    data = path.read_bytes()[:-HEADER_BYTES]
    path.write_bytes(data.ljust(SEGMENT_BYTES, b"\0"))


def _overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


async def test_reopening_continues_after_the_last_record(tmp_path: Path) -> None:
    await _filled(tmp_path)
    async with opened(tmp_path) as journal:
        last = journal.read("submissions", None, limit=100)[-1]
        added = await journal.append_durable(b"added")
        assert added >= last.next
        assert payloads_of(journal) == [*PAYLOADS, b"added"]
        assert payloads_of(journal, start=last.next) == [b"added"]
        assert journal.stats().submissions.lag_records == 21


async def test_the_epoch_stays_with_the_folder(tmp_path: Path) -> None:
    async with opened(tmp_path / "one") as journal:
        first = journal.epoch
    async with opened(tmp_path / "one") as journal:
        assert journal.epoch == first
    async with opened(tmp_path / "two") as journal:
        assert journal.epoch != first


@pytest.mark.parametrize("damage", ["missing", "empty", "garbage"])
async def test_a_damaged_epoch_is_taken_from_the_segments(tmp_path: Path, damage: str) -> None:
    async with opened(tmp_path) as journal:
        await journal.append_durable(b"x")
        epoch = journal.epoch
    path, alarms = tmp_path / "a" / "epoch", Alarms()
    path.write_bytes({"missing": b"", "empty": b"", "garbage": b"\xff" * 16}[damage])
    if damage == "missing":
        path.unlink()
    async with opened(tmp_path, alarms) as journal:
        assert (journal.epoch, payloads_of(journal)) == (epoch, [b"x"])
    assert alarms.codes == ["journal.damaged"]


async def test_a_killed_process_leaves_all_its_records(tmp_path: Path) -> None:
    _unseal(await _filled(tmp_path))
    alarms = Alarms()
    async with opened(tmp_path, alarms) as journal:
        assert payloads_of(journal) == PAYLOADS
    assert alarms == []


async def test_a_torn_tail_is_cut_and_kept_aside(tmp_path: Path) -> None:
    path = await _filled(tmp_path)
    _unseal(path)
    end = len(path.read_bytes().rstrip(b"\0"))
    torn = encode(key_of(path.stem), b"never acknowledged", sequence=21, unix_ms=1)[:-5]
    _overwrite(path, end, torn)
    alarms = Alarms()
    async with opened(tmp_path, alarms) as journal:
        await journal.append_durable(b"added")
        assert payloads_of(journal) == [*PAYLOADS, b"added"]
        assert journal.stats().submissions.quarantined_files == 1
    assert alarms.codes == ["journal.torn_tail"]
    assert [file.read_bytes() for file in files(tmp_path, pattern="*.corrupt")] == [torn]


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize("place", [0, 4, 8, 12, 20, HEADER_BYTES + 3])
async def test_a_flipped_byte_costs_one_record_and_no_later_one(tmp_path: Path, place: int, sealed: bool) -> None:
    path = await _filled(tmp_path)
    if not sealed:
        _unseal(path)
    offset = 5 * FRAME_BYTES
    damaged = bytearray(path.read_bytes()[offset : offset + FRAME_BYTES])
    damaged[place] ^= 0x40
    _overwrite(path, offset, bytes(damaged))
    alarms = Alarms()
    async with opened(tmp_path, alarms) as journal:
        assert payloads_of(journal) == PAYLOADS[:5] + PAYLOADS[6:]
        assert payloads_of(journal) == PAYLOADS[:5] + PAYLOADS[6:]
    assert alarms.codes == ["journal.damaged"]
    assert [file.read_bytes() for file in files(tmp_path, pattern="*.corrupt")] == [bytes(damaged)]


async def test_a_sector_of_zeros_in_the_middle_costs_only_what_it_covers(tmp_path: Path) -> None:
    path = await _filled(tmp_path, [b"%04d" % number + b"x" * 200 for number in range(100)])
    _unseal(path)
    _overwrite(path, 4096, b"\0" * 512)
    async with opened(tmp_path) as journal:
        found = [int(data[:4]) for data in payloads_of(journal)]
    lost = sorted(set(range(100)) - set(found))
    assert found == sorted(found)
    assert lost == list(range(4096 // 232, (4096 + 511) // 232 + 1))


async def test_damage_at_the_end_of_a_sealed_segment_does_not_stop_the_reader(tmp_path: Path) -> None:
    path = await _filled(tmp_path)
    _overwrite(path, 19 * FRAME_BYTES, b"\xff" * FRAME_BYTES)
    async with opened(tmp_path) as journal:
        assert payloads_of(journal) == PAYLOADS[:19]
        start = journal.read("submissions", None, limit=100)[-1].next
        await journal.append_durable(b"added")
        await journal.wait("submissions", start)
        assert payloads_of(journal, start=start) == [b"added"]


async def test_damage_under_a_running_journal_is_skipped_and_appending_goes_on(tmp_path: Path) -> None:
    alarms = Alarms()
    async with opened(tmp_path, alarms) as journal:
        positions = await append_all(journal, PAYLOADS)
        path = next(file for file in files(tmp_path) if file.name.startswith(f"{positions[0].segment:016d}"))
        _overwrite(path, positions[19].offset, b"\xff" * FRAME_BYTES)
        assert payloads_of(journal) == PAYLOADS[:19]
        await journal.append_durable(b"added")
        assert payloads_of(journal) == [*PAYLOADS[:19], b"added"]
    assert set(alarms.codes) <= {"journal.damaged", "journal.torn_tail"}


async def test_a_posted_frame_cannot_pass_itself_off_as_a_record(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        position = await journal.append_durable(b"first")
    old = next(path for path in files(tmp_path) if path.name.startswith(f"{position.segment:016d}"))
    forged = old.read_bytes()[: HEADER_BYTES + 5]
    path = await _filled(tmp_path, [b"body " + forged * 10, b"last"])
    path = max(file for file in files(tmp_path) if file.stat().st_size < SEGMENT_BYTES)
    _unseal(path)
    _overwrite(path, 0, b"\xff")
    async with opened(tmp_path) as journal:
        assert payloads_of(journal) == [b"first", b"last"]


async def test_empty_zero_length_and_stray_files_do_no_harm(tmp_path: Path) -> None:
    await _filled(tmp_path)
    folder = tmp_path / "a" / "submissions"
    zero_length = folder / "9000000000000001-0123456789abcdef.seg"
    zeros = folder / "9000000000000002-0123456789abcdef.seg"
    zero_length.touch()
    zeros.write_bytes(b"\0" * 100)
    (folder / "notes.txt").write_text("hello")
    (folder / "folder").mkdir()
    alarms = Alarms()
    async with opened(tmp_path, alarms) as journal:
        assert (await journal.append_durable(b"added")).segment > 9_000_000_000_000_002
        assert payloads_of(journal) == [*PAYLOADS, b"added"]
    assert alarms.codes == ["journal.stray_file"] * 2
    assert (folder / "notes.txt").read_text() == "hello"
    assert not zero_length.exists()
    assert not zeros.exists()


async def test_a_segment_of_garbage_is_set_aside(tmp_path: Path) -> None:
    await _filled(tmp_path)
    garbage = tmp_path / "a" / "submissions" / "0000000000000001-0123456789abcdef.seg"
    garbage.write_bytes(b"garbage" * 1000)
    alarms = Alarms()
    async with opened(tmp_path, alarms) as journal:
        assert payloads_of(journal) == PAYLOADS
    assert alarms.codes == ["journal.torn_tail"]
    assert [file.read_bytes() for file in files(tmp_path, pattern="*.corrupt")] == [b"garbage" * 1000]


async def test_allocated_space_is_kept_for_the_next_run(tmp_path: Path) -> None:
    await _filled(tmp_path)
    [blank] = [path for path in files(tmp_path) if path.stat().st_size == SEGMENT_BYTES]
    number = blank.stat().st_ino
    async with opened(tmp_path):
        assert number in {path.stat().st_ino for path in files(tmp_path)}
        assert not blank.exists()


async def test_a_position_of_removed_segments_reads_on_with_the_next(tmp_path: Path) -> None:
    await _filled(tmp_path)
    async with opened(tmp_path) as journal:
        assert payloads_of(journal, start=Position(1, 500)) == PAYLOADS


async def test_a_deleted_segment_is_alarmed_and_passed(tmp_path: Path) -> None:
    path = await _filled(tmp_path)
    alarms = Alarms()
    async with opened(tmp_path, alarms) as journal:
        await journal.append_durable(b"added")
        path.unlink()
        assert payloads_of(journal) == [b"added"]
    assert alarms.codes == ["journal.missing"]


async def test_numbers_never_repeat_when_all_files_were_deleted(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        [before] = await append_all(journal, [b"before"])
    for path in files(tmp_path):
        path.unlink()
    async with opened(tmp_path) as journal:
        assert await journal.append_durable(b"after") > before
