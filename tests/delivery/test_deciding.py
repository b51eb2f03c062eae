"""What a person can do with a delivery, and the figures that have to add up."""

import pytest
from sqlalchemy import insert, text, update

from site2crm.connectors import service as connections
from site2crm.core.errors import Invalid
from site2crm.delivery import queries, service, timeline, words
from site2crm.delivery.errors import NotNow
from site2crm.delivery.models import Attempt
from site2crm.delivery.queries import DeliveryItem, Numbers, Wanted
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests.delivery.conftest import MAPPING, Office

UNREADABLE = "'[1e999999]'"
"""A number that the databases take, and nobody can read."""


async def dead_one(office: Office, email: str = "ada@example.com") -> DeliveryItem:
    await office.map({**MAPPING, "company": "industry"})
    await office.submit(email, company="Farming")
    await office.work()
    return (await office.deliveries(state="dead"))[-1]


def adds_up(numbers: Numbers) -> bool:
    waiting = numbers.pending + numbers.sending + numbers.retrying + numbers.parked
    total = numbers.delivered + numbers.waiting + numbers.dead + numbers.skipped
    return numbers.waiting == waiting and numbers.created == total


async def test_a_dead_one_can_be_sent_again_as_it_is(office: Office) -> None:
    dead = await dead_one(office)
    office.fake.properties["industry"]["options"].append({"value": "Farming", "label": "Farming"})
    async with office.machine.session() as session:
        row = await service.replay(session, office.org.id, dead.id)
        assert (row.state, row.failures, row.error) == ("pending", 0, "")
    await office.work()
    assert (await office.only()).state == "delivered"


@pytest.mark.parametrize("kind", ["hubspot", "inbox"])
async def test_a_lead_of_which_nothing_is_mapped_is_skipped_and_can_be_sent_when_something_is(
    office: Office, kind: str
) -> None:
    mapping = {"company": "company"}
    office.connection_id = await office.connect(kind=kind, mapping=mapping)
    await office.submit(None, phone="+12025550143")
    await office.work()
    [skipped] = await office.deliveries(connection=office.connection_id)
    async with office.machine.session() as session:
        banners = await timeline.banners(session, office.org)
    said = words.explain(skipped, "the CRM")

    await office.map({**mapping, "phone": "phone"})
    async with office.machine.session() as session:
        await service.replay(session, office.org.id, skipped.id)
    await office.work()
    [sent] = await office.deliveries(connection=office.connection_id)

    assert (skipped.state, skipped.error_code) == ("skipped", "EMPTY")
    assert "Nothing of this lead is mapped" in said.why
    assert "Map a field" in said.cure
    assert banners == []
    assert sent.state == "delivered"


async def test_an_edit_is_checked_against_the_choices_of_the_crm(office: Office) -> None:
    dead = await dead_one(office)
    with pytest.raises(Invalid) as refused:
        async with office.machine.session() as session:
            overrides = {"industry": "Fishing", "nowhere": "x", "email": "ada@example.com"}
            await service.edit_and_resend(session, office.org.id, dead.id, overrides=overrides)
    assert [error.field for error in refused.value.errors] == ["overrides.industry", "overrides.nowhere"]
    assert "RETAIL" in refused.value.errors[0].message
    assert (await office.only()).state == "dead"


async def test_an_emptied_property_is_left_out(office: Office) -> None:
    dead = await dead_one(office)
    async with office.machine.session() as session:
        await service.edit_and_resend(session, office.org.id, dead.id, overrides={"industry": ""})
    await office.work()
    [contact] = office.fake.contacts.values()
    assert "industry" not in contact["properties"]


async def test_an_edited_address_is_the_one_that_is_looked_for(office: Office) -> None:
    id = office.fake.add_contact(email="right@example.com")
    await office.submit("ada@nowhere")
    await office.work()
    dead = await office.only()
    async with office.machine.session() as session:
        await service.edit_and_resend(session, office.org.id, dead.id, overrides={"email": "right@example.com"})
    await office.work()
    assert (dead.state, dead.error_field, (await office.only()).remote_id) == ("dead", "email", id)


async def test_what_is_sent_can_be_seen_property_by_property(office: Office) -> None:
    dead = await dead_one(office)
    async with office.machine.session() as session:
        found = {item.name: item for item in await service.properties(session, office.org.id, dead.id)}
    assert list(found) == ["email", "firstname", "phone", "message", "industry"]
    assert (found["industry"].value, found["industry"].label) == ("Farming", "Industry")
    assert ("RETAIL", "Retail") in found["industry"].choices


async def test_a_skipped_one_is_not_sent_and_can_be_sent_later(office: Office) -> None:
    office.fake.faults.append(Fault("status", status=500))
    await office.submit()
    await office.work()
    waiting = await office.only()
    async with office.machine.session() as session:
        await service.skip(session, office.org.id, waiting.id)
    await office.work()
    skipped = await office.only()
    async with office.machine.session() as session:
        await service.replay(session, office.org.id, waiting.id)
    await office.work()
    assert (skipped.state, (await office.only()).state) == ("skipped", "delivered")


async def test_retrying_can_be_tried_now(office: Office) -> None:
    office.fake.faults.append(Fault("status", status=500))
    await office.submit()
    await office.work()
    async with office.machine.session() as session:
        await service.replay(session, office.org.id, (await office.only()).id)
    await office.work()
    assert (await office.only()).state == "delivered"


async def test_nothing_is_sent_to_a_removed_connection(office: Office) -> None:
    dead = await dead_one(office)
    async with office.machine.session() as session:
        await connections.remove(session, office.org.id, office.connection_id)
    with pytest.raises(NotNow):
        async with office.machine.session() as session:
            await service.replay(session, office.org.id, dead.id)


async def test_a_replay_waits_for_a_paused_connection(office: Office) -> None:
    dead = await dead_one(office)
    async with office.machine.session() as session:
        await connections.pause(session, office.org.id, office.connection_id)
    async with office.machine.session() as session:
        assert (await service.replay(session, office.org.id, dead.id)).state == "parked"


async def test_many_are_counted_first_and_then_sent_again(office: Office) -> None:
    for name in ("a", "b"):
        await dead_one(office, f"{name}@example.com")
    await office.submit("c@example.com", company="RETAIL")
    await office.work()
    office.fake.properties["industry"]["options"].append({"value": "Farming", "label": "Farming"})
    async with office.machine.session() as session:
        wanted = Wanted(connection=office.connection_id)
        counted = await service.replay_many(session, office.org.id, wanted, dry_run=True)
    before = [delivery.state for delivery in await office.deliveries()]
    async with office.machine.session() as session:
        done = await service.replay_many(session, office.org.id, wanted)
    await office.work()

    assert (counted.count, before, done.count) == (2, ["dead", "dead", "delivered"], 2)
    assert {delivery.state for delivery in await office.deliveries()} == {"delivered"}


async def test_the_figures_add_up_in_every_state(office: Office) -> None:
    await dead_one(office, "dead@example.com")
    await office.submit("ok@example.com")
    await office.work()
    office.fake.faults.append(Fault("status", count=-1, status=500))
    for name in ("w1", "w2", "w3"):
        await office.submit(f"{name}@example.com")
    await office.work()
    await office.submit("w4@example.com")
    first = await office.numbers()
    async with office.machine.session() as session:
        waiting = await office.deliveries(state="retrying")
        await service.skip(session, office.org.id, waiting[0].id)
    async with office.machine.session() as session:
        await connections.pause(session, office.org.id, office.connection_id)
    second = await office.numbers()

    assert adds_up(first)
    assert (first.created, first.delivered, first.dead, first.retrying, first.pending) == (6, 1, 1, 3, 1)
    assert adds_up(second)
    assert (second.skipped, second.parked, second.waiting) == (1, 3, 3)
    assert second.oldest_waiting is not None


async def test_two_connections_get_a_delivery_each(office: Office) -> None:
    await office.connect(kind="inbox")
    await office.submit()
    await office.work()
    found = await office.deliveries()
    assert [delivery.state for delivery in found] == ["delivered", "delivered"]
    assert len({delivery.connection for delivery in found}) == 2


async def test_what_has_nowhere_to_go_is_not_sent_again_nor_counted(office: Office) -> None:
    await dead_one(office)
    async with office.machine.session() as session:
        await connections.remove(session, office.org.id, office.connection_id)
    async with office.machine.session() as session:
        counted = await service.replay_many(session, office.org.id, Wanted(), dry_run=True)
        done = await service.replay_many(session, office.org.id, Wanted())
    assert (counted.count, done.count) == (0, 0)


async def test_what_only_its_form_maps_can_be_edited_too(office: Office) -> None:
    patch = connections.ConnectionPatch(form_mappings={office.form_id: {"company": "colour"}})
    async with office.machine.session() as session:
        await connections.change(
            session, office.machine, org_id=office.org.id, connection_id=office.connection_id, patch=patch
        )
    await office.submit(company="Red")
    await office.work()
    sent = await office.only()
    async with office.machine.session() as session:
        shown = [each.name for each in await service.properties(session, office.org.id, sent.id)]
        row = await service.edit_and_resend(session, office.org.id, sent.id, overrides={"colour": "Blue"})
    assert "colour" in shown
    assert row.overrides == {"colour": "Blue"}


async def test_of_thousands_of_tries_only_those_that_are_shown_are_read(office: Office) -> None:
    """Each may hold a request and its answer."""
    await office.submit()
    await office.work()
    sent = await office.only()
    tried = {"org_id": office.org.id, "delivery_id": sent.id, "step": "person", "started_at": clock.now()}
    async with office.machine.session() as session:
        old = [{"id": f"att_{number}", "number": number, "exchanges": [], **tried} for number in range(2, 102)]
        await session.execute(insert(Attempt), old)
        await session.execute(update(Attempt).where(Attempt.number <= 51).values(exchanges=text(UNREADABLE)))
        shown = (await queries.attempts(session, office.org.id, [sent.id, "dlv_other"]))[sent.id]
    assert [attempt.number for attempt in shown] == list(range(101, 51, -1))
