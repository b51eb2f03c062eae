"""A client signs in at Pipedrive, in the browser, and their lead arrives there."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from site2crm.app import Instance
from site2crm.connectors import service
from site2crm.connectors.contract import CrmError, ErrorClass
from tests import cast
from tests.cast import BASE, Person
from tests.connectors.pipedrive_cases import lead, only, said
from tests.connectors.signed_in import FORM, FROM_ELSEWHERE, authorize_url
from tests.fakes.pipedrive import PipedriveFake

APP = {"settings.client_id": "demo-app", "settings.client_secret": "demo-secret"}


@pytest.fixture
async def fake() -> AsyncIterator[PipedriveFake]:
    server = PipedriveFake()
    await server.start()
    yield server
    await server.stop()
    assert server.violations == []


@pytest.fixture
async def instance(tmp_path: Path, fake: PipedriveFake) -> AsyncIterator[Instance]:
    flags = {"connectors__pipedrive__base_url": fake.url, "outbound__allow_private": '["127.0.0.1/32"]'}
    async with cast.an_instance(tmp_path, **flags) as running:
        yield running


async def signed_in(person: Person, *, decided: str = "allow") -> httpx.Response:
    """What our page says when Pipedrive has sent the browser back."""
    begun = await person.web.post("/o/acme/crms/new/pipedrive/sign-in", content=urlencode(APP), headers=FORM)
    assert begun.status_code == 200, begun.text
    url = authorize_url(begun)
    assert dict(parse_qsl(urlsplit(url).query))["redirect_uri"] == f"{BASE}/oauth/callback"
    async with httpx.AsyncClient() as browser:
        back = (await browser.get(f"{url}&{decided}=1")).headers["location"]
    return await person.web.get(back, headers=FROM_ELSEWHERE)


async def test_signing_in_makes_a_connection_that_delivers_and_stays_fresh(
    instance: Instance, alice: Person, fake: PipedriveFake
) -> None:
    done = await signed_in(alice)
    assert done.status_code == 303, done.text
    id = str(done.headers["location"]).rpartition("/")[2]
    async with instance.machine.session() as session:
        connection = await service.get(session, alice.org.id, id)
    assert (connection.way, connection.state, connection.account["name"]) == ("oauth", "active", "Acme Ltd")
    crm = service.open_connector(instance.machine, connection)
    assert [written.error for written in await crm.upsert_people([lead()])] == [None]
    fake.oauth.expire()
    assert [written.error for written in await crm.upsert_people([said(last_name="King")])] == [None]
    assert only(fake)["name"] == "Ada King"
    fake.oauth.uninstall()
    [refused] = await crm.upsert_people([said(last_name="Byron")])
    assert isinstance(refused.error, CrmError)
    assert refused.error.kind is ErrorClass.REAUTH


async def test_who_says_no_at_pipedrive_is_brought_back(alice: Person, fake: PipedriveFake) -> None:
    done = await signed_in(alice, decided="deny")
    assert done.status_code < 500
    assert fake.oauth.access == {}
