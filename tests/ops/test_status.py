"""The public page, the administrator's page, and the marks of crashes."""

import logging
import os
from pathlib import Path

import httpx
from sqlalchemy import update

from site2crm.accounts.models import User
from site2crm.app import Instance
from site2crm.core import alarms, log, meter
from site2crm.core.folder import STANDBY, Place
from site2crm.core.machine import Machine
from site2crm.ops import crashes
from tests import cast
from tests.cast import Person


async def made_super(machine: Machine, person: Person) -> None:
    async with machine.session() as session:
        await session.execute(update(User).where(User.id == person.user_id).values(is_super=True))


async def test_a_stranger_sees_what_works_and_nothing_else(nobody: httpx.AsyncClient, alice: Person) -> None:
    page = await nobody.get("/status", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert "Everything works" in page.text
    found = (await nobody.get("/status", headers={"Accept": "application/json"})).json()
    assert found["status"] == "up"
    assert [part["code"] for part in found["parts"]] == ["forms", "links", "dashboard", "deliveries", "clicks"]
    for secret in ("Acme", "acme", "0.1.0", "3.5"):
        assert secret not in str(found)


async def test_the_instance_is_shown_to_its_administrators_only(instance: Instance, alice: Person, bob: Person) -> None:
    await made_super(instance.machine, alice)
    page = await alice.web.get("/admin/status")
    assert page.status_code == 200
    assert "never" in page.text
    assert (await bob.web.get("/admin/status")).status_code == 403
    assert (await alice.api.get("/admin/status")).status_code == 403
    assert 'href="/admin/status"' in (await alice.web.get("/o/acme/leads")).text
    assert "/admin/status" not in (await bob.web.get("/o/acme/leads")).text


async def test_who_stands_by_for_an_upgrade_is_told_to_administrators(instance: Instance, alice: Person) -> None:
    await made_super(instance.machine, alice)
    assert "waiting for the lock" not in (await alice.web.get("/admin/status")).text
    with Place(instance.machine.data_dir, STANDBY) as standby:
        assert standby.take(listen="127.0.0.1:8081")
        page = await alice.web.get("/admin/status")
        assert f"process {os.getpid()} at 127.0.0.1:8081 is standby, waiting for the lock" in page.text
        assert "standby" not in (await alice.web.get("/status")).text


async def test_it_tells_alarms_errors_and_failed_jobs(instance: Instance, alice: Person) -> None:
    await made_super(instance.machine, alice)
    async with instance.machine.session() as session:
        await alarms.ring(session, alarms.INSTANCE, code="disk", text="The disk is nearly full.")
        await alarms.ring(session, alice.org.id, code="crm", text="A token is dead.")
    found = (await alice.web.get("/admin/status", headers={"Accept": "application/json"})).json()
    assert [alarm["text"] for alarm in found["alarms"]] == ["The disk is nearly full."]
    assert found["org_alarms"] == 1
    assert found["last_backup"] is None
    assert found["versions"]["schema"]
    assert "A token is dead" not in str(found)


def test_errors_are_remembered_by_name_without_their_text() -> None:
    before = logging.getLogger().handlers[:]
    handler = log.counting()
    logging.getLogger().addHandler(handler)
    try:
        with log.scope(request_id="req_1"):
            try:
                raise ValueError("ada@example.com")
            except ValueError:
                log.get("test").exception("it.failed")
    finally:
        logging.getLogger().handlers[:] = before
    last = meter.troubles[-1]
    assert (last.event, last.what, last.request_id) == ("it.failed", "ValueError", "req_1")
    assert "ada@" not in str(last)


async def test_a_killed_process_leaves_a_mark_that_the_next_one_reports(tmp_path: Path) -> None:
    async with cast.an_instance(tmp_path) as instance:
        data = instance.machine.data_dir
        left = (data / crashes.MARK).read_bytes()
        assert crashes.crashes(data) == []
    assert not (data / crashes.MARK).exists()
    (data / crashes.MARK).write_bytes(left)
    os.utime(data / crashes.MARK, (1_800_000_000, 1_800_000_000))
    async with cast.an_instance(tmp_path):
        [crash] = crashes.crashes(data)
    assert crash.seen_at.timestamp() == 1_800_000_000


async def test_a_torn_mark_is_a_crash_too(tmp_path: Path) -> None:
    async with cast.an_instance(tmp_path) as instance:
        data = instance.machine.data_dir
    (data / crashes.MARK).write_bytes(b"")
    async with cast.an_instance(tmp_path):
        assert [crash.version for crash in crashes.crashes(data)] == ["unknown"]
