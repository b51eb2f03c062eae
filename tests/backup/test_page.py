"""The owner of the instance sees its backups and makes one; nobody else knows of them."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from sqlalchemy import update

from site2crm.accounts.models import User
from site2crm.accounts.permissions import Role
from site2crm.app import Instance
from site2crm.core import alarms
from site2crm.core.backup import upkeep
from site2crm.ops.backups import Backups
from tests import cast, only_once, records
from tests.cast import Cast, Person


async def promoted(instance: Instance, person: Person) -> Person:
    async with instance.machine.session() as session:
        await session.execute(update(User).where(User.id == person.user_id).values(is_super=True))
    return person


@pytest.mark.only_once(only_once.OF_A_FILE)
async def test_the_owner_of_the_instance_makes_one_and_sees_that_it_is_verified(
    instance: Instance, alice: Person
) -> None:
    await promoted(instance, alice)
    assert "No backup yet" in (await alice.web.get("/admin/backups")).text

    answer = await alice.web.post("/admin/backups", headers={"Origin": "http://127.0.0.1:8080"})
    assert instance.machine.jobs
    await instance.machine.jobs.run_due()

    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/backups")
    page = (await alice.web.get("/admin/backups")).text
    assert "site2crm-" in page
    assert "verified" in page
    assert 'href="/admin/backups"' in (await alice.web.get("/profile")).text


async def test_owners_of_orgs_and_strangers_find_nothing_there(alice: Person, charlie: Person) -> None:
    for person in (alice, charlie):
        assert (await person.web.get("/admin/backups")).status_code == 404
        assert (await person.web.post("/admin/backups")).status_code == 404
        assert "/admin/backups" not in (await person.web.get("/profile")).text


async def test_a_key_is_no_owner(alice: Person) -> None:
    assert (await alice.api.get("/admin/backups")).status_code == 403


async def test_with_records_on_postgresql_none_is_due_and_the_page_says_where_they_are_made(tmp_path: Path) -> None:
    cluster = records.cluster()
    name = cluster.create()
    async with AsyncExitStack() as stack:
        stack.callback(cluster.drop, name)
        instance = await stack.enter_async_context(cast.an_instance(tmp_path, database__url=cluster.url(name)))
        alice = await promoted(instance, await Cast(instance, stack).person("alice", Role.OWNER, "acme"))
        page = (await alice.web.get("/admin/backups")).text
        assert not upkeep.is_due(instance.machine.settings, since=0)
    assert "pg_dump" in page
    assert "Back up now" not in page


@pytest.mark.only_once(only_once.OF_A_FILE)
async def test_one_that_cannot_be_made_rings_until_one_is_made(instance: Instance, alice: Person) -> None:
    machine = instance.machine
    (machine.data_dir / "backups").write_text("a file where the folder should be")
    assert machine.jobs
    await promoted(instance, alice)
    await alice.web.post("/admin/backups")
    await machine.jobs.run_due()
    await rung(instance, {"backup.failed"})

    (machine.data_dir / "backups").unlink()
    await machine.get(Backups).make(verify=False)

    await rung(instance, set())


async def rung(instance: Instance, codes: set[str]) -> None:
    import asyncio

    async with asyncio.timeout(10):
        while True:
            async with instance.machine.session() as session:
                found = {alarm.code for alarm in await alarms.open_alarms(session, alarms.INSTANCE)}
            if found == codes:
                return
            await asyncio.sleep(0.05)
