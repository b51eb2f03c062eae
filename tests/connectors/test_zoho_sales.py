"""What Zoho's salespeople do, and deals for leads: conversion, won and lost, local times, currencies, what was removed."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from site2crm.connectors.contract import Act, CrmError, ErrorClass, Written
from site2crm.connectors.sales import Deal, DealIn, Known, Money, Status
from site2crm.connectors.zoho import reading
from site2crm.connectors.zoho.sales import ZohoSales
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests.connectors.selling import missing
from tests.connectors.zoho_cases import ACCOUNT, calls, connection, converted, only
from tests.fakes.playing import playing
from tests.fakes.zoho import ZohoFake

CONTACTS = {"module": "Contacts"}


@pytest.fixture
async def fake() -> AsyncIterator[ZohoFake]:
    async with playing(ZohoFake()) as server:
        yield server


def lead(fake: ZohoFake, **values: Any) -> str:
    return fake.add("Leads", **{"Last_Name": "Lovelace", "Company": "Engines", "Email": "ada@example.com", **values})


def deal(fake: ZohoFake, **values: Any) -> str:
    usual = {"Deal_Name": "Offer", "Stage": "Qualification", "Pipeline": "Standard", "Closing_Date": "2026-12-31"}
    return fake.add("Deals", **{**usual, **values})


async def add_deal(fake: ZohoFake, wanted: DealIn, person: str, **given: Any) -> Written:
    async with connection(fake, **given) as (opened, _):
        return await ZohoSales(opened).add_deal(wanted, person)


async def read_deals(fake: ZohoFake, **given: Any) -> list[Deal]:
    found, cursor = await read_from(fake, None, **given)
    assert cursor
    return found


async def read_from(fake: ZohoFake, cursor: str | None, **given: Any) -> tuple[list[Deal], str | None]:
    found: list[Deal] = []
    more = True
    while more:
        async with connection(fake, **given) as (opened, _):
            page = await ZohoSales(opened).deals(None, cursor)
        found += page.items
        cursor, more = page.cursor, page.more
    return found, cursor


async def test_a_deal_for_a_lead_converts_it(fake: ZohoFake) -> None:
    id = lead(fake)
    wanted = DealIn("dlv_1", "Web lead: Ada", Money(Decimal("250.50"), "EUR"), close=date(2026, 12, 24))
    written = await add_deal(fake, wanted, id)
    made = only(fake, "Deals")
    assert (written.error, written.created, written.id) == (None, True, made["id"])
    assert (made["Deal_Name"], made["Amount"], made["Closing_Date"]) == ("Web lead: Ada", 250.5, "2026-12-24")
    assert (made["Stage"], made["Pipeline"]) == ("Qualification", "Standard")
    assert made["Contact_Name"]["id"] == only(fake, "Contacts")["id"]
    assert fake.records["Leads"][id]["Converted__s"] is True
    assert written.url == f"{ACCOUNT.url}/Potentials/{written.id}"


async def test_a_lead_is_converted_once_though_the_answer_was_lost(fake: ZohoFake) -> None:
    id = lead(fake)
    wanted = DealIn("dlv_1", "Web lead: Ada", owner="5550000000112")
    fake.faults.append(Fault("reset", path="convert", effect=True))
    lost, found = await add_deal(fake, wanted, id), await add_deal(fake, wanted, id)
    assert lost.error is not None
    assert lost.error.kind is ErrorClass.RETRY
    assert (found.error, found.created, len(fake.records["Deals"])) == (None, False, 1)
    assert only(fake, "Deals")["Owner"]["id"] == "5550000000112"


async def test_a_second_deal_of_a_converted_lead_belongs_to_its_contact(fake: ZohoFake) -> None:
    id = lead(fake)
    first = await add_deal(fake, DealIn("dlv_1", "Web lead: Ada"), id)
    second = await add_deal(fake, DealIn("dlv_2", "Web lead: Ada"), id)
    assert (second.error, second.created) == (None, True)
    assert first.id != second.id
    assert {d["Contact_Name"]["id"] for d in fake.records["Deals"].values()} == {only(fake, "Contacts")["id"]}


async def test_somebody_else_who_converts_meanwhile_is_noticed(fake: ZohoFake) -> None:
    id = lead(fake)
    body = {"code": "ID_ALREADY_CONVERTED", "status": "error", "message": "id already converted", "details": {}}
    fake.faults.append(Fault("status", status=400, path="convert", body=body, effect=True))
    written = await add_deal(fake, DealIn("dlv_1", "Web lead: Ada"), id)
    assert (written.error, len(fake.records["Deals"])) == (None, 1)


async def test_a_deal_for_nobody_says_so(fake: ZohoFake) -> None:
    written = await add_deal(fake, DealIn("dlv_1", "Web lead: Ada"), "5550000999999")
    assert written.error is not None
    assert written.error.kind is ErrorClass.NOT_FOUND


@pytest.mark.parametrize("as_lead", [True, False])
async def test_without_a_place_for_our_reference_no_deal_is_made(fake: ZohoFake, as_lead: bool) -> None:
    """It could not be found again, so a second try would make a second one."""
    nobody = dict.fromkeys(("web_create", "web_update", "api_create", "api_update"), False)
    fake.fields["Deals"]["Description"]["operation_type"] = nobody
    person = lead(fake) if as_lead else fake.add("Contacts", Last_Name="L")
    written = await add_deal(fake, DealIn("dlv_1", "Offer"), person)
    assert written.error is not None
    assert (written.error.kind, written.error.field) == (ErrorClass.PERMANENT, "Description")
    assert fake.records["Deals"] == {}


@pytest.mark.parametrize("several", [True, False])
async def test_a_currency_that_is_not_kept_is_refused_before_it_becomes_another_amount(
    fake: ZohoFake, several: bool
) -> None:
    if several:
        fake.multiple_currencies("EUR", "USD")
    contact = fake.add("Contacts", Last_Name="L")
    written = await add_deal(fake, DealIn("dlv_1", "Offer", Money(Decimal(5), "GBP")), contact)
    assert written.error is not None
    assert (written.error.kind, written.error.field) == (ErrorClass.PERMANENT, "Currency")
    assert written.error.text.startswith("Zoho CRM does not keep amounts in GBP here: it knows EUR")
    assert fake.records["Deals"] == {}


async def test_another_currency_that_is_kept_is_named(fake: ZohoFake) -> None:
    fake.multiple_currencies("EUR", "USD")
    await add_deal(fake, DealIn("dlv_1", "Offer", Money(Decimal(5), "USD")), fake.add("Contacts", Last_Name="L"))
    assert only(fake, "Deals")["Currency"] == "USD"
    await add_deal(fake, DealIn("dlv_2", "Offer", Money(Decimal(5), "USD")), lead(fake))
    assert [made["Currency"] for made in fake.records["Deals"].values()] == ["USD", "USD"]


@pytest.mark.parametrize(("pipeline", "stage"), [("Partners", None), ("Partners", "Proposal/Price Quote")])
async def test_a_deal_goes_where_it_is_told(fake: ZohoFake, pipeline: str, stage: str | None) -> None:
    contact = fake.add("Contacts", Last_Name="L")
    await add_deal(fake, DealIn("dlv_1", "Offer", pipeline=pipeline, stage=stage), contact)
    assert (only(fake, "Deals")["Pipeline"], only(fake, "Deals")["Stage"]) == (pipeline, stage or "Qualification")


async def test_the_preview_of_a_deal_is_what_is_sent(fake: ZohoFake) -> None:
    id = lead(fake)
    wanted = DealIn(
        "dlv_1", "Offer", Money(Decimal("10.5"), "EUR"), "Standard", "Qualification", date(2026, 12, 1), "9"
    )
    async with connection(fake) as (opened, exchanges):
        shown, rest = ZohoSales(opened).preview_deal(wanted, id)
        assert exchanges == []
        await ZohoSales(opened).add_deal(wanted, id)
    sent = next(exchange for exchange in exchanges if exchange.url.endswith("convert"))
    assert (shown.method, shown.url, shown.request_body) == (sent.method, sent.url, sent.request_body)
    made = rest.request_body.replace("(the deal's id)", str(only(fake, "Deals")["id"]))
    assert (rest.method, rest.url, made) == (exchanges[-1].method, exchanges[-1].url, exchanges[-1].request_body)


async def test_won_and_lost_come_from_the_forecast_and_not_from_the_name(fake: ZohoFake) -> None:
    for stage, kind in zip(fake.pipelines[0]["maps"], ("Closed Won", "Open", "Open", "Closed Lost"), strict=True):
        stage["forecast_type"] = kind
    names = ("Qualification", "Proposal/Price Quote", "Closed Won", "Closed Lost")
    ids = {deal(fake, Stage=name): name for name in names}
    found = {ids[d.id]: d.status for d in await read_deals(fake)}
    assert found == dict(zip(names, (Status.WON, Status.OPEN, Status.OPEN, Status.LOST), strict=True))


async def test_a_stage_is_found_by_its_label_and_its_value(fake: ZohoFake) -> None:
    fake.pipelines[0]["maps"][2] |= {"display_value": "Gewonnen"}
    deal(fake, Stage="Gewonnen")
    deal(fake, Stage="Closed Won")
    assert {(d.stage, d.status) for d in await read_deals(fake)} == {("Closed Won", Status.WON)}


async def test_without_pipelines_the_stages_of_the_field_are_the_only_one(fake: ZohoFake) -> None:
    fake.pipelines = []
    async with connection(fake) as (opened, _):
        [only_one] = (await ZohoSales(opened).directory()).pipelines
    assert [(stage.label, stage.status) for stage in only_one.stages] == [
        ("Qualification", None), ("Proposal/Price Quote", None), ("Closed Won", Status.WON),
        ("Closed Lost", Status.LOST)]  # fmt: skip
    deal(fake, Stage="Closed Won", Pipeline=None)
    assert [d.status for d in await read_deals(fake)] == [Status.WON]


async def test_times_with_an_offset_become_utc(fake: ZohoFake) -> None:
    deal(fake, Created_Time="2026-11-21T10:15:30+05:30", Modified_Time="2026-11-22T00:30:00+01:00")
    [found] = await read_deals(fake)
    assert found.created_at == datetime(2026, 11, 21, 4, 45, 30, tzinfo=UTC)
    assert found.updated_at == datetime(2026, 11, 21, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("close", "closed_at"),
    [("2026-11-20", datetime(2026, 11, 19, 23, tzinfo=UTC)), ("2027-01-01", datetime(2026, 11, 21, 9, tzinfo=UTC))],
)
async def test_a_won_deal_was_closed_on_its_date_unless_that_lies_ahead(
    fake: ZohoFake, close: str, closed_at: datetime
) -> None:
    deal(fake, Stage="Closed Won", Closing_Date=close, Modified_Time="2026-11-21T10:00:00+01:00")
    [found] = await read_deals(fake)
    assert (found.close, found.closed_at) == (date.fromisoformat(close), closed_at)


async def test_a_deal_of_a_converted_lead_is_linked_to_both(fake: ZohoFake) -> None:
    known, contact = converted(fake)
    deal(fake, Contact_Name={"id": contact})
    [found] = await read_deals(fake)
    assert list(found.people) == [contact, known]


async def test_an_account_that_does_not_tell_of_conversions_is_read_all_the_same(fake: ZohoFake) -> None:
    fake.tells_conversions = False
    _, contact = converted(fake)
    deal(fake, Contact_Name={"id": contact})
    [found] = await read_deals(fake)
    assert list(found.people) == [contact]


async def test_amounts_without_a_currency_are_the_organisations(fake: ZohoFake) -> None:
    deal(fake, Amount=0.1)
    deal(fake, Amount=None)
    values = [d.value for d in await read_deals(fake)]
    assert values == [Money(Decimal("0.1"), "EUR"), None]


async def test_columns_that_an_account_lacks_are_asked_for_once_only(fake: ZohoFake) -> None:
    del fake.fields["Deals"]["Pipeline"]
    deal(fake)
    _, cursor = await read_from(fake, None)
    fake.requests.clear()
    await read_from(fake, cursor)
    assert [call for call in calls(fake) if call == ("POST", "coql")] == [("POST", "coql")]


async def test_many_deals_of_one_second_are_all_read(fake: ZohoFake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "ROWS", 10)
    ids = {deal(fake, Modified_Time="2026-11-21T10:00:00+01:00") for _ in range(35)}
    found = await read_deals(fake)
    assert ([d.id for d in found], {d.id for d in found}) == (sorted(ids), ids)


async def test_a_deal_that_changes_during_a_reading_comes_again(
    fake: ZohoFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "ROWS", 2)
    first, *_ = [deal(fake, Modified_Time=f"2026-11-2{n}T10:00:00+01:00") for n in range(3)]
    async with connection(fake) as (opened, _):
        page = await ZohoSales(opened).deals(None, None)
        fake.records["Deals"][first] |= {"Amount": 5, "Modified_Time": "2026-11-22T12:00:00+01:00"}
    rest, _ = await read_from(fake, page.cursor)
    assert page.items[0].id == first == rest[-1].id
    assert rest[-1].value == Money(Decimal(5), "EUR")


async def removed(
    fake: ZohoFake, count: int, forward: Callable[[float], None]
) -> tuple[list[str], list[Deal], str | None]:
    """The ids of so many deals, what is told when they are gone, and where the next reading begins."""
    ids = [deal(fake) for _ in range(count)]
    _, cursor = await read_from(fake, None)
    forward(3600)
    for id in ids:
        fake.remove("Deals", id, bin="permanent")
    return ids, *await read_from(fake, cursor)


async def test_removed_deals_are_told_page_by_page(fake: ZohoFake) -> None:
    with clock.travel(datetime(2026, 11, 22, tzinfo=UTC)) as forward:
        ids, found, cursor = await removed(fake, 250, forward)
        assert [d.id for d in found if d.status is Status.DELETED] == ids
        forward(3600)
        _, cursor = await read_from(fake, cursor)  # what was removed within the overlap comes again
        assert (await read_from(fake, cursor))[0] == []


async def test_more_removals_than_pages_serve_do_not_stop_the_reading(fake: ZohoFake) -> None:
    with clock.travel(datetime(2026, 11, 22, tzinfo=UTC)) as forward:
        _, found, cursor = await removed(fake, 2_100, forward)
        assert len({d.id for d in found if d.status is Status.DELETED}) == 2_000
        forward(3600)
        new = deal(fake)
        found, _ = await read_from(fake, cursor)
    assert new in {d.id for d in found}


async def test_a_reading_overlaps_with_the_one_before_by_five_minutes(fake: ZohoFake) -> None:
    deal(fake, Modified_Time="2026-11-21T10:00:00+01:00")
    _, cursor = await read_from(fake, None)
    late = deal(fake, Modified_Time="2026-11-21T09:56:00+01:00")  # committed after the reading, with an earlier time
    found, _ = await read_from(fake, cursor)
    assert late in {d.id for d in found}


async def test_a_cursor_that_cannot_be_read_says_so(fake: ZohoFake) -> None:
    async with connection(fake) as (opened, _):
        with pytest.raises(CrmError, match="from the beginning"):
            await ZohoSales(opened).deals(None, "x")


async def activities(fake: ZohoFake, kind: Act) -> list[tuple[bool, int | None, datetime]]:
    async with connection(fake) as (opened, _):
        page = await ZohoSales(opened).activities(kind, None, None)
    return [(activity.done, activity.seconds, activity.at) for activity in page.items]


async def test_calls_count_when_they_took_place(fake: ZohoFake) -> None:
    at = "2026-11-02T10:00:00+01:00"
    for type, seconds in (("Outbound", 90), ("Missed", 0), ("Outbound", None)):
        fake.add("Calls", Call_Type=type, Call_Start_Time=at, Call_Duration_in_seconds=seconds)
    moment = datetime(2026, 11, 2, 9, tzinfo=UTC)
    assert await activities(fake, Act.CALL) == [(True, 90, moment), (False, 0, moment), (False, None, moment)]


async def test_meetings_and_tasks_are_done_when_they_are_over(fake: ZohoFake) -> None:
    fake.add("Events", Start_DateTime="2026-11-02T10:00:00+01:00", End_DateTime="2026-11-02T10:30:00+01:00")
    fake.add("Events", Start_DateTime="2036-11-02T10:00:00+01:00", End_DateTime="2036-11-02T10:30:00+01:00")
    fake.add("Tasks", Status="In Progress", Due_Date="2026-11-02")
    fake.add("Tasks", Status="Completed", Closed_Time="2026-11-03T10:00:00+01:00")
    assert [(done, seconds) for done, seconds, _ in await activities(fake, Act.MEETING)] == [
        (True, 1800), (False, 1800)]  # fmt: skip
    assert await activities(fake, Act.TASK) == [
        (False, None, datetime(2026, 11, 1, 23, tzinfo=UTC)), (True, None, datetime(2026, 11, 3, 9, tzinfo=UTC))
    ]  # fmt: skip


async def test_emails_are_not_available(fake: ZohoFake) -> None:
    async with connection(fake) as (opened, _):
        with pytest.raises(CrmError, match="e-mails") as refused:
            await ZohoSales(opened).activities(Act.EMAIL, None, None)
    assert (refused.value.kind, len(fake.requests)) == (ErrorClass.CONFIG, 0)


async def test_a_converted_lead_is_not_missing_and_many_are_asked_for_at_once(fake: ZohoFake) -> None:
    known, contact = converted(fake)
    live = [lead(fake, Email=f"p{n}@example.com") for n in range(60)]
    async with connection(fake) as (opened, _):
        gone = await missing(ZohoSales(opened), [known, contact, *live, "5550000999999"])
    assert gone == ["5550000999999"]
    assert len(fake.requests) == 3


async def test_who_was_merged_is_whoever_has_the_address_and_contacts_come_first(fake: ZohoFake) -> None:
    merged = [lead(fake, Email=f"{name}@example.com") for name in ("ada", "bob", "eve")]
    contact = fake.add("Contacts", Last_Name="Lovelace", Email="ADA@example.com")
    kept = [lead(fake, Email="bob@example.com"), lead(fake, Email="bob@example.com")]
    lead(fake, Email="ada@example.com")
    for id in merged:
        fake.remove("Leads", id)
    asked = [Known(id, f"{name}@example.com") for id, name in zip(merged, ("ada", "bob", "eve"), strict=True)]
    async with connection(fake) as (opened, _):
        found = await ZohoSales(opened).whereabouts([*asked, Known(contact, "other@example.com")])
    assert found == {merged[0]: contact, merged[1]: kept[0], contact: contact}


async def test_the_module_that_an_edition_lacks_is_said(fake: ZohoFake) -> None:
    body = {"code": "INVALID_QUERY", "details": {"module": "Deals"}, "message": "unsupported module", "status": "error"}
    fake.faults.append(Fault("status", status=400, path="coql", body=body))
    async with connection(fake) as (opened, _):
        with pytest.raises(CrmError) as refused:
            await ZohoSales(opened).deals(datetime.now(UTC) - timedelta(days=1), None)
    assert (refused.value.kind, refused.value.code) == (ErrorClass.CONFIG, "INVALID_QUERY")
