"""Which ways in a kind of CRM has here: with an app of the operator's, with one's own, and where nobody could return."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest

from site2crm.accounts.permissions import Role
from site2crm.core import config
from site2crm.demo.hubspot_oauth import CLIENT_ID, CLIENT_SECRET
from tests import cast
from tests.cast import Cast, Person
from tests.connectors.signed_in import APP, FORM, answered, back, begun, signed_in
from tests.fakes.hubspot import HubSpotFake

NEW = "/o/acme/crms/new/hubspot"


@asynccontextmanager
async def started(folder: Path, portal: HubSpotFake, **flags: str) -> AsyncIterator[Person]:
    """Alice, where the operator has set these."""
    given = {"connectors__hubspot__base_url": portal.url, "outbound__allow_private": '["127.0.0.1/32"]', **flags}
    async with AsyncExitStack() as stack:
        instance = await stack.enter_async_context(cast.an_instance(folder, **given))
        yield await Cast(instance, stack).person("alice", Role.OWNER, "acme")


@pytest.fixture
async def with_app(tmp_path: Path, portal: HubSpotFake) -> AsyncIterator[Person]:
    flags = {"connectors__hubspot__client_id": CLIENT_ID, "connectors__hubspot__client_secret": CLIENT_SECRET}
    async with started(tmp_path / "app", portal, **flags) as alice:
        yield alice


async def test_with_an_app_of_the_operators_signing_in_is_two_clicks(with_app: Person, portal: HubSpotFake) -> None:
    page = (await with_app.web.get(NEW)).text
    assert f'action="{NEW}/sign-in"' in page and "Sign in at HubSpot" in page and CLIENT_SECRET not in page
    id = await signed_in(with_app, portal, {"name": "Main"})
    shown = (await with_app.api.get(f"/api/v1/connections/{id}")).json()
    assert (shown["settings"], shown["secret_hints"], shown["way"]) == ({}, {}, "oauth")


async def test_with_an_app_of_the_operators_ones_own_may_be_used_all_the_same(
    with_app: Person, portal: HubSpotFake
) -> None:
    portal.sign_in.apps["own"] = "the secret of her own app"
    own = {"settings.client_id": "own", "settings.client_secret": "the secret of her own app"}
    await signed_in(with_app, portal, own)
    assert portal.sign_in.consents[0].client_id == "own"


async def test_a_key_can_be_entered_beside_it(with_app: Person, portal: HubSpotFake) -> None:
    page = (await with_app.web.get(f"{NEW}?way=key")).text
    assert "Access token" in page and "Client id" not in page


async def test_without_an_app_the_key_comes_first_and_the_sign_in_says_what_an_app_needs(alice: Person) -> None:
    assert "Access token" in (await alice.web.get(NEW)).text
    page = (await alice.web.get(f"{NEW}?way=oauth")).text
    assert "http://127.0.0.1:8080/oauth/callback" in page and "Client secret" in page and "Access token" not in page


async def test_a_missing_app_is_said_at_its_field_and_nothing_typed_is_lost(alice: Person) -> None:
    answer = await alice.web.post(f"{NEW}/sign-in", content=urlencode({"name": "My name"}), headers=FORM)
    assert answer.status_code == 422
    assert "enter the client id and secret of yours" in answer.text and 'value="My name"' in answer.text


@pytest.mark.parametrize("way", ["", "key", "oauth", "other", "<b>"])
async def test_any_way_in_the_address_shows_a_form(alice: Person, way: str) -> None:
    assert (await alice.web.get(f"{NEW}?way={way}")).status_code == 200


async def test_a_kind_without_a_sign_in_offers_none(alice: Person) -> None:
    assert "Sign in at" not in (await alice.web.get("/o/acme/crms/new/webhook?way=oauth")).text
    answer = await alice.web.post("/o/acme/crms/new/webhook/sign-in", content="", headers=FORM)
    assert (answer.status_code, "has no sign-in" in answer.text) == (422, True)


async def test_where_nobody_could_come_back_the_page_says_what_the_operator_does(
    tmp_path: Path, portal: HubSpotFake
) -> None:
    async with started(tmp_path / "x", portal, server__listen="0.0.0.0:8080", server__insecure="true") as alice:
        page = (await alice.web.get(f"{NEW}?way=oauth")).text
        assert "public_url" in page and "disabled" in page
        refused = await alice.web.post(f"{NEW}/sign-in", content=urlencode(APP), headers=FORM)
        assert (refused.status_code, "https" in refused.text) == (409, True)
        body = {"kind": "hubspot", "settings": {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}}
        answer = await alice.api.post("/api/v1/connections/authorize", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "no_way_back")


async def test_a_browser_that_knows_us_by_another_name_is_sent_to_the_right_one_first(
    tmp_path: Path, portal: HubSpotFake
) -> None:
    """Its session would not be known at the address that the CRM leads back to."""
    async with started(tmp_path / "x", portal, server__public_url="http://localhost:8080") as alice:
        page = (await alice.web.get(f"{NEW}?way=oauth")).text
        assert "Open http://localhost:8080 and connect it there" in page
        headers = {**FORM, "Host": "localhost:8080"}
        there = await alice.web.post(f"{NEW}/sign-in", content=urlencode(APP), headers=headers)
        assert there.status_code == 200 and "localhost%3A8080%2Foauth%2Fcallback" in there.text


async def test_with_https_the_session_cookie_is_one_that_comes_back_from_another_site(
    tmp_path: Path, portal: HubSpotFake
) -> None:
    """Lax goes along with a plain link from elsewhere; Strict would not, and nobody could come back."""
    flags = {"server__public_url": "https://leads.acme.example"}
    async with started(tmp_path / "x", portal, **flags) as alice:
        token = alice.web.cookies["s2c"]
        headers = {**FORM, "Host": "leads.acme.example", "Cookie": f"__Host-s2c={token}"}
        page = await alice.web.post(f"{NEW}/sign-in", content=urlencode(APP), headers=headers)
        assert "https%3A%2F%2Fleads.acme.example%2Foauth%2Fcallback" in page.text
        login = {"email": alice.email, "password": cast.PASSWORD}
        entered = await alice.web.post("/login", content=urlencode(login), headers={**headers, "Cookie": ""})
        cookie = entered.headers["set-cookie"]
        assert "__Host-s2c=" in cookie and "samesite=lax" in cookie.lower() and "secure" in cookie.lower()


async def test_a_removed_connection_cannot_be_finished(alice: Person, portal: HubSpotFake) -> None:
    id = await signed_in(alice, portal)
    url = await answered(await begun(alice, {}, at=f"/o/acme/crms/{id}/sign-in"))
    await alice.api.delete(f"/api/v1/connections/{id}")
    done: httpx.Response = await back(alice, url)
    assert done.headers["location"] == "/o/acme/crms"
    assert "removed meanwhile" in (await alice.web.get("/o/acme/crms")).text


async def test_the_app_of_another_account_is_changed_only_by_signing_in_with_it(
    alice: Person, portal: HubSpotFake
) -> None:
    id = await signed_in(alice, portal)
    answer = await alice.api.patch(f"/api/v1/connections/{id}", json={"settings": {"client_secret": "other"}})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "settings.client_secret")
    assert "Sign in again" in answer.json()["detail"]
    assert (await alice.api.post(f"/api/v1/connections/{id}/test")).json()["test"]["ok"] is True


@pytest.mark.parametrize("only", ["client_id", "client_secret"])
def test_the_operator_sets_both_or_none(only: str) -> None:
    with pytest.raises(config.ConfigInvalid, match="write both, or none"):
        config.load(None, env={}, flags={f"connectors.hubspot.{only}": "x"})


def test_the_operators_secret_is_read_from_its_place_and_shown_to_nobody() -> None:
    flags = {"connectors.hubspot.client_id": "x", "connectors.hubspot.client_secret": '{"env": "HS"}'}
    settings = config.load(None, env={"HS": "the secret"}, flags=flags)
    assert settings.connectors["hubspot"].client_secret.reveal() == "the secret"
    assert settings.explained["connectors.hubspot.client_secret"].value == "***"
    assert "the secret" not in repr(settings)
