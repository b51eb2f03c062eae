"""Brings the records database to the schema of this version, at boot, after a copy of what is there."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool

from site2crm.core import db, folder, heavy, log, migrate_postgresql, migrations, sqlite
from site2crm.core.config_types import Secret
from site2crm.core.migrations import MigrationFailed, SchemaTooNew, current_revision, revisions
from site2crm.kit import clock

__all__ = ["MigrationFailed", "SchemaTooNew", "bring_up", "open_engine", "revisions", "status", "upgrade"]

_log = log.get("migrate")

USE_WAL = "PRAGMA journal_mode=WAL"


async def bring_up(
    records: Path | Secret,
    data_dir: Path,
    *,
    half_moved: bool = False,
    copy_before: Callable[[str], object] | None = None,
) -> str:
    """Apply what is missing, on either database; returns the revision. Raises SchemaTooNew, DatabaseBusy.

    `half_moved`: also where a move from SQLite has not come to its end; nobody else may touch that.
    """
    if isinstance(records, Secret):
        return await migrate_postgresql.upgrade(records, half_moved=half_moved)
    return await asyncio.to_thread(upgrade, data_dir, copy_before=copy_before)  # forms may go on beside it


def upgrade(data_dir: Path, *, copy_before: Callable[[str], object] | None = None) -> str:
    """Apply what is missing; returns the revision. A failed migration is rolled back and leaves the old state.

    `copy_before` is called with the new revision before a database with records is changed; without it, a copy of the
    database is put into the folder of backups. Raises SchemaTooNew, MigrationFailed.
    """
    path = data_dir / folder.DATABASE
    engine = open_engine(path)
    try:
        _use_wal(engine)
        known = revisions()
        with engine.connect() as connection:
            current = current_revision(connection)
        head = known[-1]
        if current == head:
            return head
        if current is not None and current not in known:
            raise SchemaTooNew(f"The database has schema {current}, unknown to this version: upgrade Site2CRM.")
        if current is not None:
            (copy_before or partial(_copy_before, engine, data_dir))(head)
        _apply(engine, before=current, after=head)
        path.chmod(0o600)
        _log.info("migrated", before=current or "empty", after=head)
        return head
    finally:
        engine.dispose()


def open_engine(path: Path) -> Engine:
    """An engine whose driver does not commit by itself before DDL: a failed migration has to be undone whole."""
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def _no_commit_by_itself(connection: Any, _record: object) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _apply(engine: Engine, *, before: str | None, after: str) -> None:
    try:
        heavy.alembic().upgrade(engine)
    except Exception as error:
        if db.is_passing(error):
            raise  # locked, or no room: told as what it is
        told = migrations.failed(error, before=before, after=after)
        raise MigrationFailed(f"{told} Try this one on a copy with: site2crm migrate rehearse") from error


def _use_wal(engine: Engine) -> None:
    """Kept in the file for ever. Set here, before any reader is there whom the switch would have to wait for."""
    raw = engine.raw_connection()
    try:
        raw.cursor().execute(USE_WAL)
    except sqlite.DatabaseError as error:  # what SQLAlchemy would have made of it
        raise DatabaseError(USE_WAL, None, error) from error
    finally:
        raw.close()


def _copy_before(engine: Engine, data_dir: Path, head: str) -> None:
    backups = data_dir / folder.BACKUPS
    backups.mkdir(mode=0o700, exist_ok=True)
    target = backups / f"before-{head}-{clock.now():%Y%m%dT%H%M%S}.db"
    source = engine.raw_connection()  # VACUUM runs outside a transaction only
    try:
        source.cursor().execute("VACUUM INTO ?", (str(target),))
    finally:
        source.close()
    target.chmod(0o600)
    _log.info("copied", to=str(target))


async def status(records: Path | Secret) -> tuple[str | None, str]:
    """The database's revision (None: nothing there) and the one this version wants."""
    if isinstance(records, Secret):
        return await migrate_postgresql.status(records), revisions()[-1]
    return _revision_in(records), revisions()[-1]


def _revision_in(file: Path) -> str | None:
    if not file.exists():
        return None
    engine = open_engine(file)
    try:
        with engine.connect() as connection:
            return current_revision(connection)
    finally:
        engine.dispose()
