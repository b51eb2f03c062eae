"""Reading a database that an older version still writes, as if it had this version's schema.

A standby of a new version fills its registries before it may migrate. Its connections get temporary views in the place
of tables that lack columns: what is missing has its default there, a table that is missing is empty. So a migration
that adds is read through. Where a column is missing for which there is no default, the standby does not start beside
the old process, and says so: that upgrade is a restart.
"""

from pathlib import Path
from typing import Any

from sqlalchemy import Column, MetaData, Table, TextClause
from sqlalchemy.dialects import sqlite as sqlite_dialect

from site2crm.core import sqlite

WAIT_S = 5.0

_DIALECT = sqlite_dialect.dialect()


class Unreadable(Exception):
    """There is a column that nothing can be read for."""


def revision(file: Path) -> str | None:
    """The schema that it has; None as long as it has none, or cannot be asked. Waits for nobody, and keeps nobody."""
    try:
        connection = sqlite.connect(f"file:{file}?mode=ro", timeout_s=0)
        try:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        finally:
            connection.close()
    except sqlite.OperationalError:
        return None
    return str(row[0]) if row else None


def views(file: Path, tables: MetaData) -> list[str]:
    """The statements that make them; none where the file has all that this version has. Raises Unreadable."""
    connection = sqlite.connect(f"file:{file}?mode=ro", timeout_s=WAIT_S)
    try:
        made = [_view(connection, table) for table in tables.sorted_tables]
    finally:
        connection.close()
    return [statement for statement in made if statement]


def _view(connection: Any, table: Table) -> str:
    there = {row[1] for row in connection.execute(f'PRAGMA table_info("{table.name}")')}
    missing = [column for column in table.columns if column.name not in there]
    if not missing:
        return ""
    if not there:
        nothing = ", ".join(f'NULL AS "{column.name}"' for column in table.columns)
        return f'CREATE TEMP VIEW "{table.name}" AS SELECT {nothing} WHERE 0'
    added = "".join(f', {_default(connection, column)} AS "{column.name}"' for column in missing)
    return f'CREATE TEMP VIEW "{table.name}" AS SELECT was.*{added} FROM main."{table.name}" AS was'  # noqa: S608


def _default(connection: Any, column: Column[Any]) -> str:
    """As SQL."""
    if column.server_default is not None:
        given = getattr(column.server_default, "arg", None)
        return given.text if isinstance(given, TextClause) else _quoted(connection, given)
    default: Any = column.default
    if default is None:
        if not column.nullable:
            raise Unreadable(str(column))
        return "NULL"
    value = default.arg(None) if default.is_callable else default.arg
    process = column.type.dialect_impl(_DIALECT).bind_processor(_DIALECT)
    return _quoted(connection, process(value) if process else value)


def _quoted(connection: Any, value: object) -> str:
    return str(connection.execute("SELECT quote(?)", (value,)).fetchone()[0])
