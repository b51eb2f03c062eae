"""The records behind a server's back, on either database: a look into them, and a write lock that somebody else holds."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from site2crm.core import sqlite
from site2crm.core.postgresql import WRITE_LOCK
from tests import records


def column(folder: Path, statement: str) -> list[str]:
    """The only column of what a query finds."""
    if records.on_postgresql():
        return records.cluster().psql(statement, _database(folder)).splitlines()
    connection = _opened(folder, "?mode=ro")
    try:
        return [str(value) for (value,) in connection.execute(statement)]
    finally:
        connection.close()


def everything(folder: Path, table: str) -> bytes:
    """All that is kept there, as it is kept; PostgreSQL shows bytes as hexadecimal digits."""
    if records.on_postgresql():
        return "\n".join(column(folder, f"SELECT each::text FROM {table} AS each")).encode()
    return b"".join(path.read_bytes() for path in (folder / "data").rglob("*.db*") if path.is_file())


def integrity(folder: Path) -> str:
    """`ok`. A server looks after its own."""
    return "ok" if records.on_postgresql() else column(folder, "PRAGMA integrity_check")[0]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else can write meanwhile."""
    if records.on_postgresql():
        with _locked_server(_database(folder)):
            yield
        return
    connection = _opened(folder)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@contextmanager
def _locked_server(database: str) -> Iterator[None]:
    words = records.cluster().asking(database)
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/") as psql:
        assert psql.stdin
        assert psql.stdout
        psql.stdin.write(f"BEGIN; SELECT pg_advisory_xact_lock({WRITE_LOCK}); SELECT 'held';\n")
        psql.stdin.flush()
        while "held" not in (line := psql.stdout.readline()):
            assert line or psql.poll() is None
        yield
        psql.stdin.close()


def _opened(folder: Path, how: str = "") -> Any:
    return sqlite.connect(f"file:{folder / 'data' / 'site2crm.db'}{how}", timeout_s=5)


def _database(folder: Path) -> str:
    return urlsplit(records.url_of(folder)).path.removeprefix("/")
