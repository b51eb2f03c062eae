"""Leads that waited for their connection arrive in the order in which they came, and one that hangs is passed."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from site2crm.connectors import service as connections
from site2crm.delivery import underway
from site2crm.delivery.drain import drain
from site2crm.demo.server import Fault
from tests.delivery.conftest import Office
from tests.fakes.hubspot import HubSpotFake

MANY = 50


class UnsteadyHubSpot(HubSpotFake):
    """Some of its connections are slower than others: what is sent side by side comes out of order."""

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(random.uniform(0, 0.01))
        return await super()._one(reader, writer)


@pytest.fixture
async def fake() -> AsyncIterator[HubSpotFake]:
    server = UnsteadyHubSpot()
    await server.start()
    yield server
    await server.stop()


def names(count: int) -> list[str]:
    return [f"p{number:02}@example.com" for number in range(count)]


def asked(office: Office) -> list[str]:
    """Whom HubSpot was asked about, in the order of the calls."""
    return [request.path.rpartition("/")[2] for request in office.fake.requests if request.method == "PATCH"]


def created(office: Office) -> list[str]:
    return [contact["properties"]["email"] for contact in office.fake.contacts.values()]


async def park(office: Office, emails: list[str]) -> None:
    """The token is dead when the first one comes."""
    tokens = office.fake.tokens.copy()
    office.fake.tokens.clear()
    for email in emails:
        await office.submit(email)
        await office.work()
    office.fake.tokens.update(tokens)
    office.fake.requests.clear()
    assert (await office.state(), (await office.numbers()).parked) == ("parked", len(emails))


async def resume(office: Office) -> None:
    async with office.machine.session() as session:
        await connections.resume(session, office.machine, org_id=office.org.id, connection_id=office.connection_id)


@pytest.mark.parametrize("run", range(3))
async def test_parked_leads_reach_the_crm_oldest_first(office: Office, run: int) -> None:
    await park(office, names(MANY))
    await resume(office)
    await office.work()
    assert asked(office) == names(MANY)
    assert created(office) == names(MANY)


async def test_what_comes_during_the_drain_goes_after_what_waited(office: Office) -> None:
    await park(office, names(12))
    await resume(office)
    draining = asyncio.create_task(office.work())
    while not asked(office):
        await asyncio.sleep(0)
    await office.submit("new@example.com")
    await draining
    await office.work()
    assert created(office) == [*names(12), "new@example.com"]


async def test_one_that_hangs_is_passed_after_a_moment(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(underway, "PATIENCE_S", 0.2)
    await park(office, names(12))
    office.fake.faults.append(Fault("timeout", path="p03"))
    await resume(office)
    draining = asyncio.create_task(office.work())
    while (await office.numbers()).delivered < 11:
        await asyncio.sleep(0.02)
    [hanging] = await office.deliveries(state="waiting")
    draining.cancel()
    await asyncio.wait({draining})
    assert hanging.state == "sending"
    assert created(office) == [email for email in names(12) if email != "p03@example.com"]


async def test_in_normal_flow_calls_go_side_by_side(office: Office) -> None:
    for email in names(12):
        await office.submit(email)
    office.fake.faults.append(Fault("timeout", count=6))
    draining = asyncio.create_task(drain(office.machine, office.org.id, office.connection_id))
    while len(asked(office)) < 6:
        await asyncio.sleep(0.01)
    draining.cancel()
    await asyncio.wait({draining})
    assert sorted(asked(office)) == names(6)


async def test_an_outcome_is_written_though_all_other_calls_hang(office: Office) -> None:
    emails = names(12)
    for email in emails:
        await office.submit(email)
    office.fake.faults += [Fault("timeout", count=-1, path=email) for email in emails[1:]]
    draining = asyncio.create_task(drain(office.machine, office.org.id, office.connection_id))
    while not (found := await office.deliveries(state="delivered")):
        await asyncio.sleep(0.02)
    others = {delivery.state for delivery in await office.deliveries(state="waiting")}
    draining.cancel()
    await asyncio.wait({draining})
    assert (len(found), others) == (1, {"sending"})
