"""The records of a PostgreSQL as a SQLite file: so a backup is the same whatever it was made of.

It needs none of the server's own tools in a matching version, is verified by booting it, and can be restored on either
database. Everything is read in one transaction, as it was at one moment; nobody who writes waits for that.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from sqlalchemy import Table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from site2crm.core import folder, migrate, moving, postgresql, sqlite
from site2crm.core.backup.errors import BackupFailed
from site2crm.core.config_types import Secret
from site2crm.core.db import Base, Database
from site2crm.core.errors import AppError
from site2crm.core.journal import peek
from site2crm.core.migrations import current_revision
from site2crm.core.sql import insert


def copy(source: Secret, target: Path, *, data_dir: Path, check: Callable[[], None]) -> None:
    """Call it in a thread without an event loop, once all features are loaded.

    Raises BackupFailed, and whatever `check` raises, which is asked at every thousand rows.
    """
    try:
        asyncio.run(_copy(source, target, homes=_homes(data_dir), check=check))
    except AppError as error:
        raise BackupFailed(f"The records could not be read. {error.detail}") from error
    except DBAPIError as error:
        raise BackupFailed(f"The records could not be read: {error.orig}") from error
    _into_one_file(target)
    target.chmod(0o600)


async def _copy(source: Secret, target: Path, *, homes: Mapping[str, str], check: Callable[[], None]) -> None:
    head = migrate.upgrade(target.parent)
    engine, copied = postgresql.plain_engine(source), Database(target, readers=1)
    try:
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            found = await connection.run_sync(current_revision)
            if found != head:
                raise BackupFailed(f"The database has schema {found}; this version copies {head}. Start it once first.")
            for table in Base.metadata.sorted_tables:
                await _copy_table(connection, copied, table, homes=homes, check=check)
    finally:
        await copied.close()
        await engine.dispose()


async def _copy_table(
    source: AsyncConnection, copied: Database, table: Table, *, homes: Mapping[str, str], check: Callable[[], None]
) -> None:
    last = None
    while True:
        check()
        rows = (await source.execute(moving.following(table, last))).all()
        if not rows:
            return
        values = [dict(row._mapping) for row in rows]
        if table.name == moving.POSITIONS:
            values = [{**row, "instance": homes.get(row["epoch"], row["instance"])} for row in values]
        async with copied.session() as session:
            await session.execute(insert(table), values)
        last = moving.key_of(table, rows[-1])


def _homes(data_dir: Path) -> dict[str, str]:
    """Epoch -> name of the journals here: on a server a journal goes by its epoch, in a folder by its name."""
    homes = [home for home in (data_dir / folder.JOURNAL).glob("*") if home.is_dir()]
    return {peek.epoch(home): home.name for home in homes}


def _into_one_file(target: Path) -> None:
    """Without a log beside it."""
    copied = sqlite.connect(f"file:{target}", timeout_s=10)
    try:
        copied.execute("PRAGMA journal_mode=DELETE").fetchone()
    finally:
        copied.close()
