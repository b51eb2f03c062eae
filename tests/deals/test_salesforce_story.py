"""The whole way with Salesforce: somebody signs in, leads arrive, are converted, and their deals come back."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest

from site2crm.app import Instance
from site2crm.core.access import OrgRef
from site2crm.forms import service as forms
from site2crm.forms.service import FormIn
from site2crm.kit import clock
from tests import cast
from tests.cast import Person
from tests.connectors.signed_in import FORM, FROM_ELSEWHERE, authorize_url
from tests.deals.conftest import Floor
from tests.delivery.conftest import Office
from tests.fakes.playing import playing
from tests.fakes.salesforce import CLIENT_ID, CLIENT_SECRET, SalesforceFake

APP = {"settings.login": "my_domain", "settings.domain": "https://acme.lightning.force.com", "settings.target": "lead",
       "settings.client_id": CLIENT_ID, "settings.client_secret": CLIENT_SECRET}  # fmt: skip


@pytest.fixture
async def fake() -> AsyncIterator[SalesforceFake]:
    async with playing(SalesforceFake()) as server:
        yield server


@pytest.fixture
async def instance(tmp_path: Path, fake: SalesforceFake) -> AsyncIterator[Instance]:
    flags = {
        "connectors__salesforce__base_url": fake.url,
        "outbound__allow_private": '["127.0.0.1"]',
        "queue__jitter": "0",
    }
    async with cast.an_instance(tmp_path, **flags) as running:
        yield running


@pytest.fixture
async def office(instance: Instance, alice: Person, fake: SalesforceFake) -> Office:
    org = OrgRef(id=alice.org.id, slug=alice.org.slug, name=alice.org.name)
    async with instance.machine.session() as session:
        form = await forms.create(session, org.id, FormIn(name="Contact"))
    return Office(instance.machine, org, form.id, await connected(alice), fake)  # type: ignore[arg-type]


async def sent(person: Person, fields: dict[str, str] = APP) -> httpx.Response:
    path = f"/o/{person.org.slug}/crms/new/salesforce/sign-in"
    return await person.web.post(path, content=urlencode(fields), headers=FORM)


async def connected(person: Person) -> str:
    """The id of a new connection, after somebody has said yes at Salesforce."""
    page = await sent(person)
    assert page.status_code == 200, page.text
    async with httpx.AsyncClient() as browser:
        yes = await browser.get(f"{authorize_url(page)}&allow=1")
    done = await person.web.get(yes.headers["location"], headers=FROM_ELSEWHERE)
    assert done.status_code == 303, done.text
    id = str(done.headers["location"]).rpartition("/")[2]
    assert id.startswith("con_"), done.headers["location"]
    return id


async def test_the_page_asks_for_what_it_needs_and_nothing_else(alice: Person, fake: SalesforceFake) -> None:
    page = (await alice.web.get(f"/o/{alice.org.slug}/crms/new/salesforce")).text
    assert all(words in page for words in ("My Domain", "People become", "Consumer key", "Consumer secret"))
    assert "/oauth/callback" in page


async def test_a_mistyped_domain_is_said_at_its_field(alice: Person, fake: SalesforceFake) -> None:
    page = await sent(alice, {**APP, "settings.domain": "acme.example.com"})
    assert page.status_code == 422
    assert "This is no My Domain" in page.text


async def test_a_lead_arrives_with_its_note(office: Office, fake: SalesforceFake) -> None:
    await office.submit(last_name="Lovelace", company="Engines", message="Please call me.")
    await office.work()
    [lead], [task] = fake.all("Lead"), fake.all("Task")
    assert (lead["Email"], lead["LastName"], lead["Company"]) == ("ada@example.com", "Lovelace", "Engines")
    assert (task["WhoId"], task["Description"].startswith("Please call me.")) == (lead["Id"], True)
    assert (await office.only()).state == "delivered"


async def test_many_leads_share_their_calls(office: Office, fake: SalesforceFake) -> None:
    for n in range(60):
        await office.submit(f"p{n}@example.com")
    fake.requests.clear()
    await office.work()
    assert len(fake.all("Lead")) == 60
    assert len(fake.requests) < 20
    assert {delivery.state for delivery in await office.deliveries()} == {"delivered"}


@pytest.mark.parametrize("rotates", [False, True])
async def test_an_access_that_ended_is_renewed_without_anybody(
    office: Office, fake: SalesforceFake, rotates: bool
) -> None:
    fake.sign_in.rotates = rotates
    for hours in (3, 6):
        with clock.travel(clock.now() + timedelta(hours=hours)):
            await office.submit(f"after{hours}@example.com")
            await office.work()
    assert ({lead["Email"] for lead in fake.all("Lead")}, fake.sign_in.refreshed) == (
        {"after3@example.com", "after6@example.com"}, 2)  # fmt: skip
    assert await office.state() == "active"


async def test_an_access_that_was_taken_back_parks_and_a_new_sign_in_sends_what_waited(
    office: Office, alice: Person, fake: SalesforceFake
) -> None:
    fake.sign_in.access.clear()
    fake.sign_in.refresh.clear()
    await office.submit()
    await office.work()
    assert (await office.state(), fake.all("Lead")) == ("parked", [])
    path = f"/o/{alice.org.slug}/crms/{office.connection_id}"
    shown = (await alice.web.get(path)).text
    assert "no longer accepts this sign-in" in shown
    assert "Sign in again" in shown
    page = await alice.web.post(f"{path}/sign-in", content=urlencode({}), headers=FORM)
    async with httpx.AsyncClient() as browser:
        yes = await browser.get(f"{authorize_url(page)}&allow=1")
    await alice.web.get(yes.headers["location"], headers=FROM_ELSEWHERE)
    await office.work()
    assert (await office.state(), len(fake.all("Lead"))) == ("active", 1)


async def test_a_returning_lead_that_was_converted_updates_its_contact(office: Office, fake: SalesforceFake) -> None:
    await office.submit(message="First")
    await office.work()
    contact, _ = fake.records.convert(fake.all("Lead")[0]["Id"])
    await office.submit(message="Second", phone="+441234567890")
    await office.work()
    assert [delivery.state for delivery in await office.deliveries()] == ["delivered"] * 2
    assert (fake.records.find("Contact", contact) or {})["Phone"] == "+441234567890"
    assert {task["WhoId"] for task in fake.all("Task")} >= {contact}


async def test_the_deal_of_a_converted_lead_comes_back_to_it(office: Office, fake: SalesforceFake) -> None:
    await office.submit()
    await office.work()
    [delivery] = await office.deliveries()
    _, opportunity = fake.records.convert(str(delivery.remote_id), opportunity="Engine")
    fake.records.change("Opportunity", opportunity, {"StageName": "Closed_Won", "Amount": 1500.5})
    owner = fake.add("User", Name="Sally Seller", IsActive=True, UserType="Standard")
    fake.add("Task", TaskSubtype="Call", Status="Completed", OwnerId=owner, WhoId=delivery.remote_id)
    floor = Floor(office, fake)  # type: ignore[arg-type]
    await floor.read()
    deal = await floor.only()
    assert (deal.title, deal.status, deal.lead) == ("Engine", "won", delivery.lead)
    assert deal.value is not None
    assert (deal.value.currency, deal.value.amount) == ("EUR", "1500.50")
    assert deal.stage is not None
    assert deal.stage.label == "Closed Won"
    assert await floor.alarms() == []


async def test_a_removed_connection_takes_its_access_back(office: Office, alice: Person, fake: SalesforceFake) -> None:
    removed = await alice.api.delete(f"/api/v1/connections/{office.connection_id}")
    await office.work()
    assert removed.status_code == 204
    assert fake.sign_in.refresh == set()
