"""Where SQLite and PostgreSQL differ for the queue: one function each."""

from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Engine, Select, func, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import db, postgresql
from site2crm.core.queue.model import jobs

JOBS = "jobs"
"""What is said to other nodes when one has enqueued something."""

_listening: dict[Engine, list[Callable[[], None]]] = {}
_WAKES = "queue.wakes"


def skip_locked(due: Select[Any]) -> Select[Any]:
    """Two claimers never take the same rows. There is one writer at a time anyway; SQLite ignores the clause."""
    return due.with_for_update(skip_locked=True)


def orphaned(database: db.Database, node: str) -> ColumnElement[bool]:
    """Active rows that nobody can be running when this worker starts: all of them, for the process holds `data/lock`.

    Where there are other nodes: those of this one. What a dead one left is found by the sweep, when its heartbeat is
    old.
    """
    return jobs.c.worker.startswith(f"{node}/", autoescape=True) if database.is_shared else true()


def listen(database: db.Database, wake: Callable[[], None]) -> None:
    """Have `wake` called after each commit that enqueued something, here or on another node."""
    _listening.setdefault(database.writer.sync_engine, []).append(wake)
    if database.line is not None:
        database.line.hear(JOBS, wake)


def unlisten(database: db.Database, wake: Callable[[], None]) -> None:
    if database.line is not None:
        database.line.unhear(JOBS, wake)
    engine = database.writer.sync_engine
    _listening[engine].remove(wake)
    if not _listening[engine]:
        del _listening[engine]


async def notify(session: AsyncSession) -> None:
    """Wake the workers of this database once the transaction is on disk."""
    if session.info.get(_WAKES):
        return
    session.info[_WAKES] = True
    held = session.sync_session
    assert isinstance(held, db.RoutedSession)
    db.after_commit(session, partial(_wake_all, held.writer))
    if db.is_postgresql(session):
        await session.execute(select(func.pg_notify(postgresql.CHANNEL, JOBS)))


async def _wake_all(engine: Engine) -> None:
    for wake in _listening.get(engine, ()):
        wake()
