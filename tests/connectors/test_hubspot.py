"""HubSpot against a stateful fake: every call is checked against the vendor's document when it is at hand."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from site2crm.connectors.contract import (
    Account,
    CrmError,
    ErrorClass,
    Exchange,
    Kind,
    PersonIn,
    Written,
)
from site2crm.connectors.hubspot.connector import HubSpot
from site2crm.connectors.pacing import Budget
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests.connectors.connector_cases import ada, context
from tests.fakes import openapi
from tests.fakes.hubspot import DOCUMENT, READ, TOKEN, WRITE, HubSpotFake
from tests.fakes.playing import playing

ACCOUNT = Account(
    "62515", "HubSpot account 62515", tz="Europe/Berlin", url="https://app-eu1.hubspot.com/contacts/62515"
)


@pytest.fixture
async def fake() -> AsyncIterator[HubSpotFake]:
    async with playing(HubSpotFake()) as server:
        yield server


async def upsert(
    fake: HubSpotFake, person: PersonIn, *, exchanges: list[Exchange] | None = None, **given: Any
) -> Written:
    settings = {"secrets": {"token": TOKEN}, "base_url": fake.url, "account": ACCOUNT, **given}
    async with context(**settings) as (opened, seen):
        [written] = await HubSpot(opened).upsert_people([person])
    if exchanges is not None:
        exchanges += seen
    return written


def only(fake: HubSpotFake) -> dict[str, str]:
    assert len(fake.contacts) == 1
    properties: dict[str, str] = next(iter(fake.contacts.values()))["properties"]
    return properties


def error_of(written: Written) -> CrmError:
    assert written.error is not None
    return written.error


def calls(fake: HubSpotFake) -> list[tuple[str, int | None]]:
    return [(request.method, request.status) for request in fake.requests]


async def test_every_call_is_checked_against_the_vendors_document(fake: HubSpotFake) -> None:
    if not openapi.available(DOCUMENT):
        pytest.skip(f"{DOCUMENT} is not beside the checkout: calls are not validated")
    async with context() as (opened, _):
        headers = {"Authorization": f"Bearer {TOKEN}"}
        await opened.http.request(
            "POST", f"{fake.url}/crm/objects/2026-09/contacts", headers=headers, json={"properties": {}}
        )
    assert fake.violations
    fake.violations.clear()


async def test_a_new_lead_becomes_one_contact_with_a_link(fake: HubSpotFake) -> None:
    written = await upsert(fake, ada())
    assert (written.created, written.error) == (True, None)
    assert written.url == f"https://app-eu1.hubspot.com/contacts/62515/record/0-1/{written.id}"
    assert only(fake)["email"] == "ada@example.com"
    assert calls(fake) == [("PATCH", 404), ("POST", 201)]


async def test_a_known_address_updates_and_keeps_what_was_not_said(fake: HubSpotFake) -> None:
    id = fake.add_contact(email="ada@example.com", city="London", company="Old")
    written = await upsert(fake, ada(fields={"company": "New", "city": "", "message": None}))
    assert (written.id, written.created) == (id, False)
    assert (only(fake)["company"], only(fake)["city"]) == ("New", "London")


async def test_an_owner_is_given_to_a_new_contact_and_to_another_only_when_it_is_to_win(fake: HubSpotFake) -> None:
    await upsert(fake, ada(owner="11"))
    await upsert(fake, ada(owner="22"))
    first = only(fake)["hubspot_owner_id"]
    await upsert(fake, ada(owner="22", owner_wins=True))
    assert (first, only(fake)["hubspot_owner_id"]) == ("11", "22")


async def test_the_same_lead_twice_at_once_is_one_contact(fake: HubSpotFake) -> None:
    written = await asyncio.gather(*(upsert(fake, ada()) for _ in range(5)))
    assert {w.id for w in written} == {next(iter(fake.contacts))}
    assert all(w.error is None for w in written)


async def test_a_contact_made_in_between_is_updated_instead(fake: HubSpotFake) -> None:
    id = fake.add_contact(email="ada@example.com")
    fake.faults.append(
        Fault("status", status=404, method="PATCH", body={"message": "no", "category": "OBJECT_NOT_FOUND"})
    )
    written = await upsert(fake, ada())
    assert (written.id, written.created, written.error) == (id, False, None)
    assert calls(fake) == [("PATCH", 404), ("POST", 409), ("PATCH", 200)]


async def test_an_additional_address_of_a_merged_contact_keeps_the_primary_one(fake: HubSpotFake) -> None:
    id = fake.add_contact(email="ada@work.example", hs_additional_emails="ada@example.com")
    written = await upsert(fake, ada())
    assert (written.id, only(fake)["email"]) == (id, "ada@work.example")


async def test_the_stored_id_is_used_and_a_later_address_added(fake: HubSpotFake) -> None:
    id = fake.add_contact(lastname="+441234567", phone="+441234567")
    written = await upsert(fake, ada(known_id=id))
    assert (written.id, only(fake)["email"]) == (id, "ada@example.com")
    assert calls(fake) == [("PATCH", 200)]


async def test_a_stored_id_that_is_gone_is_forgotten(fake: HubSpotFake) -> None:
    written = await upsert(fake, ada(known_id="999"))
    assert (written.created, written.id) == (True, next(iter(fake.contacts)))


async def test_a_stored_id_whose_address_belongs_to_another_moves_to_that_one(fake: HubSpotFake) -> None:
    old, holder = fake.add_contact(lastname="Ada"), fake.add_contact(email="ada@example.com")
    written = await upsert(fake, ada(known_id=old))
    assert (written.id, written.error) == (holder, None)


async def test_a_lead_without_an_address_is_found_by_its_number(fake: HubSpotFake) -> None:
    person = ada(email=None, fields={"phone": "+441234567"})
    first = await upsert(fake, person)
    second = await upsert(fake, person)
    assert (first.created, second.created, first.id) == (True, False, second.id)
    assert only(fake)["lastname"] == "+441234567"


async def test_the_stored_id_makes_up_for_a_late_search(fake: HubSpotFake) -> None:
    fake.search_lag_s = 60
    person = ada(email=None, fields={"phone": "+441234567"})
    first = await upsert(fake, person)
    second = await upsert(fake, ada(email=None, fields={"phone": "+441234567"}, known_id=first.id))
    assert (second.id, len(fake.contacts)) == (first.id, 1)


async def test_a_number_of_several_contacts_is_nobodys(fake: HubSpotFake) -> None:
    fake.add_contact(lastname="A", phone="+441234567")
    fake.add_contact(lastname="B", phone="+441234567")
    written = await upsert(fake, ada(email=None, fields={"phone": "+441234567"}))
    assert (written.created, len(fake.contacts)) == (True, 3)


@pytest.mark.parametrize("older_form", [False, True])
async def test_unknown_and_read_only_properties_are_left_out_with_a_warning(
    fake: HubSpotFake, older_form: bool
) -> None:
    fake.errors_in_message_only = older_form
    fields = {"email": "ada@example.com", "firstname": "Ada", "nonsense": "x", "createdate": "2026-01-01"}
    written = await upsert(fake, ada(fields=fields))
    assert (written.created, written.error) == (True, None)
    assert {w.property for w in written.warnings} == {"nonsense", "createdate"}
    assert 'Property "nonsense" does not exist' in [w.text for w in written.warnings]
    assert only(fake)["firstname"] == "Ada"


async def test_a_bare_sentence_about_a_property_is_understood(fake: HubSpotFake) -> None:
    body = {"status": "error", "message": 'Property "company" does not exist', "category": "VALIDATION_ERROR"}
    fake.faults.append(Fault("status", status=400, body=body))
    written = await upsert(fake, ada(fields={"firstname": "Ada", "company": "X"}))
    assert [w.property for w in written.warnings] == ["company"]
    assert written.created


@pytest.mark.parametrize("older_form", [False, True])
@pytest.mark.parametrize(
    ("property", "value", "code"),
    [
        ("industry", "Farming", "INVALID_OPTION"),
        ("favourite_colour", "mauve", "INVALID_OPTION"),
        ("budget", "a lot", "INVALID_NUMBER"),
        ("date_of_birth", "yesterday", "INVALID_DATE"),
    ],
)
async def test_a_refused_value_is_final_and_names_the_property(
    fake: HubSpotFake, older_form: bool, property: str, value: str, code: str
) -> None:
    fake.errors_in_message_only = older_form
    written = await upsert(fake, ada(fields={"firstname": "Ada", property: value}))
    error = error_of(written)
    assert (error.kind, error.code, error.field) == (ErrorClass.PERMANENT, code, property)
    assert value in error.text
    assert not error.text.startswith("Property values were not valid")


async def test_a_refused_value_beside_an_unknown_property_names_the_value(fake: HubSpotFake) -> None:
    written = await upsert(fake, ada(fields={"nonsense": "x", "industry": "Farming"}))
    assert (error_of(written).field, [w.property for w in written.warnings]) == ("industry", ["nonsense"])


async def test_an_invalid_address_is_final(fake: HubSpotFake) -> None:
    written = await upsert(fake, ada(email="ada@nowhere", fields={"email": "ada@nowhere"}))
    error = error_of(written)
    assert (error.kind, error.field, error.text) == (
        ErrorClass.PERMANENT, "email", "Email address ada@nowhere is invalid")  # fmt: skip


async def test_a_lead_with_nothing_mapped_is_final_and_sends_nothing(fake: HubSpotFake) -> None:
    written = await upsert(fake, ada(email=None, phone=None, fields={}))
    assert (error_of(written).kind, len(fake.requests)) == (ErrorClass.PERMANENT, 0)


async def test_values_arrive_as_hubspot_writes_them(fake: HubSpotFake) -> None:
    fields = {"newsletter": True, "budget": Decimal("1500.50"), "topics": ["seo", "crm"],
              "date_of_birth": date(1815, 12, 10)}  # fmt: skip
    await upsert(fake, ada(fields=fields))
    got = {name: only(fake)[name] for name in fields}
    assert got == {"newsletter": "true", "budget": "1500.50", "topics": "seo;crm", "date_of_birth": "1815-12-10"}


@pytest.mark.parametrize("status", [500, 502, 503, 504, 521, 423, 477, 408])
async def test_a_passing_fault_is_tried_again(fake: HubSpotFake, status: int) -> None:
    fake.faults.append(Fault("status", status=status))
    fake.violations = []
    assert error_of(await upsert(fake, ada())).kind is ErrorClass.RETRY
    assert (await upsert(fake, ada())).created


@pytest.mark.parametrize("kind", ["timeout", "reset", "half"])
@pytest.mark.parametrize("effect", [False, True])
async def test_a_lost_answer_is_tried_again_and_makes_no_second_contact(
    fake: HubSpotFake, kind: Any, effect: bool
) -> None:
    fake.faults.append(Fault(kind, method="POST", effect=effect))
    async with context(secrets={"token": TOKEN}, base_url=fake.url, timeout_s=0.5) as (opened, exchanges):
        [first] = await HubSpot(opened).upsert_people([ada()])
    assert error_of(first).kind is ErrorClass.RETRY
    assert (exchanges[-1].status, bool(exchanges[-1].error)) == (None, True)
    second = await upsert(fake, ada())
    assert (second.error, len(fake.contacts)) == (None, 1)


async def test_a_page_instead_of_json_is_tried_again_with_a_clear_text(fake: HubSpotFake) -> None:
    fake.faults.append(Fault("page"))
    error = error_of(await upsert(fake, ada()))
    assert error.kind is ErrorClass.RETRY
    assert error.text == "HubSpot answered 200 with a web page: “Down for maintenance”."


@pytest.mark.parametrize("id", [None, "", True, {"value": "33451"}, ["33451"], 1.5], ids=str)
async def test_what_is_no_id_is_tried_again(fake: HubSpotFake, id: object) -> None:
    fake.faults.append(Fault("status", status=200, body={"id": id, "properties": {}}))
    error = error_of(await upsert(fake, ada()))
    assert (error.kind, error.text) == (ErrorClass.RETRY, "HubSpot answered without the contact's id.")


async def test_per_item_errors_of_a_207_are_read(fake: HubSpotFake) -> None:
    item = {"status": "error", "category": "VALIDATION_ERROR", "message": "Email address x is invalid",
            "context": {"propertyName": ["email"]}}  # fmt: skip
    fake.faults.append(Fault("status", status=207, body={"status": "COMPLETE", "results": [], "errors": [item]}))
    error = error_of(await upsert(fake, ada()))
    assert (error.kind, error.field) == (ErrorClass.PERMANENT, "email")


@pytest.mark.parametrize(
    ("policy", "asked", "seconds"),
    [
        ("SECONDLY", None, 1),
        ("TEN_SECONDLY_ROLLING", None, 10),
        ("TEN_SECONDLY_ROLLING", "3", 3),
        ("DAILY", None, 7200),
    ],
)
async def test_a_reached_limit_pauses_as_long_as_it_lasts(
    fake: HubSpotFake, policy: str, asked: str | None, seconds: int
) -> None:
    fake.throttle(policy=policy, retry_after=asked)
    with clock.travel(datetime(2026, 11, 22, 21, 0, tzinfo=UTC)):  # 22:00 in Berlin
        error = error_of(await upsert(fake, ada()))
    assert (error.kind, error.retry_after) == (ErrorClass.THROTTLE, timedelta(seconds=seconds))


async def test_a_used_up_budget_stops_the_call_before_it_is_sent(fake: HubSpotFake) -> None:
    fake.limits.remaining, budget = 0, Budget()
    with clock.travel(datetime(2026, 11, 22, tzinfo=UTC)) as forward:
        await upsert(fake, ada(known_id=fake.add_contact(lastname="Ada")), budget=budget)
        sent = len(fake.requests)
        error = error_of(await upsert(fake, ada(), budget=budget))
        assert (error.kind, error.retry_after, len(fake.requests)) == (
            ErrorClass.THROTTLE, timedelta(seconds=10), sent)  # fmt: skip
        forward(10)
        fake.limits.remaining = 100
        assert (await upsert(fake, ada(), budget=budget)).error is None


async def test_a_dead_token_stops_the_rest_of_the_people(fake: HubSpotFake) -> None:
    fake.tokens.clear()
    async with context(secrets={"token": TOKEN}, base_url=fake.url) as (opened, _):
        written = await HubSpot(opened).upsert_people([ada(), ada(ref="dlv_2")])
    assert [error_of(w).kind for w in written] == [ErrorClass.REAUTH, ErrorClass.REAUTH]
    assert ([w.ref for w in written], len(fake.requests)) == (["dlv_1", "dlv_2"], 1)


async def test_a_missing_right_is_named(fake: HubSpotFake) -> None:
    fake.tokens[TOKEN] = {READ}
    error = error_of(await upsert(fake, ada()))
    assert error.kind is ErrorClass.CONFIG
    assert WRITE in error.text


async def test_verify_says_who_we_are(fake: HubSpotFake) -> None:
    async with context(secrets={"token": TOKEN}, base_url=fake.url) as (opened, _):
        account = await HubSpot(opened).verify()
    assert (account.id, account.currency, account.tz) == ("62515", "EUR", "Europe/Berlin")
    assert account.url == "https://app-eu1.hubspot.com/contacts/62515"


@pytest.mark.parametrize(("service_key", "scopes", "missing"), [(False, {READ}, WRITE), (True, {"oauth"}, READ)])
async def test_verify_names_the_missing_right(
    fake: HubSpotFake, service_key: bool, scopes: set[str], missing: str
) -> None:
    fake.tokens[TOKEN] = scopes
    fake.service_keys = {TOKEN} if service_key else set()
    async with context(secrets={"token": TOKEN}, base_url=fake.url) as (opened, _):
        with pytest.raises(CrmError, match=missing) as error:
            await HubSpot(opened).verify()
    assert error.value.kind is ErrorClass.CONFIG


async def test_fields_come_with_type_choices_and_writability(fake: HubSpotFake) -> None:
    async with context(secrets={"token": TOKEN}, base_url=fake.url) as (opened, _):
        fields = {field.key: field for field in await HubSpot(opened).fields(Kind.PERSON)}
    types = {
        key: fields[key].type for key in ("topics", "newsletter", "favourite_colour", "budget", "hubspot_owner_id")
    }
    assert types == {"topics": "choices", "newsletter": "bool", "favourite_colour": "choice", "budget": "number",
                     "hubspot_owner_id": "ref"}  # fmt: skip
    assert fields["favourite_colour"].choices == (("red", "Red"), ("green", "Green"), ("blue", "Blue"))
    assert (fields["favourite_colour"].custom, fields["email"].custom) == (True, False)
    assert (fields["email"].writable, fields["hs_object_id"].writable) == (True, False)
    assert "hs_calculated_form_submissions" not in fields


async def test_the_preview_is_what_is_sent(fake: HubSpotFake) -> None:
    exchanges: list[Exchange] = []
    await upsert(fake, ada(), exchanges=exchanges)
    async with context(secrets={"token": TOKEN}, base_url=fake.url, account=ACCOUNT) as (opened, _):
        shown = HubSpot(opened).preview(ada())
    assert [(e.method, e.url, e.request_headers, e.request_body) for e in shown] == [
        (e.method, e.url, e.request_headers, e.request_body) for e in exchanges
    ]


async def test_no_exchange_holds_the_token(fake: HubSpotFake) -> None:
    async with context(secrets={"token": TOKEN}, base_url=fake.url) as (opened, exchanges):
        connector = HubSpot(opened)
        await connector.verify()
        await connector.upsert_people([ada()])
    assert len(exchanges) == 4
    assert TOKEN not in repr(exchanges)
    assert TOKEN not in repr(opened)


@pytest.mark.parametrize("token", ["", "  ", "two words", "päss", "a\r\nX: y"])
async def test_what_cannot_be_a_token_is_refused_at_the_form(token: str) -> None:
    async with context(secrets={"token": token}) as (opened, _):
        with pytest.raises(CrmError) as error:
            HubSpot(opened)
    assert (error.value.kind, error.value.field) == (ErrorClass.CONFIG, "token")


@pytest.mark.parametrize("email", ["o'neil+x/y?z#1@example.com", "Ada.100%@Example.com"])
async def test_an_odd_address_finds_its_contact(fake: HubSpotFake, email: str) -> None:
    id = fake.add_contact(email=email)
    written = await upsert(fake, ada(email=email, fields={"firstname": "Ada"}))
    assert (written.id, written.created, only(fake)["firstname"]) == (id, False, "Ada")
