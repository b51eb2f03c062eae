"""The event store in a backup: the file of a DuckDB that nobody writes to at that moment.

Of a ClickHouse (`[events] url`) only the place is taken up to which its journal was carried there: a server backs its
tables up itself, and what is restored here must not be counted there again.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from site2crm.core import heavy
from site2crm.core.backup.errors import CorruptArchive
from site2crm.core.backup.records import Stored
from site2crm.core.eventstore import clickhouse_place, file
from site2crm.core.journal.contract import Position

MEMBER = f"events/{file.NAME}"
WAL = f"{MEMBER}.wal"
PLACE = f"events/{clickhouse_place.NAME}"
_STEP_BYTES = 4 * 1024 * 1024


def copy(source: Path, target: Path, *, check: Callable[[], None]) -> None:
    """The file and its write-ahead log, if there are any. The caller sees to it that nobody writes meanwhile."""
    for part, copied, descriptor in (
        (source, target, _descriptor_of(source)),
        (_log_of(source), _log_of(target), None),  # which carries no lock
    ):
        if part.exists():
            _copy(part, copied, descriptor, check)


def copy_place(data_dir: Path, target: Path) -> None:
    """Once the journal is copied: what of that copy has been counted meanwhile shall not be counted again."""
    source = data_dir / clickhouse_place.NAME
    if source.exists():
        target.write_bytes(source.read_bytes())
        target.chmod(0o600)


def places(unpacked: Path, replaced: Path | None) -> list[Stored]:
    """How far the consumers have come that carry events to a ClickHouse: that server does not go back in time, so what
    the folder `replaced` says is newer, and counts."""
    files = [unpacked / PLACE, *([replaced / clickhouse_place.NAME] if replaced else [])]
    found = {place.epoch: place for path in files for place in clickhouse_place.read(path).values()}
    return [Stored(place.epoch, Position(*place.done)) for place in found.values() if place.done]


def count(path: Path) -> int:
    """How many events a copy holds, each block of it read. Raises CorruptArchive."""
    connection = _open(path)
    try:
        total = file.count(connection)
        for step in file.steps(connection):
            file.verify(connection, step)
    except file.errors() as error:
        raise CorruptArchive(f"The events are damaged: {_first_line(error)}") from None
    finally:
        connection.close()
    return total


def positions(path: Path) -> list[Stored]:
    """How far the consumers in the event store have come."""
    connection = _open(path)
    try:
        rows = connection.execute('SELECT epoch, segment, "offset" FROM position').fetchall()
    except file.errors() as error:
        raise CorruptArchive(f"The events are damaged: {_first_line(error)}") from None
    finally:
        connection.close()
    return [Stored(epoch, Position(segment, offset)) for epoch, segment, offset in rows]


def _open(path: Path) -> Any:
    config = {"threads": 1, "memory_limit": "256MiB", "enable_external_access": False}
    try:
        return heavy.duckdb().connect(str(path), config=config)
    except file.errors() as error:
        raise CorruptArchive(f"The events cannot be opened: {_first_line(error)}") from None


def _copy(source: Path, target: Path, descriptor: int | None, check: Callable[[], None]) -> None:
    with target.open("xb") as out:
        target.chmod(0o600)
        for step in _steps(source, descriptor):
            check()
            out.write(step)


def _steps(source: Path, descriptor: int | None) -> Iterator[bytes]:
    """Through the engine's own descriptor, where this process has the file open.

    POSIX locks belong to the process: closing any other descriptor of the file would drop the lock that keeps a second
    process from opening the database.
    """
    offset = 0
    if descriptor is not None:
        while step := os.pread(descriptor, _STEP_BYTES, offset):
            yield step
            offset += len(step)
        return
    with source.open("rb") as opened:
        while step := opened.read(_STEP_BYTES):
            yield step


def _descriptor_of(path: Path) -> int | None:
    wanted = str(path.resolve())
    for entry in os.scandir("/proc/self/fd"):
        try:
            if os.readlink(entry.path) == wanted:  # noqa: PTH115 - a link of the kernel's, not a path
                return int(entry.name)
        except FileNotFoundError:  # the descriptor of this very listing
            continue
    return None


def _log_of(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:300]
