"""The alarm of refused leads: one for a connection, and none once a person has seen to them."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from sqlalchemy import delete

from site2crm.core import alarms, db
from site2crm.core.alarms import OpenAlarm
from site2crm.delivery import ledger, service, settling, way
from site2crm.delivery.calling import Caller
from site2crm.delivery.judging import Schedule
from site2crm.delivery.models import Delivery
from site2crm.kit import clock
from site2crm.leads import service as leads
from tests.cast import Person
from tests.delivery.conftest import Office

START = datetime(2027, 1, 4, 12, tzinfo=UTC)
FORWARD = {"email": "email", "company": "company", "message": "industry"}


async def ringing(office: Office) -> Sequence[OpenAlarm]:
    async with office.machine.session() as session:
        return await alarms.open_alarms(session, office.org.id)


async def two_refused(office: Office) -> None:
    await office.map(FORWARD)
    for name in ("ada", "bob"):
        await office.submit(f"{name}@example.com", message="Farming")
        await office.work()
    assert [delivery.state for delivery in await office.deliveries()] == ["dead", "dead"]


async def test_refused_leads_ring_one_alarm_for_their_connection(office: Office) -> None:
    await two_refused(office)
    [alarm] = await ringing(office)
    assert (alarm.code, alarm.subject) == ("delivery.refused", office.connection_id)
    assert "refused by HubSpot" in alarm.text


@pytest.mark.parametrize("how", ["replay", "skip", "erase"])
async def test_it_ends_when_none_of_them_is_left(office: Office, how: str) -> None:
    with clock.travel(START) as forward:
        await two_refused(office)
        office.fake.properties["industry"]["options"].append({"value": "Farming", "label": "Farming"})
        for left, each in zip((1, 0), await office.deliveries(), strict=True):
            async with office.machine.session() as session:
                if how == "replay":
                    await service.replay(session, office.org.id, each.id)
                elif how == "skip":
                    await service.skip(session, office.org.id, each.id)
                else:
                    await session.execute(delete(Delivery).where(Delivery.id == each.id))
            forward(6)
            await office.work()
            assert len(await ringing(office)) == left


async def test_the_banner_that_counts_them_stands_for_it(office: Office, alice: Person) -> None:
    await two_refused(office)
    page = (await alice.web.get("/o/acme/leads")).text
    assert "2 leads were refused by" in page
    assert "tried in vain" not in page


async def test_a_lead_that_is_erased_before_its_call_rings_nobody(office: Office) -> None:
    """Those ahead of it keep it waiting, claimed: nothing is left to say that it was refused."""
    await office.submit("ada@example.com")
    machine, connection_id = office.machine, office.connection_id
    async with machine.session() as session:
        await db.lock(session)
        found = await way.find(session, machine, office.org.id, connection_id=connection_id)
        claims = await ledger.claim(session, connection_id, limit=1, lease_until=clock.after(60), node=machine.node)
    async with machine.session() as session:
        await leads.erase(session, office.org.id, [claims[0].lead_id])
    assert found is not None
    results = await Caller(machine, office.org.id).call(found, claims)
    async with machine.session() as session:
        await db.lock(session)
        await settling.settle(session, connection_id, found, results=results, schedule=Schedule([1], 0))
    assert await ringing(office) == []
