"""Salesforce's sales side: what is its own beside the contract of all kinds."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from site2crm.connectors.contract import Act, ErrorClass, Kind
from site2crm.connectors.hints import BadProof
from site2crm.connectors.sales import Activity, Deal, DealIn, Known, Money, Status
from site2crm.connectors.salesforce import changes
from site2crm.connectors.salesforce.hooks import FlowHooks
from site2crm.connectors.salesforce.sales import SalesforceSales
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests.connectors.salesforce_cases import CONTACTS, ORG, error_of, fake, only, opened
from tests.connectors.selling import missing
from tests.fakes.salesforce import INSTANCE_URL, SalesforceFake

__all__ = ["fake"]


@pytest.fixture
async def sales(fake: SalesforceFake) -> AsyncIterator[SalesforceSales]:
    async with opened(fake) as (context, _):
        yield SalesforceSales(context)


async def deals_of(sales: SalesforceSales) -> list[Deal]:
    return list((await sales.deals(None, None)).items)


async def activities_of(sales: SalesforceSales, kind: Act) -> list[Activity]:
    return list((await sales.activities(kind, None, None)).items)


def deal(fake: SalesforceFake, **given: Any) -> str:
    return fake.add("Opportunity", **{"Name": "Offer", "StageName": "Prospecting", "CloseDate": "2026-12-31", **given})


async def test_the_one_pipeline_has_stages_that_say_what_they_mean(
    sales: SalesforceSales, fake: SalesforceFake
) -> None:
    fake.add(
        "OpportunityStage", ApiName="Old", MasterLabel="Old", SortOrder=9, IsActive=False, IsClosed=False, IsWon=False
    )
    [pipeline] = (await sales.directory()).pipelines
    shown = [(stage.id, stage.label, stage.status) for stage in pipeline.stages]
    assert shown == [
        ("Prospecting", "Prospecting", Status.OPEN),
        ("Negotiation", "Negotiation/Review", Status.OPEN),
        ("Closed_Won", "Closed Won", Status.WON),
        ("Closed_Lost", "Closed Lost", Status.LOST),
        ("Old", "Old (inactive)", Status.OPEN),
    ]


async def test_owners_are_read_to_the_last_page(sales: SalesforceSales, fake: SalesforceFake) -> None:
    fake.page_size = 2
    for n in range(5):
        fake.add("User", Name=f"U{n}", IsActive=True, UserType="Standard")
    fake.add("User", Name="Portal", IsActive=True, UserType="PowerPartner")
    assert len((await sales.directory()).owners) == 6


async def test_an_expired_place_in_a_query_is_asked_again(sales: SalesforceSales, fake: SalesforceFake) -> None:
    fake.page_size = 1
    fake.add("User", Name="U", IsActive=True, UserType="Standard")
    body = [{"message": "invalid query locator", "errorCode": "INVALID_QUERY_LOCATOR"}]
    fake.faults.append(Fault("status", status=400, path="/query/", body=body))
    with pytest.raises(Exception, match="locator") as error:
        await sales.directory()
    assert error.value.kind is ErrorClass.RETRY  # type: ignore[attr-defined]
    assert len((await sales.directory()).owners) == 2


async def test_a_reading_goes_on_by_itself_where_pages_are_short(
    sales: SalesforceSales, fake: SalesforceFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "PAGE", 7)
    fake.page_size = 3
    with clock.travel(datetime(2026, 11, 1, tzinfo=UTC)) as forward:
        ids = []
        for n in range(20):
            ids.append(deal(fake))
            forward(n % 3)
    found, cursor, more = [], None, True
    while more:
        page = await sales.deals(None, cursor)
        found, cursor, more = [*found, *page.items], page.cursor, page.more
        fake.forget_locators()
    assert [it.id for it in found] == ids
    assert (await sales.deals(None, None)).total == 20


async def test_a_deal_says_all_that_it_knows(sales: SalesforceSales, fake: SalesforceFake) -> None:
    first, second = (fake.add("Contact", LastName=name) for name in ("A", "B"))
    at = datetime(2026, 11, 20, 10, 15, 30, tzinfo=UTC)
    with clock.travel(at):
        id = deal(fake, Name="Engine", Amount=1500.5, OwnerId=fake.records.user_id)
        fake.add("OpportunityContactRole", OpportunityId=id, ContactId=first, IsPrimary=False)
        fake.add("OpportunityContactRole", OpportunityId=id, ContactId=second, IsPrimary=True)
        fake.records.change("Opportunity", id, {"StageName": "Closed_Won", "CloseDate": "2026-11-20"})
    [found] = await deals_of(sales)
    assert (found.title, found.status, found.stage) == ("Engine", Status.WON, "Closed_Won")
    assert (found.value, found.people) == (Money(Decimal("1500.5"), None), [second, first])
    assert (found.close, found.closed_at, found.updated_at) == (date(2026, 11, 20), at, at)
    assert (found.pipeline, found.url) == ("opportunities", f"{INSTANCE_URL}/{id}")


async def test_the_day_that_the_salespeople_say_counts(sales: SalesforceSales, fake: SalesforceFake) -> None:
    id = deal(fake)
    fake.records.change("Opportunity", id, {"StageName": "Closed_Lost", "CloseDate": "2026-10-05"})
    [found] = await deals_of(sales)
    assert (found.status, found.closed_at) == (Status.LOST, datetime(2026, 10, 5, tzinfo=UTC))


@pytest.mark.parametrize("hidden", ["LastStageChangeDate", "Amount"])
async def test_a_hidden_column_does_not_stop_the_reading(
    sales: SalesforceSales, fake: SalesforceFake, hidden: str
) -> None:
    fake.hidden.add(f"Opportunity.{hidden}")
    deal(fake, Amount=5)
    fake.records.change("Opportunity", only(fake, "Opportunity")["Id"], {"StageName": "Closed_Won"})
    [found] = await deals_of(sales)
    assert (found.value is None, bool(found.closed_at)) == (hidden == "Amount", True)


async def test_a_column_that_is_not_there_is_asked_for_once(sales: SalesforceSales, fake: SalesforceFake) -> None:
    await deals_of(sales)
    before = len(fake.requests)
    await sales.deals(None, "{}")
    await deals_of(sales)
    assert [request.status for request in list(fake.requests)[before:] if request.status != 200] == []


async def test_a_converted_lead_leads_to_its_opportunity(sales: SalesforceSales, fake: SalesforceFake) -> None:
    lead = fake.add("Lead", Email="ada@example.com", LastName="Lovelace", Company="Engines")
    deal(fake, Name="Another")
    contact, opportunity = fake.records.convert(lead, opportunity="Engine")
    found = {it.id: list(it.people) for it in await deals_of(sales)}
    assert found[opportunity] == [contact, lead]
    assert [people for id, people in found.items() if id != opportunity] == [[]]


async def test_of_a_change_of_many_at_once_each_page_asks_for_its_own_leads_alone(
    fake: SalesforceFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "PAGE", 5)
    with clock.travel(datetime(2026, 11, 1, tzinfo=UTC)):
        leads = [fake.add("Lead", LastName="L", Company="C") for _ in range(20)]
        made = {fake.records.convert(lead, opportunity="Engine")[1]: lead for lead in leads}
    found: dict[str, str] = {}
    cursor, more = None, True
    async with opened(fake) as (context, exchanges):
        while more:
            page = await SalesforceSales(context).deals(None, cursor)
            found |= {it.id: it.people[-1] for it in page.items}
            cursor, more = page.cursor, page.more
    assert found == made
    told = [json.loads(one.response_body)["totalSize"] for one in exchanges if "ConvertedOpp" in one.url]
    assert told == [5, 5, 5, 5]


async def test_deals_are_read_though_the_conversion_is_hidden(sales: SalesforceSales, fake: SalesforceFake) -> None:
    fake.hidden.add("Lead.ConvertedOpportunityId")
    deal(fake)
    assert len(await deals_of(sales)) == 1


async def test_times_without_a_colon_are_read() -> None:
    assert changes.moment("2026-11-21T10:15:30.000+0000") == datetime(2026, 11, 21, 10, 15, 30, tzinfo=UTC)
    assert [changes.moment(value) for value in (None, "", "soon", 5)] == [None] * 4


async def test_a_cursor_that_is_not_ours_begins_at_the_beginning(sales: SalesforceSales, fake: SalesforceFake) -> None:
    deal(fake)
    assert len((await sales.deals(None, "not ours")).items) == 1


async def test_what_was_being_saved_meanwhile_is_read_again(sales: SalesforceSales, fake: SalesforceFake) -> None:
    with clock.travel(clock.now() - timedelta(minutes=4)):
        late = deal(fake)
    deal(fake)
    cursor = (await sales.deals(None, None)).cursor
    assert late in {it.id for it in (await sales.deals(None, cursor)).items}


async def test_calls_are_those_of_dialers_too_and_last_as_long_as_they_did(
    sales: SalesforceSales, fake: SalesforceFake
) -> None:
    contact = fake.add("Contact", LastName="A")
    by_hand = fake.add("Task", TaskSubtype="Call", Status="Completed", WhoId=contact, CallDurationInSeconds=95,
                       ActivityDate="2026-11-02")  # fmt: skip
    dialed = fake.add("Task", Type="Call", TaskSubtype="Task", Status="Not Started", ActivityDate="2026-11-03")
    fake.add("Task", TaskSubtype="Email", Status="Completed")
    calls = {it.id: it for it in await activities_of(sales, Act.CALL)}
    assert set(calls) == {by_hand, dialed}
    assert (calls[by_hand].seconds, calls[by_hand].done, calls[by_hand].people) == (95, True, [contact])
    assert (calls[dialed].done, calls[dialed].at) == (False, datetime(2026, 11, 3, tzinfo=UTC))


async def test_hidden_fields_of_the_call_centre_do_not_stop_the_reading(
    sales: SalesforceSales, fake: SalesforceFake
) -> None:
    fake.hidden |= {"Task.CallDurationInSeconds", "Task.CompletedDateTime"}
    fake.add("Task", TaskSubtype="Call", Status="Completed", CallDurationInSeconds=95)
    [call] = await activities_of(sales, Act.CALL)
    assert call.seconds is None


async def test_a_meeting_to_come_is_not_done(sales: SalesforceSales, fake: SalesforceFake) -> None:
    times = {"StartDateTime": "2027-01-01T10:00:00.000+0000", "EndDateTime": "2027-01-01T11:30:00.000+0000"}
    id = fake.add("Event", **times)
    fake.records.delete(fake.add("Event", **times))
    found = {it.id: it for it in await activities_of(sales, Act.MEETING)}
    assert (found[id].done, found[id].seconds, found[id].deleted) == (False, 5_400, False)
    assert [it.deleted for it in found.values() if it.id != id] == [True]


async def test_a_deal_has_its_contact_account_stage_and_date(fake: SalesforceFake) -> None:
    account = fake.add("Account", Name="Engines")
    contact = fake.add("Contact", LastName="A", AccountId=account)
    async with opened(fake, settings=CONTACTS) as (context, _):
        wanted = DealIn("dlv_1", "T" * 300, Money(Decimal("250.50"), "EUR"))
        with clock.travel(datetime(2026, 11, 22, tzinfo=UTC)):
            written = await SalesforceSales(context).add_deal(wanted, contact)
    assert (written.error, list(written.warnings), written.url) == (None, [], f"{INSTANCE_URL}/{written.id}")
    made = only(fake, "Opportunity")
    assert (made["AccountId"], made["StageName"], made["CloseDate"]) == (account, "Prospecting", "2026-12-22")
    assert (made["Amount"], len(made["Name"]), "CurrencyIsoCode" in made) == (250.5, 120, False)
    assert made["Description"] == "Site2CRM dlv_1"
    role = only(fake, "OpportunityContactRole")
    assert (role["ContactId"], role["IsPrimary"]) == (contact, True)


async def test_an_amount_in_a_currency_that_the_org_does_not_know_is_left_out(fake: SalesforceFake) -> None:
    contact = fake.add("Contact", LastName="A")
    async with opened(fake) as (context, _):
        written = await SalesforceSales(context).add_deal(DealIn("d", "T", Money(Decimal(5), "USD")), contact)
    assert (written.created, [warned.property for warned in written.warnings]) == (True, ["Amount"])
    assert "EUR only" in written.warnings[0].text
    assert "Amount" not in only(fake, "Opportunity")


async def test_an_org_that_does_not_tell_its_currency_gets_no_wrong_amount(fake: SalesforceFake) -> None:
    contact = fake.add("Contact", LastName="A")
    async with opened(fake, account=replace(ORG, currency=None)) as (context, _):
        written = await SalesforceSales(context).add_deal(DealIn("d", "T", Money(Decimal(5), "USD")), contact)
    assert (written.created, [warned.property for warned in written.warnings]) == (True, ["Amount"])
    assert "Amount" not in only(fake, "Opportunity")


async def test_an_unknown_currency_is_final_where_there_are_several(fake: SalesforceFake) -> None:
    fake.switch_on_currencies("EUR", "USD")
    contact = fake.add("Contact", LastName="A")
    async with opened(fake) as (context, _):
        written = await SalesforceSales(context).add_deal(DealIn("d", "T", Money(Decimal(5), "XXX")), contact)
    error = error_of(written)
    assert (error.kind, error.field) == (ErrorClass.PERMANENT, "CurrencyIsoCode")
    assert fake.all("Opportunity") == []


async def test_a_deal_that_could_not_be_found_again_is_not_made(fake: SalesforceFake) -> None:
    contact = fake.add("Contact", LastName="A")
    fake.hidden.add("Opportunity.Description")
    async with opened(fake) as (context, _):
        error = error_of(await SalesforceSales(context).add_deal(DealIn("d", "T"), contact))
    assert (error.kind, "Description" in error.text, fake.all("Opportunity")) == (ErrorClass.CONFIG, True, [])


async def test_a_refused_contact_leaves_no_deal_behind(fake: SalesforceFake) -> None:
    contact = fake.add("Contact", LastName="A")
    fake.forbidden.add("OpportunityContactRole")
    async with opened(fake) as (context, _):
        written = await SalesforceSales(context).add_deal(DealIn("d", "T"), contact)
    assert (error_of(written).kind, fake.all("Opportunity")) == (ErrorClass.CONFIG, [])


async def test_a_lead_gets_a_deal_once_it_is_converted(fake: SalesforceFake) -> None:
    lead = fake.add("Lead", LastName="A", Company="B")
    async with opened(fake) as (context, _):
        before = await SalesforceSales(context).add_deal(DealIn("d", "T"), lead)
        contact, _deal = fake.records.convert(lead)
        after = await SalesforceSales(context).add_deal(DealIn("d", "T"), lead)
    assert (error_of(before).kind, error_of(before).code) == (ErrorClass.PERMANENT, "LEAD_WITHOUT_DEALS")
    assert (after.created, only(fake, "OpportunityContactRole")["ContactId"]) == (True, contact)


async def test_a_deal_for_somebody_who_is_gone_begins_with_the_person_again(fake: SalesforceFake) -> None:
    gone = fake.add("Contact", LastName="A")
    fake.records.delete(gone)
    async with opened(fake) as (context, _):
        for id in (gone, "nonsense", "003' OR x"):
            error = error_of(await SalesforceSales(context).add_deal(DealIn("d", "T"), id))
            assert (error.kind, error.code) == (ErrorClass.NOT_FOUND, "NO_CONTACT")


async def test_a_merged_person_is_there_and_a_deleted_one_is_missing(
    sales: SalesforceSales, fake: SalesforceFake
) -> None:
    kept, merged, gone = (fake.add("Lead", LastName=name, Company="C") for name in "ABC")
    contact = fake.add("Contact", LastName="D")
    fake.records.merge(kept, merged)
    fake.records.delete(gone)
    assert await missing(sales, [kept, merged, gone, contact, "nonsense"]) == [gone, "nonsense"]
    assert await sales.whereabouts([Known(merged), Known(kept)]) == {merged: kept, kept: kept}


async def test_many_are_asked_for_in_queries_that_fit(sales: SalesforceSales, fake: SalesforceFake) -> None:
    ids = [fake.add("Lead", LastName="L", Company="C") for _ in range(450)]
    assert await missing(sales, ids) == []
    assert (len(fake.requests), max(len(request.target) for request in fake.requests) < 16_000) == (3, True)


@pytest.mark.parametrize("table", ["Lead", "Contact", "Account", "Opportunity"])
async def test_a_flow_may_tell_what_changed(fake: SalesforceFake, table: str) -> None:
    id = fake.add(table, Name="N", LastName="L")
    async with opened(fake) as (context, _):
        hooks = FlowHooks(context)
        headers = {"x-site2crm-secret": "s3cret"}
        body = f'{{"object": "{table}", "id": "{id}"}}'.encode()
        [change] = hooks.parse(headers, body, url="https://app.example.com/h", secret="s3cret")
        kind = {"Account": Kind.COMPANY, "Opportunity": Kind.DEAL}.get(table, Kind.PERSON)
        assert (change.kind, change.id, change.op, change.at) == (kind, id, "upsert", None)
        assert await hooks.watch("https://app.example.com/h", "s3cret") is None


async def test_the_secret_may_be_the_end_of_the_address(fake: SalesforceFake) -> None:
    body = f'{{"object": "Lead", "id": "{fake.add("Lead", LastName="L", Company="C")}"}}'.encode()
    async with opened(fake) as (context, _):
        assert FlowHooks(context).parse({}, body, url="https://app.example.com/hooks/con_1/s3cret", secret="s3cret")


@pytest.mark.parametrize("headers", [{}, {"x-site2crm-secret": ""}, {"x-site2crm-secret": "wröng"}])
async def test_a_flow_without_the_secret_is_not_read(fake: SalesforceFake, headers: dict[str, str]) -> None:
    async with opened(fake) as (context, _):
        with pytest.raises(BadProof):
            FlowHooks(context).parse(headers, b"{", url="https://app.example.com/h", secret="s3cret")
        with pytest.raises(BadProof):
            FlowHooks(context).parse(headers, b"{", url="https://app.example.com/h", secret="")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"object": "Case", "id": "500"}', b'{"object": "Lead", "id": "x"}']
)
async def test_a_flow_that_says_something_else_is_refused(fake: SalesforceFake, body: bytes) -> None:
    async with opened(fake) as (context, _):
        with pytest.raises(ValueError, match="The body is not"):
            FlowHooks(context).parse({"x-site2crm-secret": "s"}, body, url="https://app.example.com/h", secret="s")
