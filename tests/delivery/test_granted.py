"""Leads to a CRM that somebody signed in at: tokens end, are taken back, and the process dies in between."""

import asyncio
import multiprocessing
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import select, text

from site2crm.accounts.permissions import Role
from site2crm.connectors import jobs
from site2crm.connectors import service as connections
from site2crm.core.queue import JobContext
from site2crm.core.queue.model import jobs as queued
from site2crm.demo.hubspot import TOKEN
from site2crm.demo.hubspot_oauth import CLIENT_ID, CLIENT_SECRET
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests import cast
from tests.cast import Cast, Person
from tests.connectors.signed_in import APP, FORM, answered, back, begun, signed_in
from tests.delivery.conftest import MAPPING, Office, flags, open_office
from tests.fakes.hubspot import HubSpotFake

OWN_APP = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
REFRESH = "/oauth/2026-09/token"


@pytest.fixture
async def granted(office: Office, alice: Person, fake: HubSpotFake) -> Office:
    """Her only HubSpot is one that she signed in at."""
    async with office.machine.session() as session:
        await connections.remove(session, office.org.id, office.connection_id)
    return await by_sign_in(office, alice, fake)


async def by_sign_in(office: Office, person: Person, fake: HubSpotFake) -> Office:
    office.connection_id = await signed_in(person, fake)
    await office.map(MAPPING)
    fake.requests.clear()
    return office


def refreshes(fake: HubSpotFake) -> int:
    return sum(r.path == REFRESH and b"grant_type=refresh_token" in r.body for r in fake.requests)


async def reconnect(office: Office, person: Person) -> str:
    """What her page says then."""
    at = f"/o/acme/crms/{office.connection_id}/sign-in"
    done = await back(person, await answered(await begun(person, {}, at=at)))
    assert done.headers["location"] == f"/o/acme/crms/{office.connection_id}"
    return (await person.web.get(done.headers["location"])).text


async def test_a_lead_arrives_and_no_token_stands_in_its_record(
    granted: Office, alice: Person, fake: HubSpotFake
) -> None:
    await granted.submit()
    await granted.work()
    assert ((await granted.only()).state, len(fake.contacts)) == ("delivered", 1)
    async with granted.machine.session() as session:
        stored = str((await session.execute(text("SELECT * FROM attempt"))).all())
        stored += str((await session.execute(select(queued))).all())
    assert "contacts" in stored
    secrets = (*fake.sign_in._tokens, fake.sign_in.consents[0].refresh, CLIENT_SECRET)
    assert not any(secret in stored for secret in secrets)


async def test_tokens_that_end_under_way_are_renewed_once(granted: Office, fake: HubSpotFake) -> None:
    fake.sign_in.expire()
    for number in range(8):
        await granted.submit(f"lead{number}@example.com")
    await granted.work()
    assert [each.state for each in await granted.deliveries()] == ["delivered"] * 8
    assert refreshes(fake) == 1
    assert [await granted.outcomes(each.id) for each in await granted.deliveries()] == [["delivered"]] * 8


async def test_a_vendor_that_cannot_renew_now_costs_a_try_and_no_lead(granted: Office, fake: HubSpotFake) -> None:
    fake.sign_in.expire()
    fake.faults.append(Fault("page", status=502, path=REFRESH))
    await granted.submit()
    with clock.travel(clock.now()) as forward:
        await granted.work()
        assert ((await granted.only()).state, await granted.state()) == ("retrying", "active")
        forward(10)
        await granted.work()
    assert (await granted.only()).state == "delivered"


async def test_a_grant_taken_back_parks_and_signing_in_again_lets_what_waits_go_out(
    granted: Office, alice: Person, fake: HubSpotFake
) -> None:
    fake.sign_in.uninstall()
    for name in ("a", "b", "c"):
        await granted.submit(f"{name}@example.com")
    await granted.work()
    parked = [each.state for each in await granted.deliveries()]
    page = (await alice.web.get(f"/o/acme/crms/{granted.connection_id}")).text
    assert (await granted.state(), parked) == ("parked", ["parked"] * 3)
    assert "took the sign-in back" in page and "Sign in again here" in page and ">Reconnect<" in page.replace("\n", "")
    assert "Waiting leads go out now" in await reconnect(granted, alice)
    await granted.work()
    assert [each.state for each in await granted.deliveries()] == ["delivered"] * 3
    assert [c["properties"]["email"] for c in fake.contacts.values()] == [f"{n}@example.com" for n in "abc"]


async def test_signing_in_to_another_account_is_refused_and_changes_nothing(
    granted: Office, alice: Person, fake: HubSpotFake
) -> None:
    fake.sign_in.uninstall()
    await granted.submit()
    await granted.work()
    fake.portal = 99
    assert "This belongs to account 99, the connection to account 62515" in await reconnect(granted, alice)
    assert await granted.state() == "parked"
    fake.portal = 62515
    await reconnect(granted, alice)
    await granted.work()
    assert (await granted.only()).state == "delivered"


async def test_saying_no_when_signing_in_again_leaves_it_parked(
    granted: Office, alice: Person, fake: HubSpotFake
) -> None:
    fake.sign_in.uninstall()
    await granted.submit()
    await granted.work()
    at = f"/o/acme/crms/{granted.connection_id}/sign-in"
    done = await back(alice, await answered(await begun(alice, {}, at=at), answer="no"))
    assert "You did not allow it" in (await alice.web.get(done.headers["location"])).text
    assert await granted.state() == "parked"


async def test_a_connection_with_a_key_can_be_given_a_sign_in(office: Office, alice: Person, fake: HubSpotFake) -> None:
    body = {"settings": {"client_id": next(iter(fake.sign_in.apps)), "client_secret": CLIENT_SECRET}}
    answer = await alice.api.post(f"/api/v1/connections/{office.connection_id}/authorize", json=body)
    assert answer.status_code == 201, answer.text
    await back(alice, await answered(answer.json()["authorize_url"]))
    fake.tokens.clear()
    await office.submit()
    await office.work()
    assert (await office.only()).state == "delivered"
    shown = (await alice.api.get(f"/api/v1/connections/{office.connection_id}")).json()
    assert (shown["way"], sorted(shown["secret_hints"])) == ("oauth", ["client_secret"])


async def test_removing_it_takes_the_grant_back_at_the_vendor_later(
    granted: Office, alice: Person, fake: HubSpotFake
) -> None:
    fake.faults.append(Fault("page", status=503, path=f"{REFRESH}/revoke"))
    assert (await alice.api.delete(f"/api/v1/connections/{granted.connection_id}")).status_code == 204
    async with granted.machine.session() as session:
        row = (await session.execute(text('SELECT "grant", secrets FROM connection ORDER BY created_at DESC'))).first()
    assert row is not None and tuple(row) == ("", "")
    with clock.travel(clock.now()) as forward:
        await granted.work()
        assert len(fake.sign_in.consents) == 1
        forward(3600)
        await granted.work()
    assert fake.sign_in.consents == []


async def test_a_sign_in_that_another_connection_lives_by_is_left(
    granted: Office, alice: Person, fake: HubSpotFake
) -> None:
    await signed_in(alice, fake)
    await alice.api.delete(f"/api/v1/connections/{granted.connection_id}")
    await granted.work()
    assert len(fake.sign_in.consents) == 2


async def test_a_grant_that_nobody_uses_is_renewed_every_week(
    granted: Office, alice: Person, fake: HubSpotFake, capsys: pytest.CaptureFixture[str]
) -> None:
    cron = JobContext(machine=granted.machine, attempt=1, job_key="cron")
    with clock.travel(clock.now()) as forward:
        await jobs.renew_idle(cron)
        assert refreshes(fake) == 0
        forward(7 * 86_400)
        await jobs.renew_idle(cron)
        await jobs.renew_idle(cron)
        assert refreshes(fake) == 1
        fake.sign_in.uninstall()
        forward(7 * 86_400)
        await jobs.renew_idle(cron)
        await granted.work()
    assert await granted.state() == "parked"
    assert f"mail to {alice.email}: Acme: leads no longer reach HubSpot" in capsys.readouterr().out


async def serve(folder: Path, settings: dict[str, str], names: tuple[Any, ...]) -> None:
    async with cast.an_instance(folder, background=True, **settings) as instance:
        org, form_id, connection_id = names
        await Office(instance.machine, org, form_id, connection_id, None).submit()  # type: ignore[arg-type]
        await asyncio.Event().wait()


def child(folder: Path, settings: dict[str, str], names: tuple[Any, ...]) -> None:
    asyncio.run(serve(folder, settings, names))


@pytest.mark.only_once("another node might be calling: the killed one's job would wait for a lease to end")
@pytest.mark.parametrize("rotates", [False, True])
async def test_a_process_killed_before_it_stored_what_the_vendor_gave(
    tmp_path: Path, fake: HubSpotFake, rotates: bool
) -> None:
    """Where the old refresh token lives on nothing is noticed; else somebody signs in again. No lead is lost."""
    async with AsyncExitStack() as stack:
        instance = await stack.enter_async_context(cast.an_instance(tmp_path, **flags(fake)))
        alice = await Cast(instance, stack).person("alice", Role.OWNER, "acme")
        office = await by_sign_in(await open_office(instance, alice, fake), alice, fake)
        names = (office.org, office.form_id, office.connection_id)
    fake.sign_in.rotates = rotates
    fake.sign_in.expire()
    fake.faults.append(Fault("timeout", path=REFRESH, effect=True))
    process = multiprocessing.get_context("forkserver").Process(target=child, args=(tmp_path, flags(fake), names))
    process.start()
    while not refreshes(fake):
        await asyncio.sleep(0.05)
    process.kill()
    process.join()
    fake.faults.clear()

    async with AsyncExitStack() as stack:
        instance = await stack.enter_async_context(cast.an_instance(tmp_path, **flags(fake)))
        office = Office(instance.machine, *names, fake)
        forward = stack.enter_context(clock.travel(clock.now()))
        for _ in range(8):
            forward(60)
            await office.work()
        mine = await office.deliveries(connection=office.connection_id)
        assert [each.state for each in mine] == ["parked" if rotates else "delivered"]
        assert await office.state() == ("parked" if rotates else "active")


async def switched(office: Office, person: Person, **settings: str) -> Any:
    body = {"way": "key", "settings": settings or {"token": TOKEN}}
    return await person.api.patch(f"/api/v1/connections/{office.connection_id}", json=body)


async def test_a_sign_in_can_be_replaced_by_a_key_and_nothing_is_lost(
    granted: Office, alice: Person, fake: HubSpotFake
) -> None:
    url = f"/api/v1/connections/{granted.connection_id}"
    await granted.submit("a@example.com")
    await granted.work()
    before = (await alice.api.get(url)).json()
    answer = await switched(granted, alice)
    assert answer.status_code == 200, answer.text
    await granted.work()
    assert fake.sign_in.consents == []  # given back
    await granted.submit("a@example.com", message="Once more")
    await granted.work()
    after = answer.json()
    assert [after[name] for name in ("id", "mapping", "account")] == [before[n] for n in ("id", "mapping", "account")]
    assert (after["way"], after["granted_at"], sorted(after["secret_hints"])) == ("key", None, ["token"])
    delivered = await granted.deliveries()
    assert [each.state for each in delivered] == ["delivered"] * 2
    assert len({each.remote_id for each in delivered}) == len(fake.contacts) == 1


async def test_a_parked_sign_in_goes_on_with_a_key_that_is_entered_on_its_page(
    granted: Office, alice: Person, fake: HubSpotFake
) -> None:
    fake.sign_in.uninstall()
    await granted.submit()
    await granted.work()
    path = f"/o/acme/crms/{granted.connection_id}"
    page = (await alice.web.get(path)).text
    assert "Use a key in the place of the sign-in" in page and 'name="settings.token"' in page
    sent = urlencode({"way": "key", "settings.token": TOKEN})
    assert (await alice.web.post(f"{path}/reconnect", content=sent, headers=FORM)).status_code == 303
    await granted.work()
    assert (await granted.only()).state == "delivered"
    assert "in the place of the key" in (await alice.web.get(path)).text


async def test_a_wrong_key_leaves_the_sign_in_as_it_is(granted: Office, alice: Person, fake: HubSpotFake) -> None:
    path = f"/o/acme/crms/{granted.connection_id}"
    sent = urlencode({"way": "key", "settings.token": "pat-na1-wrong-0000-0000"})
    page = await alice.web.post(f"{path}/reconnect", content=sent, headers=FORM)
    assert (page.status_code, "HubSpot refused this" in page.text, "<details" in page.text) == (422, True, True)
    assert "pat-na1-wrong" not in page.text
    fake.faults.append(Fault("page", status=503))
    unsure = await switched(granted, alice)
    assert (unsure.status_code, "could not be asked" in unsure.text) == (422, True)
    fake.faults.clear()
    fake.portal = 99
    other = await switched(granted, alice)
    assert (other.status_code, other.json()["errors"][0]["field"]) == (422, "settings.token")
    fake.portal = 62515
    await granted.submit()
    await granted.work()
    assert (await granted.only()).state == "delivered"
    assert len(fake.sign_in.consents) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"way": "key"}, "settings.token"),
        ({"way": "key", "settings": {"client_id": "x"}}, "settings.client_id"),
        ({"way": "any", "settings": {"token": TOKEN}}, "way"),
    ],
)
async def test_what_is_wrong_with_another_way_is_named(
    granted: Office, alice: Person, body: dict[str, Any], field: str
) -> None:
    answer = await alice.api.patch(f"/api/v1/connections/{granted.connection_id}", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


async def test_from_a_key_to_a_sign_in_the_api_tells_where_a_browser_begins(office: Office, alice: Person) -> None:
    answer = await alice.api.patch(f"/api/v1/connections/{office.connection_id}", json={"way": "oauth"})
    [fault] = answer.json()["errors"]
    assert (answer.status_code, fault["field"]) == (422, "way")
    assert f"/api/v1/connections/{office.connection_id}/authorize" in fault["message"]


async def test_from_a_key_to_a_sign_in_on_the_page(office: Office, alice: Person, fake: HubSpotFake) -> None:
    page = (await alice.web.get(f"/o/acme/crms/{office.connection_id}")).text
    assert "Sign in at HubSpot in the place of the key" in page and 'name="settings.client_id"' in page
    at = f"/o/acme/crms/{office.connection_id}/sign-in"
    await back(alice, await answered(await begun(alice, APP, at=at)))
    fake.tokens.clear()
    await office.submit()
    await office.work()
    assert (await office.only()).state == "delivered"


async def test_the_sign_in_of_a_program_keeps_the_owner_and_the_deal(
    office: Office, alice: Person, fake: HubSpotFake
) -> None:
    owner = fake.sales.add_owner("Olive", "Owner")
    body = {
        "kind": "hubspot",
        "settings": OWN_APP,
        "owner": {"way": "one", "owner": owner},
        "deal": {"enabled": True, "title": "{name}"},
        "form_mappings": {office.form_id: {"message": "company"}},
    }
    begin = await alice.api.post("/api/v1/connections/authorize", json=body)
    assert begin.status_code == 201, begin.text
    done = await back(alice, await answered(begin.json()["authorize_url"]))
    id = str(done.headers["location"]).rpartition("/")[2]
    made = (await alice.api.get(f"/api/v1/connections/{id}")).json()
    assert (made["owner"]["owner"], made["deal"]["enabled"]) == (owner, True)
    assert list(made["form_mappings"]) == [office.form_id]


async def test_a_rule_that_cannot_be_is_refused_before_anybody_signs_in(alice: Person, fake: HubSpotFake) -> None:
    body = {"kind": "hubspot", "settings": OWN_APP, "owner": {"way": "one"}}
    answer = await alice.api.post("/api/v1/connections/authorize", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "owner.owner")
