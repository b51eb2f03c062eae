"""A deal for a lead, made once whatever happens in between; and owners dealt out in turn."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from site2crm.app import Instance
from site2crm.connectors import service as connections
from site2crm.connectors.contract import CrmError, ErrorClass
from site2crm.connectors.dealing import DealRule
from site2crm.connectors.owners import OwnerRule, OwnerWay
from site2crm.connectors.registry import KINDS
from site2crm.connectors.service import ConnectionIn, ConnectionPatch
from site2crm.core import alarms, db
from site2crm.core.access import OrgRef
from site2crm.delivery import ledger, service
from site2crm.delivery.drain import drain
from site2crm.forms import service as forms
from site2crm.forms.service import FormIn
from site2crm.kit import clock
from tests import cast
from tests.cast import Person
from tests.delivery.conftest import Office, reads_no_deals_yet
from tests.fakes.sales_crm import ANNA, BERT, CLEO, DEAL, NAME, PERSON, SalesCrm, directory

START = datetime(2027, 1, 4, 12, tzinfo=UTC)
RETRY = CrmError(ErrorClass.RETRY, "Out for lunch.", code="503")
REFUSED = CrmError(ErrorClass.PERMANENT, "There is no currency XXX.", code="INVALID_CURRENCY", field="currency")
NO_RIGHT = CrmError(ErrorClass.CONFIG, "The right deals.write is missing.")
DEALS = DealRule(enabled=True, title="{name}: {form}", stage="new", amount="custom.budget", currency="EUR")


@dataclass
class Ledger(Office):
    crm: SalesCrm | None = None

    @property
    def books(self) -> SalesCrm:
        assert self.crm is not None
        return self.crm

    async def rule(self, **patch: Any) -> None:
        async with self.machine.session() as session:
            await connections.change(
                session,
                self.machine,
                org_id=self.org.id,
                connection_id=self.connection_id,
                patch=ConnectionPatch(**patch),
            )

    async def leaves(self, owner: str) -> None:
        """Somebody is no longer active in the CRM, and a test of the connection has found that out."""
        known = [each._replace(active=each.active and each.id != owner) for each in self.books.directory.owners]
        self.books.directory = replace(self.books.directory, owners=known)
        await connections.test(self.machine, self.org.id, self.connection_id)

    async def alarms(self) -> list[alarms.OpenAlarm]:
        async with self.machine.session() as session:
            return list(await alarms.open_alarms(session, self.org.id))

    async def crash(self) -> None:
        """The process dies in the next call for a deal; another one takes back what was left."""
        reached = asyncio.Event()
        self.books.on_deal = reached.set
        self.books.hold = asyncio.Event()
        dying = asyncio.create_task(drain(self.machine, self.org.id, self.connection_id))
        await asyncio.wait_for(reached.wait(), 5)
        dying.cancel()
        await asyncio.wait({dying})
        self.books.hold, self.books.on_deal = None, lambda: None
        async with self.machine.session() as session:
            await db.lock(session)
            await ledger.take_back(session, spared=())


@pytest.fixture
async def instance(tmp_path: Path) -> AsyncIterator[Instance]:
    async with cast.an_instance(tmp_path, queue__jitter="0") as running:
        yield running


@pytest.fixture
async def office(instance: Instance, alice: Person, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    crm = SalesCrm()
    monkeypatch.setitem(KINDS, NAME, crm.kind())
    org = OrgRef(id=alice.org.id, slug=alice.org.slug, name=alice.org.name)
    async with instance.machine.session() as session:
        form = await forms.create(session, org.id, FormIn(name="Contact"))
    async with instance.machine.session() as session:
        made = await connections.create(
            session, instance.machine, org=org, data=ConnectionIn(kind=NAME, deal=DEALS, mapping={"email": "email"})
        )
        await reads_no_deals_yet(session)
    return Ledger(instance.machine, org, form.id, made.connection.id, None, crm)  # type: ignore[arg-type]


async def test_a_lead_brings_its_deal_after_the_person(office: Ledger) -> None:
    await office.submit(custom={"budget": "1.200 €"})
    await office.work()
    delivery = await office.only()
    [(deal, person_id)] = office.books.deals.values()
    assert (delivery.state, delivery.remote_id, delivery.person_at) == ("delivered", "per_1", None)
    assert (delivery.deal_id, person_id) == (f"deal_{deal.ref}", "per_1")
    assert delivery.deal_url == f"https://ledger.example/deals/{deal.ref}"
    assert (deal.title, str(deal.value and deal.value.amount), deal.stage) == ("Ada: Contact", "1200", "new")
    assert await office.outcomes(delivery.id) == ["delivered", "delivered"]
    assert [step for step, _ in office.books.calls] == [PERSON, DEAL]


async def test_a_lead_that_comes_again_brings_no_second_deal(office: Ledger) -> None:
    for _ in range(2):
        await office.submit()
        await office.work()
    assert (len(office.books.people), len(office.books.deals), office.books.count(PERSON)) == (1, 1, 2)
    assert [delivery.state for delivery in await office.deliveries()] == ["delivered", "delivered"]


async def test_each_submission_may_bring_a_deal(office: Ledger) -> None:
    await office.rule(deal=DealRule(enabled=True, per="submission"))
    for _ in range(2):
        await office.submit()
        await office.work()
    assert (len(office.books.people), len(office.books.deals)) == (1, 2)
    assert {delivery.deal_id for delivery in await office.deliveries()} == {f"deal_{r}" for r in office.books.deals}


@pytest.mark.parametrize("after", [False, True], ids=["before the CRM had it", "after the CRM had it"])
async def test_a_failing_deal_is_tried_again_without_the_person(office: Ledger, after: bool) -> None:
    (office.books.fault_after if after else office.books.faults)[DEAL].extend([RETRY, RETRY])
    with clock.travel(START) as forward:
        await office.submit()
        await office.work()
        waiting = await office.only()
        for _ in range(3):
            forward(700)
            await office.work()
    delivery = await office.only()
    assert (waiting.state, waiting.remote_id, waiting.error) == (
        "retrying", "per_1", "The deal was not made: Out for lunch."
    )  # fmt: skip
    assert (delivery.state, delivery.error, len(office.books.deals)) == ("delivered", None, 1)
    assert (office.books.count(PERSON), office.books.count(DEAL)) == (1, 3)


async def test_a_process_that_dies_between_person_and_deal_sends_the_person_once(office: Ledger) -> None:
    await office.submit()
    await office.crash()
    assert ((await office.only()).state, (await office.only()).remote_id) == ("pending", "per_1")
    await office.work()
    delivery = await office.only()
    assert (delivery.state, await office.outcomes(delivery.id)) == (
        "delivered",
        ["delivered", "interrupted", "delivered"],
    )
    assert (office.books.count(PERSON), len(office.books.deals)) == (1, 1)


async def test_a_process_that_dies_after_the_deal_makes_no_second_one(office: Ledger) -> None:
    office.books.holds_after = True
    await office.submit()
    await office.crash()
    made = dict(office.books.deals)
    await office.work()
    assert len(made) == 1
    assert (office.books.deals, (await office.only()).state) == (made, "delivered")


async def test_a_refused_deal_waits_for_a_person_and_is_then_made_alone(office: Ledger, alice: Person) -> None:
    office.books.faults[DEAL].append(REFUSED)
    await office.submit()
    await office.work()
    dead = await office.only()
    assert (dead.state, dead.remote_id, dead.error_field) == ("dead", "per_1", None)
    page = (await alice.web.get(f"/o/acme/deliveries/{dead.id}")).text
    assert "Ledger has this lead, but not its deal." in page and "no currency XXX" in page
    assert "only the deal is made" in page and "Try 2: the deal" in page
    lead = (await alice.web.get(f"/o/acme/leads/{dead.lead}")).text
    assert "The deal of 1 lead was refused by" in lead
    async with office.machine.session() as session:
        [alarm] = await alarms.open_alarms(session, office.org.id)
    assert alarm.text.startswith("Deals of leads were refused by")
    assert "but its deal was refused" in lead and f"{dead.id}/edit" not in lead
    async with office.machine.session() as session:
        await service.replay(session, office.org.id, dead.id)
    await office.work()
    delivery = await office.only()
    assert (delivery.state, len(office.books.deals), office.books.count(PERSON)) == ("delivered", 1, 1)
    assert delivery.deal_id in (await alice.web.get(f"/o/acme/deliveries/{dead.id}")).text
    assert (await alice.api.get(f"/api/v1/deliveries/{dead.id}")).json()["deal_id"] == delivery.deal_id


async def test_sending_again_updates_the_person_and_leaves_the_deal(office: Ledger) -> None:
    await office.submit()
    await office.work()
    async with office.machine.session() as session:
        await service.edit_and_resend(
            session, office.org.id, (await office.only()).id, overrides={"email": "b@x.example"}
        )
    await office.work()
    delivery = await office.only()
    assert (delivery.state, office.books.count(PERSON), office.books.count(DEAL)) == ("delivered", 2, 1)
    assert delivery.deal_id is not None
    assert office.books.people["per_1"].fields["email"] == "b@x.example"


async def test_an_edit_after_a_refused_deal_updates_the_person_then_makes_it(office: Ledger) -> None:
    office.books.faults[DEAL].append(REFUSED)
    await office.submit()
    await office.work()
    async with office.machine.session() as session:
        await service.edit_and_resend(
            session, office.org.id, (await office.only()).id, overrides={"email": "b@x.example"}
        )
    await office.work()
    assert (await office.only()).state == "delivered"
    assert (len(office.books.people), office.books.count(PERSON), len(office.books.deals)) == (1, 2, 1)


async def test_a_missing_right_for_deals_does_not_stop_the_leads(office: Ledger) -> None:
    office.books.faults[DEAL].extend([NO_RIGHT] * 3)
    for number in range(3):
        await office.submit(f"ada{number}@example.com")
    await office.work()
    assert (await office.state(), len(office.books.people)) == ("active", 3)
    assert {delivery.state for delivery in await office.deliveries()} == {"dead"}


async def test_a_dead_token_parks_the_deal_with_the_connection(office: Ledger) -> None:
    office.books.faults[DEAL].append(CrmError(ErrorClass.REAUTH, "The token is dead."))
    await office.submit()
    await office.work()
    parked = (await office.only()).state
    async with office.machine.session() as session:
        await connections.resume(session, office.machine, org_id=office.org.id, connection_id=office.connection_id)
    await office.work()
    assert (parked, (await office.only()).state) == ("parked", "delivered")
    assert (office.books.count(PERSON), len(office.books.deals)) == (1, 1)


async def test_a_reached_limit_keeps_the_deals_place(office: Ledger) -> None:
    office.books.faults[DEAL].append(CrmError(ErrorClass.THROTTLE, "Slow down."))
    with clock.travel(START) as forward:
        await office.submit()
        await office.work()
        forward(30)
        await office.work()
    assert ((await office.only()).state, office.books.count(PERSON), len(office.books.deals)) == ("delivered", 1, 1)


async def test_a_person_who_was_deleted_meanwhile_is_sent_anew(office: Ledger) -> None:
    office.books.on_deal = office.books.people.clear
    with clock.travel(START) as forward:
        await office.submit()
        await office.work()
        office.books.on_deal = lambda: None
        forward(60)
        await office.work()
    assert ((await office.only()).state, len(office.books.people), len(office.books.deals)) == ("delivered", 1, 1)


async def test_switched_off_in_between_the_lead_is_simply_delivered(office: Ledger) -> None:
    office.books.faults[DEAL].append(RETRY)
    with clock.travel(START) as forward:
        await office.submit()
        await office.work()
        await office.rule(deal=DealRule())
        forward(60)
        await office.work()
    assert ((await office.only()).state, office.books.count(DEAL), office.books.deals) == ("delivered", 1, {})


async def test_what_is_no_amount_is_a_warning_on_the_delivery(office: Ledger) -> None:
    await office.submit(custom={"budget": "plenty"})
    await office.work()
    delivery = await office.only()
    assert delivery.state == "delivered"
    assert [warning["property"] for warning in delivery.warnings] == ["deal amount"]
    async with office.machine.session() as session:
        assert (await connections.get(session, office.org.id, office.connection_id)).warnings == []


async def test_owners_take_turns_and_a_lead_keeps_its_owner(office: Ledger) -> None:
    await office.rule(owner=OwnerRule(way=OwnerWay.ROUND_ROBIN, owners=[ANNA, BERT, CLEO]))
    office.books.faults[PERSON].append(RETRY)
    with clock.travel(START) as forward:
        for number in range(6):
            await office.submit(f"ada{number}@example.com")
            forward(1)
        await office.work()
        forward(60)
        await office.work()
        await office.submit("ada1@example.com")
        await office.work()
    owners = {str(person.email): office.books.owners[id] for id, person in office.books.people.items()}
    assert [owners[f"ada{number}@example.com"] for number in range(6)] == [ANNA, BERT, CLEO] * 2
    assert len(office.books.deals) == 6
    assert [deal.owner for deal, id in office.books.deals.values() if office.books.owners[id] != deal.owner] == []


async def test_an_owner_is_given_to_new_records_only_unless_it_is_to_win(office: Ledger) -> None:
    await office.submit()
    await office.work()
    await office.rule(owner=OwnerRule(way=OwnerWay.ONE, owner=ANNA))
    await office.submit()
    await office.work()
    kept = dict(office.books.owners)
    await office.rule(owner=OwnerRule(way=OwnerWay.ONE, owner=BERT, overwrite=True))
    await office.submit()
    await office.work()
    assert (kept, office.books.owners) == ({}, {"per_1": BERT})


async def test_a_lead_for_somebody_who_has_left_arrives_without_an_owner_and_says_so(office: Ledger) -> None:
    await office.rule(owner=OwnerRule(way=OwnerWay.ONE, owner=ANNA))
    await office.leaves(ANNA)
    await office.submit()
    await office.work()
    delivery, [(deal, _)] = await office.only(), office.books.deals.values()
    told = {"property": "", "text": "Anna Ark has left Ledger: given to nobody."}
    assert (delivery.state, delivery.warnings, office.books.owners, deal.owner) == ("delivered", [told], {}, None)
    assert [alarm.text.partition(" Choose")[0] for alarm in await office.alarms()] == [
        "“Ledger”: Anna Ark is no longer an active owner at Ledger."
    ]


async def test_a_list_of_owners_that_cannot_be_read_changes_nothing(office: Ledger) -> None:
    await office.rule(owner=OwnerRule(way=OwnerWay.ONE, owner=ANNA))
    office.books.directory_fault = NO_RIGHT
    await connections.test(office.machine, office.org.id, office.connection_id)
    await office.submit()
    await office.work()
    assert ((await office.only()).warnings, office.books.owners, await office.alarms()) == ([], {"per_1": ANNA}, [])


async def test_an_owner_who_is_called_otherwise_now_stays_the_owner(office: Ledger) -> None:
    await office.rule(owner=OwnerRule(way=OwnerWay.ONE, owner="Anna Ark"))
    known = [each._replace(name="Anna Bow", email=None) if each.id == ANNA else each for each in directory().owners]
    office.books.directory = replace(office.books.directory, owners=known)
    await connections.test(office.machine, office.org.id, office.connection_id)
    await office.submit()
    await office.work()
    assert ((await office.only()).warnings, office.books.owners, await office.alarms()) == ([], {"per_1": ANNA}, [])


async def test_a_retry_after_its_owner_has_left_goes_to_the_next_one(office: Ledger) -> None:
    await office.rule(owner=OwnerRule(way=OwnerWay.ROUND_ROBIN, owners=[ANNA, BERT]))
    office.books.faults[PERSON].append(RETRY)
    with clock.travel(START) as forward:
        await office.submit()
        await office.work()
        await office.leaves(ANNA)
        forward(60)
        await office.work()
        await office.leaves(BERT)
        await office.submit("bob@example.com")
        await office.work()
    assert office.books.owners == {"per_1": BERT}
    assert {delivery.state for delivery in await office.deliveries()} == {"delivered"}


@pytest.mark.parametrize(
    "refusal",
    [
        CrmError(ErrorClass.PERMANENT, "Owner 7 does not exist.", code="INVALID_OPTION", field="hubspot_owner_id"),
        CrmError(ErrorClass.PERMANENT, "operation performed with inactive user", code="INACTIVE_OWNER_OR_USER"),
        CrmError(ErrorClass.PERMANENT, "invalid cross reference id", code="INVALID_CROSS_REFERENCE_KEY"),
    ],
    ids=lambda error: error.code,
)
@pytest.mark.parametrize("step", [PERSON, DEAL])
async def test_an_owner_whom_the_crm_refuses_keeps_no_lead_away_and_rings(
    office: Ledger, refusal: CrmError, step: str
) -> None:
    await office.rule(owner=OwnerRule(way=OwnerWay.ONE, owner=ANNA))
    office.books.faults[step].append(refusal)
    await office.submit()
    await office.work()
    delivery, [(deal, _)] = await office.only(), office.books.deals.values()
    told = {"property": "owner", "text": f"The owner was refused: {refusal.text}"}
    assert (delivery.state, delivery.warnings) == ("delivered", [told])
    assert (office.books.owners.get("per_1"), deal.owner) == ((None, ANNA) if step == PERSON else (ANNA, None))
    assert [refusal.text in alarm.text for alarm in await office.alarms()] == [True]
    await office.leaves(CLEO)
    assert await office.alarms() == []


async def test_a_lead_refused_for_something_else_is_not_sent_without_its_owner(office: Ledger) -> None:
    await office.rule(owner=OwnerRule(way=OwnerWay.ONE, owner=ANNA))
    office.books.faults[PERSON].append(REFUSED)
    await office.submit()
    await office.work()
    assert ((await office.only()).state, office.books.count(PERSON)) == ("dead", 1)


async def test_the_leads_of_a_form_go_by_its_own_rows(office: Ledger) -> None:
    async with office.machine.session() as session:
        other = (await forms.create(session, office.org.id, FormIn(name="Offer"))).id
    await office.rule(form_mappings={other: {"constant:Offer": "note"}})
    await office.submit("a@x.example")
    await office.submit("b@x.example", form_id=other)
    await office.work()
    said = {person.fields["email"]: person.fields.get("note") for person in office.books.people.values()}
    assert said == {"a@x.example": None, "b@x.example": "Offer"}


@pytest.mark.parametrize("per", ["lead", "submission"])
async def test_a_deal_that_is_tried_again_says_since_when_it_may_be_there(office: Ledger, per: Any) -> None:
    await office.rule(deal=DealRule(enabled=True, per=per))
    office.books.fault_after[DEAL].append(RETRY)
    with clock.travel(START) as forward:
        await office.submit()
        await office.work()
        forward(60)
        await office.work()
    assert [asked.tried_at for asked in office.books.asked] == [None, START]
