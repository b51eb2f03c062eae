"""Who leaves a CRM takes the hooks away first and then the access, and tells what the CRM would not give back."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy import delete

from site2crm.accounts.models import Org
from site2crm.connectors import jobs, leaving, service
from site2crm.connectors.contract import Context, CrmError, ErrorClass
from site2crm.connectors.hints import Change
from site2crm.connectors.registry import KINDS
from site2crm.demo.hubspot import TOKEN
from site2crm.demo.hubspot_oauth import CLIENT_SECRET
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests.cast import Person
from tests.connectors.signed_in import APP, answered, back, begun, signed_in
from tests.deals.conftest import Floor
from tests.fakes.hubspot import HubSpotFake

REVOKE = "/oauth/2026-09/token/revoke"
URL = "https://app.example.com"


class Vendor:
    """Hooks of an invented vendor, which asks for the access at each call, and notes whether it was still good."""

    fake: HubSpotFake
    hooks: set[str] = set()  # noqa: RUF012 - what the invented vendor has, for the test
    asked: list[str] = []  # noqa: RUF012
    faults: list[CrmError] = []  # noqa: RUF012

    def __init__(self, context: Context) -> None:
        self._context = context

    async def watch(self, url: str, secret: str) -> datetime | None:
        self.hooks.add(url)
        return None

    async def unwatch(self, path: str) -> None:
        grants = self._context.grants
        access = (await grants.current()).access if grants else self._context.secrets["token"]
        is_good = bool(self.fake.sign_in.scopes_of(access)) if grants else access in self.fake.tokens
        self.asked.append("good" if is_good else "dead")
        if self.faults:
            raise self.faults.pop()
        self.hooks -= {url for url in self.hooks if path in url}

    def parse(self, headers: Mapping[str, str], body: bytes, *, url: str, secret: str) -> Sequence[Change]:
        return []


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch, floor: Floor, fake: HubSpotFake) -> type[Vendor]:
    known = KINDS["hubspot"]
    kind = replace(known, caps=replace(known.caps, hooks="api"), hooks=Vendor)
    monkeypatch.setitem(KINDS, "hubspot", kind)
    monkeypatch.setattr(type(floor.machine), "url", lambda self, path: f"{URL}{path}")
    for name, value in (("fake", fake), ("hooks", set()), ("asked", []), ("faults", [])):
        monkeypatch.setattr(Vendor, name, value, raising=False)
    return Vendor


@pytest.fixture
async def granted(vendor: type[Vendor], floor: Floor, alice: Person, fake: HubSpotFake) -> Floor:
    """One that she signed in at, with hooks; and one with hooks of its own beside it."""
    floor.office.connection_id = await signed_in(alice, fake)
    await floor.look()
    await floor.office.work()
    assert len(vendor.hooks) == 2
    return floor


async def removed(floor: Floor, alice: Person) -> None:
    answer = await alice.api.delete(f"/api/v1/connections/{floor.connection_id}")
    assert answer.status_code == 204, answer.text
    await floor.office.work()


def revokes(fake: HubSpotFake) -> int:
    return sum(request.path == REVOKE for request in fake.requests)


async def left(floor: Floor) -> list[str]:
    return [text for code, text in await floor.alarms() if code == "left_at_crm"]


async def test_hooks_go_while_the_access_is_good_and_then_the_access(
    granted: Floor, alice: Person, vendor: type[Vendor], fake: HubSpotFake
) -> None:
    await removed(granted, alice)
    assert (vendor.asked, revokes(fake), fake.sign_in.consents) == (["good"], 1, [])
    [other] = vendor.hooks
    assert granted.connection_id not in other
    assert await left(granted) == []


async def test_of_a_connection_with_a_key_the_hooks_go_too(
    vendor: type[Vendor], floor: Floor, alice: Person, fake: HubSpotFake
) -> None:
    await floor.look()
    await floor.office.work()
    await removed(floor, alice)
    assert (vendor.asked, vendor.hooks, revokes(fake)) == (["good"], set(), 0)


async def test_an_access_that_has_ended_meanwhile_is_renewed_once_for_it(
    granted: Floor, alice: Person, vendor: type[Vendor], fake: HubSpotFake
) -> None:
    with clock.travel(clock.now()) as forward:
        forward(3600)
        fake.sign_in.expire()
        await removed(granted, alice)
    assert (vendor.asked, fake.sign_in.consents) == (["good"], [])


async def test_hooks_that_the_crm_keeps_hold_nothing_up_and_are_told(
    granted: Floor, alice: Person, vendor: type[Vendor], fake: HubSpotFake
) -> None:
    vendor.faults.append(CrmError(ErrorClass.CONFIG, "Webhooks are not in this plan"))
    await removed(granted, alice)
    assert (await alice.api.get(f"/api/v1/connections/{granted.connection_id}")).status_code == 404
    assert fake.sign_in.consents == []
    [text] = await left(granted)
    assert "did not let us remove the webhooks" in text and "Webhooks are not in this plan." in text
    assert f"/hooks/{granted.connection_id}/" in text
    assert text in (await alice.web.get("/o/acme/crms")).text


async def test_while_hooks_cannot_be_removed_for_the_moment_the_access_lives(
    granted: Floor, alice: Person, vendor: type[Vendor], fake: HubSpotFake
) -> None:
    vendor.faults += [CrmError(ErrorClass.RETRY, "Down for maintenance")] * 2
    with clock.travel(clock.now()) as forward:
        await removed(granted, alice)
        assert (revokes(fake), len(fake.sign_in.consents)) == (0, 1)
        for _ in range(2):
            forward(600)
            await granted.office.work()
    assert (vendor.asked, fake.sign_in.consents) == (["good"] * 3, [])
    assert len(vendor.hooks) == 1
    assert await left(granted) == []


async def test_what_never_passes_is_given_up_with_the_last_try_and_told(
    granted: Floor, vendor: type[Vendor], fake: HubSpotFake
) -> None:
    fake.faults.append(Fault("page", status=503, count=-1, path=REVOKE))
    vendor.faults += [CrmError(ErrorClass.RETRY, "Down for maintenance")] * 2
    async with granted.machine.session() as session:
        was = await service.get(session, granted.org_id, granted.connection_id)
    with pytest.raises(CrmError, match="Down for maintenance"):
        await leaving.leave(granted.machine, was, is_last_try=False)
    assert revokes(fake) == 0
    await leaving.leave(granted.machine, was, is_last_try=True)
    [text] = await left(granted)
    assert "did not let us remove the webhooks" in text and "did not take back the access" in text
    assert jobs.revoke.retries == jobs.TRIES - 1


async def test_an_access_that_the_crm_does_not_take_back_is_told(
    granted: Floor, alice: Person, vendor: type[Vendor], fake: HubSpotFake
) -> None:
    fake.sign_in.apps = dict.fromkeys(fake.sign_in.apps, "another secret")
    await removed(granted, alice)
    [text] = await left(granted)
    assert "did not take back the access" in text and "list of connected apps" in text
    assert len(vendor.hooks) == 1


async def test_another_way_in_takes_the_old_hooks_away_and_makes_new_ones(
    granted: Floor, alice: Person, vendor: type[Vendor], fake: HubSpotFake
) -> None:
    body = {"way": "key", "settings": {"token": TOKEN}}
    answer = await alice.api.patch(f"/api/v1/connections/{granted.connection_id}", json=body)
    assert answer.status_code == 200, answer.text
    with clock.travel(clock.now()):  # no cron comes due meanwhile
        await granted.office.work()
    assert (vendor.asked, fake.sign_in.consents) == (["good"], [])
    assert not any(granted.connection_id in url for url in vendor.hooks)
    await granted.look()
    await granted.office.work()
    assert any(granted.connection_id in url for url in vendor.hooks)


async def test_the_job_outlives_the_org_too(
    granted: Floor, alice: Person, vendor: type[Vendor], fake: HubSpotFake
) -> None:
    answer = await alice.api.delete(f"/api/v1/connections/{granted.connection_id}")
    assert answer.status_code == 204, answer.text
    await deleted_org(granted)
    await granted.office.work()
    assert (vendor.asked, fake.sign_in.consents) == (["good"], [])
    assert not any(granted.connection_id in url for url in vendor.hooks)


async def test_without_an_org_a_failure_is_told_to_the_log(
    granted: Floor, vendor: type[Vendor], caplog: pytest.LogCaptureFixture
) -> None:
    vendor.faults.append(CrmError(ErrorClass.CONFIG, "Webhooks are not in this plan"))
    async with granted.machine.session() as session:
        was = await service.get(session, granted.org_id, granted.connection_id)
    await deleted_org(granted)
    await leaving.leave(granted.machine, was, is_last_try=False)
    assert [record.message for record in caplog.records] == ["connection.left_at_crm"]


async def deleted_org(floor: Floor) -> None:
    async with floor.machine.session() as session:
        await session.execute(delete(Org).where(Org.id == floor.org_id))


async def test_an_older_sign_in_of_the_same_app_stays_where_the_new_one_might_die_with_it(
    granted: Floor, alice: Person, vendor: type[Vendor], fake: HubSpotFake
) -> None:
    await again(granted, alice)
    assert (revokes(fake), len(fake.sign_in.consents), vendor.asked) == (0, 2, [])
    assert (len(vendor.hooks), await left(granted)) == (2, [])


async def test_an_older_sign_in_of_another_app_is_taken_back(
    granted: Floor, alice: Person, vendor: type[Vendor], fake: HubSpotFake
) -> None:
    fake.sign_in.apps["another-app"] = CLIENT_SECRET
    before = [consent.refresh for consent in fake.sign_in.consents]
    await again(granted, alice, {**APP, "settings.client_id": "another-app"})
    assert (revokes(fake), len(fake.sign_in.consents), await left(granted)) == (1, 1, [])
    assert [consent.refresh for consent in fake.sign_in.consents] != before


async def again(floor: Floor, alice: Person, fields: Mapping[str, str] = APP) -> None:
    """She signs in once more for the connection that there is."""
    at = f"/o/acme/crms/{floor.connection_id}/sign-in"
    done = await back(alice, await answered(await begun(alice, fields, at=at)))
    assert done.status_code == 303, done.text
    await floor.office.work()
