"""Leads to a CRM that somebody signed in at: tokens end, are taken back, and the process dies in between."""

import asyncio
import multiprocessing
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from site2crm.accounts.permissions import Role
from site2crm.connectors import jobs
from site2crm.connectors import service as connections
from site2crm.core.queue import JobContext
from site2crm.core.queue.model import jobs as queued
from site2crm.demo.hubspot_oauth import CLIENT_SECRET
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests import cast
from tests.cast import Cast, Person
from tests.connectors.signed_in import answered, back, begun, signed_in
from tests.delivery.conftest import MAPPING, Office, flags, open_office
from tests.fakes.hubspot import HubSpotFake

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
