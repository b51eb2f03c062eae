"""What Salesforce may answer, and what is made of it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from site2crm.connectors.contract import CrmError, ErrorClass
from site2crm.connectors.grants import Grant
from site2crm.connectors.pacing import Budget
from site2crm.connectors.salesforce.connector import Salesforce
from site2crm.connectors.salesforce.kind import SALESFORCE
from site2crm.connectors.salesforce.sales import SalesforceSales
from site2crm.connectors.words import cure
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests.connectors.connector_cases import Granted
from tests.connectors.salesforce_cases import error_of, fake, one, opened, person
from tests.fakes.salesforce import INSTANCE_URL, SalesforceFake, grant

__all__ = ["fake"]

CLASSES = [
    (403, "REQUEST_LIMIT_EXCEEDED", ErrorClass.THROTTLE),
    (403, "API_DISABLED_FOR_ORG", ErrorClass.CONFIG),
    (403, "API_CURRENTLY_DISABLED", ErrorClass.CONFIG),
    (403, "INSUFFICIENT_ACCESS", ErrorClass.CONFIG),
    (403, "INSUFFICIENT_ACCESS_OR_READONLY", ErrorClass.CONFIG),
    (403, "FUNCTIONALITY_NOT_ENABLED", ErrorClass.CONFIG),
    (403, "TXN_SECURITY_METERING_ERROR", ErrorClass.CONFIG),
    (400, "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", ErrorClass.CONFIG),
    (400, "INVALID_TYPE", ErrorClass.CONFIG),
    (400, "REQUIRED_FIELD_MISSING", ErrorClass.PERMANENT),
    (400, "FIELD_INTEGRITY_EXCEPTION", ErrorClass.PERMANENT),
    (400, "MALFORMED_QUERY", ErrorClass.PERMANENT),
    (400, "MALFORMED_ID", ErrorClass.PERMANENT),
    (400, "ENTITY_IS_LOCKED", ErrorClass.PERMANENT),
    (400, "CIRCULAR_DEPENDENCY", ErrorClass.PERMANENT),
    (400, "SOMETHING_NEW", ErrorClass.PERMANENT),
    (400, "UNABLE_TO_LOCK_ROW", ErrorClass.RETRY),
    (400, "QUERY_TIMEOUT", ErrorClass.RETRY),
    (503, "SERVER_UNAVAILABLE", ErrorClass.RETRY),
    (500, "UNKNOWN_EXCEPTION", ErrorClass.RETRY),
    (404, "NOT_FOUND", ErrorClass.CONFIG),
    (400, "UNSUPPORTED_API_VERSION", ErrorClass.CONFIG),
]


@pytest.mark.parametrize(("status", "code", "expected"), CLASSES, ids=str)
async def test_each_code_has_its_class(fake: SalesforceFake, status: int, code: str, expected: ErrorClass) -> None:
    body = [{"message": "In its own words.", "errorCode": code}]
    fake.faults.append(Fault("status", status=status, method="POST", body=body))
    error = error_of(await one(fake, person()))
    assert (error.kind, error.code) == (expected, code)
    assert "In its own words." in error.text
    assert cure("salesforce", error.text)


async def test_an_api_that_is_not_there_is_for_the_admin(fake: SalesforceFake) -> None:
    body = [{"message": "The requested resource does not exist", "errorCode": "NOT_FOUND"}]
    fake.faults.append(Fault("status", status=404, count=-1, body=body))
    assert error_of(await one(fake, person())).kind is ErrorClass.CONFIG
    async with opened(fake) as (context, _):
        with pytest.raises(CrmError) as error:
            await Salesforce(context).verify()
    assert error.value.kind is ErrorClass.CONFIG


@pytest.mark.parametrize("status", [406, 420, 500, 502, 503, 504])
async def test_a_passing_fault_is_tried_again(fake: SalesforceFake, status: int) -> None:
    fake.faults.append(Fault("status", status=status, body=b"<html>Maintenance</html>"))
    assert error_of(await one(fake, person())).kind is ErrorClass.RETRY
    assert (await one(fake, person())).created


@pytest.mark.parametrize(
    ("status", "expected"),
    [(410, ErrorClass.CONFIG), (414, ErrorClass.PERMANENT), (431, ErrorClass.PERMANENT), (403, ErrorClass.RETRY)],
)
async def test_a_page_with_a_status_is_understood(fake: SalesforceFake, status: int, expected: ErrorClass) -> None:
    fake.faults.append(Fault("status", status=status, body=b"<h1>No</h1>"))
    assert error_of(await one(fake, person())).kind is expected


async def test_a_page_instead_of_json_is_tried_again_with_a_clear_text(fake: SalesforceFake) -> None:
    fake.faults.append(Fault("page"))
    error = error_of(await one(fake, person()))
    assert (error.kind, "Down for maintenance" in error.text) == (ErrorClass.RETRY, True)


@pytest.mark.parametrize("body", [{}, [], "text", {"records": "none"}, {"records": [1]}, 7], ids=str)
async def test_another_answer_than_was_asked_is_tried_again(fake: SalesforceFake, body: Any) -> None:
    fake.faults.append(Fault("status", status=200, method="GET", body=body))
    assert error_of(await one(fake, person())).kind is ErrorClass.RETRY
    assert fake.all("Lead") == []


async def test_a_stale_token_is_renewed_once_and_the_call_repeated(fake: SalesforceFake) -> None:
    stale, fresh = Grant("stale", extra={"instance_url": INSTANCE_URL}), grant(fake)
    grants = Granted(stale, fresh)
    written = await one(fake, person(), grants=grants)
    assert (written.created, grants.renewals, len(fake.all("Lead"))) == (True, 1, 1)


async def test_a_token_that_is_refused_after_its_renewal_needs_a_new_sign_in(fake: SalesforceFake) -> None:
    extra = {"instance_url": INSTANCE_URL}
    error = error_of(await one(fake, person(), grants=Granted(Grant("a", extra=extra), Grant("b", extra=extra))))
    assert (error.kind, error.code) == (ErrorClass.REAUTH, "INVALID_SESSION_ID")


async def test_who_moved_is_found_by_a_renewal(fake: SalesforceFake) -> None:
    fake.faults.append(Fault("status", status=302, headers={"Location": "https://acme2.my.salesforce.com/"}))
    grants = Granted(grant(fake), grant(fake))
    assert ((await one(fake, person(), grants=grants)).created, grants.renewals) == (True, 1)


async def test_userinfo_says_403_where_everything_else_says_401(fake: SalesforceFake) -> None:
    grants = Granted(Grant("stale", extra={"instance_url": INSTANCE_URL}), grant(fake))
    async with opened(fake, grants=grants) as (context, _):
        account = await Salesforce(context).verify()
    assert (account.name, grants.renewals) == ("Acme GmbH", 1)


async def test_userinfo_that_goes_on_saying_403_needs_a_new_sign_in(fake: SalesforceFake) -> None:
    extra = {"instance_url": INSTANCE_URL}
    async with opened(fake, grants=Granted(Grant("a", extra=extra), Grant("b", extra=extra))) as (context, _):
        with pytest.raises(CrmError) as error:
            await Salesforce(context).verify()
    assert error.value.kind is ErrorClass.REAUTH


@pytest.mark.parametrize(
    "host",
    [
        "https://evil.example",
        "https://acme.my.salesforce.com.evil.example",
        "https://acme.my.salesforce.com@evil.example",
        "http://acme.my.salesforce.com",
        "https://acme.my.salesforce.com:8443",
        "https://evilsalesforce.com",
        "",
    ],
)
async def test_a_token_goes_to_no_host_but_salesforces_own(fake: SalesforceFake, host: str) -> None:
    grants = Granted(Grant("secret-token-0001", extra={"instance_url": host}))
    async with opened(fake, grants=grants, base_url=None) as (context, exchanges):
        [written] = await Salesforce(context).upsert_people([person()])
    assert (error_of(written).kind, error_of(written).code) == (ErrorClass.CONFIG, "foreign_host")
    assert exchanges == []


async def test_a_next_page_stays_on_the_host(fake: SalesforceFake) -> None:
    body = {"totalSize": 9, "done": False, "records": [], "nextRecordsUrl": "@evil.example/services/data/"}
    fake.faults.append(Fault("status", status=200, method="GET", body=body))
    assert (await one(fake, person())).created
    assert {request.headers["host"] for request in fake.requests} == {f"127.0.0.1:{fake.port}"}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("TotalRequests Limit exceeded.", 900), ("ConcurrentRequests (Concurrent API Requests) Limit exceeded.", 5)],
)
async def test_a_reached_limit_pauses_and_closes_the_budget(fake: SalesforceFake, text: str, seconds: int) -> None:
    budget = Budget()
    fake.faults.append(Fault("status", status=403, body=[{"message": text, "errorCode": "REQUEST_LIMIT_EXCEEDED"}]))
    with clock.travel(datetime(2026, 11, 22, tzinfo=UTC)) as forward:
        error = error_of(await one(fake, person(), budget=budget))
        assert (error.kind, error.retry_after) == (ErrorClass.THROTTLE, timedelta(seconds=seconds))
        sent = len(fake.requests)
        assert error_of(await one(fake, person(), budget=budget)).kind is ErrorClass.THROTTLE
        assert len(fake.requests) == sent
        forward(seconds)
        assert (await one(fake, person(), budget=budget)).created


@pytest.mark.parametrize(
    ("text", "waits"),
    [
        ("TotalRequests Limit exceeded.", [900, 1800, 3600, 7200, 7200]),
        ("ConcurrentRequests (Concurrent API Requests) Limit exceeded.", [5, 10, 20, 40, 80]),
    ],
)
async def test_a_limit_that_goes_on_is_asked_about_less_and_less(
    fake: SalesforceFake, text: str, waits: list[int]
) -> None:
    budget, said = Budget(), [{"message": text, "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
    seen = list[float]()
    with clock.travel(datetime(2026, 11, 22, tzinfo=UTC)) as forward:
        for _ in waits:
            fake.faults.append(Fault("status", status=403, body=said))
            wait = error_of(await one(fake, person(), budget=budget)).retry_after
            assert wait is not None
            seen.append(wait.total_seconds())
            forward(wait.total_seconds())
        assert (await one(fake, person(), budget=budget)).created
        fake.faults.append(Fault("status", status=403, body=said))
        again = error_of(await one(fake, person(), budget=budget)).retry_after
    assert (seen, again) == (waits, timedelta(seconds=waits[0]))


async def test_calls_that_are_refused_together_double_nothing(fake: SalesforceFake) -> None:
    budget, said = Budget(), [{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
    fake.faults.append(Fault("status", status=403, count=-1, body=said))
    with clock.travel(datetime(2026, 11, 22, tzinfo=UTC)):
        refused = await asyncio.gather(*(one(fake, person(), budget=budget) for _ in range(4)))
    assert {error_of(written).retry_after for written in refused} == {timedelta(minutes=15)}


async def test_the_orgs_own_limit_throttles(fake: SalesforceFake) -> None:
    fake.daily_used = fake.daily_limit
    error = error_of(await one(fake, person()))
    assert (error.kind, error.code) == (ErrorClass.THROTTLE, "REQUEST_LIMIT_EXCEEDED")


@pytest.mark.parametrize(("used", "wait_s"), [(79_000, 0), (80_000, 60), (95_000, 900)])
async def test_reading_slows_and_stops_before_leads_do(fake: SalesforceFake, used: int, wait_s: int) -> None:
    fake.daily_used, budget = used, Budget()
    with clock.travel(clock.now()):
        assert (await one(fake, person(), budget=budget)).created
        async with opened(fake, budget=budget) as (context, _):
            if wait_s:
                with pytest.raises(CrmError) as error:
                    await SalesforceSales(context).directory()
                assert (error.value.kind, error.value.retry_after) == (ErrorClass.THROTTLE, timedelta(seconds=wait_s))
            else:
                await SalesforceSales(context).directory()
        assert (await one(fake, person(), budget=budget)).error is None


async def test_verify_says_who_we_are(fake: SalesforceFake) -> None:
    async with opened(fake) as (context, _):
        account = await Salesforce(context).verify()
    assert (account.id, account.name) == (fake.records.organization_id, "Acme GmbH")
    assert (account.user_id, account.tz, account.currency) == (fake.records.user_id, "Europe/Berlin", "EUR")


async def test_verify_reads_the_corporate_currency(fake: SalesforceFake) -> None:
    fake.switch_on_currencies("CHF", "EUR")
    async with opened(fake) as (context, _):
        assert (await Salesforce(context).verify()).currency == "CHF"


async def test_an_org_that_keeps_its_name_to_itself_is_known_by_its_id(fake: SalesforceFake) -> None:
    fake.hidden |= {"Organization.Name", "Organization.DefaultCurrencyIsoCode"}
    async with opened(fake) as (context, _):
        account = await Salesforce(context).verify()
    assert (account.name, account.currency) == (f"Salesforce org {account.id}", None)


async def test_verify_names_the_missing_rights(fake: SalesforceFake) -> None:
    async def refusal() -> str:
        async with opened(fake) as (context, _):
            with pytest.raises(CrmError) as error:
                await Salesforce(context).verify()
        assert error.value.kind is ErrorClass.CONFIG
        return error.value.text

    fake.hidden.add("Lead.Email")
    assert "to see and edit Email of leads" in await refusal()
    fake.forbidden.add("Lead")
    assert "to create and edit leads" in await refusal()
    fake.api_enabled = False
    text = await refusal()
    assert "API is switched off" in text
    assert "API Enabled" in cure("salesforce", text)


def test_every_cure_is_a_sentence() -> None:
    assert all(text.endswith(".") for _, text in SALESFORCE.cures)
