"""Carries the records of an instance from SQLite into an empty PostgreSQL.

Table by table, parents first, each in the order of its key and in transactions of a thousand rows: what is there is
always the beginning of a table, so a run that was cut off goes on behind it. A mark in the target says whose move it
is; nothing starts on a database that has one.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Column, MetaData, Row, Select, String, Table, func, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from site2crm.core import migrate, postgresql
from site2crm.core.config_types import Secret
from site2crm.core.db import Database
from site2crm.core.migrate_postgresql import MARK
from site2crm.core.migrations import current_revision
from site2crm.core.sql import insert

AT_ONCE = 1_000
POSITIONS = "consumer_position"

_MARK = Table(MARK, MetaData(), Column("source", String))

Tell = Callable[[str, int], None]
"""Called with the table's name and how many of its rows are there."""


class CannotMove(Exception):
    """With what to do instead."""


async def move(source: Path, target: Secret, *, tables: MetaData, tell: Tell) -> dict[str, int]:
    """Rows of each table, counted on both sides. The caller holds the data folder.

    Raises CannotMove, DatabaseAway, DatabaseRefused.
    """
    migrate.upgrade(source.parent)
    await migrate.bring_up(target, source.parent, half_moved=True)
    records, engine = Database(source, readers=1), postgresql.plain_engine(target)
    try:
        await _mark(engine, str(source), tables)
        for table in tables.sorted_tables:
            await _copy(records, engine, table, tell=tell)
        counts = {table.name: await _compared(records, engine, table) for table in tables.sorted_tables}
        async with engine.begin() as connection:
            await _set_sequences(connection, tables)
            await connection.execute(text(f"DROP TABLE {MARK}"))
        return counts
    finally:
        await records.close()
        await engine.dispose()


async def expect_empty(target: Secret, *, tables: MetaData) -> None:
    """Raises CannotMove when the database has rows already, DatabaseAway and DatabaseRefused. Changes nothing."""
    engine = postgresql.plain_engine(target)
    try:
        async with engine.connect() as connection:
            if await connection.run_sync(current_revision) is not None:
                await _refuse_rows(connection, tables)
    finally:
        await engine.dispose()


async def _refuse_rows(connection: AsyncConnection, tables: MetaData) -> None:
    for table in tables.sorted_tables:
        if await connection.scalar(select(func.count()).select_from(table)):
            raise CannotMove(f"The target has rows in {table.name} already. Move into an empty database.")


async def _mark(engine: AsyncEngine, source: str, tables: MetaData) -> None:
    async with engine.begin() as connection:
        if await connection.scalar(text(f"SELECT to_regclass('{MARK}')")) is None:
            await _refuse_rows(connection, tables)
            await connection.execute(text(f"CREATE TABLE {MARK} (source varchar NOT NULL)"))
            await connection.execute(insert(_MARK), {"source": source})
        began = await connection.scalar(select(_MARK.c.source))
        if began != source:
            raise CannotMove(f"The move into it was begun from {began}. Go on from there, or take an empty database.")


async def _copy(records: Database, engine: AsyncEngine, table: Table, *, tell: Tell) -> None:
    async with engine.connect() as connection:
        done = await connection.scalar(select(func.count()).select_from(table)) or 0
        last = (await connection.execute(_newest(table))).first() if table.name != POSITIONS else None
    while True:
        async with records.session() as session:
            rows = (await session.execute(following(table, last))).all()
        if not rows:
            return
        async with engine.begin() as connection:
            await connection.execute(insert(table).on_conflict_do_nothing(), [_translated(table, row) for row in rows])
        done, last = done + len(rows), key_of(table, rows[-1])
        tell(table.name, done)
        if len(rows) < AT_ONCE:
            return


def _newest(table: Table) -> Select[Any]:
    keys = list(table.primary_key.columns)
    return select(*keys).order_by(*(key.desc() for key in keys)).limit(1)


def following(table: Table, last: Row[Any] | tuple[Any, ...] | None) -> Select[Any]:
    """The next rows of a table, in the order of its key."""
    keys = list(table.primary_key.columns)
    wanted = select(table).order_by(*keys).limit(AT_ONCE)
    return wanted if last is None else wanted.where(tuple_(*keys) > tuple_(*last))


def key_of(table: Table, row: Row[Any]) -> tuple[Any, ...]:
    """What `following` goes on behind."""
    return tuple(row._mapping[key.name] for key in table.primary_key.columns)


def _translated(table: Table, row: Row[Any]) -> dict[str, Any]:
    values = {name: _storable(value) for name, value in row._mapping.items()}
    if table.name == POSITIONS:
        values["instance"] = values["epoch"]  # several nodes share the records there: a journal goes by its epoch
    return values


def _storable(value: Any) -> Any:
    """PostgreSQL has no text with a zero byte in it; nothing of ours means anything by one."""
    return value.replace("\x00", "") if isinstance(value, str) else value


async def _compared(records: Database, engine: AsyncEngine, table: Table) -> int:
    async with records.session() as session:
        here: int = await session.scalar(select(func.count()).select_from(table)) or 0
    async with engine.connect() as connection:
        there = await connection.scalar(select(func.count()).select_from(table))
    if here != there:
        raise CannotMove(f"{table.name} has {here} rows here and {there} there. Empty the target and begin anew.")
    return here


async def _set_sequences(connection: AsyncConnection, tables: MetaData) -> None:
    """Numbers go on behind those that were copied."""
    for column in _counting_up(tables):
        name = f"pg_get_serial_sequence('{column.table.name}', '{column.name}')"
        newest = await connection.scalar(select(func.max(column))) or 0
        await connection.execute(text(f"SELECT setval({name}, :following, false)"), {"following": newest + 1})


def _counting_up(tables: MetaData) -> Iterator[Column[Any]]:
    for table in tables.sorted_tables:
        if table.autoincrement_column is not None:
            yield table.autoincrement_column
