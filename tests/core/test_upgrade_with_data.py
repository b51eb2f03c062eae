"""The database of the first release, with rows in every table, comes to today's schema and loses none of them."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from alembic import command
from click.testing import CliRunner
from sqlalchemy import Column, Connection, Table, UniqueConstraint, column, func, insert, inspect, select, table, text
from sqlalchemy.exc import IntegrityError

from site2crm.accounts.permissions import Role
from site2crm.commands.migrate import command as rehearsal
from site2crm.core import alembic_runner, migrate, postgresql
from site2crm.core.config_types import Secret
from site2crm.core.db import Database
from site2crm.features import tables
from tests import cast, records
from tests.cast import Cast
from tests.core.filled import fill, made_up
from tests.leads.posting import frame, send

RELEASED = "0004"
"""What 0.1.0 wrote."""
LEADS = 12

Rows = Mapping[str, list[dict[str, Any]]]


class Lived(NamedTuple):
    """An instance that has served a while."""

    records: Path
    org_id: str
    form_id: str
    key: str


def an_old_file(folder: Path) -> Path:
    """Empty, of that release."""
    file = folder / "old" / "data" / "site2crm.db"
    file.parent.mkdir(parents=True)
    engine = migrate.open_engine(file)
    command.upgrade(alembic_runner.config(engine), RELEASED)
    engine.dispose()
    return file


@pytest.fixture(params=[records.SQLITE, records.POSTGRESQL])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Path | Secret]:
    """An empty database of that release, for the folder `old`."""
    if request.param == records.SQLITE:
        yield an_old_file(tmp_path)
        return
    cluster = records.cluster()
    cluster.psql("CREATE DATABASE of_the_release")
    address = Secret(cluster.url("of_the_release"))
    opened = postgresql.plain_engine(address)
    async with opened.connect() as connection:
        await connection.run_sync(lambda given: command.upgrade(alembic_runner._config("connection", given), RELEASED))
    await opened.dispose()
    yield address
    cluster.drop("of_the_release")


@pytest.fixture
async def lived(tmp_path: Path) -> Lived:
    """With a form, a link, a CRM, and leads that arrived in it."""
    async with cast.AsyncExitStack() as stack, cast.an_instance(tmp_path / "new", database__url="sqlite") as instance:
        alice = await Cast(instance, stack).person("alice", Role.OWNER, "acme")
        form = (await alice.api.post("/api/v1/forms", json={"name": "Contact"})).json()
        made = await alice.api.post("/api/v1/connections", json={"kind": "inbox", "mapping": {"email": "email"}})
        assert made.status_code == 201, made.text
        assert (await alice.api.post("/api/v1/links", json={"url": "https://www.example.com/"})).status_code == 201
        await send(instance, *(frame(alice.org.id, form["id"], email=f"ada{n}@example.com") for n in range(LEADS)))
        assert instance.machine.jobs is not None
        await instance.machine.jobs.run_due()
    return Lived(tmp_path / "new" / "data" / "site2crm.db", alice.org.id, form["id"], alice.key)


async def columns_in(place: Path | Secret) -> dict[str, list[Column[Any]]]:
    """Of each table that is there: those that it has, as today's code types them."""

    def look(connection: Connection) -> dict[str, list[Column[Any]]]:
        there = inspect(connection)
        known = {each.name: each for each in tables().sorted_tables if there.has_table(each.name)}
        return {
            name: [known[name].columns[one["name"]] for one in there.get_columns(name) if one["name"] in known[name].c]
            for name in known
        }

    database = Database(place, readers=1)
    try:
        async with database.session() as session:
            return await session.run_sync(lambda given: look(given.connection()))
    finally:
        await database.close()


async def rows_of(place: Path | Secret, columns: Mapping[str, list[Column[Any]]]) -> Rows:
    database = Database(place, readers=1)
    try:
        async with database.session() as session:
            found = {}
            for name, wanted in columns.items():
                keys = tables().tables[name].primary_key.columns
                read = await session.execute(select(*wanted).order_by(*keys))
                found[name] = [dict(row._mapping) for row in read]
            return found
    finally:
        await database.close()


async def write_as_then(place: Path | Secret, rows: Rows, columns: Mapping[str, list[Column[Any]]]) -> None:
    """Only what that release knew of: none of today's defaults is filled in."""
    database = Database(place, readers=1)
    try:
        async with database.session() as session:
            for known in tables().sorted_tables:
                if rows.get(known.name):
                    bare = table(known.name, *(column(one.name, one.type) for one in columns[known.name]))
                    await session.execute(insert(bare), rows[known.name])
    finally:
        await database.close()


async def carried(lived: Lived, place: Path | Secret) -> tuple[Rows, dict[str, list[Column[Any]]]]:
    """What the release had: every table that it knew, with rows."""
    columns = await columns_in(place)
    rows = await rows_of(lived.records, columns)
    await write_as_then(place, rows, columns)
    if isinstance(place, Secret):
        await count_on(place, columns)
    return rows, columns


async def count_on(place: Secret, columns: Mapping[str, list[Column[Any]]]) -> None:
    """Numbers go on behind those that are there, as where they were given by the database."""
    engine = postgresql.plain_engine(place)
    async with engine.begin() as connection:
        for name in columns:
            if (counted := tables().tables[name].autoincrement_column) is not None:
                behind = f"SELECT setval(pg_get_serial_sequence('{name}', '{counted.name}'), :newest)"
                newest = await connection.scalar(select(func.max(counted)))
                await connection.execute(text(behind), {"newest": newest or 1})
    await engine.dispose()


async def upgraded(place: Path | Secret, folder: Path) -> None:
    await migrate.bring_up(place, folder, copy_before=lambda _head: None)


def default_of(known: Column[Any]) -> object:
    if known.default is None:
        return None
    given: Any = known.default
    return given.arg(None) if given.is_callable else given.arg


async def test_every_row_is_kept_and_what_is_new_has_its_default(
    lived: Lived, place: Path | Secret, tmp_path: Path
) -> None:
    await fill(lived.records)
    before, columns = await carried(lived, place)
    assert [name for name, rows in before.items() if not rows] == []
    await upgraded(place, tmp_path / "old" / "data")

    assert await rows_of(place, columns) == before
    every = {known.name: list(known.columns) for known in tables().sorted_tables}
    after = await rows_of(place, every)
    for known in tables().sorted_tables:
        if known.name not in columns:
            assert after[known.name] == []
            continue
        added = {one for one in known.columns if one not in columns[known.name]}
        for row in after[known.name]:
            assert {one.name: row[one.name] for one in added} == {one.name: default_of(one) for one in added}


async def test_what_is_unique_cannot_come_twice(lived: Lived, place: Path | Secret, tmp_path: Path) -> None:
    await fill(lived.records)
    await carried(lived, place)
    await upgraded(place, tmp_path / "old" / "data")
    await fill(place)
    every = {known.name: list(known.columns) for known in tables().sorted_tables}
    rows = await rows_of(place, every)
    checked = 0
    for known in tables().sorted_tables:
        for twin in twins(known, rows[known.name][0]):
            with pytest.raises(IntegrityError):
                await write_as_then(place, {known.name: [twin]}, every)
            checked += 1
    assert checked > len(rows)
    assert await rows_of(place, every) == rows


def twins(known: Table, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One with the same key, and one with another key for whatever else is unique."""
    keys = {one.name for one in known.primary_key.columns}
    unique = [{one.name for one in rule.columns} for rule in known.constraints if isinstance(rule, UniqueConstraint)]
    found = [dict(row)]
    for names in unique:
        others = {name: another(known.columns[name]) for name in keys - names}
        if others and not any(known.columns[name].foreign_keys for name in others):
            found.append({**row, **others})
    return found


def another(key: Column[Any]) -> object:
    value = made_up(key)
    return value - 1 if isinstance(value, int) else f"{value}2" if isinstance(value, str) else value


async def test_the_product_goes_on_with_what_was_there(lived: Lived, place: Path | Secret, tmp_path: Path) -> None:
    await carried(lived, place)
    folder = tmp_path / "old"
    (folder / "data").mkdir(parents=True, exist_ok=True)
    shutil.copy(lived.records.parent / "secret.key", folder / "data" / "secret.key")
    url = place.reveal() if isinstance(place, Secret) else "sqlite"
    async with cast.an_instance(folder, database__url=url) as instance:
        await send(instance, frame(lived.org_id, lived.form_id, email="new@example.com"))
        assert instance.machine.jobs is not None
        await instance.machine.jobs.run_due()
        async with cast.client(instance, Authorization=f"Bearer {lived.key}") as api:
            arrived = (await api.get("/api/v1/deliveries?limit=200")).json()["data"]
            leads = (await api.get("/api/v1/leads?limit=200")).json()["data"]
            [crm] = (await api.get("/api/v1/connections")).json()["data"]
    assert [each["state"] for each in arrived] == ["delivered"] * (LEADS + 1)
    assert {lead["email"] for lead in leads} == {"new@example.com", *(f"ada{n}@example.com" for n in range(LEADS))}
    assert crm["state"] == "active"


def test_it_is_rehearsed_on_a_copy_first(lived: Lived, tmp_path: Path) -> None:
    """With rows in it; tests/backup has what is said of a rehearsal that fails."""
    old = an_old_file(tmp_path)
    asyncio.run(carried(lived, old))
    shutil.copy(lived.records.parent / "secret.key", old.parent / "secret.key")
    before = old.read_bytes()
    answer = CliRunner().invoke(rehearsal, ["rehearse", "--json", "--data-dir", str(old.parent)])
    assert answer.exit_code == 0, answer.output
    told = json.loads(answer.output)
    assert (told["before"], told["after"]) == (RELEASED, migrate.revisions()[-1])
    assert told["rows"] > LEADS
    assert old.read_bytes() == before
