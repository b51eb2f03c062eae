"""Brings a PostgreSQL to the schema of this version, one node at a time.

No copy is made before it, as of SQLite's file: a failed migration is undone whole by the server.
"""

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from site2crm.core import heavy, log, migrations, postgresql
from site2crm.core.config_types import Secret
from site2crm.core.db import is_passing
from site2crm.core.errors import DatabaseAway, DatabaseRefused
from site2crm.core.migrations import SchemaTooNew, current_revision, revisions

MARK = "site2crm_moving"
"""A table that is there while records are carried in (`core.moving`)."""

_log = log.get("migrate")

_COMPARED_OTHERWISE = text("""
    SELECT c.table_name, string_agg(format('ALTER COLUMN %I TYPE varchar COLLATE "C"', c.column_name), ', ') AS how
    FROM information_schema.columns AS c JOIN information_schema.tables AS t USING (table_schema, table_name)
    WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE' AND c.table_name <> 'alembic_version'
      AND c.data_type = 'character varying' AND c.collation_name IS DISTINCT FROM 'C'
    GROUP BY c.table_name ORDER BY c.table_name
""")


async def upgrade(address: Secret, *, half_moved: bool = False) -> str:
    """Apply what is missing; returns the revision.

    Raises DatabaseAway, DatabaseRefused, SchemaTooNew, MigrationFailed.
    """
    engine = postgresql.plain_engine(address)
    try:
        async with engine.connect() as connection:
            await _check(connection, half_moved=half_moved)
            await connection.execute(text(f"SELECT pg_advisory_lock({postgresql.MIGRATION_LOCK})"))
            await connection.commit()
            return await connection.run_sync(_upgrade)  # the lock goes with the connection
    except DBAPIError as error:
        if is_passing(error):
            raise DatabaseAway from error
        raise
    finally:
        await engine.dispose()


async def status(address: Secret) -> str | None:
    """The revision it has; None: no tables."""
    engine = postgresql.plain_engine(address)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(current_revision)
    finally:
        await engine.dispose()


def compare_bytewise(connection: Connection) -> None:
    """Text in the order of its bytes, as on SQLite: ids in pages, slugs that differ in case, names in lists.

    After each migration, for whatever columns it has made: nobody who writes one has to think of it.
    """
    for name, how in connection.execute(_COMPARED_OTHERWISE).all():
        connection.exec_driver_sql(f'ALTER TABLE "{name}" {how}')


async def _check(connection: AsyncConnection, *, half_moved: bool) -> None:
    version = int(await connection.scalar(text("SHOW server_version_num")) or 0)
    encoding = await connection.scalar(text("SHOW server_encoding"))
    moving = await connection.scalar(text(f"SELECT to_regclass('{MARK}')"))
    await connection.commit()
    if moving is not None and not half_moved:
        raise DatabaseRefused("a move into this database has not come to its end: run `site2crm move` again")
    if version < postgresql.OLDEST:
        raise DatabaseRefused(f"PostgreSQL {version // 10_000} is too old: 14 or newer is needed")
    if encoding != "UTF8":
        raise DatabaseRefused(
            f"the database is encoded in {encoding}: make one with ENCODING 'UTF8' TEMPLATE template0"
        )


def _upgrade(connection: Connection) -> str:
    current, known = current_revision(connection), revisions()
    connection.commit()
    if current == known[-1]:
        return known[-1]
    if current is not None and current not in known:
        raise SchemaTooNew(f"The database has schema {current}, unknown to this version: upgrade Site2CRM.")
    try:
        heavy.alembic().upgrade_connection(connection)
    except Exception as error:
        if is_passing(error):
            raise
        raise migrations.failed(error, before=current, after=known[-1]) from error
    _log.info("migrated", before=current or "empty", after=known[-1])
    return known[-1]
