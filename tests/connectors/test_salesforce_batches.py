"""Many people at once into Salesforce: a few calls for all, and to each one's own result."""

import asyncio
from typing import Any

import pytest

from site2crm.connectors.contract import ErrorClass, PersonIn
from site2crm.connectors.salesforce.connector import Salesforce
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests.connectors.salesforce_cases import CONTACTS, calls, error_of, fake, opened, person, upsert
from tests.fakes.salesforce import SalesforceFake

__all__ = ["fake"]
MANY = 50


def somebody(n: int, **given: Any) -> PersonIn:
    email = f"p{n}@example.com"
    fields = {"Email": email, "LastName": f"P{n}", "site2crm_note": f"Message {n}", **given.pop("fields", {})}
    said = {"ref": f"dlv_{n}", "lead": f"led_{n}", "submission": f"sub_{n}", "email": email, "at": clock.now()}
    return person(**{**said, "phone": None, "fields": fields, **given})


async def test_fifty_new_people_take_three_calls(fake: SalesforceFake) -> None:
    written = await upsert(fake, *(somebody(n) for n in range(MANY)))
    assert [w.ref for w in written] == [f"dlv_{n}" for n in range(MANY)]
    assert all(w.created and w.error is None for w in written)
    assert [fake.records.find("Lead", str(w.id))["LastName"] for w in written] == [f"P{n}" for n in range(MANY)]  # type: ignore[index]
    assert calls(fake) == [("GET", "query"), ("POST", "composite/sobjects"), ("POST", "composite/sobjects")]
    assert len(fake.all("Task")) == MANY


async def test_the_same_people_again_make_nothing_new(fake: SalesforceFake) -> None:
    first = await upsert(fake, *(somebody(n) for n in range(MANY)))
    again = await upsert(fake, *(somebody(n) for n in range(MANY)))
    known = await upsert(fake, *(somebody(n, known_id=first[n].id) for n in range(MANY)))
    assert [w.id for w in first] == [w.id for w in again] == [w.id for w in known]
    assert not any(w.created or w.error for w in [*again, *known])
    assert (len(fake.all("Lead")), len(fake.all("Task"))) == (MANY, MANY)


async def test_known_and_new_ones_mix(fake: SalesforceFake) -> None:
    there = fake.add("Lead", Email="P1@example.com", LastName="Old", Company="A")
    lead = fake.add("Lead", Email="p2@example.com", LastName="Old", Company="A")
    contact, _ = fake.records.convert(lead)
    written = await upsert(fake, *(somebody(n) for n in range(4)))
    assert (written[1].id, written[2].id) == (there, contact)
    assert [w.created for w in written] == [True, False, False, True]


@pytest.mark.parametrize("whole", [False, True])
async def test_one_refused_value_fails_one_lead(fake: SalesforceFake, whole: bool) -> None:
    bad = {"Budget__c": "a lot"} if whole else {"Industry": "Farming"}
    written = await upsert(fake, somebody(0), somebody(1, fields=bad), somebody(2))
    assert [w.error is None for w in written] == [True, False, True]
    error = error_of(written[1])
    assert (error.kind, error.field) == (ErrorClass.PERMANENT, next(iter(bad)))
    assert len(fake.all("Lead")) == 2


@pytest.mark.parametrize("whole", [False, True])
async def test_an_unknown_field_is_left_out_of_all_without_a_call_for_each(fake: SalesforceFake, whole: bool) -> None:
    fake.unknown_fails_all = whole
    people = [somebody(n, fields={"Nope__c": "x"} if n % 2 else {}) for n in range(20)]
    written = await upsert(fake, *people)
    assert [[warned.property for warned in w.warnings] for w in written] == [[], ["Nope__c"]] * 10
    assert all(w.created for w in written)
    assert len(fake.requests) <= 5


async def test_the_same_person_twice_in_one_call_is_one_lead(fake: SalesforceFake) -> None:
    first, second = somebody(1), somebody(1, ref="dlv_9", lead="led_9", submission="sub_9", email="P1@EXAMPLE.com")
    written = await upsert(fake, first, somebody(2), second)
    assert [w.ref for w in written] == ["dlv_1", "dlv_2", "dlv_9"]
    assert written[0].id == written[2].id
    assert [w.created for w in written] == [True, True, False]
    assert (len(fake.all("Lead")), len(fake.all("Task"))) == (2, 3)


async def test_two_people_who_were_merged_there_are_not_twice_in_one_call(fake: SalesforceFake) -> None:
    kept, lost = (fake.add("Lead", Email=f"p{n}@example.com", LastName="L", Company="C") for n in (1, 2))
    fake.records.merge(kept, lost)
    written = await upsert(fake, somebody(1, known_id=kept), somebody(2, known_id=lost), somebody(3))
    assert [(w.id == kept, w.error) for w in written] == [(True, None), (True, None), (False, None)]


@pytest.mark.parametrize("effect", [False, True])
@pytest.mark.parametrize("kind", ["reset", "half", "timeout"])
async def test_a_lost_answer_makes_no_second_lead(fake: SalesforceFake, kind: Any, effect: bool) -> None:
    fake.faults.append(Fault(kind, method="POST", path="composite/sobjects", effect=effect))
    lost = await upsert(fake, *(somebody(n) for n in range(5)), timeout_s=0.5)
    assert {error_of(w).kind for w in lost} == {ErrorClass.RETRY}
    again = await upsert(fake, *(somebody(n) for n in range(5)))
    assert all(w.error is None for w in again)
    assert (len(fake.all("Lead")), len(fake.all("Task"))) == (5, 5)


async def test_a_dead_sign_in_stops_all_with_one_answer(fake: SalesforceFake) -> None:
    async with opened(fake) as (context, _):
        fake.sign_in.access.clear()
        written = await Salesforce(context).upsert_people([somebody(n) for n in range(5)])
    assert {error_of(w).kind for w in written} == {ErrorClass.REAUTH}
    assert len(fake.requests) == 1


async def test_a_collection_that_answers_for_fewer_is_tried_again(fake: SalesforceFake) -> None:
    body = [{"id": "00Q5G0000000001AAA", "success": True, "errors": []}]
    fake.faults.append(Fault("status", status=200, method="POST", body=body))
    written = await upsert(fake, somebody(1), somebody(2))
    assert {error_of(w).kind for w in written} == {ErrorClass.RETRY}


@pytest.mark.parametrize(
    "item",
    [
        {"success": True, "errors": []},
        {"id": "", "success": True, "errors": []},
        {"id": 7, "success": True, "errors": []},
        {"id": "00Q5G0000000001AAA", "success": False, "errors": []},
        "00Q5G0000000001AAA",
        None,
    ],
    ids=str,
)
async def test_a_result_without_an_id_is_tried_again(fake: SalesforceFake, item: object) -> None:
    fake.faults.append(Fault("status", status=200, method="POST", body=[item, item]))
    written = await upsert(fake, somebody(1), somebody(2))
    assert {error_of(w).kind for w in written} == {ErrorClass.RETRY}


async def test_people_of_one_company_share_an_account(fake: SalesforceFake) -> None:
    people = [somebody(n, fields={"Company": ("Engines", "ENGINES", "Looms")[n % 3]}) for n in range(9)]
    written = await upsert(fake, *people, settings=CONTACTS)
    assert all(w.error is None for w in written)
    assert sorted(account["Name"] for account in fake.all("Account")) == ["Engines", "Looms"]
    assert len({contact["AccountId"] for contact in fake.all("Contact")}) == 2


async def test_two_calls_at_once_make_a_company_once(fake: SalesforceFake) -> None:
    fake.faults.append(Fault("slow", method="GET", seconds=0.05, count=2))
    calls_at_once = (upsert(fake, somebody(n, fields={"Company": "Engines"}), settings=CONTACTS) for n in range(4))
    written = await asyncio.gather(*calls_at_once)
    assert all(w.error is None for [w] in written)
    assert [account["Name"] for account in fake.all("Account")] == ["Engines"]


async def test_long_addresses_are_asked_for_in_queries_that_fit(fake: SalesforceFake) -> None:
    people = [
        somebody(n, email=f"{'long.name.' * 6}{n}@{'sub.' * 3}example.com", fields={"Email": None}) for n in range(200)
    ]
    fake.objects["Lead"]["Email"]["length"] = 200
    written = await upsert(fake, *people)
    again = await upsert(fake, *people)
    assert all(w.error is None for w in [*written, *again])
    assert not any(w.created for w in again)
    assert max(len(request.target) for request in fake.requests) < 16_000


@pytest.mark.parametrize("several", [False, True])
async def test_a_blocking_duplicate_rule_leads_to_the_record_it_names(fake: SalesforceFake, several: bool) -> None:
    fake.duplicate_rule = "block"
    there = fake.add("Lead", FirstName="Ada", LastName="P1", Email="else@example.com", Company="A")
    people = [somebody(1, fields={"FirstName": "Ada"}), *([somebody(2)] if several else [])]
    written = await upsert(fake, *people)
    assert (written[0].id, written[0].created, written[0].error) == (there, False, None)
    assert all(w.error is None for w in written)
    assert len(fake.all("Lead")) == len(people)


@pytest.mark.parametrize("spelling", ["duplicateResult", "duplicateResut"])
async def test_the_record_that_a_rule_names_is_found_in_both_spellings(fake: SalesforceFake, spelling: str) -> None:
    there = fake.add("Lead", LastName="P1", Email="else@example.com", Company="A")
    records = [{"record": {"attributes": {"type": "Lead"}, "Id": there}}]
    told = {"allowSave": False, "matchResults": [{"matchRecords": records, "size": 1}]}
    said = {"errorCode": "DUPLICATES_DETECTED", "message": "Use one of these records?", spelling: told}
    fake.faults.append(Fault("status", status=400, method="POST", body=[said]))
    [written] = await upsert(fake, somebody(1))
    assert (written.id, written.created, written.error) == (there, False, None)


async def test_a_duplicate_of_another_kind_is_linked_and_left_as_it_is(fake: SalesforceFake) -> None:
    fake.duplicate_rule = "block"
    contact = fake.add("Contact", FirstName="Ada", LastName="P1", Email="else@example.com")
    [written] = await upsert(fake, somebody(1, fields={"FirstName": "Ada"}))
    assert (written.id, written.created, written.error) == (contact, False, None)
    assert fake.records.find("Contact", contact)["Email"] == "else@example.com"  # type: ignore[index]
    assert [task["WhoId"] for task in fake.all("Task")] == [contact]
    assert fake.all("Lead") == []


async def test_a_duplicate_rule_that_only_warns_is_passed(fake: SalesforceFake) -> None:
    fake.duplicate_rule = "alert"
    fake.add("Contact", Email="p1@example.com", LastName="P1")
    [written] = await upsert(fake, somebody(1))
    assert (written.created, len(fake.all("Lead"))) == (True, 1)
