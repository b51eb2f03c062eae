"""Pipedrive against a stateful fake: who is found, what is written, what is left alone."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from site2crm.connectors.contract import CrmError, ErrorClass, Exchange, Kind
from site2crm.connectors.pipedrive.connector import Pipedrive
from site2crm.demo.pipedrive_fields import (
    BORN,
    BUDGET,
    CAMPAIGN,
    COLOUR,
    DEAL_SOURCE,
    PARTNER,
    PLACE,
    STAFF,
    TOPICS,
    new_field,
)
from site2crm.demo.server import Fault
from tests.connectors.pipedrive_cases import (
    ACCOUNT,
    FIELDS,
    calls,
    emails,
    entry,
    error_of,
    lead,
    only,
    opened,
    said,
    upsert,
)
from tests.fakes import openapi
from tests.fakes.pipedrive import DOCUMENTS, TOKEN, PipedriveFake
from tests.fakes.playing import playing

UNKNOWN = "9" * 40


@pytest.fixture
async def fake() -> AsyncIterator[PipedriveFake]:
    async with playing(PipedriveFake()) as server:
        yield server


async def test_every_call_is_checked_against_the_vendors_documents(fake: PipedriveFake) -> None:
    if not all(openapi.available(document.name) for document in DOCUMENTS):
        pytest.skip("Pipedrive's documents are not beside the checkout: calls are not validated")
    async with opened(fake) as (found, _):
        headers = {"x-api-token": TOKEN}
        await found.http.request("POST", f"{fake.url}/api/v2/persons", headers=headers, json={"name": 5})
        await found.http.request("GET", f"{fake.url}/api/v1/persons", headers=headers)
    assert len(fake.violations) == 2
    fake.violations.clear()


async def test_a_new_lead_becomes_one_person_with_a_link(fake: PipedriveFake) -> None:
    written = await upsert(fake, lead())
    assert (written.created, written.error) == (True, None)
    assert written.url == f"https://acme.pipedrive.com/person/{written.id}"
    person = only(fake)
    assert (person["name"], emails(person), person["phones"]) == (
        "Ada Lovelace", ["ada@example.com"], [entry("+441234567")])  # fmt: skip
    assert calls(fake) == [
        ("GET", "v2/persons/search", 200), ("GET", "v2/persons", 200), ("POST", "v2/persons", 200)]  # fmt: skip


async def test_a_known_address_updates_and_keeps_what_was_not_said(fake: PipedriveFake) -> None:
    old = entry("ADA@example.com")
    id = fake.add_person(name="Ada King", emails=[old], phones=[entry("+49301")], custom_fields={CAMPAIGN: "spring"})
    written = await upsert(fake, lead(fields={"first_name": "", "phone": "+44 1234567", CAMPAIGN: None}))
    assert (written.id, written.created) == (str(id), False)
    person = only(fake)
    assert (person["name"], person["emails"], person["custom_fields"][CAMPAIGN]) == ("Ada King", [old], "spring")
    assert person["phones"] == [entry("+49301"), entry("+44 1234567", primary=False)]


async def test_only_what_differs_is_sent(fake: PipedriveFake) -> None:
    await upsert(fake, said(**{CAMPAIGN: "spring"}))
    fake.requests.clear()
    await upsert(fake, said(**{CAMPAIGN: "spring"}))
    assert [method for method, _, _ in calls(fake)] == ["GET", "GET"]
    await upsert(fake, said(**{CAMPAIGN: "autumn"}))
    assert fake.requests[-1].json() == {"custom_fields": {CAMPAIGN: "autumn"}}


async def test_half_a_name_does_not_erase_the_other_half(fake: PipedriveFake) -> None:
    await upsert(fake, lead())
    await upsert(fake, lead(fields={"email": "ada@example.com", "last_name": "King"}))
    assert only(fake)["name"] == "Ada King"


async def test_of_two_persons_with_the_same_address_the_oldest_is_updated(fake: PipedriveFake) -> None:
    first = fake.add_person(name="Ada", emails=[entry("ada@example.com")])
    fake.add_person(name="Ada again", emails=[entry("x@example.com"), entry("Ada@Example.com", primary=False)])
    written = await upsert(fake, lead())
    assert (written.id, len(fake.people)) == (str(first), 2)


async def test_what_search_brings_is_compared_again(fake: PipedriveFake) -> None:
    other = fake.add_person(name="Eve", emails=[entry("eve@example.com")])
    item = {"id": other, "type": "person", "name": "Eve", "emails": ["eve@example.com"]}
    hits = {"success": True, "data": {"items": [{"result_score": 0.2, "item": item}]}, "additional_data": {}}
    fake.faults.append(Fault("status", status=200, path="/search", body=hits))
    written = await upsert(fake, lead())
    assert (written.created, written.id != str(other), len(fake.people)) == (True, True, 2)


async def test_the_same_lead_twice_at_once_is_one_person(fake: PipedriveFake) -> None:
    fake.search_lag_s = 60
    written = await asyncio.gather(*(upsert(fake, said(company="Engines")) for _ in range(5)))
    assert {w.id for w in written} == {str(only(fake)["id"])}
    assert len(fake.organizations.rows) == 1


async def test_a_person_that_search_does_not_know_yet_is_found_among_the_newest(fake: PipedriveFake) -> None:
    fake.search_lag_s = 60
    first, second = await upsert(fake, said(company="Engines")), await upsert(fake, said(company="Engines"))
    assert (first.created, second.created, first.id) == (True, False, second.id)
    await upsert(fake, lead(email="b@b.co", fields={"email": "b@b.co", "company": "engines"}))
    assert len(fake.organizations.rows) == 1


@pytest.mark.parametrize("known", ["999", "deleted", "not-a-number"])
async def test_a_stored_id_that_is_gone_is_forgotten(fake: PipedriveFake, known: str) -> None:
    if known == "deleted":
        known = str(fake.add_person(name="Gone"))
        fake.persons.rows[int(known)]["is_deleted"] = True
    written = await upsert(fake, lead(known_id=known))
    assert (written.created, written.id) == (True, str(only(fake)["id"]))


async def test_a_stored_id_saves_the_search(fake: PipedriveFake) -> None:
    id = fake.add_person(name="Ada Lovelace", emails=[entry("other@example.com")])
    written = await upsert(fake, lead(known_id=str(id)))
    assert (written.id, emails(only(fake))) == (str(id), ["other@example.com", "ada@example.com"])
    assert [path for _, path, _ in calls(fake)] == [f"v2/persons/{id}"] * 2


async def test_a_lead_without_an_address_is_found_by_its_number(fake: PipedriveFake) -> None:
    person = lead(email=None, fields={"phone": "+441234567"})
    first, second = await upsert(fake, person), await upsert(fake, person)
    assert (first.created, second.created, first.id) == (True, False, second.id)
    assert only(fake)["name"] == "+441234567"


async def test_a_number_of_several_persons_is_nobodys_and_makes_one_more_only(fake: PipedriveFake) -> None:
    for name in ("A", "B"):
        fake.add_person(name=name, phones=[entry("+441234567")])
    person = lead(email=None, fields={"phone": "+441234567"})
    first, second = await upsert(fake, person), await upsert(fake, person)
    assert (first.created, second.created, len(fake.people)) == (True, False, 3)


async def test_the_company_is_found_or_made_once_and_linked(fake: PipedriveFake) -> None:
    known = fake.add_organization(name="Engines")
    await upsert(fake, said(company="engines"))
    assert (only(fake)["org_id"], len(fake.organizations.rows)) == (known, 1)
    await upsert(fake, lead(email="b@b.co", fields={"email": "b@b.co", "company": "Looms"}))
    assert [row["name"] for row in fake.organizations.rows.values()] == ["Engines", "Looms"]


async def test_an_organization_that_was_chosen_there_stays(fake: PipedriveFake) -> None:
    chosen = fake.add_organization(name="Engines Holding plc")
    fake.add_person(name="Ada Lovelace", emails=[entry("ada@example.com")], org_id=chosen)
    await upsert(fake, said(company="Engines"))
    assert (only(fake)["org_id"], len(fake.organizations.rows)) == (chosen, 1)


async def test_a_message_is_one_note_for_each_submission(fake: PipedriveFake) -> None:
    for submission in ("sub_1", "sub_1", "sub_2"):
        await upsert(fake, lead(fields={**FIELDS, "message": "Call <me>\nsoon"}, submission=submission))
    first, second = fake.notes.rows.values()
    assert first["content"] == "<p>Call &lt;me&gt;<br>soon</p><p><small>Site2CRM sub_1</small></p>"
    assert (first["person_id"], first["add_time"]) == (only(fake)["id"], "2026-11-22 09:30:00")
    assert "Site2CRM sub_2" in second["content"]


async def test_the_owner_is_set(fake: PipedriveFake) -> None:
    await upsert(fake, lead(owner="2"))
    assert only(fake)["owner_id"] == 2


async def test_values_arrive_in_pipedrives_types(fake: PipedriveFake) -> None:
    fields = {f"{COLOUR}_enum": "32", f"{TOPICS}_set": ["31", "33"], f"{BUDGET}_monetary": Decimal("1500.50"),
              STAFF: Decimal("12"), BORN: date(1815, 12, 10), f"{PLACE}_address": "St James's Square 12, London",
              CAMPAIGN: "0123", f"{PARTNER}_user": "2", "marketing_status": "subscribed"}  # fmt: skip
    written = await upsert(fake, said(**fields))
    assert (written.error, written.warnings) == (None, [])
    assert only(fake)["custom_fields"] == {
        COLOUR: 32, TOPICS: [31, 33], BUDGET: {"value": 1500.5, "currency": "EUR"}, STAFF: 12, BORN: "1815-12-10",
        PLACE: {"value": "St James's Square 12, London"}, CAMPAIGN: "0123", PARTNER: 2}  # fmt: skip
    assert only(fake)["marketing_status"] == "subscribed"


async def test_a_deleted_field_and_one_that_is_none_of_pipedrives_are_left_out_with_a_warning(
    fake: PipedriveFake,
) -> None:
    written = await upsert(fake, said(**{f"{UNKNOWN}_enum": "3", CAMPAIGN: "spring", "job_title": "Countess"}))
    assert (written.created, written.error) == (True, None)
    assert {w.property for w in written.warnings} == {f"{UNKNOWN}_enum", "job_title"}
    assert only(fake)["custom_fields"][CAMPAIGN] == "spring"
    assert [method for method, _, _ in calls(fake)] == ["GET", "GET", "POST", "POST"]


async def test_a_refusal_without_a_name_is_looked_up_in_the_fields_that_there_are(fake: PipedriveFake) -> None:
    fake.faults.append(Fault("status", status=400, method="POST", body={"success": False, "error": "Bad request"}))
    written = await upsert(fake, said(**{UNKNOWN: "x", CAMPAIGN: "spring"}))
    assert [w.property for w in written.warnings] == [UNKNOWN]
    assert ("GET", "v2/personFields", 200) in calls(fake)
    assert only(fake)["custom_fields"][CAMPAIGN] == "spring"


async def test_a_field_that_was_ignored_is_told(fake: PipedriveFake) -> None:
    row = {"id": 7, "name": "Ada", "custom_fields": {CAMPAIGN: "spring"}}
    fake.faults.append(Fault("status", status=200, method="POST", body={"success": True, "data": row}))
    written = await upsert(fake, said(**{UNKNOWN: "x", CAMPAIGN: "spring"}))
    assert (written.id, [w.property for w in written.warnings]) == ("7", [UNKNOWN])


@pytest.mark.parametrize(
    ("property", "value", "words"),
    [
        (f"{COLOUR}_enum", "mauve", "Expected 'number'"),
        (f"{COLOUR}_enum", "99", "Invalid option 99"),
        (f"{TOPICS}_set", ["77"], "Invalid options"),
        (f"{BUDGET}_monetary", "a lot", "Expected 'object'"),
        (BORN, "yesterday", "Invalid date"),
        ("owner_id", "77", "User 77 was not found"),
        ("email", "ada@nowhere", "not a valid email"),
    ],
)
async def test_a_refused_value_is_final_and_names_the_property(
    fake: PipedriveFake, property: str, value: Any, words: str
) -> None:
    written = await upsert(fake, said(**{property: value}))
    error = error_of(written)
    assert (error.kind, error.field) == (ErrorClass.PERMANENT, property)
    assert words in error.text
    assert fake.people == []


async def test_an_unknown_currency_of_the_account_is_final(fake: PipedriveFake) -> None:
    person = said(**{f"{BUDGET}_monetary": Decimal(5)})
    error = error_of(await upsert(fake, person, account=replace(ACCOUNT, currency="XTS")))
    assert (error.kind, error.field) == (ErrorClass.PERMANENT, f"{BUDGET}_monetary")
    assert "XTS" in error.text


async def test_a_lead_with_nothing_mapped_is_final_and_sends_nothing(fake: PipedriveFake) -> None:
    written = await upsert(fake, lead(email=None, phone=None, fields={}))
    assert (error_of(written).code, len(fake.requests)) == ("EMPTY", 0)


async def test_a_note_that_is_refused_does_not_stop_the_person(fake: PipedriveFake) -> None:
    refusal = {"success": False, "error": "Content is too long."}
    fake.faults.append(Fault("status", status=400, path="/notes", body=refusal))
    written = await upsert(fake, said(message="Hello"))
    assert (written.error, [(w.property, w.text) for w in written.warnings]) == (
        None, [("message", "Content is too long.")])  # fmt: skip


@pytest.mark.parametrize("path", ["/persons", "/organizations", "/notes"])
@pytest.mark.parametrize("kind", ["timeout", "reset", "half"])
async def test_a_lost_answer_is_tried_again_and_makes_nothing_twice(fake: PipedriveFake, path: str, kind: Any) -> None:
    fake.search_lag_s = 60
    person = said(company="Engines", message="Hello")
    fake.faults.append(Fault(kind, method="POST", path=path, effect=True))
    first = await upsert(fake, person, timeout_s=0.5)
    second = await upsert(fake, person)
    assert (error_of(first).kind, second.error) == (ErrorClass.RETRY, None)
    assert [len(rows.rows) for rows in (fake.persons, fake.organizations, fake.notes)] == [1, 1, 1]
    assert only(fake)["org_id"] == 1


async def test_a_person_deleted_meanwhile_is_tried_anew(fake: PipedriveFake) -> None:
    id = fake.add_person(name="Old", emails=[entry("ada@example.com")])
    body = {"success": False, "error": "Item not found"}
    fake.faults.append(Fault("status", status=404, method="PATCH", body=body))
    assert error_of(await upsert(fake, lead())).kind is ErrorClass.RETRY
    assert (await upsert(fake, lead())).id == str(id)


@pytest.mark.parametrize("id", [None, "", True, {"value": 5}, [5], 1.5, "5"], ids=str)
async def test_what_is_no_id_is_tried_again(fake: PipedriveFake, id: object) -> None:
    fake.faults.append(Fault("status", status=200, method="POST", body={"success": True, "data": {"id": id}}))
    assert error_of(await upsert(fake, lead())).kind is ErrorClass.RETRY


async def test_nulls_of_the_vendor_are_understood(fake: PipedriveFake) -> None:
    id = fake.add_person(name="Ada Lovelace", emails=[entry("ada@example.com")])
    row = {"id": id, "name": "Ada Lovelace", "emails": None, "phones": None, "org_id": None, "custom_fields": None}
    fake.faults.append(Fault("status", status=200, path=f"/persons/{id}", body={"success": True, "data": row}))
    assert (await upsert(fake, lead(known_id=str(id)))).error is None


async def test_fields_come_with_type_choices_and_the_type_behind_the_hash(fake: PipedriveFake) -> None:
    fake.fields["persons"] += [new_field("c" * 40, "Opens at", "time"), new_field("b" * 40, "Stay", "daterange")]
    async with opened(fake) as (found, _):
        fields = {field.key: field for field in await Pipedrive(found).fields(Kind.PERSON)}
    types = {key: field.type for key, field in fields.items() if field.custom}
    assert types == {
        f"{COLOUR}_enum": "choice", f"{TOPICS}_set": "choices", f"{BUDGET}_monetary": "money", STAFF: "number",
        BORN: "date", f"{PLACE}_address": "text", CAMPAIGN: "text", f"{PARTNER}_user": "ref"}  # fmt: skip
    assert fields[f"{COLOUR}_enum"].choices == (("31", "Red"), ("32", "Green"), ("33", "Blue"))
    assert (fields[f"{COLOUR}_enum"].label, fields["label_ids"].type) == ("Favourite colour", "choices")
    assert not {"add_time", "job_title", "open_deals_count"} & fields.keys()


async def test_deals_and_organizations_have_fields_too(fake: PipedriveFake) -> None:
    async with opened(fake) as (found, _):
        deals, organizations = [await Pipedrive(found).fields(kind) for kind in (Kind.DEAL, Kind.COMPANY)]
    assert {"title", "value", "stage_id", "label_ids", DEAL_SOURCE} <= {field.key for field in deals}
    assert [field.key for field in organizations] == ["name", "owner_id"]


async def test_long_lists_of_fields_are_read_to_their_end(fake: PipedriveFake) -> None:
    page = {"success": True, "data": fake.fields["persons"][:3], "additional_data": {"next_cursor": "more"}}
    fake.faults.append(Fault("status", status=200, path="/personFields", body=page))
    async with opened(fake) as (found, _):
        fields = await Pipedrive(found).fields(Kind.PERSON)
    assert "cursor=more" in fake.requests[-1].target
    assert CAMPAIGN in {field.key for field in fields}


async def test_the_preview_is_what_is_sent(fake: PipedriveFake) -> None:
    exchanges: list[Exchange] = []
    person = said(company="Engines", message="Hello")
    await upsert(fake, person, exchanges=exchanges)
    async with opened(fake) as (found, _):
        shown = Pipedrive(found).preview(person)
        again = Pipedrive(found).preview(lead(known_id="1", fields={**FIELDS, "message": "Hello"}))
    sent = [(e.method, e.url, e.request_headers) for e in exchanges]
    assert [(e.method, e.url, e.request_headers) for e in shown] == sent
    assert shown[2].request_body == exchanges[2].request_body
    assert [e.method for e in again] == ["GET", "PATCH", "GET", "POST"]


async def test_no_exchange_holds_the_token(fake: PipedriveFake) -> None:
    async with opened(fake) as (found, exchanges):
        crm = Pipedrive(found)
        await crm.verify()
        await crm.upsert_people([said(company="Engines", message="Hello")])
    assert len(exchanges) == 8
    assert TOKEN not in repr(exchanges)
    assert TOKEN not in repr(found)


@pytest.mark.parametrize("token", ["", "  ", "two words", "päss", "a\r\nX: y"])
async def test_what_cannot_be_a_token_is_refused_at_the_form(fake: PipedriveFake, token: str) -> None:
    async with opened(fake, secrets={"token": token}) as (found, _):
        with pytest.raises(CrmError) as error:
            Pipedrive(found)
    assert (error.value.kind, error.value.field) == (ErrorClass.CONFIG, "token")


@pytest.mark.parametrize("email", ["o'neil+x/y?z#1@example.com", "Ada.100%@Example.com"])
async def test_an_odd_address_finds_its_person(fake: PipedriveFake, email: str) -> None:
    id = fake.add_person(name="Old", emails=[entry(email)])
    written = await upsert(fake, lead(email=email, fields={"first_name": "Ada", "last_name": "L"}))
    assert (written.id, written.created, only(fake)["name"]) == (str(id), False, "Ada L")
