"""How a connection to Pipedrive gets in, what its refusals mean, and how it stays within the limits."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from site2crm.connectors.contract import Account, CrmError, ErrorClass
from site2crm.connectors.grants import Grant
from site2crm.connectors.pacing import Budget
from site2crm.connectors.pipedrive.client import LIMIT
from site2crm.connectors.pipedrive.connector import Pipedrive
from site2crm.connectors.pipedrive.kind import PIPEDRIVE
from site2crm.connectors.words import cure
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests.connectors.connector_cases import Granted, context
from tests.connectors.pipedrive_cases import calls, error_of, lead, only, opened, said, upsert
from tests.fakes.pipedrive import TOKEN, PipedriveFake
from tests.fakes.playing import playing

PAGE = b"<!DOCTYPE html><html><body>Error 1015</body></html>"
HTML = {"Content-Type": "text/html"}
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
async def fake() -> AsyncIterator[PipedriveFake]:
    async with playing(PipedriveFake()) as server:
        yield server


def granted(fake: PipedriveFake, *more: Grant) -> Granted:
    return Granted(grant(fake), *more)


def grant(fake: PipedriveFake) -> Grant:
    told = fake.oauth.issue()
    scopes = frozenset(told["scope"].split(","))
    return Grant(told["access_token"], told["refresh_token"], scopes=scopes, extra={"api_domain": told["api_domain"]})


def refusal(text: str, **more: Any) -> dict[str, Any]:
    return {"success": False, "error": text, "data": None, **more}


async def test_verify_says_who_we_are(fake: PipedriveFake) -> None:
    async with opened(fake, account=None) as (found, _):
        account = await Pipedrive(found).verify()
    assert account == Account(
        "9", "Acme Ltd", user_id="1", currency="EUR", tz="Europe/Berlin", url="https://acme.pipedrive.com"
    )


@pytest.mark.parametrize("entered", ["acme", "ACME.pipedrive.com", "https://acme.pipedrive.com/", " acme ",
                                     "https://acme.pipedrive.com/pipeline/1"])  # fmt: skip
async def test_the_company_may_be_entered_as_it_is_at_hand(entered: str) -> None:
    settings = {"company": entered}
    async with context(secrets={"token": TOKEN}, settings=settings) as (found, _):
        [shown] = Pipedrive(found).preview(lead(known_id="5", fields={"email": "a@b.co"}))[:1]
    assert shown.url == "https://acme.pipedrive.com/api/v2/persons/5"


async def test_a_token_of_another_company_is_refused_at_the_form(fake: PipedriveFake) -> None:
    async with opened(fake, settings={"company": "beta"}) as (found, _):
        with pytest.raises(CrmError, match=r"belongs to acme\.pipedrive\.com") as error:
            await Pipedrive(found).verify()
    assert (error.value.kind, error.value.field) == (ErrorClass.CONFIG, "company")


@pytest.mark.parametrize(
    "entered", ["acme.example.com", "https://evil.example/acme", "a b", "acme.pipedrive.com.evil.example", "a/b", "@"]
)
async def test_what_is_no_company_is_refused_at_the_form(entered: str) -> None:
    async with context(secrets={"token": TOKEN}, settings={"company": entered}) as (found, _):
        with pytest.raises(CrmError) as error:
            Pipedrive(found)
    assert (error.value.kind, error.value.field) == (ErrorClass.CONFIG, "company")


async def test_without_a_company_the_first_call_asks_and_the_next_go_there() -> None:
    async with context(secrets={"token": TOKEN}) as (found, _):
        [first, *_] = Pipedrive(found).preview(lead())
    account = Account("9", "Acme", url="https://acme.pipedrive.com")
    async with context(secrets={"token": TOKEN}, account=account) as (found, _):
        [second, *_] = Pipedrive(found).preview(lead())
    assert first.url.startswith("https://api.pipedrive.com/api/v2/persons/search")
    assert second.url.startswith("https://acme.pipedrive.com/api/v2/persons/search")


async def test_a_token_goes_into_its_own_header_and_a_sign_in_is_a_bearer(fake: PipedriveFake) -> None:
    await upsert(fake, lead())
    assert fake.requests[-1].headers["x-api-token"] == TOKEN
    assert "authorization" not in fake.requests[-1].headers
    await upsert(fake, said(last_name="King"), secrets={}, grants=granted(fake))
    assert fake.requests[-1].headers["authorization"].startswith("Bearer v1u:")
    assert "x-api-token" not in fake.requests[-1].headers


async def test_a_wrong_token_stops_the_rest_of_the_people(fake: PipedriveFake) -> None:
    fake.tokens.clear()
    async with opened(fake) as (found, _):
        written = await Pipedrive(found).upsert_people([lead(), lead(ref="dlv_2")])
    assert [error_of(w).kind for w in written] == [ErrorClass.REAUTH, ErrorClass.REAUTH]
    assert ([w.ref for w in written], len(fake.requests)) == (["dlv_1", "dlv_2"], 1)
    assert "copy the API token again" in cure("pipedrive", error_of(written[0]).text)


async def test_an_expired_sign_in_is_renewed_once(fake: PipedriveFake) -> None:
    first = grant(fake)
    fake.oauth.expire()
    grants = Granted(first, grant(fake))
    written = await upsert(fake, lead(), secrets={}, grants=grants)
    assert (written.created, grants.renewals) == (True, 1)


async def test_a_sign_in_that_is_taken_back_asks_for_a_new_one(fake: PipedriveFake) -> None:
    grants = granted(fake)
    fake.oauth.uninstall()
    error = error_of(await upsert(fake, lead(), secrets={}, grants=grants))
    assert (error.kind, grants.renewals, fake.people) == (ErrorClass.REAUTH, 1, [])


async def test_a_missing_scope_is_named(fake: PipedriveFake) -> None:
    fake.oauth.scopes = ("base", "contacts:read", "search:read")
    error = error_of(await upsert(fake, lead(), secrets={}, grants=granted(fake)))
    assert (error.kind, error.code) == (ErrorClass.CONFIG, "MISSING_SCOPES")
    assert "contacts:full" in error.text
    async with opened(fake, secrets={}, grants=granted(fake)) as (found, _):
        with pytest.raises(CrmError, match="lacks the right contacts:full"):
            await Pipedrive(found).verify()


async def test_rights_that_only_deals_need_are_told_and_stop_no_lead(fake: PipedriveFake) -> None:
    fake.oauth.scopes = ("base", "contacts:full", "search:read", "activities:full")
    async with opened(fake, secrets={}, grants=granted(fake)) as (found, _):
        assert (await Pipedrive(found).verify()).lacks == ("deals:full", "users:read")


@pytest.mark.parametrize("domain", ["https://evil.example.com", "http://acme.pipedrive.com",
                                    "https://pipedrive.com.evil.example", "https://x@acme.pipedrive.com",
                                    "https://acme.pipedrive.com:8443"])  # fmt: skip
async def test_a_token_never_goes_to_an_address_that_is_not_pipedrives(domain: str) -> None:
    grants = Granted(Grant("v1u:secret", extra={"api_domain": domain}))
    async with context(grants=grants) as (found, exchanges):
        [written] = await Pipedrive(found).upsert_people([lead()])
    assert (error_of(written).kind, error_of(written).code, exchanges) == (ErrorClass.CONFIG, "foreign_host", [])


@pytest.mark.parametrize("status", [500, 502, 503, 504, 521, 408])
async def test_a_passing_fault_is_tried_again(fake: PipedriveFake, status: int) -> None:
    fake.faults.append(Fault("status", status=status))
    assert error_of(await upsert(fake, lead())).kind is ErrorClass.RETRY
    assert (await upsert(fake, lead())).created


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (400, "Malformed authorization header", ErrorClass.REAUTH),
        (401, "unauthorized access", ErrorClass.REAUTH),
        (402, "Company is not open", ErrorClass.CONFIG),
        (403, "Couldn't add the person. Limit reached.", ErrorClass.CONFIG),
        (405, "Method not allowed", ErrorClass.PERMANENT),
        (410, "Gone", ErrorClass.RETRY),
        (415, "Feature is not enabled", ErrorClass.CONFIG),
        (422, "Unprocessable", ErrorClass.PERMANENT),
        (501, "Not implemented", ErrorClass.PERMANENT),
        (301, "Moved", ErrorClass.CONFIG),
    ],
)
async def test_every_documented_refusal_has_its_class(
    fake: PipedriveFake, status: int, text: str, expected: ErrorClass
) -> None:
    fake.faults.append(Fault("status", status=status, method="POST", body=refusal(text)))
    error = error_of(await upsert(fake, lead()))
    assert (error.kind, error.text) == (expected, text)
    assert cure("pipedrive", error.text)


async def test_what_pipedrive_says_besides_is_kept_unless_it_says_nothing(fake: PipedriveFake) -> None:
    for info, shown in (("\"owner\" must be a number", "No (\"owner\" must be a number)"),
                        ("Please check developers.pipedrive.com for more information", "No")):  # fmt: skip
        fake.faults.append(Fault("status", status=400, method="POST", body=refusal("No", error_info=info)))
        assert error_of(await upsert(fake, lead())).text == shown


@pytest.mark.parametrize(("told", "expected"), [(401, ErrorClass.REAUTH), (429, ErrorClass.THROTTLE),
                                                (None, ErrorClass.RETRY)])  # fmt: skip
async def test_an_error_inside_a_good_answer_is_one(
    fake: PipedriveFake, told: int | None, expected: ErrorClass
) -> None:
    body = refusal("Requested service is not available", **({"errorCode": told} if told else {}))
    fake.faults.append(Fault("status", status=200, method="POST", body=body))
    assert error_of(await upsert(fake, lead())).kind is expected


async def test_a_page_instead_of_json_is_tried_again_with_a_clear_text(fake: PipedriveFake) -> None:
    fake.faults.append(Fault("page"))
    error = error_of(await upsert(fake, lead()))
    assert error.kind is ErrorClass.RETRY
    assert error.text == "Pipedrive answered 200 with a web page: “Down for maintenance”."


async def test_cloudflares_page_is_a_limit_and_not_a_missing_right(fake: PipedriveFake) -> None:
    fake.faults.append(Fault("status", status=403, headers=HTML, body=PAGE))
    budget = Budget()
    with clock.travel(NOW):
        error = error_of(await upsert(fake, lead(), budget=budget))
    assert (error.kind, error.retry_after) == (ErrorClass.THROTTLE, timedelta(minutes=10))
    assert "firewall" in error.text


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({}, 2), ({"x-ratelimit-reset": "1"}, 1), ({"Retry-After": "7", "x-ratelimit-reset": "1"}, 7)],
)
async def test_a_reached_limit_pauses_as_long_as_it_lasts(
    fake: PipedriveFake, headers: dict[str, str], seconds: int
) -> None:
    fake.limits.on = False
    fake.faults.append(Fault("status", status=429, headers=headers, body=refusal("Request over limit")))
    with clock.travel(NOW):
        error = error_of(await upsert(fake, lead(), budget=Budget()))
    assert (error.kind, error.retry_after) == (ErrorClass.THROTTLE, timedelta(seconds=seconds))


async def test_waiting_in_vain_means_that_the_day_is_used_up(fake: PipedriveFake) -> None:
    fake.limits.on = False
    fake.faults.append(Fault("status", count=-1, status=429, body=refusal("Request over limit")))
    budget, waits = Budget(), list[float]()
    with clock.travel(NOW) as forward:
        for _ in range(5):
            wait = error_of(await upsert(fake, lead(), budget=budget)).retry_after
            assert wait is not None
            waits.append(wait.total_seconds())
            forward(wait.total_seconds())
        fake.faults.clear()
        assert (await upsert(fake, lead(), budget=budget)).created
        fake.faults.append(Fault("status", status=429, body=refusal("Request over limit")))
        again = error_of(await upsert(fake, lead(), budget=budget)).retry_after
    assert (waits, again) == ([2, 2, 2, 1800, 3600], timedelta(seconds=2))


async def test_the_days_tokens_end_at_once(fake: PipedriveFake) -> None:
    fake.limits.spent = fake.limits.tokens - 20
    budget = Budget()
    with clock.travel(NOW):
        error = error_of(await upsert(fake, lead(), budget=budget))
    assert (error.kind, error.retry_after, len(fake.requests)) == (ErrorClass.THROTTLE, timedelta(minutes=30), 1)


async def test_after_the_days_end_one_refusal_is_enough_for_the_whole_connection(fake: PipedriveFake) -> None:
    """A few tokens are left still, for the cheapest of calls."""
    fake.limits.spent = fake.limits.tokens - 3
    budget, refused = Budget(), list[int]()

    async def woken() -> None:
        async with opened(fake, budget=budget) as (found, _):
            people = [lead(email=f"p{n}@example.com", fields={"last_name": f"P{n}"}) for n in range(6)]
            written = await asyncio.gather(*(Pipedrive(found).upsert_people([one]) for one in people))
            assert {error_of(one).kind for [one] in written} == {ErrorClass.THROTTLE}
        refused.append(len(fake.requests))
        fake.requests.clear()

    with clock.travel(NOW) as forward:
        await woken()
        for wait in (30, 60, 60):
            forward(wait * 60 - 1)
            assert budget.closed_for == timedelta(seconds=1)
            forward(1)
            await woken()
    assert refused[1:] == [1, 1, 1]


async def test_when_little_of_the_day_is_left_reading_stops_before_leads_do(fake: PipedriveFake) -> None:
    fake.limits.spent = round(fake.limits.tokens * 0.85)
    budget = Budget()
    assert (await upsert(fake, lead(), budget=budget)).created
    assert PIPEDRIVE.sales is not None
    async with opened(fake, budget=budget.spare) as (found, _):
        with pytest.raises(CrmError) as error:
            await PIPEDRIVE.sales(found).deals(None, None)
    assert error.value.kind is ErrorClass.THROTTLE
    assert (await upsert(fake, said(last_name="King"), budget=budget)).error is None


async def test_a_token_of_the_smallest_plan_stays_below_its_burst(fake: PipedriveFake) -> None:
    fake.limits.plan = "lite"
    budget = Budget(LIMIT)
    async with opened(fake, budget=budget) as (found, _):
        crm = Pipedrive(found)
        people = [lead(known_id=str(fake.add_person(name=f"P{n}", emails=[]))) for n in range(12)]
        written = await crm.upsert_people(people)
    assert [w.error for w in written] == [None] * 12
    assert 429 not in {status for _, _, status in calls(fake)}


async def test_searches_stay_below_their_own_limit(fake: PipedriveFake) -> None:
    budget = Budget()
    async with opened(fake, budget=budget) as (found, _):
        crm = Pipedrive(found)
        people = [lead(email=f"p{n}@example.com", fields={"last_name": f"P{n}"}) for n in range(12)]
        written = await crm.upsert_people(people)
    assert [w.error for w in written] == [None] * 12
    assert 429 not in {status for _, _, status in calls(fake)}


async def test_the_fake_sends_cloudflares_page_to_who_goes_on(fake: PipedriveFake) -> None:
    fake.limits.spent = fake.limits.tokens
    async with opened(fake) as (found, _):
        for _ in range(31):
            answer = await found.http.request("GET", f"{fake.url}/api/v1/users/me", headers={"x-api-token": TOKEN})
    assert (answer.status, answer.content[:9]) == (403, b"<!DOCTYPE")


async def test_a_person_without_anything_but_a_note_is_still_one(fake: PipedriveFake) -> None:
    await upsert(fake, lead(email=None, phone=None, fields={"message": "Hello"}))
    assert only(fake)["name"] == "?"
