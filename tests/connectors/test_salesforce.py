"""People into Salesforce, one by one: every call is checked against the API's document when it is at hand."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from site2crm.connectors.contract import EMPTY, ErrorClass, Kind
from site2crm.connectors.salesforce.connector import Salesforce
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests.connectors.salesforce_cases import CONTACTS, calls, error_of, fake, one, only, opened, person, upsert
from tests.fakes import openapi
from tests.fakes.salesforce import DOCUMENT, INSTANCE_URL, SalesforceFake

__all__ = ["fake"]
NOTED = {"Email": "ada@example.com", "LastName": "Lovelace", "site2crm_note": "Please call me."}


async def test_every_call_is_checked_against_the_document(fake: SalesforceFake) -> None:
    if not openapi.available(DOCUMENT):
        pytest.skip(f"{DOCUMENT} is not beside the checkout: calls are not validated")
    async with opened(fake) as (context, _):
        headers = {"Authorization": f"Bearer {fake.sign_in.give_access()}"}
        url = f"{fake.url}/services/data/v67.0/sobjects/Lead"
        await context.http.request("POST", url, headers=headers, json={"Id": "00Q"})
    assert fake.violations
    fake.violations.clear()


async def test_a_new_lead_becomes_one_lead_with_a_link(fake: SalesforceFake) -> None:
    written = await one(fake, person())
    assert (written.created, written.error) == (True, None)
    assert written.url == f"{INSTANCE_URL}/{written.id}"
    assert (only(fake)["Email"], only(fake)["Company"]) == ("ada@example.com", "[not provided]")
    assert calls(fake) == [("GET", "query"), ("POST", "sobjects/Lead")]


async def test_the_link_leads_to_the_instance(fake: SalesforceFake) -> None:
    async with opened(fake) as (context, _):
        account = await Salesforce(context).verify()
    assert account.url == INSTANCE_URL


async def test_a_known_address_updates_and_keeps_what_was_not_said(fake: SalesforceFake) -> None:
    id = fake.add("Lead", Email="Ada@Example.com", LastName="L", Company="Old", City="London", Description="VIP")
    written = await one(fake, person(fields={"Company": "New", "City": "", "Title": None, "LastName": "Lovelace"}))
    assert (written.id, written.created) == (id, False)
    lead = only(fake)
    assert (lead["Company"], lead["City"], lead["LastName"], lead["Description"]) == (
        "New",
        "London",
        "Lovelace",
        "VIP",
    )


async def test_what_was_made_up_for_a_new_lead_is_not_written_over_a_known_one(fake: SalesforceFake) -> None:
    fake.add("Lead", Email="ada@example.com", LastName="Lovelace", Company="Engines")
    await one(fake, person(fields={"FirstName": "Ada"}))
    assert (only(fake)["LastName"], only(fake)["Company"]) == ("Lovelace", "Engines")


async def test_a_lead_without_a_family_name_gets_the_part_before_the_at(fake: SalesforceFake) -> None:
    await one(fake, person(fields={"FirstName": "Ada"}))
    assert (only(fake)["LastName"], only(fake)["Email"]) == ("ada", "ada@example.com")


async def test_of_several_with_the_address_the_one_changed_last_is_updated(fake: SalesforceFake) -> None:
    with clock.travel(clock.now() - timedelta(days=1)):
        old = fake.add("Lead", Email="ada@example.com", LastName="Old", Company="A")
    new = fake.add("Lead", Email="ada@example.com", LastName="New", Company="B")
    written = await one(fake, person())
    assert (written.id, written.created) == (new, False)
    assert fake.records.find("Lead", old)["LastName"] == "Old"  # type: ignore[index]


async def test_the_stored_id_is_used_though_the_address_changed(fake: SalesforceFake) -> None:
    id = fake.add("Lead", Email="ada@work.example", LastName="Lovelace", Company="A")
    written = await one(fake, person(known_id=id))
    assert (written.id, written.created, only(fake)["FirstName"]) == (id, False, "Ada")


async def test_a_deleted_one_is_forgotten_and_found_again_by_its_address(fake: SalesforceFake) -> None:
    gone = fake.add("Lead", Email="x@example.com", LastName="Gone", Company="A")
    fake.records.delete(gone)
    there = fake.add("Lead", Email="ada@example.com", LastName="There", Company="A")
    assert (await one(fake, person(known_id=gone))).id == there


async def test_a_deleted_one_that_nobody_replaced_is_made_anew(fake: SalesforceFake) -> None:
    gone = fake.add("Lead", Email="ada@example.com", LastName="Gone", Company="A")
    fake.records.delete(gone)
    written = await one(fake, person(known_id=gone))
    assert (written.created, written.id != gone) == (True, True)


async def test_a_merged_one_is_followed_to_the_one_that_was_kept(fake: SalesforceFake) -> None:
    kept = fake.add("Lead", Email="ada@work.example", LastName="Kept", Company="A")
    middle = fake.add("Lead", Email="b@example.com", LastName="Middle", Company="A")
    lost = fake.add("Lead", Email="c@example.com", LastName="Lost", Company="A")
    fake.records.merge(middle, lost)
    fake.records.merge(kept, middle)
    written = await one(fake, person(known_id=lost))
    assert (written.id, written.created) == (kept, False)


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_converted_lead_is_its_contact_from_then_on(fake: SalesforceFake, is_known: bool) -> None:
    lead = fake.add("Lead", Email="ada@example.com", LastName="Lovelace", Company="Engines")
    contact, _ = fake.records.convert(lead)
    fields = {"FirstName": "Ada", "Company": "New Ltd", "City": "London", "Status": "Working"}
    written = await one(fake, person(fields=fields, known_id=lead if is_known else None))
    assert (written.id, written.created, written.error, written.warnings) == (contact, False, None, [])
    record = only(fake, "Contact")
    assert (record["FirstName"], record["MailingCity"], "Company" in record) == ("Ada", "London", False)


async def test_an_open_lead_goes_before_a_converted_one(fake: SalesforceFake) -> None:
    open_one = fake.add("Lead", Email="ada@example.com", LastName="Open", Company="A")
    fake.records.convert(fake.add("Lead", Email="ada@example.com", LastName="Converted", Company="A"))
    assert (await one(fake, person())).id == open_one


async def test_a_converted_lead_whose_contact_is_gone_becomes_a_new_lead(fake: SalesforceFake) -> None:
    contact, _ = fake.records.convert(fake.add("Lead", Email="ada@example.com", LastName="L", Company="A"))
    fake.records.delete(contact)
    written = await one(fake, person())
    assert (written.created, str(written.id)[:3]) == (True, "00Q")


async def test_the_stored_contact_of_a_converted_lead_is_updated(fake: SalesforceFake) -> None:
    contact, _ = fake.records.convert(fake.add("Lead", Email="old@example.com", LastName="L", Company="A"))
    written = await one(fake, person(known_id=contact))
    assert (written.id, only(fake, "Contact")["FirstName"]) == (contact, "Ada")


async def test_a_lead_converted_while_we_write_is_tried_again(fake: SalesforceFake) -> None:
    id = fake.add("Lead", Email="ada@example.com", LastName="L", Company="A")
    said = [{"message": "cannot reference converted lead", "errorCode": "CANNOT_UPDATE_CONVERTED_LEAD"}]
    fake.faults.append(Fault("status", status=400, method="PATCH", body=said))
    assert error_of(await one(fake, person())).kind is ErrorClass.RETRY
    assert (await one(fake, person())).id == id


async def test_a_lead_without_an_address_is_found_by_its_number(fake: SalesforceFake) -> None:
    caller = person(email=None, fields={"Phone": "+441234567"})
    first, second = await one(fake, caller), await one(fake, caller)
    assert (first.created, second.created, first.id) == (True, False, second.id)
    assert only(fake)["LastName"] == "+441234567"


async def test_a_number_of_several_is_nobodys_but_a_lost_answer_makes_no_second_one(fake: SalesforceFake) -> None:
    with clock.travel(clock.now() - timedelta(days=1)):
        for name in ("A", "B"):
            fake.add("Lead", LastName=name, Company="X", Phone="+441234567")
    caller = person(email=None, fields={"Phone": "+441234567"}, at=clock.now())
    fake.faults.append(Fault("reset", method="POST", effect=True))
    assert error_of(await one(fake, caller)).kind is ErrorClass.RETRY
    again = await one(fake, caller)
    assert (again.error, again.created, len(fake.all("Lead"))) == (None, False, 3)


async def test_a_lead_with_a_name_only_is_made_once(fake: SalesforceFake) -> None:
    with clock.travel(clock.now() - timedelta(days=1)):
        fake.add("Lead", FirstName="Ada", LastName="Lovelace", Company="Another Ada")
    stranger = person(email=None, phone=None, fields={"FirstName": "Ada", "LastName": "Lovelace"}, at=clock.now())
    first, again = await one(fake, stranger), await one(fake, stranger)
    assert (first.created, again.created, again.id == first.id, len(fake.all("Lead"))) == (True, False, True, 2)


async def test_with_a_key_of_our_own_no_match_is_a_guess(fake: SalesforceFake) -> None:
    fake.add_field("Lead", "Site2CRM_Id__c", unique=True, externalId=True)
    mapped = {"LastName": "Lovelace", "Site2CRM_Id__c": "led_1"}
    first = await one(fake, person(email=None, phone=None, fields=mapped))
    second = await one(fake, person(email="ada@new.example", fields={**mapped, "Email": "ada@new.example"}))
    assert (first.created, second.created, second.id) == (True, False, first.id)
    assert only(fake)["Email"] == "ada@new.example"


@pytest.mark.parametrize("name", ["Site2CRM_Id__c", "MobilePhone"])
async def test_what_is_searched_for_but_is_not_there_does_not_hold_up_the_lead(fake: SalesforceFake, name: str) -> None:
    fake.hidden.add("Lead.MobilePhone")
    fields = {"LastName": "Lovelace", "Phone": "+441234567", name: "+441234567"}
    there = fake.add("Lead", LastName="L", Company="C", Phone="+441234567")
    written = await one(fake, person(email=None, fields=fields))
    assert (written.error, [warned.property for warned in written.warnings]) == (None, [name])
    assert (written.id == there) is (name == "MobilePhone")


async def test_a_key_that_was_taken_meanwhile_updates_its_holder(fake: SalesforceFake) -> None:
    fake.add_field("Lead", "Site2CRM_Id__c", unique=True, externalId=True)
    mapped = {"LastName": "Lovelace", "Site2CRM_Id__c": "led_1"}
    holder = fake.add("Lead", LastName="L", Company="A", Site2CRM_Id__c="led_1")
    fake.faults.append(Fault("status", status=200, method="GET", body={"totalSize": 0, "done": True, "records": []}))
    written = await one(fake, person(fields=mapped))
    assert (written.id, written.created, only(fake)["LastName"]) == (holder, False, "Lovelace")


@pytest.mark.parametrize("email", ["o'neil@example.com", "back\\slash'@example.com", "a%b+c&d=e#f@example.com"])
async def test_an_odd_address_finds_its_lead_and_says_nothing_else(fake: SalesforceFake, email: str) -> None:
    id = fake.add("Lead", Email=email, LastName="L", Company="A")
    fake.add("Lead", Email="other@example.com", LastName="L", Company="A")
    written = await one(fake, person(email=email, fields={"FirstName": "Ada"}))
    assert (written.id, written.created) == (id, False)


async def test_an_address_that_is_a_piece_of_soql_stays_an_address(fake: SalesforceFake) -> None:
    fake.add("Lead", Email="victim@example.com", LastName="V", Company="A")
    written = await one(fake, person(email="x' OR Email != '", fields={"LastName": "X"}))
    assert (error_of(written).code, error_of(written).field) == ("INVALID_EMAIL_ADDRESS", "Email")
    assert only(fake)["LastName"] == "V"


async def test_an_unknown_field_is_left_out_with_a_warning(fake: SalesforceFake) -> None:
    written = await one(fake, person(fields={"LastName": "L", "Shoe_size__c": "38", "Score__c": 3}))
    assert (written.created, written.error) == (True, None)
    assert [warned.property for warned in written.warnings] == ["Shoe_size__c", "Score__c"]
    assert "No such column 'Shoe_size__c'" in written.warnings[0].text


async def test_a_field_that_the_user_may_not_see_is_left_out_too(fake: SalesforceFake) -> None:
    fake.hidden.add("Lead.Title")
    written = await one(fake, person(fields={"LastName": "L", "Title": "CEO"}))
    assert ([w.property for w in written.warnings], written.created) == (["Title"], True)


async def test_a_hidden_address_is_for_the_admin_to_settle(fake: SalesforceFake) -> None:
    fake.hidden.add("Lead.Email")
    error = error_of(await one(fake, person()))
    assert (error.kind, error.code) == (ErrorClass.CONFIG, "INVALID_FIELD")
    assert error.text.startswith("No such column 'Email'")
    assert fake.all("Lead") == []


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("Email", "ada@nowhere", "INVALID_EMAIL_ADDRESS"),
        ("FirstName", "A" * 41, "STRING_TOO_LONG"),
        ("Industry", "Farming", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ("Budget__c", "a lot", "JSON_PARSER_ERROR"),
        ("Newsletter__c", "perhaps", "JSON_PARSER_ERROR"),
        ("First_contact__c", "yesterday", "JSON_PARSER_ERROR"),
    ],
)
async def test_a_refused_value_is_final_and_names_the_field(
    fake: SalesforceFake, name: str, value: str, code: str
) -> None:
    written = await one(fake, person(fields={"LastName": "L", name: value}))
    error = error_of(written)
    assert (error.kind, error.code, error.field) == (ErrorClass.PERMANENT, code, name)
    assert value in error.text


@pytest.mark.parametrize("code", ["FIELD_CUSTOM_VALIDATION_EXCEPTION", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"])
async def test_the_words_of_the_customers_own_rules_are_shown(fake: SalesforceFake, code: str) -> None:
    said = [{"message": "Bitte eine Firma angeben!", "errorCode": code, "fields": ["Company"]}]
    fake.faults.append(Fault("status", status=400, method="POST", body=said))
    error = error_of(await one(fake, person()))
    assert (error.kind, error.text, error.field) == (ErrorClass.PERMANENT, "Bitte eine Firma angeben!", "Company")


async def test_values_arrive_as_salesforce_writes_them(fake: SalesforceFake) -> None:
    fields = {"LastName": "L", "Newsletter__c": True, "Budget__c": Decimal("1500.50"), "Topics__c": ["seo", "crm"],
              "First_contact__c": date(2026, 11, 22)}  # fmt: skip
    await one(fake, person(fields=fields))
    lead = only(fake)
    assert (lead["Newsletter__c"], lead["Budget__c"], lead["Topics__c"]) == (True, 1500.5, "seo;crm")
    assert lead["First_contact__c"] == "2026-11-22"


async def test_the_owner_is_set_when_it_is_made_and_left_alone_later(fake: SalesforceFake) -> None:
    sales, other = (fake.add("User", Name=name, IsActive=True) for name in ("Sally", "Otto"))
    await one(fake, person(owner=sales))
    await one(fake, person(owner=other))
    assert only(fake)["OwnerId"] == sales


async def test_an_owner_who_left_or_was_mistyped_does_not_hold_up_the_lead(fake: SalesforceFake) -> None:
    gone = fake.add("User", Name="Gone", IsActive=False)
    written = await upsert(
        fake,
        person(owner=gone),
        person(ref="dlv_2", owner="nonsense", lead="led_2", email="b@example.com", fields={"LastName": "B"}),
    )
    assert [(w.created, [warned.property for warned in w.warnings]) for w in written] == [(True, ["OwnerId"])] * 2


async def test_a_note_is_one_task_for_each_submission_and_description_is_untouched(fake: SalesforceFake) -> None:
    at = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)
    for submission in ("sub_1", "sub_1", "sub_2"):
        written = await one(fake, person(fields=NOTED, submission=submission, at=at))
    tasks = fake.all("Task")
    assert [task["Description"] for task in tasks] == [f"Please call me.\n\nSite2CRM sub_{n}" for n in (1, 2)]
    assert {task["WhoId"] for task in tasks} == {written.id}
    assert (tasks[0]["Subject"], tasks[0]["Status"], tasks[0]["ActivityDate"]) == (
        "Website form",
        "Completed",
        "2026-11-21",
    )
    assert "Description" not in only(fake)


async def test_a_note_whose_answer_was_lost_is_not_made_twice(fake: SalesforceFake) -> None:
    fake.faults.append(Fault("reset", method="POST", path="Task", effect=True))
    assert error_of(await one(fake, person(fields=NOTED))).kind is ErrorClass.RETRY
    assert (await one(fake, person(fields=NOTED))).error is None
    assert len(fake.all("Task")) == 1


async def test_a_note_that_may_not_be_made_does_not_hold_up_the_lead(fake: SalesforceFake) -> None:
    fake.forbidden.add("Task")
    written = await one(fake, person(fields=NOTED))
    assert (written.created, written.error) == (True, None)
    assert [warned.property for warned in written.warnings] == ["site2crm_note"]


async def test_a_company_becomes_one_account_of_the_contact(fake: SalesforceFake) -> None:
    fields = {"LastName": "Lovelace", "Company": "Engines 'Ltd'"}
    first = await one(fake, person(fields=fields), settings=CONTACTS)
    await one(fake, person(fields=fields), settings=CONTACTS)
    others = person(email="b@example.com", fields={"LastName": "B", "Company": "engines 'ltd'"}, lead="led_2")
    await one(fake, others, settings=CONTACTS)
    account = only(fake, "Account")
    assert (account["Name"], {it["AccountId"] for it in fake.all("Contact")}) == ("Engines 'Ltd'", {account["Id"]})
    assert (first.created, len(fake.all("Contact"))) == (True, 2)


async def test_a_contact_keeps_the_account_that_it_has(fake: SalesforceFake) -> None:
    account = fake.add("Account", Name="Engines Holding")
    fake.add("Contact", Email="ada@example.com", LastName="L", AccountId=account)
    await one(fake, person(fields={"LastName": "L", "Company": "Engines"}), settings=CONTACTS)
    assert (only(fake, "Contact")["AccountId"], only(fake, "Account")["Id"]) == (account, account)


async def test_an_account_that_may_not_be_made_does_not_hold_up_the_contact(fake: SalesforceFake) -> None:
    fake.forbidden.add("Account")
    written = await one(fake, person(fields={"LastName": "L", "Company": "Engines"}), settings=CONTACTS)
    assert (written.created, [w.property for w in written.warnings]) == (True, ["Company"])


async def test_an_empty_lead_is_final_and_sends_nothing(fake: SalesforceFake) -> None:
    error = error_of(await one(fake, person(email=None, phone=None, fields={})))
    assert (error.kind, error.code, len(fake.requests)) == (ErrorClass.PERMANENT, EMPTY, 0)


@pytest.mark.parametrize("id", ["1", "00Q'; x", "006000000000001AAA", "00Q000000000000"])
async def test_a_stored_id_that_cannot_be_one_of_a_lead_is_ignored(fake: SalesforceFake, id: str) -> None:
    written = await one(fake, person(known_id=id))
    assert (written.created, written.error) == (True, None)


async def test_the_preview_is_what_is_sent(fake: SalesforceFake) -> None:
    settings: dict[str, Any] = {"settings": CONTACTS}
    wanted = person(fields={**NOTED, "Company": "Engines"}, at=clock.now())
    async with opened(fake, **settings) as (context, exchanges):
        shown = Salesforce(context).preview(wanted)
        assert exchanges == []
        await Salesforce(context).upsert_people([wanted])
    assert [(e.method, e.url) for e in shown] == [(e.method, e.url) for e in exchanges]
    same = [at for at, e in enumerate(shown) if "(the " not in e.request_body]
    assert [shown[at].request_body for at in same] == [exchanges[at].request_body for at in same]


async def test_fields_come_with_type_choices_and_writability(fake: SalesforceFake) -> None:
    async with opened(fake) as (context, _):
        fields = {field.key: field for field in await Salesforce(context).fields(Kind.PERSON)}
        deal = {field.key for field in await Salesforce(context).fields(Kind.DEAL)}
    names = ("Topics__c", "Newsletter__c", "Industry", "Budget__c", "OwnerId", "First_contact__c", "site2crm_note")
    assert [fields[name].type for name in names] == ["choices", "bool", "choice", "money", "ref", "date", "text"]
    assert fields["Industry"].choices[0] == ("Agriculture", "Agriculture")
    assert (fields["LastName"].required, fields["Company"].required, fields["Status"].required) == (True, True, False)
    assert (fields["Score__c"].writable, fields["Score__c"].custom, "StageName" in deal) == (False, True, True)


async def test_a_connection_that_is_not_signed_in_says_so(fake: SalesforceFake) -> None:
    error = error_of(await one(fake, person(), grants=None))
    assert (error.kind, error.code) == (ErrorClass.REAUTH, "NO_GRANT")


async def test_no_exchange_holds_the_token(fake: SalesforceFake) -> None:
    async with opened(fake) as (context, exchanges):
        await Salesforce(context).verify()
        await Salesforce(context).upsert_people([person(fields=NOTED)])
    assert exchanges
    assert not any(token in repr(exchanges) for token in [*fake.sign_in.access, *fake.sign_in.refresh])
