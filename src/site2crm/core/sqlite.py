"""Puts a current SQLite in the place of the interpreter's own. Import this before anything that imports `sqlite3`.

Debian 12 and many Python builds carry 3.40.1, which can corrupt a file when two connections write and
checkpoint at once (the WAL-reset bug, fixed in 3.51.3). Two copies must never open one file in one process.
"""

import sys
from typing import Any

import pysqlite3
from pysqlite3 import dbapi2

OLDEST_SAFE = (3, 51, 3)

sys.modules["sqlite3"] = pysqlite3
sys.modules["sqlite3.dbapi2"] = dbapi2

VERSION: str = dbapi2.sqlite_version
DatabaseError: type[Exception] = dbapi2.DatabaseError
OperationalError: type[Exception] = dbapi2.OperationalError

if tuple(int(part) for part in VERSION.split(".")) < OLDEST_SAFE:
    raise ImportError(f"SQLite {VERSION} can corrupt its file; 3.51.3 or newer is needed (pip install pysqlite3)")


def connect(uri: str, *, timeout_s: float) -> Any:
    """A bare connection, for what must not wait for a pool."""
    return dbapi2.connect(uri, uri=True, timeout=timeout_s)
