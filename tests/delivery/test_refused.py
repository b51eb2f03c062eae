"""The alarm of refused leads: one for a connection, and none once a person has seen to them."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from sqlalchemy import delete

from site2crm.core import alarms
from site2crm.core.alarms import OpenAlarm
from site2crm.delivery import service
from site2crm.delivery.models import Delivery
from site2crm.kit import clock
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
