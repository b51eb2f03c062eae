"""Where SQLite and PostgreSQL differ for the queue: three places, one function each."""

from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Engine, Select, Table, true
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import db

_listening: dict[Engine, list[Callable[[], None]]] = {}
_WAKES = "queue.wakes"


def insert(table: Table) -> sqlite.Insert:
    """An insert that knows ON CONFLICT. (PostgreSQL: `postgresql.insert`, the same methods.)"""
    return sqlite.insert(table)


def skip_locked(due: Select[Any]) -> Select[Any]:
    """Two claimers never take the same rows: SQLite has one writer at a time and ignores the clause."""
    return due.with_for_update(skip_locked=True)


def orphaned() -> ColumnElement[bool]:
    """Active rows that nobody can be running when this worker starts: all of them, for the process holds
    `data/lock`. (With several nodes on PostgreSQL: only those whose heartbeat is old, as in the sweep.)
    """
    return true()


def listen(database: db.Database, wake: Callable[[], None]) -> None:
    """Have `wake` called after each commit that enqueued something. (PostgreSQL: LISTEN as well.)"""
    _listening.setdefault(database.writer.sync_engine, []).append(wake)


def unlisten(database: db.Database, wake: Callable[[], None]) -> None:
    engine = database.writer.sync_engine
    _listening[engine].remove(wake)
    if not _listening[engine]:
        del _listening[engine]


def notify(session: AsyncSession) -> None:
    """Wake the workers of this database once the transaction is on disk. (PostgreSQL: `SELECT pg_notify`.)"""
    if session.info.get(_WAKES):
        return
    session.info[_WAKES] = True
    held = session.sync_session
    assert isinstance(held, db.RoutedSession)
    db.after_commit(session, partial(_wake_all, held.writer))


async def _wake_all(engine: Engine) -> None:
    for wake in _listening.get(engine, ()):
        wake()
