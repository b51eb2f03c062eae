"""The records in a backup: a copy of the SQLite file at one moment, made while it is written to.

Where they are in PostgreSQL, `server_copy` makes such a file of them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from site2crm.core import folder, sqlite
from site2crm.core.backup.errors import BackupFailed, CorruptArchive
from site2crm.core.journal.contract import Position

MEMBER = f"records/{folder.DATABASE}"
_STEP_PAGES = 256
_REST_S = 0.004
_BUSY_S = 10.0


class Stored(NamedTuple):
    """Where a consumer stands, and in which journal's life."""

    epoch: str
    position: Position


def copy(source: Path, target: Path, *, check: Callable[[], None]) -> None:
    """The database as it is now. Nobody who writes waits for it.

    The whole copy is made in one read transaction: without it, the copying would begin anew after every commit of
    somebody else, and never come to its end under load. `check` is called at each step of a megabyte, and stops it.
    """
    original = sqlite.connect(f"file:{source}?mode=ro", timeout_s=_BUSY_S)
    copied = sqlite.connect(f"file:{target}?mode=rwc", timeout_s=_BUSY_S)
    try:
        original.isolation_level = None
        original.execute("BEGIN")
        original.execute("SELECT count(*) FROM sqlite_master").fetchone()
        original.backup(copied, pages=_STEP_PAGES, progress=lambda *_: check(), sleep=_REST_S)
        copied.execute("PRAGMA journal_mode=DELETE").fetchone()  # one file, without a log beside it
    except sqlite.DatabaseError as error:
        raise BackupFailed(f"{source} could not be copied: {error}") from error
    finally:
        copied.close()
        original.close()
    target.chmod(0o600)


def examine(path: Path) -> None:
    """Read every page. Raises CorruptArchive when the database is not sound."""
    try:
        found = [row[0] for row in _ask(path, "PRAGMA integrity_check(5)")]
    except sqlite.DatabaseError as error:
        found = [str(error)]
    if found != ["ok"]:
        raise CorruptArchive(f"The records are damaged: {'; '.join(found)[:300]}")


def counts(path: Path) -> dict[str, int]:
    """Rows of each table; the full-text indexes are made of them and not counted."""
    tables = [row[0] for row in _ask(path, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    plain = [name for name in tables if not name.startswith("sqlite_") and "_fts" not in name]
    return {name: int(_ask(path, f'SELECT count(*) FROM "{name}"')[0][0]) for name in plain}  # noqa: S608 - own names


def schema(path: Path) -> str:
    """The revision; empty for a database without tables."""
    if not _has_table(path, "alembic_version"):
        return ""
    rows = _ask(path, "SELECT version_num FROM alembic_version")
    return str(rows[0][0]) if rows else ""


def positions(path: Path, *, instance: str) -> list[Stored]:
    """How far the consumers in the records have come in the journal of this instance."""
    if not _has_table(path, "consumer_position"):
        return []
    sql = 'SELECT epoch, segment, "offset" FROM consumer_position WHERE instance = ?'
    return [Stored(epoch, Position(segment, offset)) for epoch, segment, offset in _ask(path, sql, instance)]


def _has_table(path: Path, name: str) -> bool:
    return bool(_ask(path, "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", name))


def _ask(path: Path, sql: str, *values: str) -> list[Any]:
    connection = sqlite.connect(f"file:{path}?mode=ro", timeout_s=_BUSY_S)
    try:
        rows: list[Any] = connection.execute(sql, values).fetchall()
    finally:
        connection.close()
    return rows
