"""The sales side of HubSpot: its traps, each against the stateful fake (crm/hubspot.md 5 to 7)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from site2crm.connectors.contract import Account, Act, CrmError, ErrorClass
from site2crm.connectors.hubspot import changes
from site2crm.connectors.hubspot.sales import HubSpotSales
from site2crm.connectors.sales import Activity, Deal, DealIn, Known, Money, Status
from site2crm.demo import hubspot_sales
from site2crm.kit import clock
from tests.connectors.connector_cases import context
from tests.connectors.selling import missing
from tests.fakes.hubspot import READ, TOKEN, WRITE, HubSpotFake
from tests.fakes.playing import playing

ACCOUNT = Account(
    "62515", "Portal", currency="EUR", tz="Europe/Berlin", url="https://app-eu1.hubspot.com/contacts/62515"
)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
async def fake() -> AsyncIterator[HubSpotFake]:
    async with playing(HubSpotFake()) as server:
        yield server


@asynccontextmanager
async def selling(fake: HubSpotFake, **given: Any) -> AsyncIterator[HubSpotSales]:
    settings = {"secrets": {"token": TOKEN}, "base_url": fake.url, "account": ACCOUNT, **given}
    async with context(**settings) as (opened, _):
        yield HubSpotSales(opened)


async def read(fake: HubSpotFake, since: datetime | None = None, cursor: str | None = None) -> tuple[list[Deal], str]:
    found: list[Deal] = []
    async with selling(fake) as sales:
        while True:
            page = await sales.deals(since, cursor)
            found += page.items
            cursor = page.cursor
            assert cursor
            if not page.more:
                return found, cursor


async def activities(fake: HubSpotFake, kind: Act) -> list[Activity]:
    async with selling(fake) as sales:
        return list((await sales.activities(kind, None, None)).items)


def paths(fake: HubSpotFake, part: str) -> int:
    return sum(part in request.target for request in fake.requests)


@pytest.mark.parametrize("apart", [timedelta(seconds=1), timedelta()], ids=["spread", "all in one moment"])
async def test_more_changes_than_a_search_serves_are_all_read(
    fake: HubSpotFake, monkeypatch: pytest.MonkeyPatch, apart: timedelta
) -> None:
    for module in (changes, hubspot_sales):
        monkeypatch.setattr(module, "SEARCH_ROWS", 200)
    ids = {fake.sales.add("deals", dealname=str(n), at=NOON + n * apart) for n in range(450)}
    last = fake.sales.add("deals", dealname="later", at=NOON + timedelta(hours=1))
    found, _ = await read(fake, NOON - timedelta(days=1))
    assert {deal.id for deal in found} == ids | {last}


async def test_after_a_great_change_everything_is_listed_again_for_fewer_calls(
    fake: HubSpotFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "MANY", 100)
    contact = fake.add_contact(email="ada@example.com")
    ids = [fake.sales.add("deals", dealname="Before", contacts=[contact], at=NOON) for _ in range(250)]
    _, cursor = await read(fake)
    for id in ids:
        fake.sales.change("deals", id, dealname="After")
    fake.requests.clear()
    found, cursor = await read(fake, None, cursor)
    assert {(deal.id, deal.title, deal.people[0]) for deal in found} == {(id, "After", contact) for id in ids}
    assert (len(fake.requests), paths(fake, "/associations/")) == (5, 0)
    fake.sales.archive("deals", ids[0])
    with clock.travel(clock.now() + timedelta(hours=2)):
        found, _ = await read(fake, None, cursor)
    assert (ids[0], Status.DELETED) in {(deal.id, deal.status) for deal in found}


async def test_a_change_that_search_shows_late_is_still_read(fake: HubSpotFake) -> None:
    fake.sales.add("deals", dealname="First")
    _, cursor = await read(fake)
    late = fake.sales.add("deals", dealname="Late", at=clock.now() - timedelta(minutes=4))
    found, _ = await read(fake, None, cursor)
    assert late in {deal.id for deal in found}


async def test_what_was_read_long_ago_is_not_read_again(fake: HubSpotFake) -> None:
    fake.sales.add("deals", dealname="Old", at=clock.now() - timedelta(hours=1))
    _, cursor = await read(fake)
    assert (await read(fake, None, cursor))[0] == []


async def test_the_archived_are_listed_once_an_hour(fake: HubSpotFake) -> None:
    gone = fake.sales.add("deals", dealname="Gone")
    _, cursor = await read(fake)
    fake.sales.archive("deals", gone)
    early, cursor = await read(fake, None, cursor)
    with clock.travel(clock.now() + timedelta(hours=2)):
        late, cursor = await read(fake, None, cursor)
        _, cursor = await read(fake, None, cursor)
    assert (early, [deal.status for deal in late]) == ([], [Status.DELETED])
    assert paths(fake, "archived=true") == 1


async def test_a_deal_says_when_it_closes_in_the_portals_time_zone(fake: HubSpotFake) -> None:
    fake.sales.add("deals", dealname="Offer", closedate="2026-12-30T23:30:00Z", amount="", hubspot_owner_id="")
    [deal] = (await read(fake))[0]
    assert (deal.close, deal.closed_at, deal.value, deal.owner) == (date(2026, 12, 31), None, None, None)
    assert deal.url == f"https://app-eu1.hubspot.com/contacts/62515/record/0-3/{deal.id}"


@pytest.mark.parametrize(
    ("stage", "status"), [("closedwon", Status.WON), ("closedlost", Status.LOST), ("contractsent", Status.OPEN)]
)
async def test_won_and_lost_are_strings_of_their_own(fake: HubSpotFake, stage: str, status: Status) -> None:
    fake.sales.add("deals", dealname="Offer", dealstage=stage, closedate="2026-11-20T10:00:00Z")
    [deal] = (await read(fake))[0]
    assert (deal.status, deal.closed_at is not None) == (status, status is not Status.OPEN)


async def test_a_stage_is_won_by_its_probability(fake: HubSpotFake) -> None:
    async with selling(fake) as sales:
        default, partners = (await sales.directory()).pipelines
    assert [stage.status for stage in default.stages] == [Status.OPEN, Status.OPEN, Status.WON, Status.LOST]
    assert partners.label == "Partners"


async def test_many_owners_are_paged(fake: HubSpotFake) -> None:
    ids = [fake.sales.add_owner("Ada", f"No{n}") for n in range(120)]
    async with selling(fake) as sales:
        assert [owner.id for owner in (await sales.directory()).owners] == ids


async def test_a_call_lasts_milliseconds_and_an_unanswered_one_is_not_done(fake: HubSpotFake) -> None:
    at = {"hs_timestamp": "2026-11-20T09:00:00Z", "hubspot_owner_id": "7"}
    fake.sales.add("calls", **at, hs_call_duration="61000", hs_call_status="COMPLETED")
    fake.sales.add("calls", **at, hs_call_status="NO_ANSWER")
    answered, missed = await activities(fake, Act.CALL)
    assert (answered.seconds, answered.done, answered.owner) == (61, True, "7")
    assert (missed.seconds, missed.done) == (None, False)


async def test_mail_that_came_in_is_nobodys_work(fake: HubSpotFake) -> None:
    fake.sales.add("emails", hs_email_direction="INCOMING_EMAIL")
    sent = fake.sales.add("emails", hs_email_direction="EMAIL", hs_email_status="SENT")
    assert [activity.id for activity in await activities(fake, Act.EMAIL)] == [sent]


async def test_a_meeting_that_was_cancelled_is_not_done(fake: HubSpotFake) -> None:
    ends = {"hs_meeting_start_time": "2026-11-20T09:00:00Z", "hs_meeting_end_time": "2026-11-20T09:45:00Z"}
    fake.sales.add("meetings", **ends, hs_meeting_outcome="COMPLETED")
    fake.sales.add("meetings", **ends, hs_meeting_outcome="CANCELED")
    held, cancelled = await activities(fake, Act.MEETING)
    assert (held.done, held.seconds, cancelled.done) == (True, 2700, False)


async def test_a_token_without_the_right_says_which(fake: HubSpotFake) -> None:
    fake.tokens[TOKEN] = {READ, WRITE}
    async with selling(fake) as sales:
        with pytest.raises(CrmError, match=r"crm\.objects\.deals\.read") as refused:
            await sales.deals(None, None)
    assert refused.value.kind is ErrorClass.CONFIG


async def test_a_deal_begins_in_the_first_open_stage(fake: HubSpotFake) -> None:
    person = fake.add_contact(email="ada@example.com")
    wanted = DealIn("dlv_1", "Web lead", Money(Decimal("10"), "USD"), pipeline="partners", close=date(2026, 12, 31))
    async with selling(fake) as sales:
        written = await sales.add_deal(wanted, person)
    said = fake.sales.records["deals"][str(written.id)]["properties"]
    assert (said["pipeline"], said["dealstage"]) == ("partners", "partners_appointmentscheduled")
    assert (said["amount"], said["deal_currency_code"]) == ("10", "USD")
    assert said["closedate"] == "2026-12-30T23:00:00.000Z"
    assert written.url == f"https://app-eu1.hubspot.com/contacts/62515/record/0-3/{written.id}"


async def test_the_accounts_own_currency_is_not_written(fake: HubSpotFake) -> None:
    person = fake.add_contact(email="ada@example.com")
    async with selling(fake) as sales:
        written = await sales.add_deal(DealIn("dlv_1", "Web lead", Money(Decimal("10"), "EUR")), person)
    assert "deal_currency_code" not in fake.sales.records["deals"][str(written.id)]["properties"]


async def test_without_a_property_for_currencies_an_amount_in_another_one_is_left_out(fake: HubSpotFake) -> None:
    """An account with one currency may have no such property: 900 dollars would be 900 euros."""
    person = fake.add_contact(email="ada@example.com")
    del fake.sales.properties["deals"]["deal_currency_code"]
    async with selling(fake) as sales:
        written = await sales.add_deal(DealIn("dlv_1", "Web lead", Money(Decimal(900), "USD")), person)
    assert {warned.property for warned in written.warnings} == {"deal_currency_code", "amount"}
    assert "amount" not in fake.sales.records["deals"][str(written.id)]["properties"]


async def test_a_stage_that_is_gone_is_this_deals_own_fault(fake: HubSpotFake) -> None:
    person = fake.add_contact(email="ada@example.com")
    async with selling(fake) as sales:
        stage = await sales.add_deal(DealIn("dlv_1", "Web lead", pipeline="default", stage="gone"), person)
        pipeline = await sales.add_deal(DealIn("dlv_2", "Web lead", pipeline="gone"), person)
    assert [(w.error.kind, w.error.field) for w in (stage, pipeline) if w.error] == [
        (ErrorClass.PERMANENT, "dealstage"),
        (ErrorClass.PERMANENT, "pipeline"),
    ]


async def test_a_contact_that_was_merged_is_not_missing(fake: HubSpotFake) -> None:
    kept, loser = fake.add_contact(email="a@example.com"), fake.add_contact(email="b@example.com")
    fake.merge(loser, kept)
    async with selling(fake) as sales:
        assert await missing(sales, [loser, kept, "404"]) == ["404"]
        assert await sales.whereabouts([Known(loser, "b@example.com"), Known(kept)]) == {loser: kept, kept: kept}
        many = [fake.add_contact(email=f"p{n}@example.com") for n in range(150)]
        assert await missing(sales, many) == []


async def test_a_cursor_of_something_else_is_refused(fake: HubSpotFake) -> None:
    async with selling(fake) as sales:
        with pytest.raises(CrmError, match="not where a reading"):
            await sales.deals(None, "page 2")
