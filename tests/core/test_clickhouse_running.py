"""A whole instance that counts its clicks in ClickHouse: while it is there, away, and back."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from sqlalchemy import update

from site2crm.accounts.models import User
from site2crm.accounts.permissions import Role
from site2crm.app import Instance
from site2crm.commands import backup, check, doctor, restore
from site2crm.core import alarms, config
from site2crm.core.eventstore import access, file
from site2crm.core.eventstore.clickhouse_place import NAME
from site2crm.core.eventstore.contract import Bots, Question
from site2crm.kit import clock
from tests import cast, clickhouse, only_once
from tests.backup.conftest import applied
from tests.cast import Person
from tests.clickhouse import ClickHouse


@pytest.fixture
def server() -> Iterator[ClickHouse]:
    made = clickhouse.new_server()
    yield made
    made.remove()


@pytest.fixture
async def instance(tmp_path: Path, server: ClickHouse) -> AsyncIterator[Instance]:
    async with cast.an_instance(tmp_path, events__url=server.url("clicks")) as running:
        yield running


async def clicked(person: Person, times: int, slug: str = "") -> str:
    """The slug that was followed."""
    if not slug:
        slug = (await person.api.post("/api/v1/links", json={"url": "https://www.example.com/"})).json()["slug"]
    for _ in range(times):
        assert (await person.api.get(f"/{slug}", headers={"User-Agent": BROWSER})).status_code == 302
    return slug


BROWSER = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)


async def counted(person: Person) -> int:
    answer = await person.api.get("/api/v1/analytics/totals", params={"from": "2026-01-01", "bots": "all"})
    assert answer.status_code == 200, answer.text
    value: int = answer.json()["value"]
    return value


async def open_codes(instance: Instance) -> list[str]:
    async with instance.machine.session() as session:
        return [each.code for each in await alarms.open_alarms(session, alarms.INSTANCE)]


async def test_while_it_is_away_links_and_forms_go_on_and_later_all_is_counted(
    instance: Instance, alice: Person, server: ClickHouse
) -> None:
    form = (await alice.api.post("/api/v1/forms", json={"name": "Contact"})).json()["key"]
    slug = await clicked(alice, 3)
    await applied(instance)
    assert await counted(alice) == 3

    server.stop()
    await clicked(alice, 40, slug)
    assert (await alice.api.post(f"/f/{form}", data={"email": "ada@example.com"})).status_code == 201
    refused = await alice.api.get("/api/v1/analytics/totals?from=2026-01-01")
    page, links = await alice.web.get("/o/acme/?period=7d"), await alice.web.get("/o/acme/links")
    status = (await alice.api.get("/status", headers={"Accept": "application/json"})).json()
    metrics = await alice.api.get("/metrics")
    while "events.blocked" not in await open_codes(instance):
        await asyncio.sleep(0.02)

    assert (refused.status_code, refused.json()["code"]) == (503, "events_unavailable")
    assert page.status_code == 200 and "Clicks cannot be counted" in page.text and links.status_code == 200
    assert status["status"] == "degraded" and "site2crm_events_store_up 0" in metrics.text

    server.start()
    await applied(instance)
    while await counted(alice) < 43 or await open_codes(instance):
        await asyncio.sleep(0.05)
    assert await counted(alice) == 43
    assert not (instance.machine.data_dir / file.NAME).exists()


async def test_the_administrator_sees_where_clicks_are(instance: Instance, alice: Person, server: ClickHouse) -> None:
    async with instance.machine.session() as session:
        await session.execute(update(User).where(User.id == alice.user_id).values(is_super=True))
    place = f"127.0.0.1:{server.port}"
    assert f"on ClickHouse at {place}" in (await alice.web.get("/admin/status")).text
    page = (await alice.web.get("/admin/backups")).text
    assert f"they are in the ClickHouse at {place}" in page and clickhouse.PASSWORD not in page


@pytest.mark.only_once(only_once.OF_A_FILE)
async def test_a_backup_says_that_clicks_are_not_in_it_and_after_a_restore_none_counts_twice(
    tmp_path: Path, server: ClickHouse
) -> None:
    path, url = tmp_path / "site2crm.toml", server.url("clicks")
    path.write_text(f'[data]\ndir = "data"\n[events]\nurl = "{url}"\n')
    async with cast.an_instance(tmp_path, events__url=url) as instance, AsyncExitStack() as stack:
        alice = await cast.Cast(instance, stack).person("alice", Role.OWNER, "acme")
        slug = await clicked(alice, 5)
        await applied(instance)
    told = await verb(backup.command, "create", "--no-verify", "--json", config=path)
    name = json.loads(told)["backup"]
    async with cast.an_instance(tmp_path, events__url=url) as instance, cast.client(instance) as stranger:
        for _ in range(4):
            await stranger.get(f"/{slug}", headers={"User-Agent": BROWSER})
        await applied(instance)

    assert json.loads(told)["has_events"] is False
    assert "is good" in await verb(backup.command, "verify", name, config=path)
    assert json.loads(await verb(restore.command, name, "--replace", "--json", config=path))["has_events"] is False
    assert not (tmp_path / "data" / NAME).exists()

    async with cast.an_instance(tmp_path, events__url=url) as instance, cast.client(instance) as stranger:
        await stranger.get(f"/{slug}", headers={"User-Agent": BROWSER})
        await applied(instance)
        question = Question(org=alice.org.id, start=clock.since(86_400), end=clock.after(60), bots=Bots.ALL)
        assert (await access.of(instance.machine).totals(question)).value == 10
    assert "The clicks are not in it" in await verb(backup.command, "create", "--no-verify", config=path)


def test_doctor_says_what_clickhouse_says(tmp_path: Path, server: ClickHouse) -> None:
    (tmp_path / "data").mkdir()
    path = tmp_path / "site2crm.toml"
    path.write_text(f'[server]\nlisten = "127.0.0.1:1"\n[events]\nurl = "{server.url("default")}"\n')
    config.load(path, env={}, flags={}).keys()
    shutil.copy(cast.migrated(), tmp_path / "data" / "site2crm.db")
    fine = CliRunner().invoke(doctor.command, ["--offline", "--json", "--config", str(path)])
    server.stop()
    away = CliRunner().invoke(doctor.command, ["--offline", "--json", "--config", str(path)])
    found = [finding(each.stdout) for each in (fine, away)]
    assert found[0]["level"] == "ok" and "0 stored" in found[0]["says"]
    assert found[1]["level"] == "failed" and "[events] url" in found[1]["cure"]
    online = CliRunner().invoke(check.command, ["--online", "--json", "--config", str(path)])
    assert finding(online.stdout)["level"] == "failed"
    assert clickhouse.PASSWORD not in fine.output + away.output + online.output


def finding(output: str) -> dict[str, str]:
    checks = json.loads(output.splitlines()[-1])["checks"]
    found: dict[str, str] = next(each for each in checks if each["check"] == "events")
    return found


async def verb(command: click.Command, *words: str, config: Path) -> str:
    """In a thread: some of them have an event loop of their own."""
    done = await asyncio.to_thread(CliRunner().invoke, command, [*words, "--config", str(config)])
    assert done.exit_code == 0, done.output
    return done.stdout
