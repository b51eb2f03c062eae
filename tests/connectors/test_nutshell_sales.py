"""Nutshell's deals, activities and webhooks against a stateful fake, checked against the vendor's document."""

import itertools
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from site2crm.connectors.contract import Account, Act, CrmError, ErrorClass, Exchange, Kind
from site2crm.connectors.hints import BadProof, Change
from site2crm.connectors.nutshell import deal_reading
from site2crm.connectors.nutshell.deal_reading import EVENTS
from site2crm.connectors.nutshell.hooks import NutshellHooks
from site2crm.connectors.nutshell.sales import NutshellSales
from site2crm.connectors.nutshell.values import moment, money
from site2crm.connectors.sales import Activity, Deal, DealIn, Known, Money, Page, Status
from site2crm.demo.nutshell_records import when
from site2crm.demo.server import Answer, Fault
from site2crm.kit import clock
from tests.connectors.connector_cases import context
from tests.connectors.selling import missing
from tests.fakes.nutshell import EMAIL, KEY, NutshellFake
from tests.fakes.playing import playing

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
OURS = Account("77001", "Nutshell account 77001", currency="EUR")
HOOK_URL, HOOK_SECRET = "https://crm.client.example/hooks/con_1/s3cr3t-and-long", "s3cr3t-and-long"


@pytest.fixture(autouse=True)
def now() -> Iterator[Any]:
    with clock.travel(NOW) as forward:
        yield forward


@pytest.fixture
async def fake() -> AsyncIterator[NutshellFake]:
    async with playing(NutshellFake()) as server:
        yield server


@pytest.fixture
async def sales(fake: NutshellFake) -> AsyncIterator[NutshellSales]:
    async with context(**given(fake)) as (opened, _):
        yield NutshellSales(opened)


def given(fake: NutshellFake, **more: Any) -> dict[str, Any]:
    base = {"settings": {"email": EMAIL}, "secrets": {"api_key": KEY}, "base_url": fake.url, "account": OURS}
    return {**base, **more}


async def read(
    sales: NutshellSales, cursor: str | None = None, *, since: datetime | None = None
) -> tuple[dict[str, Deal], str]:
    """Every deal of one sync, and where the next one begins."""
    found: dict[str, Deal] = {}
    while True:
        page: Page[Deal] = await sales.deals(since, cursor)
        found.update({deal.id: deal for deal in page.items})
        cursor = page.cursor
        assert cursor
        if not page.more:
            return found, cursor


async def calls_made(sales: NutshellSales, kind: Act = Act.CALL, *, since: datetime | None = None) -> list[Activity]:
    found: list[Activity] = []
    cursor: str | None = None
    while True:
        page = await sales.activities(kind, since, cursor)
        found += page.items
        cursor = page.cursor
        if not page.more:
            return found


@pytest.mark.parametrize("bare", [False, True])
async def test_owners_and_pipelines_come_in_either_shape(fake: NutshellFake, sales: NutshellSales, bare: bool) -> None:
    fake.bare = bare
    directory = await sales.directory()
    owners = {owner.id: (owner.name, owner.email, owner.active) for owner in directory.owners}
    assert owners["2-users"] == ("Sam Seller", "sam@client.example", True)
    assert owners["9-users"][2] is False
    assert [(p.id, p.label, [s.id for s in p.stages]) for p in directory.pipelines] == [
        ("1-stagesets", "Sales", ["101-stages", "102-stages", "103-stages"]),
        ("2-stagesets", "Renewals", ["201-stages", "202-stages", "203-stages"]),
    ]


async def test_a_stage_may_name_its_pipeline_in_an_object(fake: NutshellFake, sales: NutshellSales) -> None:
    for stage in fake.records.tables["stages"].values():
        stage["links"] = stage["links"][0]
    assert [len(pipeline.stages) for pipeline in (await sales.directory()).pipelines] == [3, 3]


async def test_all_deals_are_read_page_by_page_from_page_zero(fake: NutshellFake, sales: NutshellSales) -> None:
    ids = {fake.add_lead(f"Offer {number}") for number in range(203)}
    found, _ = await read(sales)
    assert set(found) == ids
    assert [request.query["page[page]"] for request in fake.requests] == ["0", "1", "2", "3"]


@pytest.mark.parametrize("gone", [1, 5, 12, 30])
async def test_what_is_deleted_while_the_list_is_read_hides_no_other(
    fake: NutshellFake, sales: NutshellSales, monkeypatch: pytest.MonkeyPatch, gone: int
) -> None:
    monkeypatch.setattr(deal_reading, "PAGE", 5)
    ids = [fake.add_lead(f"Offer {number}", at=number) for number in range(30)]
    for number, id in enumerate(ids):
        fake.leads[id]["createdTime"] = when(1_760_000_000 + number)
    page = await sales.deals(None, None)
    found = {deal.id for deal in page.items}
    for id in ids[-gone:]:
        fake.delete("leads", id)
    rest, _ = await read(sales, page.cursor)
    assert found | set(rest) == {*ids[:-gone], *found}


async def test_a_total_that_goes_up_and_down_is_not_read_for_ever(
    fake: NutshellFake, sales: NutshellSales, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deal_reading, "PAGE", 5)
    ids = {fake.add_lead(f"Offer {number}") for number in range(20)}
    totals, listed = itertools.cycle((20, 19)), fake._list

    def told(*given: Any) -> Answer:
        answer = listed(*given)
        answer.body["meta"]["total"] = next(totals)
        return answer

    monkeypatch.setattr(fake, "_list", told)
    found, _ = await read(sales)
    assert set(found) == ids
    assert len(fake.requests) <= 3 * deal_reading.MOST_BACK


async def test_a_deal_comes_with_all_that_is_known(fake: NutshellFake, sales: NutshellSales) -> None:
    person = fake.add_contact(email="ada@example.com")
    links = {
        "owner": "2-users",
        "contacts": [person],
        "stage": "102-stages",
        "stageset": "1-stagesets",
        "outcome": "1-outcomes",
    }
    id = fake.add_lead(
        "Offer", value={"amount": "1500.00", "currency": "USD"}, status="won", links=links,
        closedTime=when(1_795_000_000), dueTime=when(1_798_675_200), anticipatedClosedTime=None,
    )  # fmt: skip
    deal = (await read(sales))[0][id]
    assert (deal.title, deal.value, deal.status) == ("Offer", Money(Decimal("1500.00"), "USD"), Status.WON)
    assert (deal.owner, deal.pipeline, deal.stage, deal.people) == ("2-users", "1-stagesets", "102-stages", [person])
    assert (deal.created_at, deal.updated_at, deal.close) == (NOW, NOW, date(2026, 12, 31))
    assert deal.closed_at == datetime.fromtimestamp(1_795_000_000, UTC)
    assert deal.url == f"https://app.nutshell.com/lead/{id.removesuffix('-leads')}"


@pytest.mark.parametrize(
    ("status", "outcome", "expected"),
    [("open", None, "open"), ("won", None, "won"), ("Lost", None, "lost"), ("cancelled", None, "lost"),
     ("10", "1-outcomes", "won"), ("closed", "2-outcomes", "lost"), ("closed", None, "lost")],
)  # fmt: skip
async def test_the_outcome_tells_what_the_state_does_not(
    fake: NutshellFake, sales: NutshellSales, status: str, outcome: str | None, expected: str
) -> None:
    closed = None if status == "open" else when(1_795_000_000)
    id = fake.add_lead("Offer", status=status, closedTime=closed, links={"outcome": outcome, "contacts": []})
    assert (await read(sales))[0][id].status.value == expected


@pytest.mark.parametrize("bare", [False, True])
async def test_after_the_first_reading_only_what_the_feed_names_is_read(
    fake: NutshellFake, sales: NutshellSales, now: Any, bare: bool
) -> None:
    fake.bare = bare
    old, changed = fake.add_lead("Old", at=(NOW - timedelta(hours=1)).timestamp()), fake.add_lead("Changed")
    _, cursor = await read(sales)
    now(3600)
    fake.leads[changed]["status"] = "won"
    fake.records.happened("anything", fake.leads[changed])
    new = fake.add_lead("New")
    found, _ = await read(sales, cursor)
    assert (set(found), found[changed].status) == ({changed, new}, Status.WON)
    assert old not in found


async def test_the_feed_is_walked_back_through_all_its_pages(
    fake: NutshellFake, sales: NutshellSales, now: Any
) -> None:
    _, cursor = await read(sales)
    now(3600)
    ids = {fake.add_lead(f"Offer {number}") for number in range(2 * EVENTS + 7)}
    found, after = await read(sales, cursor)
    assert set(found) == ids
    before = len(fake.requests)
    assert await read(sales, after) == ({}, after)
    assert len(fake.requests) == before + 1


async def test_what_happened_within_five_minutes_is_read_again(
    fake: NutshellFake, sales: NutshellSales, now: Any
) -> None:
    _, cursor = await read(sales)
    now(3600)
    first = fake.add_lead("First")
    _, cursor = await read(sales, cursor)
    now(301)
    second = fake.add_lead("Second")
    found, cursor = await read(sales, cursor)
    assert set(found) == {first, second}
    now(3600)
    third = fake.add_lead("Third")
    assert set((await read(sales, cursor))[0]) == {second, third}


@pytest.mark.parametrize("erased", [False, True])
async def test_a_deleted_deal_is_told(fake: NutshellFake, sales: NutshellSales, now: Any, erased: bool) -> None:
    id = fake.add_lead("Gone")
    _, cursor = await read(sales)
    now(3600)
    fake.delete("leads", id)
    if erased:
        fake.faults.append(Fault("status", status=404, path=f"/leads/{id}", body=b"<html>Not found</html>"))
    assert (await read(sales, cursor))[0][id].status is Status.DELETED


async def test_since_a_moment_the_feed_is_read_and_not_the_list(fake: NutshellFake, sales: NutshellSales) -> None:
    fake.add_lead("Long ago", at=(NOW - timedelta(days=9)).timestamp())
    new = fake.add_lead("New", at=(NOW - timedelta(hours=1)).timestamp())
    found, _ = await read(sales, since=NOW - timedelta(days=1))
    assert set(found) == {new}


async def test_a_cursor_of_another_kind_begins_anew(fake: NutshellFake, sales: NutshellSales) -> None:
    id = fake.add_lead("Offer")
    assert set((await read(sales, "not ours"))[0]) == {id}


async def test_a_deal_is_made_once_and_its_mark_is_not_in_its_title(fake: NutshellFake, sales: NutshellSales) -> None:
    person = fake.add_contact(email="ada@example.com")
    wanted = DealIn(
        "dlv_1", "Web lead: Ada", Money(Decimal("1500.5"), "EUR"), close=date(2026, 12, 31), owner="2-users"
    )
    first, again = await sales.add_deal(wanted, person), await sales.add_deal(wanted, person)
    other = await sales.add_deal(DealIn("dlv_2", "Web lead: Ada"), person)
    assert (first.created, again.created, first.id) == (True, False, again.id)
    assert len({first.id, other.id}) == len(fake.leads) == 2
    assert fake.leads[str(first.id)]["value"]["amount"] == "1500.5"
    deal = (await read(sales))[0][str(first.id)]
    assert (deal.title, deal.close, deal.owner) == ("Web lead: Ada", date(2026, 12, 31), "2-users")
    assert list(deal.people) == [person]


@pytest.mark.parametrize("lag_s", [0, 60])
@pytest.mark.parametrize("kind", ["reset", "half"])
async def test_a_deal_whose_answer_was_lost_is_found(
    fake: NutshellFake, sales: NutshellSales, kind: Any, lag_s: float
) -> None:
    person = fake.add_contact(email="ada@example.com")
    fake.records.list_lag_s = lag_s
    fake.faults.append(Fault(kind, method="POST", path="/leads", effect=True))
    wanted = DealIn("dlv_1", "Web lead: Ada")
    lost, found = await sales.add_deal(wanted, person), await sales.add_deal(wanted, person)
    assert lost.error is not None
    assert (lost.error.kind, found.error, found.created, len(fake.leads)) == (ErrorClass.RETRY, None, False, 1)


async def test_another_pipeline_takes_a_call_of_its_own(fake: NutshellFake, sales: NutshellSales) -> None:
    person = fake.add_contact()
    wanted = DealIn("dlv_1", "Web lead", pipeline="2-stagesets", stage="201-stages")
    fake.faults.append(Fault("status", status=502, path="/stageset"))
    failed = await sales.add_deal(wanted, person)
    written = await sales.add_deal(wanted, person)
    assert failed.error is not None
    assert (failed.id, written.id, written.error, written.warnings) == (written.id, failed.id, None, [])
    assert fake.leads[str(written.id)]["links"]["stage"] == "201-stages"


async def test_a_later_stage_costs_a_warning(fake: NutshellFake, sales: NutshellSales) -> None:
    written = await sales.add_deal(DealIn("dlv_1", "Web lead", stage="103-stages"), fake.add_contact())
    assert (written.error, [w.property for w in written.warnings]) == (None, ["stage"])


async def test_an_amount_in_another_currency_is_left_out_and_said(fake: NutshellFake, sales: NutshellSales) -> None:
    wanted = DealIn("dlv_1", "Web lead", Money(Decimal(900), "CHF"))
    written = await sales.add_deal(wanted, fake.add_contact())
    assert [(w.property, "CHF" in w.text) for w in written.warnings] == [("value", True)]
    assert fake.leads[str(written.id)]["value"]["amount"] == "0.00"


@pytest.mark.parametrize(("currency", "amount", "left_out"), [("EUR", "900", []), ("XOF", "0.00", ["value"])])
async def test_an_account_that_has_not_told_its_currency_gets_no_wrong_amount(
    fake: NutshellFake, currency: str, amount: str, left_out: list[str]
) -> None:
    """An account without any lead does not tell; the first lead does, and has its amount then or not at all."""
    wanted = DealIn("dlv_1", "Web lead", Money(Decimal(900), currency))
    async with context(**given(fake, account=replace(OURS, currency=None))) as (opened, _):
        written = await NutshellSales(opened).add_deal(wanted, fake.add_contact())
        again = await NutshellSales(opened).add_deal(wanted, "3-contacts")
    assert (written.error, [w.property for w in written.warnings]) == (None, left_out)
    assert (fake.leads[str(written.id)]["value"]["amount"], again.id) == (amount, written.id)


async def test_an_amount_whose_call_was_lost_is_written_by_the_next_try(fake: NutshellFake) -> None:
    wanted = DealIn("dlv_1", "Web lead", Money(Decimal(900), "EUR"))
    fake.faults.append(Fault("reset", method="PATCH"))
    async with context(**given(fake, account=replace(OURS, currency=None))) as (opened, _):
        first = await NutshellSales(opened).add_deal(wanted, fake.add_contact())
        second = await NutshellSales(opened).add_deal(wanted, "3-contacts")
    assert (first.error is not None, second.error, second.id) == (True, None, first.id)
    assert [lead["value"]["amount"] for lead in fake.leads.values()] == ["900"]


async def test_a_deal_for_nobody_is_refused_with_a_reason(fake: NutshellFake, sales: NutshellSales) -> None:
    written = await sales.add_deal(DealIn("dlv_1", "Web lead"), "999-contacts")
    assert written.error is not None
    assert (written.error.kind, "999-contacts" in written.error.text) == (ErrorClass.PERMANENT, True)


async def test_the_preview_of_a_deal_is_what_is_written(fake: NutshellFake) -> None:
    person = fake.add_contact()
    async with context(**given(fake)) as (opened, exchanges):
        sales = NutshellSales(opened)
        [shown] = sales.preview_deal(DealIn("dlv_1", "Web lead", Money(Decimal(5), "EUR")), person)
        assert exchanges == list[Exchange]()
        await sales.add_deal(DealIn("dlv_1", "Web lead", Money(Decimal(5), "EUR")), person)
    assert (shown.method, shown.url, shown.request_body) == ("POST", exchanges[-1].url, exchanges[-1].request_body)


async def test_calls_and_meetings_are_told_apart_by_their_type(fake: NutshellFake, sales: NutshellSales) -> None:
    person, at = fake.add_contact(), int(NOW.timestamp()) - 86_400
    call = fake.add_activity(at=at, seconds=90)
    meeting = fake.add_activity(at=at, kind="2-activityTypes")
    fake.add_activity(at=at, kind="3-activityTypes")
    [found] = await calls_made(sales)
    assert (found.id, found.kind, found.owner, found.seconds, found.done) == (call, Act.CALL, "2-users", 90, True)
    assert (list(found.people), found.at) == ([person], datetime.fromtimestamp(at, UTC))
    assert [activity.id for activity in await calls_made(sales, Act.MEETING)] == [meeting]


async def test_the_customer_says_which_types_are_calls(fake: NutshellFake) -> None:
    fair = fake.add_activity(at=int(NOW.timestamp()), kind="3-activityTypes")
    fake.add_activity(at=int(NOW.timestamp()))
    settings = {"email": EMAIL, "call_types": " trade show , Nothing"}
    async with context(**given(fake, settings=settings)) as (opened, _):
        assert [activity.id for activity in await calls_made(NutshellSales(opened))] == [fair]


async def test_no_such_type_is_no_activity(fake: NutshellFake) -> None:
    async with context(**given(fake, settings={"email": EMAIL, "call_types": "Nothing"})) as (opened, _):
        assert (await NutshellSales(opened).activities(Act.CALL, None, None)).more is False


async def test_cancelled_and_deleted_activities_are_told(fake: NutshellFake, sales: NutshellSales) -> None:
    fake.add_activity(at=int(NOW.timestamp()), isCancelled=True)
    fake.add_activity(at=int(NOW.timestamp()), isLogged=False)
    found = await calls_made(sales)
    assert sorted((activity.deleted, activity.done) for activity in found) == [(False, False), (True, False)]


async def test_a_full_answer_is_read_in_shorter_stretches(fake: NutshellFake, sales: NutshellSales) -> None:
    days = [int((NOW - timedelta(days=ago)).timestamp()) for ago in range(20)]
    ids = {fake.add_activity(at=day) for day in days for _ in range(60)}
    crowded = {fake.add_activity(at=days[5]) for _ in range(700)}
    found = await calls_made(sales, since=NOW - timedelta(days=30))
    assert {activity.id for activity in found} == ids | crowded


async def test_a_shorter_answer_than_was_asked_for_loses_nothing(fake: NutshellFake, sales: NutshellSales) -> None:
    fake.most_activities = 50
    days = [int((NOW - timedelta(days=ago)).timestamp()) for ago in range(40)]
    ids = {fake.add_activity(at=day) for day in days for _ in range(7)}
    found = await calls_made(sales, since=NOW - timedelta(days=60))
    assert {activity.id for activity in found} == ids


async def test_what_is_logged_days_later_is_found_by_the_next_reading(
    fake: NutshellFake, sales: NutshellSales, now: Any
) -> None:
    cursor = (await sales.activities(Act.CALL, NOW - timedelta(days=1), None)).cursor
    now(86_400)
    late = fake.add_activity(at=int((NOW - timedelta(days=2)).timestamp()))
    page = await sales.activities(Act.CALL, None, cursor)
    assert ([activity.id for activity in page.items], page.more) == ([late], False)


async def test_who_is_deleted_or_never_was_is_missing(fake: NutshellFake, sales: NutshellSales) -> None:
    here, gone = fake.add_contact(), fake.add_contact()
    fake.delete("contacts", gone)
    assert await missing(sales, [here, gone, "999-contacts"]) == [gone, "999-contacts"]


async def test_who_was_merged_is_whoever_has_the_address(fake: NutshellFake, sales: NutshellSales) -> None:
    merged, kept = fake.add_contact(email="ada@example.com"), fake.add_contact(email="Ada@example.com")
    fake.add_contact(email="ada@example.com")
    fake.delete("contacts", merged)
    asked = [Known(merged, "ada@example.com"), Known("999-contacts", "bob@example.com"), Known(kept, "bob@example.com")]
    assert await sales.whereabouts(asked) == {merged: kept, kept: kept}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (1_795_255_200, datetime(2026, 11, 21, 10, tzinfo=UTC)),
        ({"timestamp": 1_795_255_200, "value": "x"}, datetime(2026, 11, 21, 10, tzinfo=UTC)),
        ("1795255200", datetime(2026, 11, 21, 10, tzinfo=UTC)),
        ("2026-11-21T11:00:00+01:00", datetime(2026, 11, 21, 10, tzinfo=UTC)),
        ("2026-11-21T10:00:00", datetime(2026, 11, 21, 10, tzinfo=UTC)),
        (None, None), (True, None), ("yesterday", None), ({}, None), (1e30, None), ([], None),
    ],
)  # fmt: skip
def test_a_time_comes_in_many_shapes(told: object, expected: datetime | None) -> None:
    assert moment(told) == expected


@pytest.mark.parametrize("told", [None, {}, {"amount": ""}, {"amount": "much"}, {"amount": "NaN"}, "12"])
def test_what_is_no_amount_is_none(told: object) -> None:
    assert money(told, "EUR") is None


def test_an_amount_without_a_currency_is_in_the_accounts() -> None:
    assert money({"amount": 0}, "EUR") == Money(Decimal(0), "EUR")


def hook(*events: dict[str, Any]) -> bytes:
    return json.dumps({"meta": {}, "links": {}, "events": events, "actors": [], "payloads": []}).encode()


def event(kind: str, id: str, *, action: str = "update") -> dict[str, Any]:
    return {"id": "1-events", "type": "events", "createdTime": 1_795_255_200, "payloadType": kind, "action": action,
            "links": {"payloads": [id]}}  # fmt: skip


async def test_a_webhook_names_what_to_read_again(fake: NutshellFake) -> None:
    body = hook(event("leads", "1-leads"), event("contacts", "3-contacts", action="delete"), event("tasks", "4-tasks"))
    at = datetime(2026, 11, 21, 10, tzinfo=UTC)
    async with context(**given(fake)) as (opened, _):
        found = NutshellHooks(opened).parse({}, body, url=HOOK_URL, secret=HOOK_SECRET)
    assert found == [Change(Kind.DEAL, "1-leads", "upsert", at), Change(Kind.PERSON, "3-contacts", "delete", at)]


@pytest.mark.parametrize(("url", "secret"), [(HOOK_URL[:-1], HOOK_SECRET), (HOOK_URL, ""), (HOOK_URL, "other")])
async def test_a_webhook_at_another_address_proves_nothing(fake: NutshellFake, url: str, secret: str) -> None:
    async with context(**given(fake)) as (opened, _):
        with pytest.raises(BadProof):
            NutshellHooks(opened).parse({}, b"not even JSON", url=url, secret=secret)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"events": 1}', b"<html>"])
async def test_a_webhook_without_events_is_not_nutshells(fake: NutshellFake, body: bytes) -> None:
    async with context(**given(fake)) as (opened, _):
        with pytest.raises(ValueError, match="events"):
            NutshellHooks(opened).parse({}, body, url=HOOK_URL, secret=HOOK_SECRET)


async def test_webhooks_are_made_by_hand(fake: NutshellFake) -> None:
    async with context(**given(fake)) as (opened, _):
        with pytest.raises(CrmError, match="Setup, API keys"):
            await NutshellHooks(opened).watch(HOOK_URL, HOOK_SECRET)
