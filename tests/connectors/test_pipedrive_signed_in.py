"""A client signs in at Pipedrive, in the browser, and their lead arrives there."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
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
from tests.fakes.playing import playing

APP = {"settings.client_id": "demo-app", "settings.client_secret": "demo-secret"}


@pytest.fixture
async def fake() -> AsyncIterator[PipedriveFake]:
    async with playing(PipedriveFake()) as server:
        yield server


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
    assert done.status_code == 303
    page = await alice.web.get(done.headers["location"])
    assert "You did not allow it at Pipedrive, so nothing was changed." in page.text
    assert fake.oauth.access == {}


async def removed_there(instance: Instance, fake: PipedriveFake, **wrong: Any) -> httpx.Response:
    """What Pipedrive tells our redirect address when somebody there removes the app."""
    headers, body = fake.oauth.notice(wrong.pop("company_id", 9))
    async with cast.client(instance) as pipedrive:
        content = json.dumps({**body, **wrong.pop("body", {})})
        return await pipedrive.request("DELETE", "/oauth/callback", content=content, headers={**headers, **wrong})


async def state_of(instance: Instance, person: Person, id: str) -> tuple[str, str]:
    async with instance.machine.session() as session:
        connection = await service.get(session, person.org.id, id)
    return connection.state, connection.state_reason


async def test_who_removes_the_app_there_is_told_before_a_lead_fails(
    instance: Instance, alice: Person, fake: PipedriveFake
) -> None:
    id = str((await signed_in(alice)).headers["location"]).rpartition("/")[2]
    assert (await removed_there(instance, fake)).status_code == 204
    state, reason = await state_of(instance, alice, id)
    assert (state, reason) == ("parked", "Pipedrive ended this sign-in: somebody removed the app there.")
    assert "Sign in at Pipedrive again." in (await alice.web.get(f"/o/acme/crms/{id}")).text
    assert (await removed_there(instance, fake)).status_code == 204


@pytest.mark.parametrize(
    "wrong",
    [
        {"company_id": 10},
        {"Authorization": "Basic " + base64.b64encode(b"demo-app:other").decode()},
        {"Authorization": "Basic " + base64.b64encode(b"demo-app:").decode()},
        {"Authorization": "Basic " + base64.b64encode(b"other:demo-secret").decode()},
        {"Authorization": "Basic " + base64.b64encode(b"\xff:\xff").decode()},
        {"Authorization": "Basic ???"},
        {"Authorization": b"Basic \xe9"},
        {"Authorization": "Bearer demo-secret"},
        {"Authorization": ""},
        {"body": {"company_id": None}},
        {"body": {"company_id": [9]}},
    ],
    ids=str,
)
async def test_without_the_secret_of_the_app_nobody_stops_a_connection(
    instance: Instance, alice: Person, fake: PipedriveFake, wrong: dict[str, Any]
) -> None:
    id = str((await signed_in(alice)).headers["location"]).rpartition("/")[2]
    answer = await removed_there(instance, fake, **wrong)
    assert (answer.status_code, await state_of(instance, alice, id)) == (403, ("active", ""))


async def test_who_has_signed_in_again_since_is_not_stopped_by_old_news(
    instance: Instance, alice: Person, fake: PipedriveFake
) -> None:
    id = str((await signed_in(alice)).headers["location"]).rpartition("/")[2]
    answer = await removed_there(instance, fake, body={"timestamp": "2020-01-01T00:00:00.000Z"})
    assert (answer.status_code, await state_of(instance, alice, id)) == (204, ("active", ""))


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"a": "\xff"}', b"[" * 9_000, b"\x00", b"x" * 20_000])
async def test_a_notice_that_cannot_be_read_is_refused(instance: Instance, body: bytes) -> None:
    async with cast.client(instance) as somebody:
        answer = await somebody.request("DELETE", "/oauth/callback", content=body)
    assert answer.status_code == (413 if len(body) > 10_000 else 403)
