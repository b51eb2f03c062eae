"""What becomes of a lead when the CRM works, fails, refuses, or does not know us any more."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from site2crm.connectors import service as connections
from site2crm.connectors.service import ConnectionPatch
from site2crm.core import alarms
from site2crm.delivery import service
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests.delivery.conftest import MAPPING, Office
from tests.fakes.hubspot import TOKEN

START = datetime(2027, 1, 4, 12, tzinfo=UTC)
ALWAYS = -1


async def test_a_lead_becomes_a_contact_with_a_link(office: Office) -> None:
    await office.submit("ada@example.com", message="Hello")
    await office.work()

    delivery, contact = await office.only(), office.fake.by_email("ada@example.com")
    assert contact is not None
    assert contact["properties"]["message"] == "Hello"
    assert (delivery.state, delivery.attempts, delivery.error) == ("delivered", 1, None)
    assert delivery.remote_id == contact["id"]
    assert str(delivery.remote_url).endswith(contact["id"])
    assert await office.outcomes(delivery.id) == ["delivered"]


async def test_without_a_connection_nothing_is_made(office: Office) -> None:
    async with office.machine.session() as session:
        await connections.remove(session, office.org.id, office.connection_id)
    await office.submit()
    assert await office.deliveries() == []


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 502},
        {"kind": "reset"},
        {"kind": "half"},
        {"kind": "page"},
        {"kind": "reset", "effect": True, "method": "POST"},
        {"kind": "half", "effect": True, "method": "POST"},
    ],
    ids=str,
)
async def test_a_passing_fault_is_tried_again_and_arrives_once(office: Office, fault: dict[str, Any]) -> None:
    with clock.travel(START) as forward:
        office.fake.faults.append(Fault(**fault))
        await office.submit()
        await office.work()
        waiting = await office.only()
        forward(5)
        await office.work()

    delivery = await office.only()
    assert (waiting.state, waiting.due_at, waiting.remote_id) == ("retrying", START + timedelta(seconds=5), None)
    assert waiting.error
    assert (delivery.state, delivery.attempts, delivery.error) == ("delivered", 2, None)
    assert await office.outcomes(delivery.id) == ["retry", "delivered"]
    assert len(office.fake.contacts) == 1


async def test_a_timeout_is_tried_again(office: Office) -> None:
    office.fake.faults.append(Fault("timeout", method="POST", effect=True))
    office.machine.outbound.timeout_s = 0.5
    await office.submit()
    await office.work()
    assert (await office.only()).state == "retrying"


async def test_a_longer_wait_that_the_crm_asks_for_is_honoured(office: Office) -> None:
    with clock.travel(START):
        office.fake.faults.append(Fault("status", status=503, headers={"Retry-After": "900"}))
        await office.submit()
        await office.work()
        assert (await office.only()).due_at == START + timedelta(seconds=900)


async def test_a_reached_limit_pauses_the_connection_and_counts_no_failure(office: Office) -> None:
    with clock.travel(START) as forward:
        office.fake.throttle(retry_after="30")
        await office.submit("a@example.com")
        await office.work()
        forward(1)
        await office.submit("b@example.com")
        await office.work()
        calls = len(office.fake.requests)
        states = [delivery.state for delivery in await office.deliveries()]
        forward(29)
        await office.work()

    first, second = await office.deliveries()
    assert (calls, states) == (1, ["pending", "pending"])
    assert (first.state, second.state) == ("delivered", "delivered")
    assert await office.outcomes(first.id) == ["throttle", "delivered"]


async def test_a_used_up_budget_makes_no_attempt(office: Office) -> None:
    with clock.travel(START) as forward:
        office.fake.add_contact(email="a@example.com")
        office.fake.limits.remaining = 0
        await office.submit("a@example.com")
        await office.work()
        forward(1)
        await office.submit("b@example.com")
        await office.work()
        held = (await office.deliveries())[1]
        office.fake.limits.remaining = 100
        forward(11)
        await office.work()

    assert (held.state, held.attempts) == ("pending", 0)
    assert await office.outcomes(held.id) == ["delivered"]
    assert [delivery.state for delivery in await office.deliveries()] == ["delivered", "delivered"]


async def test_an_unknown_property_is_left_out_with_a_warning_and_an_alarm(office: Office) -> None:
    await office.map({**MAPPING, "company": "nonsense"})
    await office.submit(company="Acme")
    await office.work()

    delivery = await office.only()
    async with office.machine.session() as session:
        rung = await alarms.open_alarms(session, office.org.id)
        connection = await connections.get(session, office.org.id, office.connection_id)
    assert (delivery.state, [warning["property"] for warning in delivery.warnings]) == ("delivered", ["nonsense"])
    assert ['"nonsense"' in alarm.text for alarm in rung] == [True]
    assert [warning["property"] for warning in connection.warnings] == ["nonsense"]
    assert len(office.fake.contacts) == 1


async def test_a_refused_value_is_dead_with_the_crms_words_and_can_be_edited_and_sent(office: Office) -> None:
    await office.map({**MAPPING, "company": "industry"})
    await office.submit(company="Farming")
    await office.work()
    dead = await office.only()

    async with office.machine.session() as session:
        await service.edit_and_resend(session, office.org.id, dead.id, overrides={"industry": "RETAIL"})
    await office.work()

    delivery = await office.only()
    assert (dead.state, dead.error_field, dead.attempts) == ("dead", "industry", 1)
    assert "Farming" in str(dead.error)
    assert (delivery.state, delivery.error, delivery.overrides) == ("delivered", None, {"industry": "RETAIL"})
    assert office.fake.contacts[str(delivery.remote_id)]["properties"]["industry"] == "RETAIL"
    assert await office.outcomes(dead.id) == ["permanent", "delivered"]


async def test_a_dead_token_parks_and_a_new_one_drains_oldest_first(office: Office) -> None:
    office.fake.tokens.clear()
    for name in ("a", "b", "c"):
        await office.submit(f"{name}@example.com")
    await office.work()
    await office.submit("d@example.com")
    await office.work()
    parked = await office.deliveries()
    state = await office.state()

    office.fake.tokens["pat-na1-new-0000-2222"] = {"crm.objects.contacts.read", "crm.objects.contacts.write", "oauth"}
    patch = ConnectionPatch(settings={"token": "pat-na1-new-0000-2222"})
    async with office.machine.session() as session:
        await connections.change(
            session, office.machine, org_id=office.org.id, connection_id=office.connection_id, patch=patch
        )
    await office.work()

    assert (state, [delivery.state for delivery in parked]) == ("parked", ["parked"] * 4)
    assert [delivery.state for delivery in await office.deliveries()] == ["delivered"] * 4
    emails = [contact["properties"]["email"] for contact in office.fake.contacts.values()]
    assert sorted(emails) == [f"{name}@example.com" for name in "abcd"]


async def test_missing_rights_park_too(office: Office) -> None:
    office.fake.tokens[TOKEN] = {"crm.objects.contacts.read"}
    await office.submit()
    await office.work()
    assert ((await office.only()).state, await office.state()) == ("parked", "parked")


async def test_a_paused_connection_holds_its_leads(office: Office) -> None:
    async with office.machine.session() as session:
        await connections.pause(session, office.org.id, office.connection_id)
    await office.submit()
    await office.work()
    held = (await office.only()).state
    async with office.machine.session() as session:
        await connections.resume(session, office.machine, org_id=office.org.id, connection_id=office.connection_id)
    await office.work()
    assert (held, (await office.only()).state) == ("parked", "delivered")


async def test_a_removed_connection_leaves_its_leads_to_be_seen(office: Office) -> None:
    office.fake.faults.append(Fault("status", count=ALWAYS, status=500))
    await office.submit()
    await office.work()
    async with office.machine.session() as session:
        await connections.remove(session, office.org.id, office.connection_id)
    delivery = await office.only()
    assert (delivery.state, delivery.error_code) == ("skipped", "removed")


async def test_a_merged_contact_is_remembered_by_its_new_id(office: Office) -> None:
    await office.submit("ada@example.com")
    await office.work()
    first = (await office.only()).remote_id
    office.fake.contacts.pop(str(first))
    office.fake._by_email.clear()
    await office.submit("ada@example.com", message="again")
    await office.work()
    await office.submit("ada@example.com", message="and again")
    await office.work()

    delivered = await office.deliveries()
    assert [delivery.state for delivery in delivered] == ["delivered"] * 3
    assert delivered[1].remote_id == delivered[2].remote_id != first
    assert len(office.fake.contacts) == 1


async def test_a_broken_connector_loses_nothing(office: Office) -> None:
    async with office.machine.session() as session:
        connection = await connections.get(session, office.org.id, office.connection_id)
        connection.mapping = [{"source": "email", "nonsense": 1}]
    await office.submit()
    await office.work()
    delivery = await office.only()
    assert (delivery.state, delivery.error_code) == ("retrying", "ValidationError")
