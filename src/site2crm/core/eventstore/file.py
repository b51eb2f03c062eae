"""The database file: opened, told apart from a damaged one, put aside when it is one."""

from pathlib import Path
from typing import Any, NamedTuple

from site2crm.core import heavy, log
from site2crm.core.eventstore import schema
from site2crm.core.journal import disk
from site2crm.kit import clock

NAME = "events.duckdb"
MARK = "events.made"
"""Beside the file since its first opening: without it, a missing file is the first start, not a loss."""

VERIFY_ROWS = 122_880
"""A row group: what one step of looking through the file reads."""

MIN_FREE_BYTES = 16 * 1024 * 1024

_WORLD = ("lock on file", "no space left", "disk quota", "permission denied", "read-only file", "too many open files")
"""Failures of the machine around the file: it stays where it is, and is tried again."""

_NOT_ITS_FAULT = ("OutOfMemoryException", "ConnectionException", "InterruptException")
_SMALL = (
    *(f"SELECT count(*), max(ts) FROM {part}" for part in schema.PARTS),  # noqa: S608 - own names
    "SELECT bit_xor(hash(col, code, txt)) FROM name",
    'SELECT bit_xor(hash(consumer, epoch, segment, "offset")) FROM position',
)
"""What everything depends on is read at once; the many rows are looked through later."""

_BREAKAGE = ("FatalException", "InternalException", "SerializationException")
_BREAKAGE_WORDS = ("corrupt", "checksum", "could not read", "invalidated")

_log = log.get("events")

Connection = Any
"""A DuckDB connection; the library is imported at first use (core/heavy.py)."""


class Blocked(Exception):
    """The file cannot be opened now, and is not to blame."""


class Step(NamedTuple):
    """Rows of a table, by their number in it."""

    part: str
    first: int
    end: int


class Opened(NamedTuple):
    connection: Connection
    complaint: tuple[str, str] | None
    """An alarm about what was found instead."""


def is_new(data_dir: Path) -> bool:
    """Whether there has never been a store here."""
    return not (data_dir / MARK).exists() and not (data_dir / NAME).exists()


def open_or_replace(path: Path, *, memory_bytes: int) -> Opened:
    """The store at `path`; a missing or damaged one is replaced by an empty one, the damaged kept aside.

    Raises Blocked when another process has it, or when there is no space.
    """
    is_missing = not path.exists()
    is_loss = is_missing and path.with_name(MARK).exists()
    if is_missing:
        _put_aside(path)  # a write-ahead log without its file would be replayed into the new one
    try:
        connection, complaint = _open(path, memory_bytes), None
    except Exception as error:
        if not _is_damage(error) or disk.free_bytes(path.parent) < MIN_FREE_BYTES:
            raise Blocked(f"{path} cannot be opened: {_first_line(error)}") from error
        return replace(path, memory_bytes=memory_bytes, reason=_first_line(error))
    if is_loss:
        complaint = ("events.missing", f"{path} was deleted: the figures of clicks begin anew. {_GOES_ON}")
    if not path.with_name(MARK).exists():
        disk.write_file(path.with_name(MARK), f"{clock.now():%Y-%m-%dT%H:%M:%SZ}\n".encode())
    path.chmod(0o600)
    return Opened(connection, complaint)


_GOES_ON = "Clicks are counted on, those that wait in the journal too; leads are not touched by this."


def replace(path: Path, *, memory_bytes: int, reason: str) -> Opened:
    """Put a damaged file aside and begin an empty one. The caller has closed it."""
    kept = _put_aside(path)
    _log.error("events.damaged", file=str(path), kept=kept, reason=reason)
    text = f"{path} is damaged ({reason}). It was kept as {kept} and a new one begun. {_GOES_ON}"
    return Opened(_open(path, memory_bytes), ("events.damaged", text))


def steps(connection: Connection) -> list[Step]:
    """What `verify` has to be called with to read the whole file."""
    found = []
    for part in _tables(connection):
        sql = f"SELECT coalesce(max(rowid), -1) + 1 FROM {part}"  # noqa: S608 - own names
        total = connection.execute(sql).fetchall()[0][0]
        found += [Step(part, first, first + VERIFY_ROWS) for first in range(0, total, VERIFY_ROWS)]
    return found


def count(connection: Connection) -> int:
    """How many events there are, in a file of an older version too."""
    each = (f"SELECT count(*) FROM {part}" for part in _tables(connection) if part != "sample")  # noqa: S608 - own
    return sum(connection.execute(sql).fetchall()[0][0] for sql in each)


def _tables(connection: Connection) -> list[str]:
    """Those with events, as far as they are there."""
    rows = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
    there = {name for (name,) in rows}
    return [name for name in (*schema.PARTS, schema.UNDIVIDED) if name in there]


def verify(connection: Connection, step: Step) -> None:
    """Read these rows whole, which checks each block's sum."""
    every = ", ".join(schema.COLUMNS)
    sql = f"SELECT bit_xor(hash({every})) FROM {step.part} WHERE rowid >= ? AND rowid < ?"  # noqa: S608 - own names
    connection.execute(sql, (step.first, step.end)).fetchall()


def errors() -> type[Exception]:
    """What the engine raises."""
    base: type[Exception] = heavy.duckdb().Error
    return base


def is_breakage(error: Exception) -> bool:
    """Whether an open database has to be opened anew, and looked through."""
    if not _is_duckdb(error):
        return False
    return type(error).__name__ in _BREAKAGE or any(word in str(error).lower() for word in _BREAKAGE_WORDS)


def _is_damage(error: Exception) -> bool:
    """Whether a file that does not open is itself to blame."""
    if not _is_duckdb(error) or type(error).__name__ in _NOT_ITS_FAULT:
        return False
    return not any(word in str(error).lower() for word in _WORLD)


def _is_duckdb(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] in {"duckdb", "_duckdb"}


def _open(path: Path, memory_bytes: int) -> Connection:
    config = {
        "threads": 1,  # a query runs in the thread that asks: the other core is the redirect's
        "memory_limit": f"{memory_bytes // 1024}KiB",
        "preserve_insertion_order": False,
        "perfect_ht_threshold": 20,  # days and countries are grouped by an array instead of a hash table
        "pandas_analyze_sample": 0,  # texts are texts: looking for what else they may be holds the whole process up
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "enable_external_access": False,
        "python_enable_replacements": False,
    }
    connection = heavy.duckdb().connect(str(path), config=config)
    try:
        for statement in schema.STATEMENTS:
            connection.execute(statement)
        _upgrade(connection)
        for check in _SMALL:
            connection.execute(check).fetchall()
    except Exception:
        connection.close()
        raise
    return connection


def _upgrade(connection: Connection) -> None:
    """In one transaction: killed in between, the file is as it was. Some seconds for a few million events."""
    tables = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
    if (schema.UNDIVIDED,) not in tables:
        return
    _log.info("events.upgrading")
    connection.execute("BEGIN")
    for statement in schema.UPGRADE:
        connection.execute(statement)
    connection.execute("COMMIT")
    connection.execute("CHECKPOINT")


def _put_aside(path: Path) -> str:
    """Rename the file and its write-ahead log; what they are called now."""
    kept = []
    for part in (path, path.with_name(path.name + ".wal")):
        if part.exists():
            aside = part.with_name(f"{part.name}.damaged-{clock.now():%Y%m%dT%H%M%S%f}")
            part.rename(aside)
            kept.append(aside.name)
    return ", ".join(kept) or "nothing"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:300]
