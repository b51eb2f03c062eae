"""The whole way with Zoho CRM: sign in through our pages, send a lead through a form, see it arrive, lose the access."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from site2crm.app import Instance
from site2crm.connectors import opening, service
from site2crm.connectors.contract import Kind
from site2crm.connectors.models import Connection
from site2crm.demo.zoho_accounts import CLIENT_ID, CLIENT_SECRET
from tests import cast
from tests.cast import BASE, Person
from tests.connectors.connector_cases import ada
from tests.connectors.signed_in import back, begun
from tests.connectors.zoho_cases import FIELDS
from tests.fakes.zoho import ZohoFake

APP = {"settings.client_id": CLIENT_ID, "settings.client_secret": CLIENT_SECRET, "settings.data_centre": "eu"}


@pytest.fixture
async def zoho() -> AsyncIterator[ZohoFake]:
    fake = ZohoFake()
    fake.redirects = {f"{BASE}/oauth/callback"}
    await fake.start()
    yield fake
    await fake.stop()
    assert fake.violations == []


@pytest.fixture
async def instance(tmp_path: Path, zoho: ZohoFake) -> AsyncIterator[Instance]:
    flags = {"connectors__zoho__base_url": zoho.url, "outbound__allow_private": '["127.0.0.1/32"]'}
    async with cast.an_instance(tmp_path, **flags) as running:
        yield running


async def to_zoho(person: Person, fields: dict[str, str], *, at: str = "") -> str:
    """The address to which our page sends the browser."""
    return await begun(person, fields, at=at or f"/o/{person.org.slug}/crms/new/zoho/sign-in")


async def returned(person: Person, url: str) -> httpx.Response:
    async with httpx.AsyncClient() as browser:
        answer = await browser.get(f"{url}&allow=1")
    assert answer.status_code == 302, answer.text
    return await back(person, answer.headers["location"])


async def connected(person: Person, fields: dict[str, str] = APP) -> str:
    done = await returned(person, await to_zoho(person, fields))
    assert done.status_code == 303, done.text
    return str(done.headers["location"]).rpartition("/")[2]


async def of(instance: Instance, person: Person, id: str) -> Connection:
    async with instance.machine.session() as session:
        return await service.get(session, person.org.id, id)


async def test_signing_in_makes_a_connection_that_sends_leads(
    instance: Instance, alice: Person, zoho: ZohoFake
) -> None:
    id = await connected(alice)
    made = await of(instance, alice, id)
    assert (made.way, made.state, made.account["name"]) == ("oauth", "active", "Zylker")
    assert made.settings["data_centre"] == "eu"
    [written] = await opening.open_connector(instance.machine, made).upsert_people([ada(fields=FIELDS)])
    assert written.error is None
    assert [person["Email"] for person in zoho.people] == ["ada@example.com"]
    page = (await alice.web.get(f"/o/acme/crms/{id}")).text
    assert "Zylker" in page
    assert CLIENT_SECRET not in page


async def test_the_page_asks_for_the_data_centre_and_names_our_address(alice: Person) -> None:
    page = (await alice.web.get("/o/acme/crms/new/zoho")).text
    assert "Europe (zoho.eu)" in page
    assert f"{BASE}/oauth/callback" in page


async def test_an_app_with_another_secret_is_told_at_once(alice: Person, zoho: ZohoFake) -> None:
    url = await to_zoho(alice, {**APP, "settings.client_secret": "another"})
    done = await returned(alice, url)
    shown = await alice.web.get(str(done.headers["location"]))
    assert "does not take the client secret" in shown.text


async def test_an_ended_token_is_refreshed_and_the_new_one_used(
    instance: Instance, alice: Person, zoho: ZohoFake
) -> None:
    id = await connected(alice)
    zoho.access.clear()
    for _ in range(3):
        connector = opening.open_connector(instance.machine, await of(instance, alice, id))
        assert await connector.fields(Kind.PERSON)
    refreshes = [r for r in zoho.requests if r.path == "/oauth/v2/token" and b"grant_type=refresh_token" in r.body]
    assert len(refreshes) == 1


async def test_access_that_was_taken_back_is_said_and_signing_in_mends_it(
    instance: Instance, alice: Person, zoho: ZohoFake
) -> None:
    id = await connected(alice)
    zoho.access.clear()
    zoho.refresh_tokens.clear()
    checked = await service.test(instance.machine, alice.org.id, id)
    assert checked.needs_a_person
    assert (await of(instance, alice, id)).state == "parked"
    url = await to_zoho(alice, {}, at=f"/o/acme/crms/{id}/sign-in")
    assert (await returned(alice, url)).status_code == 303
    assert (await of(instance, alice, id)).state == "active"


async def test_who_signs_in_again_leaves_no_older_grant_behind(
    instance: Instance, alice: Person, zoho: ZohoFake
) -> None:
    id = await connected(alice)
    other = await connected(alice)
    [*_, older, others] = zoho.refresh_tokens
    url = await to_zoho(alice, {}, at=f"/o/acme/crms/{id}/sign-in")
    assert (await returned(alice, url)).status_code == 303
    assert {older, others} < set(zoho.refresh_tokens), "nothing goes before the new one is kept"
    assert instance.machine.jobs is not None
    await instance.machine.jobs.run_due()
    assert older not in zoho.refresh_tokens and others in zoho.refresh_tokens
    for each in (id, other):
        assert (await service.test(instance.machine, alice.org.id, each)).ok
