"""What HubSpot's page of traps names, and the other tests of HubSpot do not show (crm/hubspot.md)."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from site2crm.connectors.contract import Account, CrmError, ErrorClass, PersonIn, Written
from site2crm.connectors.grants import App, AuthContext, Grant
from site2crm.connectors.hubspot.auth import HubSpotAuth
from site2crm.connectors.hubspot.connector import HubSpot
from site2crm.connectors.hubspot.kind import HUBSPOT
from site2crm.connectors.hubspot.sales import HubSpotSales
from site2crm.connectors.pacing import Budget
from site2crm.connectors.words import cure
from site2crm.demo.hubspot_oauth import CLIENT_ID, CLIENT_SECRET
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests.connectors.connector_cases import Granted, ada, context
from tests.fakes.hubspot import TOKEN, HubSpotFake
from tests.fakes.playing import playing

ACCOUNT = Account("62515", "HubSpot account 62515", tz="Europe/Berlin")
EVENING = datetime(2026, 11, 22, 21, tzinfo=UTC)  # 22:00 in Berlin
ASKED = {"client_id": CLIENT_ID, "redirect_uri": "https://app.example.com/oauth/callback", "scope": "oauth"}


@pytest.fixture
async def fake() -> AsyncIterator[HubSpotFake]:
    async with playing(HubSpotFake()) as server:
        yield server


async def upsert(fake: HubSpotFake, person: PersonIn, **given: Any) -> Written:
    settings = {"secrets": {"token": TOKEN}, "base_url": fake.url, "account": ACCOUNT, **given}
    async with context(**settings) as (opened, _):
        [written] = await HubSpot(opened).upsert_people([person])
    return written


async def refused(fake: HubSpotFake, person: PersonIn, **given: Any) -> CrmError:
    error = (await upsert(fake, person, **given)).error
    assert error is not None
    return error


async def test_what_the_portals_admin_requires_is_named(fake: HubSpotFake) -> None:
    fake.required = {"industry"}
    error = await refused(fake, ada())
    assert (error.kind, error.code, error.field) == (ErrorClass.PERMANENT, "MISSING_REQUIRED_PROPERTY", "industry")
    assert fake.contacts == {}
    assert (await upsert(fake, ada(fields={"email": "ada@example.com", "industry": "RETAIL"}))).created


async def test_what_the_plan_does_not_hold_is_no_dead_token(fake: HubSpotFake) -> None:
    body = {"status": "error", "message": "This feature is not in your plan.", "category": "FORBIDDEN"}
    fake.faults.append(Fault("status", status=403, body=body))
    error = await refused(fake, ada())
    assert (error.kind, error.text) == (ErrorClass.CONFIG, "This feature is not in your plan.")
    assert cure("hubspot", error.text).startswith("Mend what HubSpot complains about there")


@pytest.mark.parametrize(
    ("status", "asked", "seconds"), [(423, None, 2), (423, "1", 2), (423, "9", 9), (477, "3600", 3600)]
)
async def test_a_locked_record_and_an_account_that_moves_are_waited_for(
    fake: HubSpotFake, status: int, asked: str | None, seconds: int
) -> None:
    fake.faults.append(Fault("status", status=status, headers={"Retry-After": asked} if asked else {}))
    error = await refused(fake, ada())
    assert (error.kind, error.retry_after) == (ErrorClass.RETRY, timedelta(seconds=seconds))


async def test_an_address_that_is_too_long_is_final(fake: HubSpotFake) -> None:
    fake.faults.append(Fault("status", status=414, body={"status": "error", "message": "URI too long"}))
    assert (await refused(fake, ada())).kind is ErrorClass.PERMANENT


async def test_the_tenth_second_is_counted_as_the_answers_tell_it(fake: HubSpotFake) -> None:
    fake.limits.burst = 4
    budget = Budget()
    with clock.travel(EVENING):
        assert (await upsert(fake, ada(), budget=budget)).created
        assert [(left.calls, left.of, left.window_s) for left in budget.left] == [(2, 4, 10.0)]
        fake.limits.burst = 1
        error = await refused(fake, ada(), budget=Budget())
    assert (error.kind, error.code) == (ErrorClass.THROTTLE, "TEN_SECONDLY_ROLLING")


async def test_a_day_that_is_used_up_ends_at_the_portals_midnight(fake: HubSpotFake) -> None:
    fake.limits.daily, fake.limits.used = 1000, 998
    budget = Budget()
    with clock.travel(EVENING) as forward:
        assert (await upsert(fake, ada(), budget=budget)).created
        assert (await refused(fake, ada(), budget=budget)).retry_after == timedelta(hours=2)
        assert len(fake.requests) == 2
        error = await refused(fake, ada(), budget=Budget())
        assert (error.code, error.retry_after) == ("DAILY", timedelta(hours=2))
        forward(2 * 3600)
        fake.limits.used = 0
        assert (await upsert(fake, ada(), budget=budget)).error is None


async def test_who_has_signed_in_is_told_of_no_day(fake: HubSpotFake) -> None:
    fake.limits.daily, budget = 1000, Budget()
    code = fake.sign_in.consent(
        {**ASKED, "scope": "crm.objects.contacts.read crm.objects.contacts.write"}, hub_id=fake.portal
    )
    grant = await auth(fake, "exchange", {"code": code})
    assert (await upsert(fake, ada(), secrets={}, grants=Granted(grant), budget=budget)).created
    assert [left.window_s for left in budget.left] == [10.0]


async def test_what_searches_do_not_tell_is_not_made_up(fake: HubSpotFake) -> None:
    budget = Budget()
    async with context(secrets={"token": TOKEN}, base_url=fake.url, budget=budget) as (opened, exchanges):
        await HubSpot(opened).verify()
        await HubSpotSales(opened).deals(datetime(2026, 11, 1, tzinfo=UTC), None)
    assert not any("ratelimit" in name for name in exchanges[-1].response_headers)
    assert [left.of for left in budget.left] == [190]


async def test_searches_stay_below_their_own_limit(fake: HubSpotFake) -> None:
    fake.sales.searches_per_s = 5
    async with context(secrets={"token": TOKEN}, base_url=fake.url, budget=Budget()) as (opened, _):
        people = [ada(ref=f"dlv_{n}", email=None, phone=f"+44{n}", fields={"phone": f"+44{n}"}) for n in range(8)]
        assert [written.error for written in await HubSpot(opened).upsert_people(people)] == [None] * 8
    searches = [request.at for request in fake.requests if request.path.endswith("/search")]
    assert all(later - earlier > 0.9 for earlier, later in zip(searches, searches[5:], strict=False))


async def test_an_owner_is_known_by_the_id_that_records_name(fake: HubSpotFake) -> None:
    """`userId` is another number; a contact that is given to it is refused, or somebody else's."""
    id = fake.sales.add_owner("Ada", "Lovelace")
    async with context(secrets={"token": TOKEN}, base_url=fake.url) as (opened, _):
        [owner] = (await HubSpotSales(opened).directory()).owners
    assert (owner.id, str(fake.sales.owners[0]["userId"]) != id) == (id, True)


@pytest.mark.parametrize("amount", ["", "a lot"])
async def test_an_amount_that_is_none_is_unknown_and_not_zero(fake: HubSpotFake, amount: str) -> None:
    fake.sales.add("deals", dealname="Big one", amount=amount)
    async with context(secrets={"token": TOKEN}, base_url=fake.url) as (opened, _):
        [deal] = (await HubSpotSales(opened).deals(None, None)).items
    assert deal.value is None


async def auth(fake: HubSpotFake, what: str, given: Any) -> Any:
    async with context() as (opened, _):
        signing = HubSpotAuth(AuthContext(opened.http, App(CLIENT_ID, CLIENT_SECRET), base_url=fake.url))
        if what == "refresh":
            return await signing.refresh(given)
        return await signing.exchange(given, redirect_uri=ASKED["redirect_uri"], verifier="v")


@pytest.mark.parametrize(
    "body",
    [
        {"error": "invalid_grant", "error_description": "missing or invalid refresh token"},
        {"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token"},
    ],
    ids=["dated", "v1"],
)
async def test_a_dead_grant_is_known_in_both_forms(fake: HubSpotFake, body: dict[str, str]) -> None:
    fake.faults.append(Fault("status", status=400, path="/token", body=body))
    with pytest.raises(CrmError) as error:
        await auth(fake, "refresh", Grant("a", "r"))
    assert error.value.kind is ErrorClass.REAUTH
    assert cure("hubspot", error.value.text).startswith("Sign in again here")


async def test_an_answer_that_does_not_name_the_account_is_asked_about(fake: HubSpotFake) -> None:
    code = fake.sign_in.consent(ASKED, hub_id=fake.portal)
    full = fake.sign_in._issued(fake.sign_in._codes.pop(code).consent).body
    bare = {name: value for name, value in full.items() if name not in ("hub_id", "user_id", "scopes")}
    fake.faults.append(Fault("status", status=200, path="/token", body=bare))
    grant = await auth(fake, "exchange", {"code": code})
    assert (grant.extra["hub_id"], grant.scopes) == ("62515", {"oauth"})


def test_the_key_that_stays_is_offered_first() -> None:
    """Private apps of old are on their way out: the help at the field leads to service keys."""
    [field] = [field for field in HUBSPOT.settings if field.name == "token"]
    assert "Service keys" in field.help
    assert "rivate app" not in field.help
