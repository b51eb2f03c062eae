"""Brings the records database to the schema of this version, at boot, after a copy of what is there."""

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from site2crm.core import folder, log, resources, sqlite
from site2crm.kit import clock

_log = log.get("migrate")

SQLITE_VERSION = sqlite.VERSION


class SchemaTooNew(Exception):
    """The database was written by a newer version; this one must not touch it."""


def upgrade(data_dir: Path) -> str:
    """Apply what is missing; returns the revision. A failed migration is rolled back and leaves the old state."""
    path = data_dir / folder.DATABASE
    engine = open_engine(path)
    try:
        _use_wal(engine)
        script = ScriptDirectory.from_config(alembic_config(engine))
        head = script.get_current_head()
        assert head is not None
        current = _current(engine)
        if current == head:
            return head
        if current is not None and current not in {revision.revision for revision in script.walk_revisions()}:
            raise SchemaTooNew(f"The database has schema {current}, unknown to this version: upgrade Site2CRM.")
        if current is not None:
            _copy_before(engine, data_dir, head)
        command.upgrade(alembic_config(engine), "head")
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


def alembic_config(engine: Engine) -> Config:
    config = Config()
    config.set_main_option("script_location", str(resources.migrations()))
    config.attributes["engine"] = engine
    return config


def _current(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _use_wal(engine: Engine) -> None:
    """Kept in the file for ever. Set here, before any reader is there whom the switch would have to wait for."""
    raw = engine.raw_connection()
    try:
        raw.cursor().execute("PRAGMA journal_mode=WAL")
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


def status(data_dir: Path) -> tuple[str | None, str]:
    """The database's revision (None: nothing there) and the one this version wants."""
    path = data_dir / folder.DATABASE
    engine = open_engine(path)
    try:
        head = ScriptDirectory.from_config(alembic_config(engine)).get_current_head()
        return (_current(engine) if path.exists() else None), head or ""
    finally:
        engine.dispose()
