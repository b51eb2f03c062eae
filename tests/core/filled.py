"""A row in every table, and all rows of all tables: for what carries records from one place to another."""

from pathlib import Path
from typing import Any

from sqlalchemy import Column, func, insert, select

from site2crm.core import moving
from site2crm.core.config_types import Secret
from site2crm.core.db import Database, UtcTime
from site2crm.features import tables
from site2crm.kit import clock


async def everything(place: Path | Secret) -> dict[str, list[tuple[object, ...]]]:
    """Of today's schema; without the places of consumers, which are another one's there."""
    database = Database(place, readers=1)
    found = {}
    async with database.session() as session:
        for table in tables().sorted_tables:
            if table.name != moving.POSITIONS:
                rows = await session.execute(select(table).order_by(*table.primary_key.columns))
                found[table.name] = [tuple(row) for row in rows]
    await database.close()
    return found


async def fill(place: Path | Secret) -> None:
    """A row in each table that has none: numbers of 64 bits, and keys of rows that are there."""
    database = Database(place, readers=1)
    async with database.session() as session:
        for table in tables().sorted_tables:
            if await session.scalar(select(func.count()).select_from(table)):
                continue
            row = {}
            for column in table.columns:
                parent = next((key.column for key in column.foreign_keys), None)
                row[column.name] = made_up(column) if parent is None else await session.scalar(select(parent).limit(1))
            await session.execute(insert(table), row)
    await database.close()


def made_up(column: Column[Any]) -> Any:
    kind = column.type.python_type
    values = {int: 2**62, str: "Łódź", bool: True, bytes: b"\x00\xff", float: 0.5}
    return clock.now() if isinstance(column.type, UtcTime) else values.get(kind, {"a": ["\u2028"]})
