"""What a client runs into, with every kind of CRM: a state, a sentence that says what to do, and a way on."""

import html
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from site2crm.accounts.permissions import Role
from site2crm.connectors import service as connections
from site2crm.connectors.dealing import DealRule
from site2crm.connectors.registry import KINDS
from site2crm.connectors.service import ConnectionPatch
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests import cast
from tests.cast import Cast, Person
from tests.delivery.bad_input import BAD, Bad
from tests.delivery.conftest import Office
from tests.delivery.crms import CRMS, flags, open_office, played

JARGON = re.compile(r"JSON|HTTP|schema|null|Traceback|exception|payload|not_json", re.IGNORECASE)


@dataclass
class Case:
    kind: str
    office: Office
    alice: Person
    server: Any
    bad: Bad

    @property
    def crm(self) -> str:
        return KINDS[self.kind].label

    async def arrives(self, mail: str | None = "ada@example.com", **answers: Any) -> "Seen":
        """A lead comes in, is worked on, and its delivery is looked at. No retry is due however long that takes."""
        with clock.travel(clock.now()):
            await self.office.submit(mail, last_name="Lovelace", **answers)
            await self.office.work()
        return await self.seen()

    async def seen(self) -> "Seen":
        delivery = await self.office.only()
        page = (await self.alice.web.get(f"/o/acme/deliveries/{delivery.id}")).text
        main = page[page.index("<main") : page.index("</main>")]
        notice = main[main.index("<strong>", main.index('id="delivery"')) :].partition("</div>")[0]
        said = [" ".join(html.unescape(re.sub(r"<[^>]+>", " ", part)).split()) for part in notice.split("</p>")]
        links = re.findall(r'(?:href|action)="([^"]*)"', main)
        return Seen(delivery.state, await self.office.state(), delivery.error_field or "", said, links, self)

    async def written(self, **patch: Any) -> None:
        async with self.office.machine.session() as session:
            await connections.change(
                session,
                self.office.machine,
                org_id=self.office.org.id,
                connection_id=self.office.connection_id,
                patch=ConnectionPatch(**patch),
            )


@dataclass
class Seen:
    """`said`: the paragraphs at the top of the delivery's page. `links`: where its links and forms lead."""

    state: str
    connection: str
    field: str
    said: list[str]
    links: list[str]
    case: Case

    def says(self, words: str) -> bool:
        return any(words in paragraph for paragraph in self.said)

    def leads_to(self, end: str) -> bool:
        return any(link.endswith(end) for link in self.links)

    @property
    def mapping(self) -> bool:
        return self.leads_to(f"/crms/{self.case.office.connection_id}/mapping")

    @property
    def reconnect(self) -> bool:
        return self.leads_to(f"/crms/{self.case.office.connection_id}")

    def is_plain(self) -> bool:
        """No word of ours is one that only who builds such things understands."""
        return not any(JARGON.search(paragraph) for paragraph in self.said)


@pytest.fixture(params=list(BAD))
async def case(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Case]:
    kind = request.param
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(played(kind))
        for lags in (server, getattr(server, "records", None)):
            for name in ("search_lag_s", "list_lag_s"):
                if hasattr(lags, name):
                    setattr(lags, name, 0.0)
        instance = await stack.enter_async_context(cast.an_instance(tmp_path, **flags({kind: server})))
        alice = await Cast(instance, stack).person("alice", Role.OWNER, "acme")
        BAD[kind].adds(server)
        office = await open_office(instance, alice, kind, server)
        yield Case(kind, office, alice, server, BAD[kind])


async def mapped(case: Case, property: str) -> None:
    await case.office.map({**KINDS[case.kind].default_mapping, "custom.campaign": property})


def test_every_kind_that_calls_a_vendor_is_here() -> None:
    assert set(BAD) == set(CRMS) == set(KINDS) - {"inbox", "webhook"}


async def test_without_access_the_lead_waits_and_the_page_leads_to_the_connection(case: Case) -> None:
    case.bad.no_access(case.server)
    seen = await case.arrives()
    assert (seen.state, seen.connection) == ("parked", "parked")
    assert seen.says(f"This lead waits until {case.crm} can be sent to again.")
    assert seen.says("Then this lead is sent by itself.")
    assert re.search(r"(?i)sign in|copy|enter it|check the e-mail", " ".join(seen.said))
    assert (seen.reconnect, seen.is_plain()) == (True, True)


async def test_without_a_right_the_lead_waits_and_it_is_said_what_to_allow(case: Case) -> None:
    case.bad.no_right(case.server)
    seen = await case.arrives()
    assert (seen.state, seen.connection, seen.reconnect) == ("parked", "parked", True)
    assert re.search(r"lacks (a|the) (right|permission)", " ".join(seen.said))
    assert re.search(r"(Give|give|Tick|allow) ", " ".join(seen.said))
    assert seen.is_plain()


async def test_a_page_instead_of_an_answer_is_tried_again_by_itself(case: Case) -> None:
    case.server.faults.append(Fault("page", method=case.bad.writes, path=case.bad.path))
    seen = await case.arrives()
    assert (seen.state, seen.connection) == ("retrying", "active")
    assert seen.says(f"{case.crm} could not take this lead yet.")
    assert seen.says("answered 200 with a web page: “Down for maintenance”.")
    assert seen.says("Nothing to do: it is tried again by itself. You can also try now.")
    assert (seen.leads_to("/replay"), seen.is_plain()) == (True, True)


async def test_an_error_inside_a_good_answer_is_no_delivery(case: Case) -> None:
    fault = Fault("status", status=200, method=case.bad.writes, path=case.bad.path, body=case.bad.inside)
    case.server.faults.append(fault)
    seen = await case.arrives()
    assert (seen.state, seen.connection) == ("retrying", "active")
    assert seen.says("The service is busy.")
    assert (seen.leads_to("/replay"), seen.is_plain()) == (True, True)


async def test_a_mapping_to_a_deleted_property_costs_that_property_only(case: Case) -> None:
    await mapped(case, case.bad.unknown)
    seen = await case.arrives(custom={"campaign": "Autumn"})
    assert (seen.state, seen.connection) == ("delivered", "active")
    assert seen.says(f"{case.crm} has this lead, but without {case.bad.unknown}.")
    assert seen.says("Mend the mapping of the connection, then send it again.")
    assert (seen.mapping, seen.leads_to("/replay"), seen.is_plain()) == (True, True, True)


async def test_a_key_of_forty_characters_is_as_good_as_another(case: Case) -> None:
    await mapped(case, case.bad.own)
    seen = await case.arrives(custom={"campaign": "Autumn"})
    assert (seen.state, seen.says(f"{case.crm} has this lead.")) == ("delivered", True)
    assert case.bad.value_of(case.server) == "Autumn"


async def test_an_address_that_the_crm_calls_invalid_can_be_corrected(case: Case) -> None:
    seen = await case.arrives("ada@nowhere")
    assert (seen.state, seen.connection) == ("dead", "active")
    assert re.search(rf"{case.crm} refused E-?mail\.", " ".join(seen.said))
    assert re.search(r"Give E-?mail another value and send it again\.", " ".join(seen.said))
    assert (seen.leads_to("/edit"), seen.leads_to("/replay"), seen.is_plain()) == (True, True, True)

    delivery = await case.office.only()
    edited = {f"property.{seen.field}": "ada@example.com"}
    assert (await case.alice.web.post(f"/o/acme/deliveries/{delivery.id}/edit", data=edited)).status_code == 303
    await case.office.work()
    assert ((await case.seen()).state, list(CRMS[case.kind].mails(case.server))) == ("delivered", ["ada@example.com"])


async def test_of_two_people_with_the_address_one_is_updated_and_it_is_said(case: Case) -> None:
    case.bad.twice(case.server)
    before = len(list(CRMS[case.kind].mails(case.server)))
    seen = await case.arrives()
    assert (seen.state, len(list(CRMS[case.kind].mails(case.server)))) == ("delivered", before)
    if before > 1:  # HubSpot has never two
        assert re.search(
            r"2 \w+ have this address: the .* one was updated. Merge them in the CRM.", " ".join(seen.said)
        )
    assert not seen.says("but without")
    async with case.office.machine.session() as session:
        connection = await connections.get(session, case.office.org.id, case.office.connection_id)
    assert connection.warnings == []


async def test_a_lead_with_a_number_only_arrives_and_comes_back_to_the_same_person(case: Case) -> None:
    for _ in range(2):
        await case.office.submit(None, phone="+441234567890", last_name="Lovelace")
        await case.office.work()
    deliveries = await case.office.deliveries()
    assert [delivery.state for delivery in deliveries] == ["delivered", "delivered"]
    assert len({delivery.remote_id for delivery in deliveries}) == 1


async def test_a_currency_that_the_crm_does_not_keep_never_becomes_another_amount(case: Case) -> None:
    await case.written(deal=DealRule(enabled=True, amount="constant:500", currency="XOF"))
    seen = await case.arrives()
    if seen.state == "dead":
        assert seen.says(f"{case.crm} has this lead, but not its deal.")
        assert seen.says("Mend the deal on the page of the mapping, then send it again: only the deal is made.")
    else:
        assert (seen.state, seen.says("was left out.")) == ("delivered", True)
        assert seen.says(f"{case.crm} has this lead, but without")
    assert seen.says("XOF")
    assert (seen.connection, seen.mapping, seen.is_plain()) == ("active", True, True)
