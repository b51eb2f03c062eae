"""An app at HubSpot tells of changes: for the accounts that it names, if the bytes prove that it is the app."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from site2crm.connectors.hints import BadProof
from site2crm.connectors.hubspot.hooks import HubSpotHooks
from site2crm.connectors.models import Connection
from site2crm.connectors.registry import KINDS
from site2crm.core import resources
from site2crm.deals import feeds, hooks
from site2crm.deals.models import Feed
from site2crm.demo.hubspot_oauth import CLIENT_ID, CLIENT_SECRET
from site2crm.kit import clock
from tests.cast import Person
from tests.connectors.signed_in import signed_in
from tests.deals.conftest import Floor
from tests.fakes.hubspot import HubSpotFake
from tests.fakes.hubspot_hooks import OPERATORS_APP, PORTAL, app_of, event

OWN_ID, OWN_SECRET = "0f5a-own-app", "own-secret-of-an-agency-1234567890"
OWN_APP = {"settings.client_id": OWN_ID, "settings.client_secret": OWN_SECRET}
OTHER_PORTAL = 777


@pytest.fixture
def operators(fake: HubSpotFake) -> dict[str, str]:
    fake.sign_in.apps[OWN_ID] = OWN_SECRET
    return OPERATORS_APP


async def hinted(floor: Floor) -> set[str]:
    """The connections that were hinted at; after it none of them is remembered to have been."""
    async with floor.machine.session() as session:
        found = set(await session.scalars(select(Feed.connection_id).where(Feed.hinted_at.is_not(None))))
        await session.execute(update(Feed).values(hinted_at=None))
    floor.machine.put(hooks.Hinted())
    return found


async def another(floor: Floor, person: Person, fields: dict[str, str], *, portal: int = PORTAL) -> str:
    """A connection that somebody signed in for."""
    floor.fake.portal = portal
    id = await signed_in(person, floor.fake, fields)
    floor.fake.portal = PORTAL
    await floor.look()
    return id


async def test_what_changed_is_read_anew_and_soon(floor: Floor, vendor: httpx.AsyncClient) -> None:
    await floor.read()
    floor.deal("Told of")
    with clock.travel(clock.now()) as forward:
        forward(feeds.REST.total_seconds())
        assert await app_of(floor.machine).tell(vendor, event()) == [204]
        assert await floor.deals() == []
        forward(feeds.SOON.total_seconds())
        await floor.office.work()
    assert [deal.title for deal in await floor.deals()] == ["Told of"]


async def test_a_flood_of_hundreds_of_events_is_one_reading(floor: Floor, vendor: httpx.AsyncClient) -> None:
    await floor.read()
    floor.fake.requests.clear()
    with clock.travel(clock.now()) as forward:
        assert await app_of(floor.machine).tell(vendor, *(event() for _ in range(950))) == [204] * 10
        forward(feeds.REST.total_seconds())
        await floor.office.work()
        await floor.office.work()
    assert sum(request.path.endswith("/deals/search") for request in floor.fake.requests) == 1


async def test_every_connection_of_the_account_is_told_and_no_other(
    floor: Floor, charlie: Person, alice: Person, vendor: httpx.AsyncClient
) -> None:
    await floor.look()
    same = await another(floor, charlie, {})
    other = await another(floor, alice, {}, portal=OTHER_PORTAL)
    await hinted(floor)
    app = app_of(floor.machine)
    assert await app.tell(vendor, event(), event()) == [204]
    assert await hinted(floor) == {floor.connection_id, same}
    assert await app.tell(vendor, event(portal=OTHER_PORTAL)) == [204]
    assert await hinted(floor) == {other}
    assert await app.tell(vendor, event(), event(portal=OTHER_PORTAL), event(portal=1)) == [204]
    assert await hinted(floor) == {floor.connection_id, same, other}
    assert await app.tell(vendor, event(portal=4711)) == [204]
    assert await hinted(floor) == set()


async def test_an_app_of_ones_own_speaks_for_its_own_connections_alone(
    floor: Floor, charlie: Person, alice: Person, vendor: httpx.AsyncClient
) -> None:
    await floor.look()
    mine = await another(floor, charlie, OWN_APP)
    elsewhere = await another(floor, charlie, OWN_APP, portal=OTHER_PORTAL)
    await another(floor, alice, {})
    await hinted(floor)
    app = app_of(floor.machine, OWN_ID, OWN_SECRET)
    assert await app.tell(vendor, event()) == [204]
    assert await hinted(floor) == {mine}
    assert await app.tell(vendor, event(), event(portal=OTHER_PORTAL)) == [204]
    assert await hinted(floor) == {mine, elsewhere}
    assert await app_of(floor.machine, OWN_ID, CLIENT_SECRET).tell(vendor, event()) == [403]


async def test_who_enters_the_id_of_somebody_elses_app_is_not_heard_for_its_connections(
    floor: Floor, charlie: Person, alice: Person, vendor: httpx.AsyncClient
) -> None:
    await floor.look()
    theirs = await another(floor, alice, OWN_APP)
    floor.fake.sign_in.apps[OWN_ID] = "made-up-by-charlie-0000"
    mine = await another(floor, charlie, {**OWN_APP, "settings.client_secret": "made-up-by-charlie-0000"})
    await hinted(floor)
    assert await app_of(floor.machine, OWN_ID, "made-up-by-charlie-0000").tell(vendor, event()) == [204]
    assert await hinted(floor) == {mine}
    assert await app_of(floor.machine, OWN_ID, OWN_SECRET).tell(vendor, event()) == [204]
    assert await hinted(floor) == {theirs}


async def test_stopped_connections_are_not_told(floor: Floor, vendor: httpx.AsyncClient) -> None:
    await floor.look()
    await hinted(floor)
    for state in ("paused", "parked", "removed"):
        async with floor.machine.session() as session:
            await session.execute(update(Connection).values(state=state))
        assert await app_of(floor.machine).tell(vendor, event()) == [204]
    assert await hinted(floor) == set()


@pytest.mark.parametrize(
    ("kind", "is_news"),
    [
        ("deal.creation", True),
        ("deal.merge", True),
        ("contact.merge", True),
        ("contact.deletion", True),
        ("contact.privacyDeletion", True),
        ("contact.propertyChange", False),
        ("contact.creation", False),
        ("company.propertyChange", False),
        ("ticket.creation", False),
        ("conversation.newMessage", False),
        ("object.creation 0-48", True),
        ("object.propertyChange 0-3", True),
        ("object.propertyChange 0-1", False),
        ("object.merge 0-1", True),
        ("object.creation 0-5", False),
        ("object.creation", False),
    ],
)
def test_only_what_is_read_back_is_news(kind: str, is_news: bool) -> None:
    name, _, number = kind.partition(" ")
    told = [event(name, **({"objectTypeId": number} if number else {}))]
    assert set(HubSpotHooks().accounts(json.dumps(told).encode())) == ({str(PORTAL)} if is_news else set())


@pytest.mark.parametrize(
    "body",
    [
        '[{"portalId":62515,"subscriptionType":"deal.creation"}]',
        '\r\n\t [ {"subscriptionType" :"deal.creation" ,\n"portalId": 62515, "note": "Łódź \\u00e9 / \\/"} ]  \n',
        '[{"portalId":62515,"subscriptionType":"deal.creation","x":1e400,"y":"\\ud83d\\ude00"}]',
    ],
)
async def test_the_proof_is_over_the_bytes_as_they_came(floor: Floor, vendor: httpx.AsyncClient, body: str) -> None:
    await floor.look()
    await hinted(floor)
    app, sent = app_of(floor.machine), body.encode()
    stamp = str(round(clock.unix() * 1000))
    elsewhere = app.signed(json.dumps(json.loads(body)).encode(), stamp=stamp)
    assert await app.send(vendor, sent, headers=elsewhere) == 403
    assert await hinted(floor) == set()
    assert await app.send(vendor, sent) == 204
    assert await hinted(floor) == {floor.connection_id}


async def test_the_address_that_is_signed_is_the_public_one(
    floor: Floor, vendor: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await floor.look()
    inside = app_of(floor.machine)
    monkeypatch.setattr(type(floor.machine), "url", lambda self, path: f"https://crm.example.com{path}")
    assert await inside.tell(vendor, event()) == [403]
    assert "https://crm.example.com/hooks/app/hubspot/" in inside.answers[-1].text
    assert await app_of(floor.machine).tell(vendor, event()) == [204]


async def test_an_old_call_is_refused_and_a_repeated_one_does_no_harm(floor: Floor, vendor: httpx.AsyncClient) -> None:
    await floor.read()
    await hinted(floor)
    app, body = app_of(floor.machine), json.dumps([event()]).encode()
    stamp = str(round(clock.unix() * 1000))
    signed = app.signed(body, stamp=stamp)
    with clock.travel(clock.now()) as forward:
        assert await app.send(vendor, body, headers=signed) == 204
        first = (await floor.feed()).hinted_at
        assert await app.send(vendor, body, headers=signed) == 204
        assert (await floor.feed()).hinted_at == first
        forward(301)
        assert await app.send(vendor, body, headers=signed) == 403
        assert "five minutes" in app.answers[-1].text
        assert (await floor.feed()).hinted_at == first
        assert await app.send(vendor, body, ago_s=-301) == 403
        assert await app.send(vendor, body, ago_s=290) == 204


@pytest.mark.parametrize(
    "changed",
    [
        {"X-HubSpot-Signature-v3": ""},
        {"X-HubSpot-Signature-v3": "AAAA"},
        {"X-HubSpot-Signature-v3": "ä"},
        {"X-HubSpot-Request-Timestamp": ""},
        {"X-HubSpot-Request-Timestamp": "-1"},
        {"X-HubSpot-Request-Timestamp": "9" * 400},
        {"X-HubSpot-Request-Timestamp": "²"},
        {"X-HubSpot-Request-Timestamp": "2026-11-22T10:00:00Z"},
    ],
)
async def test_a_proof_that_is_none_is_refused(
    floor: Floor, vendor: httpx.AsyncClient, changed: dict[str, str]
) -> None:
    await floor.look()
    await hinted(floor)
    encoded: Any = {name: value.encode("latin-1") for name, value in changed.items()}
    assert await app_of(floor.machine).send(vendor, json.dumps([event()]).encode(), headers=encoded) == 403
    assert await hinted(floor) == set()


async def test_signatures_of_the_older_versions_are_not_enough(floor: Floor, vendor: httpx.AsyncClient) -> None:
    await floor.look()
    body = json.dumps([event()]).encode()
    app = app_of(floor.machine)
    old = {
        name: value for name, value in app.signed(body, stamp="1").items() if "v3" not in name and "Stamp" not in name
    }
    answer = await vendor.post(app.target_url, content=body, headers=old)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "body",
    [b"", b"not json", b"{}", b"[1]", b"[{}]", b'[{"portalId":"a","subscriptionType":"deal.creation"}]', b"\xff\xfe",
     b"[" * 200_000, b'[{"portalId":1,"subscriptionType":null}]'],
)  # fmt: skip
async def test_what_hubspot_does_not_send_is_refused_and_told(
    floor: Floor, vendor: httpx.AsyncClient, body: bytes
) -> None:
    await floor.look()
    assert await app_of(floor.machine).send(vendor, body) == 400


async def test_a_number_beyond_all_accounts_finds_none(floor: Floor, vendor: httpx.AsyncClient) -> None:
    await floor.look()
    await hinted(floor)
    told = [event(portal=2**63), event(portal=-1), event(portal=10**300)]
    assert await app_of(floor.machine).send(vendor, json.dumps(told).encode()) in (204, 400)
    assert await hinted(floor) == set()


async def test_an_app_that_nobody_entered_has_no_address(floor: Floor, vendor: httpx.AsyncClient) -> None:
    await floor.look()
    for client_id in ("unknown", "%00", "a%2Fb", "x" * 300, "%ff", "%20"):
        answer = await vendor.post(f"/hooks/app/hubspot/{client_id}", content=b"[]")
        assert answer.status_code == 404, client_id
    assert (await vendor.post(f"/hooks/app/salesforce/{CLIENT_ID}", content=b"[]")).status_code == 404
    assert (await vendor.post(f"/hooks/app/nothing/{CLIENT_ID}", content=b"[]")).status_code == 404
    assert (await vendor.get(f"/hooks/app/hubspot/{CLIENT_ID}")).status_code in (404, 405)


async def test_a_body_that_is_too_long_is_not_read(floor: Floor, vendor: httpx.AsyncClient) -> None:
    assert await app_of(floor.machine).send(vendor, b" " * (hooks.MOST_BYTES + 1)) == 413


async def test_the_page_of_a_signed_in_connection_shows_the_address_to_admins(
    floor: Floor, alice: Person, bob: Person, vendor: httpx.AsyncClient
) -> None:
    id = await another(floor, alice, {})
    app = app_of(floor.machine)
    page = (await alice.web.get(f"/o/acme/crms/{id}")).text
    assert app.target_url in page and "has not called it yet" in page and "/help/crm-webhooks#hubspot" in page
    assert app.target_url not in (await bob.web.get(f"/o/acme/crms/{id}")).text
    assert app.target_url not in (await alice.web.get(f"/o/acme/crms/{floor.connection_id}")).text
    await app.tell(vendor, event())
    assert "The CRM calls this address" in (await alice.web.get(f"/o/acme/crms/{id}")).text


def test_a_kind_with_hooks_tells_how_in_its_help() -> None:
    page = (resources.templates() / "help" / "crm-webhooks.html").read_text()
    by_hand = [kind.name for kind in KINDS.values() if kind.caps.hooks in ("app", "manual")]
    assert [name for name in by_hand if f'id="{name}"' not in page] == []
    assert [kind.name for kind in KINDS.values() if (kind.caps.hooks == "app") != bool(kind.app_hooks)] == []


def test_the_signature_is_the_one_that_hubspot_describes() -> None:
    secret, url, body, stamp = "s", "https://a.example/hooks/app/hubspot/x", b'[ {"a":1} ]', "1795255200000"
    said = b"POST" + url.encode() + body + stamp.encode()
    proof = base64.b64encode(hmac.new(secret.encode(), said, hashlib.sha256).digest()).decode()
    headers = {"x-hubspot-signature-v3": proof, "x-hubspot-request-timestamp": stamp}
    with clock.travel(datetime.fromtimestamp(1795255200 + 299, UTC)):
        HubSpotHooks().check(headers, body, url=url, secret=secret)
        with pytest.raises(BadProof):
            HubSpotHooks().check(headers, body + b" ", url=url, secret=secret)
        with pytest.raises(BadProof):
            HubSpotHooks().check(headers, body, url=url + "/", secret=secret)
        with pytest.raises(BadProof):
            HubSpotHooks().check(headers, body, url=url, secret="")
