"""A slow CRM delays no other one, and one org's flood no other org. What is counted is who was served meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from site2crm.app import Instance
from site2crm.connectors import service as connections
from site2crm.connectors.service import ConnectionIn
from site2crm.core.access import OrgRef
from site2crm.delivery.drain import drains
from site2crm.demo.server import FakeServer, Fault
from site2crm.forms import service as forms
from site2crm.forms.service import FormIn
from tests import cast
from tests.cast import Person
from tests.delivery import crms
from tests.delivery.conftest import Office

FLOOD, FEW = 200, 10
SLOW_S = 1.0
MANY = 110
"""Connections; more than the outgoing calls that the product makes at the same time."""


@pytest.fixture
async def slow() -> AsyncIterator[Any]:
    async with crms.played("hubspot") as server:
        yield server


@pytest.fixture
async def fast() -> AsyncIterator[Any]:
    async with crms.played("pipedrive") as server:
        yield server


@pytest.fixture
async def instance(tmp_path: Path, slow: Any, fast: Any) -> AsyncIterator[Instance]:
    flags = crms.flags({"hubspot": slow, "pipedrive": fast})
    flags["outbound__timeout"] = "300s"
    async with cast.an_instance(tmp_path, **flags) as running:
        yield running
        await drains(running.machine).shares.close(0)


async def until_delivered(office: Office, count: int) -> None:
    async with asyncio.timeout(60):
        while len(await office.deliveries(state="delivered")) < count:
            await asyncio.sleep(0.02)


async def test_a_flood_to_a_slow_crm_does_not_delay_another_org(
    instance: Instance, alice: Person, charlie: Person, slow: Any, fast: Any
) -> None:
    flooded = await crms.open_office(instance, alice, "hubspot", slow)
    other = await crms.open_office(instance, charlie, "pipedrive", fast)
    slow.requests.clear()
    slow.faults.append(Fault("slow", count=-1, seconds=SLOW_S))
    for number in range(FLOOD):
        await flooded.submit(f"p{number}@example.com")
    jobs = instance.machine.jobs
    assert jobs is not None
    await jobs.start()
    while not slow.requests:
        await asyncio.sleep(0.01)
    for number in range(FEW):
        await other.submit(f"q{number}@example.org")
    await until_delivered(other, FEW)
    served = len(slow.contacts)
    await jobs.stop(0)
    assert served < FLOOD / 4
    assert len(fast.people) == FEW


async def test_more_hanging_crms_than_there_are_ways_out_leave_one_to_another_org(
    instance: Instance, alice: Person, charlie: Person, fast: Any
) -> None:
    hanging = FakeServer()
    await hanging.start()
    hanging.faults.append(Fault("timeout", count=-1, seconds=600))
    org = OrgRef(id=alice.org.id, slug=alice.org.slug, name=alice.org.name)
    async with instance.machine.session() as session:
        form = await forms.create(session, org.id, FormIn(name="Contact"))
        for _ in range(MANY):
            data = ConnectionIn(kind="webhook", settings={"url": hanging.url}, mapping={"email": "email"})
            await connections.create_untested(session, instance.machine, org=org, data=data)
    flooded = Office(instance.machine, org, form.id, "", hanging)  # type: ignore[arg-type]
    other = await crms.open_office(instance, charlie, "pipedrive", fast)
    jobs = instance.machine.jobs
    assert jobs is not None
    await flooded.submit()
    await jobs.start()
    async with asyncio.timeout(60):
        while len(hanging.requests) < MANY:
            await asyncio.sleep(0.02)
    await other.submit()
    await until_delivered(other, 1)
    assert await flooded.deliveries(state="delivered") == []
    await jobs.stop(0)
    await drains(instance.machine).shares.close(0)
    await hanging.stop()
