"""A database of an older schema is read as if it had this one: what is missing has its default."""

from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import JSON, Column, Integer, MetaData, String, Table, text
from sqlalchemy.exc import OperationalError

from site2crm.core import alembic_runner, migrate, past_schema, sqlite
from site2crm.core.db import Base, Database
from tests import cast


def a_file(folder: Path, *statements: str) -> Path:
    path = folder / "site2crm.db"
    connection = sqlite.connect(f"file:{path}?mode=rwc", timeout_s=5)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return path


def tables(*columns: Column[Any]) -> MetaData:
    made = MetaData()
    Table("thing", made, Column("id", String, primary_key=True), *columns)
    return made


async def read(path: Path, views: list[str], sql: str) -> list[tuple[Any, ...]]:
    database = Database(path, readers=2)
    try:
        database.is_open, database.is_readable = False, True
        await database.look_through(views)
        async with database.reading() as session:
            return [tuple(row) for row in await session.execute(text(sql))]
    finally:
        await database.close()


async def test_missing_columns_have_their_defaults_and_missing_tables_are_empty(tmp_path: Path) -> None:
    path = a_file(tmp_path, "CREATE TABLE thing (id TEXT)", "INSERT INTO thing VALUES ('a')")
    known = tables(
        Column("colour", String, nullable=False, default="it's blue"),
        Column("size", Integer, nullable=False, server_default=text("7")),
        Column("note", String),
    )
    Table("other", known, Column("id", String, primary_key=True))
    views = past_schema.views(path, known)
    assert await read(path, views, "SELECT id, colour, size, note FROM thing") == [("a", "it's blue", 7, None)]
    assert await read(path, views, "SELECT id FROM other") == []


def test_what_has_no_default_is_not_made_up(tmp_path: Path) -> None:
    path = a_file(tmp_path, "CREATE TABLE thing (id TEXT)", "INSERT INTO thing VALUES ('a')")
    with pytest.raises(past_schema.Unreadable, match=r"thing\.must"):
        past_schema.views(path, tables(Column("must", String, nullable=False)))


async def test_a_migration_under_open_views_is_read_right(tmp_path: Path) -> None:
    path = a_file(tmp_path, "CREATE TABLE thing (id TEXT)", "INSERT INTO thing VALUES ('a')")
    views = past_schema.views(path, tables(Column("colour", String, nullable=False, default="blue")))
    a_file(tmp_path, "ALTER TABLE thing ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'")
    assert await read(path, views, "SELECT id, colour FROM thing") == [("a", "red")]


async def test_nobody_writes_through_them(tmp_path: Path) -> None:
    path = a_file(tmp_path, "CREATE TABLE thing (id TEXT)")
    views = past_schema.views(path, tables(Column("note", String)))
    with pytest.raises(OperationalError):
        await read(path, views, "DELETE FROM thing")


def test_this_version_needs_none() -> None:
    assert past_schema.views(cast.migrated(), Base.metadata) == []
    assert past_schema.revision(cast.migrated()) is not None


@pytest.mark.parametrize("revision", migrate.revisions())
def test_a_new_version_can_stand_by_beside_each_that_was_there_before(tmp_path: Path, revision: str) -> None:
    """If this fails, give the new column a default; else that upgrade is a restart: then say so in CHANGELOG."""
    engine = migrate.open_engine(tmp_path / "site2crm.db")
    command.upgrade(alembic_runner.config(engine), revision)
    engine.dispose()
    past_schema.views(tmp_path / "site2crm.db", Base.metadata)


def test_a_file_that_is_not_there_yet_has_no_schema(tmp_path: Path) -> None:
    assert past_schema.revision(tmp_path / "site2crm.db") is None
    assert past_schema.revision(a_file(tmp_path, "CREATE TABLE thing (id TEXT)")) is None


def test_a_default_that_is_called_is_called(tmp_path: Path) -> None:
    path = a_file(tmp_path, "CREATE TABLE thing (id TEXT)")
    [view] = past_schema.views(path, tables(Column("names", JSON, nullable=False, default=list)))
    assert "'[]' AS \"names\"" in view
