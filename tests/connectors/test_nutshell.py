"""Nutshell's people against a stateful fake: every call is checked against the vendor's document when it is at hand."""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from site2crm.connectors.contract import CrmError, ErrorClass, Exchange, Kind, PersonIn, Written
from site2crm.connectors.nutshell.access import HOSTS
from site2crm.connectors.nutshell.connector import Nutshell
from site2crm.connectors.pacing import Budget
from site2crm.connectors.wire import is_host_of
from site2crm.demo.nutshell import FORMS_ONLY
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests.connectors.connector_cases import ada, context
from tests.fakes import openapi
from tests.fakes.nutshell import DOCUMENT, EMAIL, KEY, NutshellFake
from tests.fakes.playing import playing

FIELDS = {"email": "ada@example.com", "first_name": "Ada", "last_name": "Lovelace", "phone": "+441234567"}


@pytest.fixture
async def fake() -> AsyncIterator[NutshellFake]:
    async with playing(NutshellFake()) as server:
        yield server


def given(fake: NutshellFake, **more: Any) -> dict[str, Any]:
    return {"settings": {"email": EMAIL}, "secrets": {"api_key": KEY}, "base_url": fake.url, **more}


def person(**more: Any) -> PersonIn:
    return ada(**{"fields": FIELDS, **more})


async def upsert(
    fake: NutshellFake, *people: PersonIn, exchanges: list[Exchange] | None = None, **more: Any
) -> Written:
    async with context(**given(fake, **more)) as (opened, seen):
        written = await Nutshell(opened).upsert_people(people or [person()])
    if exchanges is not None:
        exchanges += seen
    return written[-1]


def only(fake: NutshellFake) -> dict[str, Any]:
    [contact] = fake.contacts.values()
    return contact


def error_of(written: Written) -> CrmError:
    assert written.error is not None
    return written.error


def calls(fake: NutshellFake) -> list[tuple[str, str, int | None]]:
    return [(r.method, r.path.removeprefix("/rest/").partition("/")[0], r.status) for r in fake.requests]


async def test_every_call_is_checked_against_the_vendors_document(fake: NutshellFake) -> None:
    if not openapi.available(DOCUMENT):
        pytest.skip(f"{DOCUMENT} is not beside the checkout: calls are not validated")
    async with context() as (opened, _):
        basic = base64.b64encode(f"{EMAIL}:{KEY}".encode()).decode()
        await opened.http.request(
            "POST", f"{fake.url}/rest/contacts", headers={"Authorization": f"Basic {basic}"}, json={"people": []}
        )
    assert fake.violations
    fake.violations.clear()


async def test_a_new_lead_becomes_one_contact_with_a_link(fake: NutshellFake) -> None:
    written = await upsert(fake)
    assert (written.created, written.error) == (True, None)
    assert written.url == f"https://app.nutshell.com/person/{str(written.id).removesuffix('-contacts')}"
    assert (only(fake)["name"], only(fake)["emails"][0]["value"]) == ("Ada Lovelace", "ada@example.com")
    assert only(fake)["phones"][0]["value"]["E164"] == "+441234567"
    assert calls(fake) == [("GET", "contacts", 200), ("GET", "events", 200), ("POST", "contacts", 200)]


async def test_a_known_address_updates_and_keeps_what_was_not_said(fake: NutshellFake) -> None:
    id = fake.add_contact(email="Ada@Example.com", phone="+4990000", name="Ada King", description="Countess")
    written = await upsert(fake, person(fields={**FIELDS, "description": "", "website": "https://b.example"}))
    contact = only(fake)
    assert (written.id, written.created, written.error) == (id, False, None)
    assert (contact["name"], contact["description"]) == ("Ada Lovelace", "Countess")
    assert [phone["value"]["E164"] for phone in contact["phones"]] == ["+4990000", "+441234567"]
    assert [(phone["isPrimary"]) for phone in contact["phones"]] == [False, False]
    assert len(contact["emails"]) == 1
    assert contact["urls"][0]["value"] == "https://b.example"


async def test_a_second_time_changes_nothing_and_sends_no_patch(fake: NutshellFake) -> None:
    await upsert(fake)
    before = len(fake.requests)
    await upsert(fake)
    assert calls(fake)[before:] == [("GET", "contacts", 200)]


async def test_a_name_that_is_given_in_part_keeps_the_other_part(fake: NutshellFake) -> None:
    fake.add_contact(email="ada@example.com", name="Ada Lovelace")
    await upsert(fake, person(fields={"email": "ada@example.com", "first_name": "Augusta"}))
    assert only(fake)["name"] == "Augusta Lovelace"


async def test_the_same_lead_twice_at_once_is_one_contact(fake: NutshellFake) -> None:
    written = await asyncio.gather(*(upsert(fake) for _ in range(5)))
    assert {w.id for w in written} == {only(fake)["id"]}
    assert all(w.error is None for w in written)


async def test_lists_that_lag_make_no_second_contact_and_no_second_company(fake: NutshellFake) -> None:
    fake.records.list_lag_s = 60
    lead = person(fields={**FIELDS, "company": "Engines"})
    first, second = await upsert(fake, lead), await upsert(fake, lead)
    other = await upsert(
        fake, person(email="bob@example.com", fields={"email": "bob@example.com", "company": "engines"})
    )
    assert (first.id, second.created, other.created) == (second.id, False, True)
    assert (len(fake.contacts), len(fake.accounts)) == (2, 1)


async def test_people_of_one_company_at_the_same_time_make_it_once(fake: NutshellFake) -> None:
    fake.records.list_lag_s = 60
    fake.faults.append(Fault("slow", method="POST", path="/accounts", seconds=0.2))
    names = ("Engines", " engines", "Engines", "Other")
    people = [
        person(email=f"p{n}@example.com", fields={"email": f"p{n}@example.com", "company": name})
        for n, name in enumerate(names)
    ]
    async with context(**given(fake)) as (opened, _):
        connector = Nutshell(opened)
        told = await asyncio.gather(*(connector.upsert_people([each]) for each in people))
    assert [written.error for [written] in told] == [None] * 4
    assert sorted(account["name"] for account in fake.accounts.values()) == ["Engines", "Other"]


@pytest.mark.parametrize("kind", ["timeout", "reset", "half"])
@pytest.mark.parametrize("lag_s", [0, 60])
async def test_a_lost_answer_is_tried_again_and_makes_no_second_contact(
    fake: NutshellFake, kind: Any, lag_s: float
) -> None:
    fake.records.list_lag_s = lag_s
    fake.faults.append(Fault(kind, method="POST", path="/contacts", effect=True))
    async with context(timeout_s=0.5, **given(fake)) as (opened, _):
        [first] = await Nutshell(opened).upsert_people([person()])
    second = await upsert(fake)
    assert error_of(first).kind is ErrorClass.RETRY
    assert (second.error, second.created, len(fake.contacts)) == (None, False, 1)


async def test_of_two_contacts_with_the_address_the_oldest_is_updated(fake: NutshellFake) -> None:
    old = fake.add_contact(email="ada@example.com")
    fake.add_contact(email="ada@example.com")
    written = await upsert(fake)
    assert (written.id, len(fake.contacts)) == (old, 2)


async def test_what_the_list_brings_is_compared_again(fake: NutshellFake) -> None:
    other = {"id": "8-contacts", "emails": [{"value": "ada@example.com.au"}], "links": {}}
    fake.faults.append(Fault("status", status=200, path="/contacts", body={"contacts": [other]}))
    written = await upsert(fake)
    assert (written.created, written.id) == (True, only(fake)["id"])


async def test_a_contact_that_the_list_tells_little_of_is_read_whole(fake: NutshellFake) -> None:
    id = fake.add_contact(email="ada@example.com", phone="+441234567", name="Ada Lovelace")
    stub = {"id": id, "emails": [{"value": "ada@example.com"}]}
    fake.faults.append(Fault("status", status=200, path="/contacts", body={"contacts": [stub]}))
    written = await upsert(fake)
    assert (written.id, len(only(fake)["phones"])) == (id, 1)
    assert [(method, status) for method, _, status in calls(fake)] == [("GET", 200), ("GET", 200)]


@pytest.mark.parametrize("status", [400, 404])
async def test_a_feed_that_does_not_answer_stops_no_lead(fake: NutshellFake, status: int) -> None:
    fake.faults.append(Fault("status", status=status, path="/events", count=-1, body=b"No such filter"))
    first = await upsert(fake, person(fields={**FIELDS, "note": "Call me"}))
    second = await upsert(fake, person(fields={**FIELDS, "note": "Again"}, submission="sub_2"))
    assert (first.error, second.error, first.id) == (None, None, second.id)
    assert (len(fake.contacts), len(fake.notes)) == (1, 2)


async def test_the_stored_id_is_used_and_a_later_address_added(fake: NutshellFake) -> None:
    id = fake.add_contact(name="Ada", phone="+44 1234567")
    written = await upsert(fake, person(known_id=id))
    assert (written.id, [email["value"] for email in only(fake)["emails"]]) == (id, ["ada@example.com"])
    assert len(only(fake)["phones"]) == 1
    assert [status for _, _, status in calls(fake)] == [200, 204]


@pytest.mark.parametrize("how", ["deleted", "gone"])
async def test_a_stored_id_that_is_gone_is_forgotten(fake: NutshellFake, how: str) -> None:
    id = fake.add_contact(email="ada@example.com")
    if how == "deleted":
        fake.delete("contacts", id)
    else:
        del fake.records.tables["contacts"][id]
    written = await upsert(fake, person(known_id=id))
    assert (written.created, written.id) == (True, only(fake)["id"])


async def test_a_lead_without_an_address_is_found_by_its_number(fake: NutshellFake) -> None:
    lead = person(email=None, fields={"phone": "+441234567"})
    first, second = await upsert(fake, lead), await upsert(fake, lead)
    assert (first.created, second.created, first.id) == (True, False, second.id)
    assert only(fake)["name"] == "+441234567"


async def test_a_number_of_several_contacts_is_nobodys(fake: NutshellFake) -> None:
    fake.add_contact(name="A", phone="+44 123 4567")
    fake.add_contact(name="B", phone="+441234567")
    written = await upsert(fake, person(email=None, fields={"phone": "+441234567"}))
    assert (written.created, len(fake.contacts)) == (True, 3)


async def test_a_company_is_found_by_its_exact_name_or_made_and_linked_once(fake: NutshellFake) -> None:
    fake.add_account("Engines Ltd")
    engines = fake.add_account("ENGINES")
    lead = person(fields={**FIELDS, "company": "Engines"})
    await upsert(fake, lead)
    await upsert(fake, person(fields={**FIELDS, "company": "New Works"}))
    await upsert(fake, lead)
    made = next(id for id, account in fake.accounts.items() if account["name"] == "New Works")
    assert only(fake)["links"]["accounts"] == [engines, made]
    assert len(fake.accounts) == 3


async def test_a_message_is_one_note_for_each_submission(fake: NutshellFake) -> None:
    lead = person(fields={**FIELDS, "note": "Call me"}, at=datetime(2026, 11, 22, tzinfo=UTC))
    await upsert(fake, lead)
    await upsert(fake, lead)
    await upsert(fake, person(fields={**FIELDS, "note": "Call me"}, submission="sub_2"))
    assert [note["body"] for note in fake.notes.values()] == ["Call me\n\n[sub_1]", "Call me\n\n[sub_2]"]
    assert {note["links"]["parent"] for note in fake.notes.values()} == {only(fake)["id"]}


@pytest.mark.parametrize("effect", [False, True])
async def test_a_note_whose_answer_was_lost_is_written_once_and_the_contact_is_known(
    fake: NutshellFake, effect: bool
) -> None:
    lead = person(fields={**FIELDS, "note": "Call me"})
    fake.faults.append(Fault("reset", path="/notes", effect=effect))
    first = await upsert(fake, lead)
    second = await upsert(fake, person(fields={**FIELDS, "note": "Call me"}, known_id=first.id))
    assert (error_of(first).kind, first.id) == (ErrorClass.RETRY, only(fake)["id"])
    assert (second.error, len(fake.notes), len(fake.contacts)) == (None, 1, 1)


async def test_a_note_that_is_refused_costs_a_warning_only(fake: NutshellFake) -> None:
    fake.faults.append(Fault("status", status=400, path="/notes", body={"errors": [{"status": "400", "title": "No"}]}))
    written = await upsert(fake, person(fields={**FIELDS, "note": "Call me"}))
    assert (written.error, [w.property for w in written.warnings]) == (None, ["note"])


async def test_values_of_custom_fields_arrive_under_their_labels(fake: NutshellFake) -> None:
    custom = {"Lead source detail": "Google Ads", "Topics": ["SEO", "CRM"], "Seats": Decimal("12"),
              "Yes/no ~ opt-in": True, "Renewal": date(2027, 1, 31)}  # fmt: skip
    expected = {**custom, "Seats": "12", "Renewal": "2027-01-31"}
    await upsert(fake, person(fields={**FIELDS, **custom}))
    assert only(fake)["customFields"] == expected
    only(fake)["customFields"].clear()
    await upsert(fake, person(fields={**FIELDS, **custom}))
    assert only(fake)["customFields"] == expected


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("status", [400, 500])
async def test_a_renamed_custom_field_is_left_out_with_a_warning(fake: NutshellFake, new: bool, status: int) -> None:
    if not new:
        fake.add_contact(email="ada@example.com")
    method = "POST" if new else "PATCH"
    body = (
        {"code": 500, "message": "Internal Error"} if status == 500 else {"errors": [{"status": "400", "title": "?"}]}
    )
    fake.faults.append(Fault("status", status=status, method=method, body=body))
    written = await upsert(fake, person(fields={**FIELDS, "Old label": "x", "Plan": "Pro"}))
    assert (written.error, written.created) == (None, new)
    assert [w.property for w in written.warnings] == ["Old label"]
    assert only(fake)["customFields"] == {"Plan": "Pro"}


async def test_a_read_only_custom_field_is_left_out_with_a_warning(fake: NutshellFake) -> None:
    fake.fields.custom["contacts"]["Plan"]["isReadOnly"] = True
    written = await upsert(fake, person(fields={**FIELDS, "Plan": "Pro", "Seats": 3}))
    assert [(w.property, w.text) for w in written.warnings] == [("Plan", "Plan is read-only")]
    assert only(fake)["customFields"] == {"Seats": 3}


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"Plan": "Golden"}, "Plan", "Golden is not a choice of Plan"),
        ({"Seats": "many"}, "Seats", "many is not a number"),
        ({"email": "ada@nowhere"}, "email", "ada@nowhere is not a valid email address"),
    ],
)
async def test_a_refused_value_is_final_and_names_the_property(
    fake: NutshellFake, fields: dict[str, str], field: str, words: str
) -> None:
    email = fields.get("email", "ada@example.com")
    error = error_of(await upsert(fake, person(email=email, fields={**FIELDS, **fields})))
    assert (error.kind, error.field, error.text) == (ErrorClass.PERMANENT, field, words)


async def test_a_lead_with_nothing_mapped_is_final_and_sends_nothing(fake: NutshellFake) -> None:
    written = await upsert(fake, person(email=None, phone=None, fields={}))
    assert (error_of(written).kind, error_of(written).code, len(fake.requests)) == (ErrorClass.PERMANENT, "EMPTY", 0)


async def test_the_owner_is_set_where_nobody_owns_the_contact_yet(fake: NutshellFake) -> None:
    await upsert(fake, person(owner="2-users"))
    assert only(fake)["links"]["owner"] == "2-users"
    await upsert(fake, person(owner="1-users"))
    assert only(fake)["links"]["owner"] == "2-users"


async def test_a_patch_of_another_media_type_is_refused_by_the_server(fake: NutshellFake) -> None:
    id = fake.add_contact(email="ada@example.com")
    async with context() as (opened, _):
        basic = base64.b64encode(f"{EMAIL}:{KEY}".encode()).decode()
        answer = await opened.http.request(
            "PATCH", f"{fake.url}/rest/contacts/{id}", headers={"Authorization": f"Basic {basic}"}, json=[]
        )
    assert (answer.status, answer.content) == (415, b"Content-Type must be application/json-patch+json")
    fake.violations.clear()


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_a_passing_fault_is_tried_again(fake: NutshellFake, status: int) -> None:
    fake.faults.append(Fault("status", status=status))
    assert error_of(await upsert(fake)).kind is ErrorClass.RETRY
    assert (await upsert(fake)).created


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "permanent"), (405, "permanent"), (415, "permanent"), (422, "permanent"), (401, "reauth"), (402, "config"),
     (403, "config"), (404, "not_found"), (409, "permanent"), (302, "config")],
)  # fmt: skip
async def test_a_refusal_in_plain_words_is_of_its_class(fake: NutshellFake, status: int, kind: str) -> None:
    fake.faults.append(Fault("status", status=status, body=b"Because of reasons"))
    error = error_of(await upsert(fake))
    assert error.kind.value == kind
    assert "Because of reasons" in error.text


@pytest.mark.parametrize("status", [200, 400, 502])
async def test_a_page_instead_of_json_is_tried_again_with_a_clear_text(fake: NutshellFake, status: int) -> None:
    page = b"<html><body><h1>Down for maintenance</h1></body></html>"
    fake.faults.append(Fault("status", status=status, body=page))
    error = error_of(await upsert(fake))
    assert error.kind is ErrorClass.RETRY
    assert error.text == f"Nutshell answered {status} with a web page: “Down for maintenance”."


async def test_errors_inside_an_answer_that_says_200_are_a_failure(fake: NutshellFake) -> None:
    body = {"contacts": [], "errors": [{"status": "400", "title": "Bad", "detail": "No such list", "field": None}]}
    fake.faults.append(Fault("status", status=200, body=body))
    error = error_of(await upsert(fake))
    assert (error.kind, error.text) == (ErrorClass.PERMANENT, "No such list")


@pytest.mark.parametrize("body", [{"contacts": []}, {"contacts": [{"id": ""}]}, {"contacts": [{"id": 7}]}, []])
async def test_an_answer_without_an_id_is_tried_again(fake: NutshellFake, body: Any) -> None:
    fake.faults.append(Fault("status", status=200, method="POST", body=body))
    error = error_of(await upsert(fake))
    assert (error.kind, error.text) == (ErrorClass.RETRY, "Nutshell answered without the record's id.")


@pytest.mark.parametrize("status", [429, 503])
async def test_a_limit_without_a_word_on_its_end_pauses_longer_each_time(fake: NutshellFake, status: int) -> None:
    fake.throttle(count=3, status=status)
    budget, waits = Budget(), []
    with clock.travel(datetime(2026, 11, 22, tzinfo=UTC)) as forward:
        for _ in range(3):
            error = error_of(await upsert(fake, budget=budget))
            waits.append((error.kind, error.retry_after))
            assert error_of(await upsert(fake, budget=budget)).code == "BUDGET"
            forward(300)
        assert (await upsert(fake, budget=budget)).created
    assert waits == [(ErrorClass.THROTTLE, timedelta(seconds=seconds)) for seconds in (5, 10, 20)]


async def test_a_limit_pauses_as_long_as_nutshell_asks(fake: NutshellFake) -> None:
    fake.throttle(retry_after="42")
    assert error_of(await upsert(fake)).retry_after == timedelta(seconds=42)


async def test_a_wrong_key_stops_the_rest_of_the_people(fake: NutshellFake) -> None:
    fake.keys.clear()
    written = await upsert(fake, person(), person(ref="dlv_2"))
    assert (error_of(written).kind, written.ref, len(fake.requests)) == (ErrorClass.REAUTH, "dlv_2", 1)


async def test_a_key_for_forms_only_lacks_the_permission(fake: NutshellFake) -> None:
    fake.keys[KEY] = FORMS_ONLY
    error = error_of(await upsert(fake))
    assert error.kind is ErrorClass.CONFIG
    assert error.text.startswith("The API key lacks the permission “API access”.")


async def test_verify_says_who_we_are(fake: NutshellFake) -> None:
    fake.add_lead("An offer")
    async with context(**given(fake)) as (opened, _):
        account = await Nutshell(opened).verify()
    assert (account.id, account.user_id, account.currency) == ("77001", "1-users", "EUR")


async def test_verify_of_an_empty_account_knows_no_currency(fake: NutshellFake) -> None:
    async with context(**given(fake, settings={"email": EMAIL.upper()})) as (opened, _):
        account = await Nutshell(opened).verify()
    assert (account.id, account.user_id, account.currency) == ("77001", "1-users", None)


async def test_a_next_page_of_users_is_read_from_our_own_host(fake: NutshellFake) -> None:
    users = [{"id": "5-users", "emails": ["x@client.example"]}]
    body = {"meta": {"next": "https://evil.example/rest/users?page%5Bpage%5D=1"}, "users": users}
    fake.faults.append(Fault("status", status=200, path="/users", body=body))
    async with context(**given(fake)) as (opened, exchanges):
        await Nutshell(opened).verify()
    assert [exchange.url.partition("/rest")[0] for exchange in exchanges] == [fake.url] * 3
    assert exchanges[1].url.endswith("page%5Bpage%5D=1")


@pytest.mark.parametrize("bare", [False, True])
async def test_fields_come_with_type_and_choices_under_their_labels(fake: NutshellFake, bare: bool) -> None:
    fake.bare = bare
    async with context(**given(fake)) as (opened, _):
        people = {field.key: field for field in await Nutshell(opened).fields(Kind.PERSON)}
        deals = await Nutshell(opened).fields(Kind.DEAL)
    types = {key: people[key].type for key in ("Plan", "Topics", "Seats", "Yes/no ~ opt-in", "Renewal", "company")}
    assert types == {"Plan": "choice", "Topics": "choices", "Seats": "number", "Yes/no ~ opt-in": "bool",
                     "Renewal": "date", "company": "ref"}  # fmt: skip
    assert people["Plan"].choices == (("Basic", "Basic"), ("Pro", "Pro"))
    assert (people["Plan"].custom, people["email"].custom, [field.key for field in deals]) == (
        True,
        False,
        ["Campaign"],
    )


async def test_a_custom_field_that_cannot_be_told_from_ours_is_not_offered(fake: NutshellFake) -> None:
    fake.fields.custom["contacts"]["note"] = {"id": "9", "name": "note", "type": "text", "choices": []}
    async with context(**given(fake)) as (opened, _):
        keys = [field.key for field in await Nutshell(opened).fields(Kind.PERSON)]
    assert keys.count("note") == 1


@pytest.mark.parametrize("known", [False, True])
async def test_the_preview_is_what_is_sent(fake: NutshellFake, known: bool) -> None:
    id = fake.add_contact() if known else None
    lead, exchanges = person(fields={**FIELDS, "Plan": "Pro"}, known_id=id), list[Exchange]()
    async with context(**given(fake)) as (opened, _):
        shown = Nutshell(opened).preview(lead)
    await upsert(fake, lead, exchanges=exchanges)
    assert [(e.method, e.url, e.request_headers, e.request_body) for e in shown] == [
        (e.method, e.url, e.request_headers, e.request_body) for e in exchanges
    ]


async def test_no_exchange_holds_the_key_in_any_form(fake: NutshellFake) -> None:
    basic = base64.b64encode(f"{EMAIL}:{KEY}".encode()).decode()
    async with context(**given(fake)) as (opened, exchanges):
        await Nutshell(opened).verify()
        await Nutshell(opened).upsert_people([person()])
        shown = repr((exchanges, Nutshell(opened).preview(person()), opened))
    assert len(exchanges) == 5
    assert KEY not in shown
    assert basic not in shown


@pytest.mark.parametrize(
    ("settings", "secrets", "field"),
    [
        ({}, {"api_key": KEY}, "email"),
        ({"email": "company.example"}, {"api_key": KEY}, "email"),
        ({"email": EMAIL}, {}, "api_key"),
        ({"email": EMAIL}, {"api_key": "two words"}, "api_key"),
        ({"email": EMAIL}, {"api_key": "a\r\nX: y"}, "api_key"),
        ({"email": "a\n@b.example"}, {"api_key": KEY}, "email"),
    ],
)
async def test_what_cannot_be_an_access_is_refused_at_the_form(
    settings: dict[str, str], secrets: dict[str, str], field: str
) -> None:
    async with context(settings=settings, secrets=secrets) as (opened, _):
        with pytest.raises(CrmError) as error:
            Nutshell(opened)
    assert (error.value.kind, error.value.field) == (ErrorClass.CONFIG, field)


@pytest.mark.parametrize("email", ["o'neil+x/y?z#1@example.com", "Ada.100%@Example.com"])
async def test_an_odd_address_finds_its_contact(fake: NutshellFake, email: str) -> None:
    id = fake.add_contact(email=email)
    written = await upsert(fake, person(email=email, fields={"first_name": "Ada"}))
    assert (written.id, written.created, only(fake)["firstName"]) == (id, False, "Ada")


def test_only_nutshells_own_host_is_called() -> None:
    assert is_host_of("https://app.nutshell.com/rest/users", HOSTS)
    assert not is_host_of("https://app.nutshell.com.evil.example/rest/users", HOSTS)
