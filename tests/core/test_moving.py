"""An instance moves from SQLite into PostgreSQL: every row arrives, and the product goes on there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from site2crm.accounts.permissions import Role
from site2crm.core import config, db, moving, queue
from site2crm.core.config_types import Secret
from site2crm.core.errors import DatabaseRefused
from site2crm.features import tables
from tests import cast, records
from tests.cast import Cast
from tests.core.filled import everything, fill
from tests.leads.posting import frame, send

JOBS = 2_500


@pytest.fixture
def target() -> Iterator[Secret]:
    cluster = records.cluster()
    cluster.psql("CREATE DATABASE moved_to")
    yield Secret(cluster.url("moved_to"))
    cluster.drop("moved_to")


@pytest.fixture
async def source(tmp_path: Path) -> Path:
    """The file of an instance that has served a while."""
    async with cast.AsyncExitStack() as stack, cast.an_instance(tmp_path, database__url="sqlite") as instance:
        alice = await Cast(instance, stack).person("alice", Role.OWNER, "acme")
        form = (await alice.api.post("/api/v1/forms", json={"name": "Contact"})).json()
        made = await alice.api.post("/api/v1/links", json={"url": "https://www.example.com/", "slug": "Spring"})
        assert made.status_code == 201, made.text
        await send(
            instance, *(frame(alice.org.id, form["id"], email=f"ada{n}@example.com", company="Łódź") for n in range(30))
        )
        async with instance.machine.session() as session:
            await queue.enqueue_many(session, "gone", [(None, None, {"n": n}) for n in range(JOBS)])
    return tmp_path / "data" / "site2crm.db"


def quietly(_table: str, _rows: int) -> None:
    """Nobody looks."""


async def test_every_row_arrives_also_when_the_first_run_was_cut_off(source: Path, target: Secret) -> None:
    def cut_off(table: str, rows: int) -> None:
        if (table, rows) == ("job", 2 * moving.AT_ONCE):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await moving.move(source, target, tables=tables(), tell=cut_off)
    with pytest.raises(DatabaseRefused, match="run `site2crm move` again"):
        async with cast.an_instance(source.parents[1], database__url=target.reveal()):
            pass
    counts = await moving.move(source, target, tables=tables(), tell=quietly)
    before, after = await everything(source), await everything(target)
    assert after == before
    assert counts["job"] == JOBS
    assert counts["lead"] == 30


async def test_a_row_of_every_table_arrives_with_the_largest_numbers(source: Path, target: Secret) -> None:
    await fill(source)
    counts = await moving.move(source, target, tables=tables(), tell=quietly)
    assert await everything(target) == await everything(source)
    assert [name for name, count in counts.items() if not count] == []


async def test_the_product_goes_on_there(source: Path, target: Secret) -> None:
    await moving.move(source, target, tables=tables(), tell=quietly)
    async with cast.AsyncExitStack() as stack:
        instance = await stack.enter_async_context(cast.an_instance(source.parents[1], database__url=target.reveal()))
        bob = await Cast(instance, stack).person("bob", Role.OWNER, "later")
        form = (await bob.api.post("/api/v1/forms", json={"name": "New"})).json()
        await send(instance, frame(bob.org.id, form["id"], email="new@example.com"))
        assert len((await bob.api.get("/api/v1/leads?q=new")).json()["data"]) == 1
        async with instance.machine.session() as session:
            await db.lock(session)
            await queue.enqueue(session, "gone")
    after = await everything(target)
    assert len(after["lead"]) == 31


async def test_a_target_that_is_in_use_is_refused(source: Path, target: Secret) -> None:
    await moving.move(source, target, tables=tables(), tell=quietly)
    with pytest.raises(moving.CannotMove, match="empty database"):
        await moving.move(source, target, tables=tables(), tell=quietly)


def test_the_url_may_name_either_database(tmp_path: Path) -> None:
    flags = {"data.dir": str(tmp_path), "database.url": "postgresql://u:p@db.example:5433/name"}
    settings = config.load(None, env={}, flags=flags)
    assert settings.records == Secret("postgresql://u:p@db.example:5433/name")
    assert "p@db" not in repr(settings)
    assert config.load(None, env={}, flags={"data.dir": str(tmp_path)}).records == tmp_path / "site2crm.db"
