"""The file is missing, damaged or somebody else's: it is said, put aside at most, and counting goes on."""

import contextlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from site2crm.core.errors import Unavailable
from site2crm.core.eventstore import file
from site2crm.core.eventstore.file import NAME
from site2crm.core.journal.contract import Position
from tests.core.eventstore_support import START, about, an_event, opened, put
from tests.core.journal_support import Alarms, until

ROWS = 3_000
BLOCK = 256 * 1024


async def filled(folder: Path) -> Path:
    async with opened(folder) as store:
        await put(store, [an_event(n, ts=START, city=f"city {n * 7919 % 100_003}") for n in range(ROWS)])
    return folder / NAME


def overwritten(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[:20_000] = b"\xff" * 20_000
    path.write_bytes(data)


HARMS: dict[str, Callable[[Path], object]] = {
    "overwritten": overwritten,
    "emptied": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "another format": lambda path: path.write_bytes(b"SQLite format 3\0" * 1_000),
    "cut in the header": lambda path: path.write_bytes(path.read_bytes()[:5_000]),
}


@pytest.mark.parametrize("harm", HARMS)
async def test_a_damaged_file_is_kept_aside_and_counting_goes_on(tmp_path: Path, harm: str) -> None:
    HARMS[harm](await filled(tmp_path))
    alarms = Alarms()
    async with opened(tmp_path, alarms) as store:
        assert await store.load("test") is None
        await put(store, [an_event(0)])
        assert (await store.totals(about())).value == 1
    assert alarms.codes == ["events.damaged"]
    assert len(list(tmp_path.glob(f"{NAME}.damaged-*"))) == 1


async def test_a_deleted_file_is_said_and_a_first_start_is_not(tmp_path: Path) -> None:
    alarms = Alarms()
    async with opened(tmp_path, alarms) as store:
        await store.load("test")
    assert alarms.codes == []
    (tmp_path / NAME).unlink()
    async with opened(tmp_path, alarms) as store:
        assert await store.load("test") is None
    assert alarms.codes == ["events.missing"]


async def test_a_log_without_its_file_is_not_replayed_into_the_new_one(tmp_path: Path) -> None:
    path = await filled(tmp_path)
    path.rename(path.with_name(NAME + ".wal"))
    async with opened(tmp_path) as store:
        assert (await store.totals(about())).value == 0


async def test_a_damaged_block_is_found_by_looking_through_the_file(tmp_path: Path) -> None:
    path = await filled(tmp_path)
    data = bytearray(path.read_bytes())
    for offset in range(3 * 4096 + 1_000, len(data), BLOCK):
        data[offset : offset + 8] = bytes(255 - byte for byte in data[offset : offset + 8])
    path.write_bytes(data)
    alarms = Alarms()
    async with opened(tmp_path, alarms) as store:
        with contextlib.suppress(Unavailable):
            await store.engine.verify(rest=0)
        await until(lambda: "events.damaged" in alarms.codes)
        await put(store, [an_event(0)])
        assert (await store.totals(about())).value == 1


async def test_a_whole_file_passes_the_look_through(tmp_path: Path) -> None:
    await filled(tmp_path)
    alarms = Alarms()
    async with opened(tmp_path, alarms) as store:
        await store.engine.verify(rest=0)
        assert (await store.totals(about())).value == ROWS
    assert alarms.codes == []


async def test_a_file_that_another_process_has_stays_and_is_waited_for(tmp_path: Path) -> None:
    path = await filled(tmp_path)
    program = f"import duckdb, sys; c = duckdb.connect({str(path)!r}); print('open', flush=True); sys.stdin.read()"
    other = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdin and other.stdout
    alarms = Alarms()
    try:
        assert other.stdout.readline() == "open\n"
        async with opened(tmp_path, alarms) as store:
            for _ in range(2):
                with pytest.raises(Unavailable):
                    await store.totals(about())
            with pytest.raises(Unavailable):
                await put(store, [an_event(0)], at=9)
            other.communicate()
            await put(store, [an_event(0)], at=9)
            assert (await store.totals(about())).value == ROWS + 1
    finally:
        other.kill()
        other.wait()
    assert alarms.codes == ["events.blocked", "-events.blocked"]
    assert list(tmp_path.glob("*.damaged-*")) == []


async def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = await filled(tmp_path)
    assert path.stat().st_mode & 0o077 == 0
    assert not file.is_new(tmp_path)


async def test_the_store_is_the_same_after_it_was_closed(tmp_path: Path) -> None:
    await filled(tmp_path)
    async with opened(tmp_path) as store:
        assert (await store.totals(about())).value == ROWS
        assert await store.load("test") == ("e", Position(1, 1))
