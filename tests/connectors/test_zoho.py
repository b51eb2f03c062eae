"""People into Zoho CRM, against a stateful server; every call is checked against the vendor's document."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from site2crm.connectors.contract import CrmError, ErrorClass, Kind, several
from site2crm.connectors.grants import Grant
from site2crm.connectors.pacing import Budget
from site2crm.connectors.zoho import client
from site2crm.connectors.zoho.connector import Zoho
from site2crm.connectors.zoho.kind import ZOHO
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests.connectors.connector_cases import Granted, ada
from tests.connectors.zoho_cases import (
    calls,
    connection,
    converted,
    error_of,
    granted,
    one,
    only,
    person,
    upsert,
)
from tests.fakes import openapi
from tests.fakes.playing import playing
from tests.fakes.zoho import DOCUMENT, ZohoFake

MANY = 250


@pytest.fixture
async def fake() -> AsyncIterator[ZohoFake]:
    async with playing(ZohoFake()) as server:
        yield server


async def test_every_call_is_checked_against_the_vendors_document(fake: ZohoFake) -> None:
    if not openapi.available(DOCUMENT):
        pytest.skip(f"{DOCUMENT} is not beside the checkout: calls are not validated")
    async with connection(fake) as (opened, _):
        headers = {"Authorization": f"Zoho-oauthtoken {fake.token}"}
        await opened.http.request("GET", f"{fake.url}/crm/v8/Leads", headers=headers)
    assert fake.violations
    fake.violations.clear()


async def test_a_new_person_becomes_a_lead_with_a_link(fake: ZohoFake) -> None:
    written = await one(fake, person(more={"Company": "Engines"}))
    assert (written.created, written.error) == (True, None)
    assert written.url == f"https://crm.zoho.eu/crm/org20061234/tab/Leads/{written.id}"
    assert (only(fake)["Email"], only(fake)["Company"]) == ("ada@example.com", "Engines")
    assert calls(fake) == [("POST", "coql"), ("POST", "coql"), ("POST", "Leads/upsert")]


async def test_the_header_is_zohos_own_and_not_bearer(fake: ZohoFake) -> None:
    await one(fake, person())
    assert {request.headers["authorization"] for request in fake.requests} == {f"Zoho-oauthtoken {fake.token}"}


async def test_who_is_a_lead_is_updated_and_keeps_what_was_not_said(fake: ZohoFake) -> None:
    id = fake.add("Leads", Last_Name="Old", Company="B", Email="ADA@example.com", City="London")
    written = await one(fake, person(more={"City": "", "Designation": None}))
    assert (written.id, written.created) == (id, False)
    assert (only(fake)["Last_Name"], only(fake)["City"], only(fake)["Company"]) == ("Lovelace", "London", "B")


async def test_a_missing_name_or_company_is_made_up_for_new_leads_only(fake: ZohoFake) -> None:
    known = fake.add("Leads", Last_Name="Babbage", Company="B", Email="bob@example.com")
    people = [ada(email=email, first=None, last=None, phone=None, fields={"Email": email}, ref=email)
              for email in ("bob@example.com", "new@example.com")]  # fmt: skip
    first, second = await upsert(fake, *people)
    assert (first.id, fake.records["Leads"][known]["Last_Name"]) == (known, "Babbage")
    made = fake.records["Leads"][str(second.id)]
    assert (made["Last_Name"], made["Company"]) == ("new", "-")


async def test_a_batch_is_written_by_three_calls_for_each_hundred(fake: ZohoFake) -> None:
    people = [person(f"p{n}@example.com", ref=f"dlv_{n}", phone=None) for n in range(MANY)]
    written = await upsert(fake, *people)
    assert [w.ref for w in written] == [p.ref for p in people]
    assert all(w.created and w.error is None for w in written)
    assert len({w.id for w in written}) == MANY == len(fake.records["Leads"])
    assert [path for _, path in calls(fake)].count("Leads/upsert") == 3
    again = await upsert(fake, *people)
    assert ([w.id for w in again], [w.created for w in again]) == ([w.id for w in written], [False] * MANY)


async def test_each_of_a_batch_has_its_own_result_in_a_207(fake: ZohoFake) -> None:
    people = [person(email, ref=email) for email in ("a@example.com", "ada@nowhere", "c@example.com")]
    good, bad, other = await upsert(fake, *people)
    assert (good.created, other.created, bad.id) == (True, True, None)
    error = error_of(bad)
    assert (error.kind, error.field, error.code) == (ErrorClass.PERMANENT, "Email", "INVALID_DATA")
    assert error.text == "Invalid data about Email (it takes: email) (INVALID_DATA)."
    assert [request.status for request in fake.requests if "upsert" in request.path] == [207]


@pytest.mark.parametrize("fault", ["", "reset", "status"])
async def test_the_record_of_a_delivery_shows_nobody_elses_data(fake: ZohoFake, fault: Any) -> None:
    fake.add("Contacts", Last_Name="L", Email="p0@example.com")
    known = fake.add("Leads", Last_Name="L", Company="B", Email="p1@example.com")
    people = [person(f"p{n}@example.com", ref=f"dlv_{n}", more={"Note": f"Word {n}", "Company": f"Firm {n}"},
                     submission=f"sub_{n}", known_id=known if n == 1 else None) for n in range(4)]  # fmt: skip
    if fault:
        fake.faults.append(Fault(fault, path="Leads/upsert"))
    async with connection(fake) as (opened, exchanges):
        await Zoho(opened).upsert_people(people)
    for n in range(4):
        theirs = repr([exchange for exchange in exchanges if exchange.ref == f"dlv_{n}"])
        assert f"p{n}@example.com" in theirs
        assert fake.token not in theirs
        assert not [m for m in range(4) if m != n and (f"p{m}@" in theirs or f"Word {m}" in theirs)]
    assert not [exchange for exchange in exchanges if not exchange.ref and "@example.com" in repr(exchange)]


async def test_the_same_person_twice_in_a_batch_is_one_lead(fake: ZohoFake) -> None:
    first, second = await upsert(fake, person(), person("Ada@Example.com", ref="dlv_2", more={"City": "London"}))
    assert (first.id, first.created, second.created) == (second.id, True, False)
    assert only(fake)["City"] == "London"


async def test_the_same_lead_at_once_from_several_sides_is_one(fake: ZohoFake) -> None:
    written = await asyncio.gather(*(one(fake, person()) for _ in range(4)))
    assert {w.id for w in written} == {only(fake)["id"]}


async def test_a_customer_who_is_a_contact_is_updated_there(fake: ZohoFake) -> None:
    account = fake.add("Accounts", Account_Name="Engines Ltd")
    id = fake.add("Contacts", Last_Name="L", Email="ada@example.com", Account_Name={"id": account})
    more = {"Company": "Another", "Designation": "Countess", "City": "London", "Lead_Status": "Contacted"}
    written = await one(fake, person(more=more))
    contact = only(fake, "Contacts")
    assert (written.id, written.created, fake.records["Leads"]) == (id, False, {})
    assert (contact["Title"], contact["Mailing_City"]) == ("Countess", "London")
    assert contact["Account_Name"]["id"] == account
    assert [w.property for w in written.warnings] == ["Lead_Status"]
    assert str(written.url).endswith(f"/Contacts/{id}")


async def test_a_contact_without_an_account_gets_the_company_as_one(fake: ZohoFake) -> None:
    fake.add("Contacts", Last_Name="L", Email="ada@example.com")
    await one(fake, person(more={"Company": "Engines"}))
    await one(fake, person("new@example.com", more={"Company": "engines"}), settings={"module": "Contacts"})
    account = only(fake, "Accounts")
    assert {c["Account_Name"]["id"] for c in fake.records["Contacts"].values()} == {account["id"]}


async def test_customers_may_become_leads_too_if_that_is_wanted(fake: ZohoFake) -> None:
    fake.add("Contacts", Last_Name="L", Email="ada@example.com")
    written = await one(fake, person(), settings={"existing": "lead"})
    assert (written.created, len(fake.records["Leads"])) == (True, 1)


async def test_a_converted_lead_is_followed_to_its_contact(fake: ZohoFake) -> None:
    lead, contact = converted(fake)
    written = await one(fake, person(known_id=lead, more={"City": "London"}))
    assert (written.id, written.error, len(fake.people)) == (contact, None, 1)
    assert only(fake, "Contacts")["Mailing_City"] == "London"


async def test_the_contact_of_a_converted_lead_is_found_by_its_address(fake: ZohoFake) -> None:
    _, contact = converted(fake)
    assert (await one(fake, person())).id == contact


async def test_a_known_id_that_is_gone_is_forgotten(fake: ZohoFake) -> None:
    written = await one(fake, person(known_id="5550000999999"))
    assert (written.created, written.id) == (True, only(fake)["id"])


async def test_a_record_that_vanishes_between_the_calls_is_made_anew(fake: ZohoFake) -> None:
    fake.add("Leads", Last_Name="L", Company="B", Email="ada@example.com")
    gone = {"data": [{"code": "INVALID_DATA", "status": "error", "message": "the id given seems to be invalid",
                      "details": {"api_name": "id", "json_path": "$.data[0].id"}}]}  # fmt: skip
    fake.faults.append(Fault("status", status=400, method="PUT", body=gone))
    written = await one(fake, person())
    assert (written.error, len(fake.records["Leads"])) == (None, 1)


async def test_a_known_lead_keeps_its_id_with_a_new_address(fake: ZohoFake) -> None:
    id = fake.add("Leads", Last_Name="L", Company="B", Email="old@example.com")
    written = await one(fake, person(known_id=id))
    assert (written.id, only(fake)["Email"]) == (id, "ada@example.com")


async def test_of_two_contacts_with_one_address_the_older_is_updated_and_said_so(fake: ZohoFake) -> None:
    older = fake.add("Contacts", Last_Name="A", Email="ada@example.com")
    fake.add("Contacts", Last_Name="B", Email="ada@example.com")
    written = await one(fake, person())
    assert (written.id, written.warnings) == (older, [several(2, "contacts")])


async def test_a_lead_with_a_number_only_is_found_by_it(fake: ZohoFake) -> None:
    caller = person(None)
    first, second = await one(fake, caller), await one(fake, caller)
    assert (first.created, second.created, first.id) == (True, False, second.id)


async def test_the_late_search_index_makes_no_second_lead(fake: ZohoFake) -> None:
    fake.search_lag_s = 60
    assert (await one(fake, person(None))).id == (await one(fake, person(None))).id


async def test_a_number_of_several_is_nobodys(fake: ZohoFake) -> None:
    for name in "AB":
        fake.add("Leads", Last_Name=name, Company="B", Phone="+441234567")
    assert (await one(fake, person(None))).created
    assert len(fake.records["Leads"]) == 3


async def test_unknown_and_read_only_fields_are_left_out_with_a_warning(fake: ZohoFake) -> None:
    written = await one(fake, person(more={"Nonsense": "x", "Score": Decimal(5), "City": "London"}))
    assert (written.created, written.error) == (True, None)
    assert {w.property: w.text for w in written.warnings} == {
        "Nonsense": "Zoho has no such field any more.", "Score": "Zoho does not let us write this field."}  # fmt: skip
    assert only(fake)["City"] == "London"


async def test_one_mapping_to_a_deleted_field_does_not_hold_up_the_others_of_a_batch(fake: ZohoFake) -> None:
    del fake.fields["Leads"]["Budget"]
    people = [
        person(f"p{n}@example.com", ref=f"dlv_{n}", more={"Budget": Decimal(5)} if n % 2 else {}) for n in range(6)
    ]
    written = await upsert(fake, *people)
    assert all(w.error is None for w in written)
    assert [len(w.warnings) for w in written] == [0, 1, 0, 1, 0, 1]
    assert len(fake.records["Leads"]) == 6


@pytest.mark.parametrize(
    ("name", "value"),
    [("Favourite_Colour", "mauve"), ("Budget", "a lot"), ("Born", "yesterday"), ("Newsletter", "perhaps"),
     ("Phone", "call me"), ("City", "x" * 300)],
)  # fmt: skip
async def test_a_refused_value_is_final_and_names_the_field(fake: ZohoFake, name: str, value: str) -> None:
    error = error_of(await one(fake, person(more={name: value})))
    assert (error.kind, error.field, error.code) == (ErrorClass.PERMANENT, name, "INVALID_DATA")
    assert name in error.text


async def test_values_arrive_as_zoho_writes_them(fake: ZohoFake) -> None:
    more = {"Newsletter": True, "Budget": Decimal("1500.50"), "No_of_Employees": Decimal(12), "Topics": ["seo", "crm"],
            "Born": date(1815, 12, 10), "Call_me_at": datetime(2026, 11, 22, 9, 30, 15, 500, tzinfo=UTC),
            "A" * 40: "long"}  # fmt: skip
    assert (await one(fake, person(more=more))).error is None
    got = {name: only(fake)[name] for name in more}
    assert got == {"Newsletter": True, "Budget": 1500.5, "No_of_Employees": 12, "Topics": ["seo", "crm"],
                   "Born": "1815-12-10", "Call_me_at": "2026-11-22T09:30:15+00:00", "A" * 40: "long"}  # fmt: skip


async def test_the_owner_is_set_and_one_who_left_does_not_stop_the_lead(fake: ZohoFake) -> None:
    await one(fake, person(owner="5550000000112"))
    assert only(fake)["Owner"]["id"] == "5550000000112"
    gone = {"code": "INVALID_DATA", "status": "error", "message": "invalid data",
            "details": {"api_name": "id", "json_path": "$.data[0].Owner.id"}}  # fmt: skip
    fake.faults.append(Fault("status", status=400, path="upsert", body={"data": [gone]}))
    written = await one(fake, person("new@example.com", owner="5550000000113"))
    assert (written.created, [w.property for w in written.warnings]) == (True, ["Owner"])


async def test_a_field_that_the_layout_demands_is_named(fake: ZohoFake) -> None:
    fake.fields["Leads"]["Favourite_Colour"]["system_mandatory"] = True
    error = error_of(await one(fake, person()))
    assert (error.kind, error.field, error.code) == (ErrorClass.PERMANENT, "Favourite_Colour", "MANDATORY_NOT_FOUND")


async def test_a_custom_key_of_another_record_leads_to_that_one(fake: ZohoFake) -> None:
    fake.unique["Leads"] = "A" * 40
    id = fake.add("Leads", Last_Name="L", Company="B", **{"A" * 40: "k1"})
    written = await one(fake, person(more={"A" * 40: "k1"}))
    assert (written.id, written.error, only(fake)["Email"]) == (id, None, "ada@example.com")


async def test_a_locked_record_is_tried_again(fake: ZohoFake) -> None:
    fake.locked.add(fake.add("Leads", Last_Name="L", Company="B", Email="ada@example.com"))
    assert error_of(await one(fake, person())).kind is ErrorClass.RETRY


async def test_several_errors_in_one_are_as_bad_as_the_worst(fake: ZohoFake) -> None:
    parts = [{"code": "RECORD_LOCKED", "message": "locked", "status": "error", "details": {}},
             {"code": "INVALID_DATA", "message": "invalid data", "status": "error",
              "details": {"api_name": "Phone"}}]  # fmt: skip
    item = {"code": "MULTIPLE_OR_MULTI_ERRORS", "message": "many", "status": "error", "details": {"errors": parts}}
    fake.faults.append(Fault("status", status=400, path="upsert", body={"data": [item]}))
    error = error_of(await one(fake, person()))
    assert (error.kind, error.field) == (ErrorClass.PERMANENT, "Phone")


async def test_each_submission_leaves_one_note_and_overwrites_none(fake: ZohoFake) -> None:
    said = [person(more={"Note": text}, submission=f"sub_{n}") for n, text in enumerate(("Hello", "Again"))]
    for who in (said[0], said[0], said[1], said[1]):
        assert (await one(fake, who)).error is None
    notes = fake.records["Notes"].values()
    assert [note["Note_Content"] for note in notes] == ["Hello", "Again"]
    assert {note["Parent_Id"]["id"] for note in notes} == {only(fake)["id"]}


async def test_a_note_whose_answer_was_lost_is_written_once(fake: ZohoFake) -> None:
    fake.faults.append(Fault("reset", path="Notes", effect=True))
    who = person(more={"Note": "Hello"})
    lost, found = await one(fake, who), await one(fake, who)
    assert (error_of(lost).kind, found.error, len(fake.records["Notes"])) == (ErrorClass.RETRY, None, 1)


async def test_a_message_arrives_also_where_notes_cannot_be_looked_for(fake: ZohoFake) -> None:
    fake.not_queried.add("Notes")
    fake.add("Leads", Last_Name="L", Company="B", Email="ada@example.com")
    written = await one(fake, person(more={"Note": "Hello"}))
    assert (written.error, written.warnings, only(fake, "Notes")["Note_Content"]) == (None, [], "Hello")


async def test_a_refused_note_is_a_warning_at_a_delivered_lead(fake: ZohoFake) -> None:
    body = {"data": [{"code": "NO_PERMISSION", "message": "permission denied", "status": "error",
                      "details": {"permissions": ["Crm_Implied_Create_Notes"]}}]}  # fmt: skip
    fake.faults.append(Fault("status", status=403, path="Notes", body=body))
    written = await one(fake, person(more={"Note": "Hello"}))
    assert (written.error, [w.property for w in written.warnings]) == (None, ["Note"])


@pytest.mark.parametrize(("automation", "trigger"), [("", ["workflow"]), ("run", ["workflow"]), ("off", [])])
async def test_workflows_run_unless_they_are_switched_off(fake: ZohoFake, automation: str, trigger: list[str]) -> None:
    await one(fake, person(), settings={"automation": automation})
    assert fake.requests[-1].json()["trigger"] == trigger


async def test_a_lead_with_nothing_mapped_is_final_and_sends_nothing(fake: ZohoFake) -> None:
    written = await one(fake, ada(email=None, phone=None, fields={}))
    assert (error_of(written).kind, error_of(written).code, len(fake.requests)) == (ErrorClass.PERMANENT, "EMPTY", 0)


@pytest.mark.parametrize("email", ["o'neil+x/y?z#1@example.com", "Ada.100%@Example.com", "back\\slash@example.com"])
async def test_an_odd_address_is_quoted_in_a_query(fake: ZohoFake, email: str) -> None:
    id = fake.add("Leads", Last_Name="L", Company="B", Email=email.replace("\\", "\\\\"))
    fake.records["Leads"][id]["Email"] = email
    fake.fields["Leads"]["Email"]["data_type"] = "text"
    written = await one(fake, person(email))
    assert "\\'" in fake.requests[0].body.decode() or "'" not in email
    assert written.error is None


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
async def test_a_passing_fault_is_tried_again(fake: ZohoFake, status: int) -> None:
    fake.faults.append(Fault("status", status=status))
    assert error_of(await one(fake, person())).kind is ErrorClass.RETRY
    assert (await one(fake, person())).created


@pytest.mark.parametrize("kind", ["timeout", "reset", "half"])
@pytest.mark.parametrize("effect", [False, True])
async def test_a_lost_answer_is_tried_again_and_makes_no_second_lead(fake: ZohoFake, kind: Any, effect: bool) -> None:
    fake.faults.append(Fault(kind, path="upsert", effect=effect))
    async with connection(fake, timeout_s=1.0) as (opened, exchanges):
        [first] = await Zoho(opened).upsert_people([person()])
    assert error_of(first).kind is ErrorClass.RETRY
    assert (exchanges[-1].status, bool(exchanges[-1].error)) == (None, True)
    assert ((await one(fake, person())).error, len(fake.records["Leads"])) == (None, 1)


async def test_a_page_instead_of_json_is_tried_again_with_a_clear_text(fake: ZohoFake) -> None:
    fake.faults.append(Fault("page", path="upsert"))
    error = error_of(await one(fake, person()))
    assert error.kind is ErrorClass.RETRY
    assert error.text == "Zoho answered 200 with a web page: “Down for maintenance”."


async def test_an_error_inside_a_200_is_an_error(fake: ZohoFake) -> None:
    body = {"code": "NO_PERMISSION", "status": "error", "message": "permission denied", "details": {}}
    fake.faults.append(Fault("status", status=200, path="upsert", body=body))
    error = error_of(await one(fake, person()))
    assert (error.kind, error.code, error.text) == (
        ErrorClass.CONFIG, "NO_PERMISSION", "Permission denied (NO_PERMISSION).")  # fmt: skip


@pytest.mark.parametrize("data", [[], [{"status": "success", "details": {}}], [{}], "x"], ids=str)
async def test_fewer_results_than_records_say_nothing_and_are_tried_again(fake: ZohoFake, data: object) -> None:
    fake.faults.append(Fault("status", status=200, path="upsert", body={"data": data}))
    assert error_of(await one(fake, person())).kind is ErrorClass.RETRY


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "NO_PERMISSION", ErrorClass.CONFIG),
        (400, "INVALID_MODULE", ErrorClass.CONFIG),
        (404, "INVALID_URL_PATTERN", ErrorClass.CONFIG),
        (403, "LICENSE_EXPIRED", ErrorClass.CONFIG),
        (405, "INVALID_REQUEST_METHOD", ErrorClass.PERMANENT),
        (413, "REQUEST_BODY_TOO_LARGE", ErrorClass.PERMANENT),
        (400, "LIMIT_EXCEEDED", ErrorClass.PERMANENT),
        (302, "", ErrorClass.CONFIG),
    ],
)
async def test_errors_are_told_apart(fake: ZohoFake, status: int, code: str, kind: ErrorClass) -> None:
    body = {"code": code, "status": "error", "message": "no", "details": {}}
    fake.faults.append(Fault("status", status=status, path="upsert", body=body))
    assert error_of(await one(fake, person())).kind is kind


async def test_a_stale_token_is_renewed_once_for_the_call(fake: ZohoFake) -> None:
    grants = Granted(Grant("old"), Grant(fake.token))
    assert (await one(fake, person(), grants=grants)).created
    assert grants.renewals == 1


async def test_a_dead_grant_stops_the_rest(fake: ZohoFake) -> None:
    fake.access.clear()
    people = [person(f"p{n}@example.com", ref=f"dlv_{n}") for n in range(150)]
    written = await upsert(fake, *people)
    assert {error_of(w).kind for w in written} == {ErrorClass.REAUTH}
    assert len(fake.requests) == 1


async def test_a_missing_scope_is_no_reason_to_refresh(fake: ZohoFake) -> None:
    fake.access[fake.token][0].discard("ZohoCRM.coql.READ")
    grants = granted(fake)
    error = error_of(await one(fake, person(), grants=grants))
    assert (error.kind, error.code, grants.renewals) == (ErrorClass.CONFIG, "OAUTH_SCOPE_MISMATCH", 0)
    assert error.text.startswith("The access lacks a right.")


async def test_without_a_sign_in_it_says_so(fake: ZohoFake) -> None:
    assert error_of(await one(fake, person(), grants=None)).kind is ErrorClass.REAUTH


async def test_a_reached_limit_waits_longer_each_time(fake: ZohoFake) -> None:
    waits, budget = [], Budget()
    with clock.travel(datetime(2026, 11, 22, tzinfo=UTC)) as forward:
        for _ in range(6):
            fake.faults.append(Fault("status", status=429))
            error = error_of(await one(fake, person(), budget=budget))
            assert error.kind is ErrorClass.THROTTLE
            waits.append(error.retry_after)
            forward(10_000)
        assert (await one(fake, person(), budget=budget)).error is None
        fake.faults.append(Fault("status", status=429))
        waits.append(error_of(await one(fake, person(), budget=budget)).retry_after)
    assert waits == [timedelta(seconds=s) for s in (2, 5, 15, 60, 900, 1800, 2)]


async def test_while_the_limit_lasts_nothing_is_sent(fake: ZohoFake) -> None:
    budget = Budget(ZOHO.limit)
    fake.faults.append(Fault("status", status=429))
    with clock.travel(datetime(2026, 11, 22, tzinfo=UTC)) as forward:
        await one(fake, person(), budget=budget)
        sent = len(fake.requests)
        assert error_of(await one(fake, person(), budget=budget)).kind is ErrorClass.THROTTLE
        assert len(fake.requests) == sent
        forward(3)
        assert (await one(fake, person(), budget=budget)).error is None


async def test_the_last_credits_are_left_to_others(fake: ZohoFake) -> None:
    budget, fake.credits, fake.credits_used = Budget(ZOHO.limit), 5_000, 4_498
    with clock.travel(datetime(2026, 11, 22, tzinfo=UTC)):
        error = error_of(await one(fake, person(), budget=budget))
    assert (error.kind, error.retry_after) == (ErrorClass.THROTTLE, timedelta(minutes=15))
    assert (len(fake.requests), len(fake.records["Leads"])) == (2, 0)


async def test_who_waits_for_credits_asks_a_dozen_times_a_day_and_goes_on_when_they_are_back(fake: ZohoFake) -> None:
    """Most of what others leave stays theirs: the waits between two times get longer."""
    budget, fake.credits, fake.credits_used = Budget(ZOHO.limit), 5_000, 4_600
    assert ZOHO.sales is not None
    with clock.travel(datetime(2026, 11, 22, tzinfo=UTC)) as forward:
        fake._day_began = clock.unix()
        for number in range(24 * 12):
            await one(fake, person(email=f"p{number}@b.example", ref=f"dlv_{number}"), budget=budget)
            async with connection(fake, budget=budget.spare) as (opened, _):
                with pytest.raises(CrmError):
                    await ZOHO.sales(opened).deals(None, None)
            forward(5 * 60)
        taken, arrived = fake.credits_used - 4_600, len(fake.records["Leads"])
        forward(client.LONGEST_CREDITS_WAIT.total_seconds())
        assert (await one(fake, person(), budget=budget)).error is None
        fake.credits_used = 4_600
        error = error_of(await one(fake, person(email="b@example.com"), budget=budget))
    assert taken <= 13 * client.CREDITS_AT_ONCE + 13
    assert arrived >= 13
    assert error.retry_after == client.CREDITS_WAIT


async def test_where_others_always_leave_less_a_few_credits_are_for_leads(fake: ZohoFake) -> None:
    budget, fake.credits, fake.credits_used = Budget(ZOHO.limit), 5_000, 4_700
    with clock.travel(datetime(2026, 11, 22, tzinfo=UTC)) as forward:
        assert error_of(await one(fake, person(), budget=budget)).kind is ErrorClass.THROTTLE
        forward(901)
        before = fake.credits_used
        everybody = [person(email=f"p{number}@b.example", ref=f"dlv_{number}") for number in range(40)]
        sent = [await one(fake, each, budget=budget) for each in everybody]
    assert sum(written.error is None for written in sent) >= 5
    assert fake.credits_used - before <= 30


async def test_at_most_three_calls_are_under_way(fake: ZohoFake) -> None:
    budget, most = Budget(ZOHO.limit), 0

    async def call() -> None:
        nonlocal most
        async with budget.call() as ticket:
            most = max(most, ticket.beside + 1)
            await asyncio.sleep(0.01)

    await asyncio.gather(*(call() for _ in range(7)))
    assert most == 3


async def test_verify_says_who_we_are(fake: ZohoFake) -> None:
    async with connection(fake, account=None) as (opened, _):
        account = await Zoho(opened).verify()
    assert (account.id, account.name, account.user_id) == ("5550000000000", "Zylker", "5550000000111")
    assert (account.currency, account.tz) == ("EUR", "Europe/Berlin")
    assert account.url == "https://crm.zoho.eu/crm/org20061234/tab"


async def test_verify_names_a_right_that_was_not_given(fake: ZohoFake) -> None:
    few = Grant(fake.token, scopes=frozenset({"ZohoCRM.modules.ALL"}))
    async with connection(fake, grants=Granted(few)) as (opened, _):
        with pytest.raises(CrmError, match=r"lacks the right ZohoCRM\.users\.READ") as error:
            await Zoho(opened).verify()
    assert error.value.kind is ErrorClass.CONFIG


async def test_a_host_that_is_not_zohos_gets_no_token(fake: ZohoFake) -> None:
    elsewhere = Grant(fake.token, extra={"api_domain": "https://www.zohoapis.eu.evil.example"})
    error = error_of(await one(fake, person(), base_url=None, grants=Granted(elsewhere)))
    assert (error.kind, error.code, len(fake.requests)) == (ErrorClass.CONFIG, "foreign_host", 0)


async def test_fields_come_with_type_choices_and_writability(fake: ZohoFake) -> None:
    async with connection(fake) as (opened, _):
        fields = {field.key: field for field in await Zoho(opened).fields(Kind.PERSON)}
    names = ("Topics", "Newsletter", "Favourite_Colour", "Budget", "Annual_Revenue", "Owner", "Born", "Note")
    assert [fields[name].type for name in names] == [
        "choices", "bool", "choice", "number", "money", "ref", "date", "text"]  # fmt: skip
    assert fields["Favourite_Colour"].choices == (("red", "Red"), ("green", "Green"), ("blue", "Blue"))
    assert (fields["Favourite_Colour"].custom, fields["Email"].custom) == (True, False)
    assert [fields[name].writable for name in ("Email", "Owner", "Score", "id", "Converted_Contact")] == [
        True, True, False, False, False]  # fmt: skip
    assert [name for name, field in fields.items() if field.required] == ["Company", "Last_Name"]


@pytest.mark.parametrize("module", ["Leads", "Contacts"])
@pytest.mark.parametrize("email", ["ada@example.com", None])
async def test_the_preview_is_what_is_sent(fake: ZohoFake, module: str, email: str | None) -> None:
    who = person(email, more={"Company": "Engines", "Note": "Hello"})
    async with connection(fake, settings={"module": module}) as (opened, exchanges):
        connector = Zoho(opened)
        shown = connector.preview(who)
        assert exchanges == []
        await connector.upsert_people([who])
    assert [(e.method, e.url) for e in shown] == [(e.method, e.url) for e in exchanges]
    assert [e.request_body for e in shown][:2] == [e.request_body for e in exchanges][:2]


async def test_the_preview_of_a_known_lead_is_what_is_sent(fake: ZohoFake) -> None:
    id = fake.add("Leads", Last_Name="L", Company="B", Email="ada@example.com")
    who = person(known_id=id, more={"Note": "Hello"})
    async with connection(fake) as (opened, exchanges):
        connector = Zoho(opened)
        shown = connector.preview(who)
        await connector.upsert_people([who])
    assert [(e.method, e.url, e.request_body) for e in shown] == [(e.method, e.url, e.request_body) for e in exchanges]


async def test_no_exchange_holds_the_token(fake: ZohoFake) -> None:
    async with connection(fake) as (opened, exchanges):
        connector = Zoho(opened)
        await connector.verify()
        await connector.upsert_people([person()])
    assert exchanges
    assert fake.token not in repr(exchanges)
