"""Signing in at a CRM, in the browser and by the API; and everybody who should not get in by it."""

import asyncio
import logging
from datetime import timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from sqlalchemy import func, select, text

from site2crm.accounts import sessions
from site2crm.accounts.models import Member
from site2crm.accounts.permissions import Role
from site2crm.app import Instance
from site2crm.connectors import service, signing_in
from site2crm.connectors.kinds import APP_ID, APP_SECRET, ConnectorKind, Way
from site2crm.connectors.models import Connection, SignIn
from site2crm.connectors.registry import KINDS
from site2crm.demo.hubspot import WRITE
from site2crm.demo.hubspot_oauth import CLIENT_ID, CLIENT_SECRET
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests import cast
from tests.cast import BASE, Cast, Person
from tests.connectors.signed_in import APP, FORM, FROM_ELSEWHERE, answered, back, begun, signed_in
from tests.fakes.hubspot import HubSpotFake

CRMS = "/o/acme/crms"
OWN_APP = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}


def asked_at(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


async def connections(instance: Instance) -> int:
    async with instance.machine.session() as session:
        return await session.scalar(select(func.count()).select_from(Connection)) or 0


async def of(instance: Instance, person: Person, id: str) -> Connection:
    async with instance.machine.session() as session:
        return await service.get(session, person.org.id, id)


async def test_signing_in_makes_a_connection_with_account_fields_and_mapping(
    instance: Instance, alice: Person, portal: HubSpotFake
) -> None:
    id = await signed_in(alice, portal, {**APP, "name": "Main"})
    page = (await alice.web.get(f"{CRMS}/{id}")).text
    assert "Connected to HubSpot account 62515" in page
    assert "Main" in page and "First Name" in page and "Signed in" in page
    made = await of(instance, alice, id)
    assert (made.way, made.state, made.settings) == ("oauth", "active", {"client_id": CLIENT_ID})
    assert made.grant_expires_at and timedelta() < made.grant_expires_at - clock.now() <= timedelta(minutes=30)
    assert CLIENT_SECRET not in page
    assert portal.violations == []


async def test_the_browser_is_sent_with_a_state_a_challenge_and_our_configured_address(
    alice: Person, portal: HubSpotFake
) -> None:
    asked = asked_at(await begun(alice))
    assert asked["redirect_uri"] == f"{BASE}/oauth/callback"
    assert (asked["code_challenge_method"], len(asked["code_challenge"]), len(asked["state"])) == ("S256", 43, 43)
    assert asked["scope"] == "oauth crm.objects.contacts.read crm.objects.contacts.write"
    assert CLIENT_SECRET not in str(asked)


async def test_neither_state_nor_verifier_nor_secret_lies_open_in_the_database(
    instance: Instance, alice: Person, portal: HubSpotFake
) -> None:
    state = asked_at(await begun(alice))["state"]
    async with instance.machine.session() as session:
        rows = (await session.execute(text("SELECT * FROM sign_in"))).all()
    assert len(rows) == 1
    assert state not in str(rows) and CLIENT_SECRET not in str(rows)
    id = await signed_in(alice, portal)
    granted = portal.sign_in.consents[-1].refresh
    async with instance.machine.session() as session:
        stored = str((await session.execute(text("SELECT * FROM connection WHERE id = :id"), {"id": id})).all())
    assert granted not in stored and "a-" + "0" not in stored and CLIENT_SECRET not in stored


async def test_a_state_works_once(instance: Instance, alice: Person, portal: HubSpotFake) -> None:
    url = await answered(await begun(alice))
    assert (await back(alice, url)).status_code == 303
    again = await back(alice, url)
    assert (again.status_code, "This sign-in is over" in again.text) == (410, True)
    assert await connections(instance) == 1


async def test_four_who_come_back_at_once_with_one_state_make_one_connection(
    instance: Instance, alice: Person, portal: HubSpotFake
) -> None:
    url = await answered(await begun(alice))
    done = await asyncio.gather(*(back(alice, url) for _ in range(4)))
    assert sorted(answer.status_code for answer in done) == [303, 410, 410, 410]


async def test_a_state_lives_ten_minutes(instance: Instance, alice: Person, portal: HubSpotFake) -> None:
    with clock.travel(clock.now()) as forward:
        url = await answered(await begun(alice))
        forward(601)
        assert (await back(alice, url)).status_code == 410
    assert await connections(instance) == 0


@pytest.mark.parametrize(
    "query",
    ["", "?code=x", "?state=", "?state=guessed&code=x", "?code=x&state=a&state=b", "?state=%00&code=x", "?state=%ff"],
)
async def test_a_made_up_return_says_what_to_do(alice: Person, portal: HubSpotFake, query: str) -> None:
    answer = await back(alice, f"{BASE}/oauth/callback{query}")
    assert (answer.status_code, "Begin it again" in answer.text) == (410, True)


async def test_a_return_of_a_megabyte_is_refused(alice: Person, portal: HubSpotFake) -> None:
    state = asked_at(await begun(alice))["state"]
    assert (await back(alice, f"{BASE}/oauth/callback?state={state}&code={'x' * 5000}")).status_code == 410


async def test_who_is_signed_out_is_told_and_the_code_goes_no_further(
    instance: Instance, alice: Person, nobody: object, portal: HubSpotFake
) -> None:
    url = await answered(await begun(alice))
    async with cast.client(instance, Accept="text/html") as stranger:
        answer = await stranger.get(url, headers=FROM_ELSEWHERE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/o")
    assert (await back(alice, url)).status_code == 303  # a stranger cannot use hers up
    assert await connections(instance) == 1


async def test_another_person_of_the_org_cannot_finish_it_and_ends_it(
    instance: Instance, people: Cast, alice: Person, portal: HubSpotFake
) -> None:
    dora = await people.person("dora", Role.ADMIN, "acme")
    url = await answered(await begun(alice))
    assert (await back(dora, url)).status_code == 410
    assert (await back(alice, url)).status_code == 410
    assert await connections(instance) == 0


async def test_nobody_is_made_to_finish_what_a_stranger_began(
    instance: Instance, alice: Person, charlie: Person, portal: HubSpotFake
) -> None:
    """Charlie says yes at HubSpot and gives Alice the way back: his CRM would get her leads."""
    url = await answered(await begun(charlie))
    assert (await back(alice, url)).status_code == 410
    assert await connections(instance) == 0


async def test_another_browser_of_the_same_person_cannot_finish_it(
    instance: Instance, alice: Person, portal: HubSpotFake
) -> None:
    url = await answered(await begun(alice))
    async with instance.machine.session() as session:
        token = await sessions.start(session, alice.user_id, max_s=3600)
    async with cast.client(instance, Accept="text/html") as other:
        other.cookies.set("s2c", token)
        assert (await other.get(url, headers=FROM_ELSEWHERE)).status_code == 410


async def test_who_lost_the_right_meanwhile_connects_nothing(
    instance: Instance, people: Cast, alice: Person, portal: HubSpotFake
) -> None:
    dora = await people.person("dora", Role.ADMIN, "acme")
    url = await answered(await begun(dora))
    async with instance.machine.session() as session:
        member = await session.scalar(select(Member).where(Member.user_id == dora.user_id))
        assert member
        member.role = Role.MEMBER
    assert (await back(dora, url)).status_code == 410


async def test_a_member_may_not_begin(bob: Person, portal: HubSpotFake) -> None:
    answer = await bob.web.post(f"{CRMS}/new/hubspot/sign-in", content=urlencode(APP), headers=FORM)
    assert answer.status_code == 403


async def test_another_website_may_not_begin(alice: Person, portal: HubSpotFake) -> None:
    headers = {**FORM, "Sec-Fetch-Site": "cross-site"}
    answer = await alice.web.post(f"{CRMS}/new/hubspot/sign-in", content=urlencode(APP), headers=headers)
    assert answer.status_code == 403


async def test_who_says_no_is_led_back_to_the_form(instance: Instance, alice: Person, portal: HubSpotFake) -> None:
    done = await back(alice, await answered(await begun(alice, {**APP, "name": "Main & more"}), answer="no"))
    assert done.headers["location"].startswith(f"{CRMS}/new/hubspot?way=oauth&")
    page = (await alice.web.get(done.headers["location"])).text
    assert "You did not allow it at HubSpot" in page
    assert f'value="{CLIENT_ID}"' in page and 'value="Main &amp; more"' in page  # nothing is typed twice
    assert CLIENT_SECRET not in page + done.headers["location"]
    assert await connections(instance) == 0


async def test_an_error_of_the_vendor_is_shown_as_text(alice: Person, portal: HubSpotFake) -> None:
    state = asked_at(await begun(alice))["state"]
    query = urlencode({"state": state, "error": "server_error", "error_description": "<b>boom</b> " * 99})
    done = await back(alice, f"{BASE}/oauth/callback?{query}")
    page = (await alice.web.get(done.headers["location"])).text
    assert "&lt;b&gt;boom&lt;/b&gt;" in page and "<b>boom" not in page


async def test_a_return_without_a_code_changes_nothing(alice: Person, portal: HubSpotFake) -> None:
    state = asked_at(await begun(alice))["state"]
    done = await back(alice, f"{BASE}/oauth/callback?state={state}")
    assert "without a code" in (await alice.web.get(done.headers["location"])).text


async def test_a_code_of_somebody_else_is_worth_nothing_without_the_verifier(
    instance: Instance, alice: Person, charlie: Person, portal: HubSpotFake
) -> None:
    """Charlie puts the code that he was given for his own account into Alice's way back."""
    his, hers = await answered(await begun(charlie)), await begun(alice)
    query = urlencode({"code": asked_at(his)["code"], "state": asked_at(hers)["state"]})
    done = await back(alice, f"{BASE}/oauth/callback?{query}")
    assert "code_verifier does not match" in (await alice.web.get(done.headers["location"])).text
    assert await connections(instance) == 0


async def test_a_wrong_secret_is_said_by_name_and_not_shown(alice: Person, portal: HubSpotFake) -> None:
    wrong = {**APP, "settings.client_secret": "not-the-secret-at-all"}
    done = await back(alice, await answered(await begun(alice, wrong)))
    page = (await alice.web.get(done.headers["location"])).text
    assert "secret is another one" in page and "not-the-secret-at-all" not in page


async def test_a_missing_right_is_said_before_anything_is_saved(
    instance: Instance, alice: Person, portal: HubSpotFake
) -> None:
    portal.sign_in.withholds = {WRITE}
    done = await back(alice, await answered(await begun(alice)))
    page = (await alice.web.get(done.headers["location"])).text
    assert f"lacks the right {WRITE}" in page
    assert await connections(instance) == 0


async def test_a_crm_that_is_down_when_one_comes_back_is_no_error_of_ours(
    instance: Instance, alice: Person, portal: HubSpotFake
) -> None:
    url = await answered(await begun(alice))
    portal.faults.append(Fault("page", status=503, path="/oauth/2026-09/token"))
    done = await back(alice, url)
    assert done.status_code == 303
    assert "Try again in a few minutes" in (await alice.web.get(done.headers["location"])).text


async def test_nothing_of_a_sign_in_is_logged_or_told_to_the_page(
    instance: Instance, alice: Person, portal: HubSpotFake, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = await answered(await begun(alice))
    done = await back(alice, url)
    asked, consent = asked_at(url), portal.sign_in.consents[0]
    page = (await alice.web.get(done.headers["location"])).text
    told = (await alice.api.get(f"/api/v1/connections/{done.headers['location'].rpartition('/')[2]}")).text
    mine = [record.getMessage() for record in caplog.records if record.name.startswith("site2crm")]
    for secret in (asked["code"], asked["state"], consent.refresh, *portal.sign_in._tokens, CLIENT_SECRET):
        assert secret not in page + told + str(mine) + str(done.headers)


async def test_the_api_begins_and_whoever_may_connect_crms_finishes(
    instance: Instance, alice: Person, portal: HubSpotFake
) -> None:
    body = {"kind": "hubspot", "name": "By program", "settings": OWN_APP}
    answer = await alice.api.post("/api/v1/connections/authorize", json=body)
    assert answer.status_code == 201, answer.text
    done = await back(alice, await answered(answer.json()["authorize_url"]))
    [made] = (await alice.api.get("/api/v1/connections")).json()["data"]
    assert (made["name"], done.headers["location"]) == ("By program", f"{CRMS}/{made['id']}")
    shown = (await alice.api.get(f"/api/v1/connections/{made['id']}")).json()
    assert (shown["way"], shown["grant_expires_at"] is not None) == ("oauth", True)


async def test_what_the_api_began_is_finished_by_nobody_else(
    instance: Instance, alice: Person, bob: Person, charlie: Person, portal: HubSpotFake
) -> None:
    for person in (bob, charlie):
        body = {"kind": "hubspot", "settings": OWN_APP}
        url = (await alice.api.post("/api/v1/connections/authorize", json=body)).json()["authorize_url"]
        assert (await back(person, await answered(url))).status_code == 410
    assert await connections(instance) == 0


async def test_the_answer_with_the_state_is_not_kept_for_a_repeat(
    instance: Instance, alice: Person, portal: HubSpotFake
) -> None:
    headers = {"Idempotency-Key": "once"}
    body = {"kind": "hubspot", "settings": OWN_APP}
    first = await alice.api.post("/api/v1/connections/authorize", json=body, headers=headers)
    again = await alice.api.post("/api/v1/connections/authorize", json=body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 409)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "hubspot"}, "settings.client_id"),
        ({"kind": "hubspot", "settings": {"client_id": "x"}}, "settings.client_secret"),
        ({"kind": "hubspot", "settings": {**OWN_APP, "token": "pat-1"}}, "settings.token"),
        ({"kind": "inbox"}, "kind"),
        ({"kind": "nothing"}, "kind"),
        ({"kind": "hubspot", "settings": OWN_APP, "form_ids": ["frm_1"]}, "form_ids"),
        ({"kind": "hubspot", "settings": OWN_APP, "mapping": {"e mail": ""}}, "mapping.e mail"),
    ],
)
async def test_the_api_names_what_is_wrong(alice: Person, portal: HubSpotFake, body: object, field: str) -> None:
    answer = await alice.api.post("/api/v1/connections/authorize", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


async def test_a_key_and_an_app_do_not_mix(alice: Person, portal: HubSpotFake) -> None:
    body = {"kind": "hubspot", "settings": {"token": "pat-na1-fake-0000-1111", "client_id": "x"}}
    answer = await alice.api.post("/api/v1/connections", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "settings.client_id")


async def test_expired_sign_ins_are_forgotten(instance: Instance, alice: Person, portal: HubSpotFake) -> None:
    with clock.travel(clock.now()) as forward:
        await begun(alice)
        forward(601)
        async with instance.machine.session() as session:
            await signing_in.forget_expired(session)
            assert await session.scalar(select(func.count()).select_from(SignIn)) == 0


@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.auth], ids=lambda kind: kind.name)
def test_a_kind_with_a_sign_in_has_the_fields_of_an_app(kind: ConnectorKind) -> None:
    assert {APP_ID, APP_SECRET} <= {field.name for field in kind.fields_of(Way.OAUTH)}
    assert kind.caps.oauth
