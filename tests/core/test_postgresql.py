"""What PostgreSQL costs who has none, and what it says when something goes wrong."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError

from site2crm.core import db
from site2crm.core.config_types import Secret
from site2crm.core.errors import DatabaseAway, DatabaseBusy, DatabaseRefused
from site2crm.core.tables import Revision
from tests import records
from tests.server import environment

LOADED = "import sys, site2crm.commands.serve; print([name for name in sys.modules if 'asyncpg' in name or 'dialects.postgresql' in name])"


@pytest.fixture
async def database() -> AsyncIterator[db.Database]:
    cluster = records.cluster()
    name = cluster.create()
    made = db.Database(Secret(cluster.url(name)))
    yield made
    await made.close()
    cluster.drop(name)


def test_a_start_on_sqlite_does_not_load_it() -> None:
    said = subprocess.run(
        [sys.executable, "-c", LOADED], env=environment(), capture_output=True, text=True, check=True, timeout=60
    )
    assert said.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("statement", "passing", "the_rows_fault"),
    [
        ("SELECT 1/0", False, True),
        ("INSERT INTO org (id) VALUES ('x')", False, True),
        ("SELECT pg_terminate_backend(pg_backend_pid())", True, False),
        ("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END $$", True, False),
        ("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40P01'; END $$", True, False),
        ("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '53100'; END $$", True, False),
        ("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '54000'; END $$", False, True),
        ("DO $$ BEGIN RAISE EXCEPTION 'locked connection' USING ERRCODE = '22021'; END $$", False, True),
        ("SELECT nonsense", False, False),
    ],
)
async def test_what_passes_is_told_from_what_is_wrong(
    database: db.Database, statement: str, passing: bool, the_rows_fault: bool
) -> None:
    with pytest.raises(DBAPIError) as caught:
        async with database.writer.connect() as connection:
            await connection.execute(text(statement))
    assert db.is_passing(caught.value) is passing
    assert db.blames_the_row(caught.value) is the_rows_fault


async def test_a_value_that_cannot_be_sent_is_the_rows_fault_whatever_it_says(database: db.Database) -> None:
    async with database.session() as session:
        await db.lock(session)
        with pytest.raises(DBAPIError) as caught:
            await session.execute(text("SELECT CAST(:x AS timestamptz)"), {"x": "the connection is locked"})
        await session.rollback()
    assert db.blames_the_row(caught.value)
    assert not db.is_passing(caught.value)


async def test_reading_connections_cannot_write(database: db.Database) -> None:
    with pytest.raises(DBAPIError, match="read-only"):
        async with database.reader.connect() as connection:
            await connection.execute(text("DELETE FROM org"))


async def test_a_server_that_only_reads_for_a_while_is_waited_for(database: db.Database) -> None:
    """As one whose disk is full, or that another one is taking over from."""
    await database.writer.dispose()
    async with database.writer.connect() as connection:
        await connection.execute(text("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"))
        await connection.commit()
    with pytest.raises(DatabaseBusy):
        async with database.session() as session:
            await session.execute(update(Revision).values(value=1))


async def test_text_is_compared_by_its_bytes(database: db.Database) -> None:
    async with database.session() as session:
        await db.lock(session)
        for name in ("b", "B", "a", "_", "Z", "ä"):
            await session.execute(text("INSERT INTO revision (name, value) VALUES (:name, 1)"), {"name": name})
        ordered = (await session.scalars(text("SELECT name FROM revision ORDER BY name"))).all()
    assert ordered == sorted(ordered)
    assert ordered == ["B", "Z", "_", "a", "b", "ä"]


async def test_a_zero_byte_is_found_nowhere_and_refused_nowhere(database: db.Database) -> None:
    async with database.session() as session:
        await db.lock(session)
        rows = [{"name": name, "tick": 1.0} for name in ("a", "b\x00", "\x00c")]
        await session.execute(text("INSERT INTO job_cron (name, last_tick) VALUES (:name, :tick)"), rows)
    async with database.session() as session:
        found = (await session.scalars(text("SELECT name FROM job_cron ORDER BY name"))).all()
        same = await session.scalar(text("SELECT count(*) FROM job_cron WHERE name = :name"), {"name": "a\x00"})
    assert (found, same) == (["a", "b\ufffd", "\ufffdc"], 0)


async def test_nobody_there_and_no_such_database_are_two_things(tmp_path: Path) -> None:
    for url, error in (
        ("postgresql://u@127.0.0.1:1/x", DatabaseAway),
        (records.cluster().url("nowhere"), DatabaseRefused),
    ):
        database = db.Database(Secret(url))
        with pytest.raises(DatabaseAway) as caught:
            async with database.session() as session:
                await session.execute(text("SELECT 1"))
        assert isinstance(caught.value.__cause__, error)
        assert not database.answers
        await database.close()


async def test_a_connection_that_the_server_has_closed_fails_no_request(database: db.Database) -> None:
    async with database.session() as session:
        await session.execute(text("SELECT 1"))
    records.cluster().psql(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{_name(database)}'"
    )
    await asyncio.sleep(0.5)  # until the news is here
    async with database.session() as session:
        assert await session.scalar(text("SELECT 1")) == 1


def _name(database: db.Database) -> str:
    assert isinstance(database.place, Secret)
    return urlsplit(database.place.reveal()).path.removeprefix("/")
