"""What every kind of CRM with `sales` must hold to, whichever it is."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from site2crm.connectors.contract import Act, CrmError, ErrorClass, Exchange
from site2crm.connectors.grants import Grants
from site2crm.connectors.kinds import ConnectorKind
from site2crm.connectors.registry import KINDS
from site2crm.connectors.sales import Activity, Deal, DealIn, Money, Page, Sales, Status
from site2crm.demo.server import Fault
from site2crm.kit import clock, ids
from tests.connectors.kinds import PLAYED, opened
from tests.connectors.selling import Selling, missing

SELL = [name for name, kind in KINDS.items() if kind.sales is not None]
LATER = timedelta(hours=3)
"""After this much time every CRM has been asked for what was removed."""


@dataclass
class Case:
    kind: ConnectorKind
    reopen: Callable[[], Sales]
    """A new one, as after a restart."""
    sales: Sales
    selling: Selling
    fake: Any
    exchanges: list[Exchange]
    grants: Grants | None

    def deal(self, **given: Any) -> str:
        said = {"title": "Offer", "amount": "1500.00", "currency": "EUR", "person": "", "owner": ""}
        return self.selling.add_deal(self.fake, **{**said, **given})

    def person(self) -> str:
        return self.selling.add_person(self.fake)


@pytest.fixture(params=SELL)
async def case(request: pytest.FixtureRequest) -> AsyncIterator[Case]:
    kind, played = KINDS[request.param], PLAYED[request.param]
    assert played.selling is not None
    assert kind.sales is not None
    make = kind.sales
    async with opened(played) as (fake, given, exchanges, grants):
        yield Case(kind, lambda: make(given), make(given), played.selling, fake, exchanges, grants)


async def all_deals(sales: Sales, since: datetime | None = None, cursor: str | None = None) -> tuple[list[Deal], str]:
    """Every page, and where the next reading begins."""
    found: list[Deal] = []
    while True:
        page: Page[Deal] = await sales.deals(since, cursor)
        found += page.items
        cursor = page.cursor
        assert cursor
        if not page.more:
            return found, cursor


async def all_activities(sales: Sales, kind: Act) -> list[Activity]:
    found: list[Activity] = []
    cursor: str | None = None
    while True:
        page = await sales.activities(kind, None, cursor)
        found += page.items
        cursor = page.cursor
        if not page.more:
            return found


def newest(deals: list[Deal]) -> dict[str, Deal]:
    """As a caller keeps them."""
    return {deal.id: deal for deal in sorted(deals, key=lambda deal: deal.updated_at)}


def test_a_kind_says_what_it_sells() -> None:
    assert [name for name, kind in KINDS.items() if kind.caps.deals] == SELL
    assert all(KINDS[name].caps.deals for name in SELL)
    assert all(PLAYED[name].selling for name in SELL)


async def test_owners_and_pipelines_are_known_and_who_left_too(case: Case) -> None:
    here = case.selling.add_owner(case.fake, "Ada", "Lovelace", active=True)
    gone = case.selling.add_owner(case.fake, "Bob", "Babbage", active=False)
    directory = await case.sales.directory()
    owners = {owner.id: owner for owner in directory.owners}
    assert (owners[here].name, owners[here].active, owners[gone].active) == ("Ada Lovelace", True, False)
    assert directory.pipelines
    stages = [stage for pipeline in directory.pipelines for stage in pipeline.stages]
    assert stages
    assert all(stage.id and stage.label for stage in stages)
    assert [stage.order for stage in directory.pipelines[0].stages] == sorted(
        stage.order for stage in directory.pipelines[0].stages
    )


async def test_every_deal_is_read_once_or_more_and_a_stopped_reading_goes_on(case: Case) -> None:
    person = case.person()
    owner = case.selling.add_owner(case.fake, "Ada", "Lovelace", active=True)
    ids = {case.deal(title=f"Offer {n}", person=person, owner=owner) for n in range(case.selling.page + 5)}
    first = await case.sales.deals(None, None)
    assert first.more
    assert 0 < len(first.items) <= case.selling.page
    assert first.total in (None, len(ids))
    rest, _ = await all_deals(case.reopen(), None, first.cursor)
    read = newest([*first.items, *rest])
    assert set(read) == ids
    deal = read[next(iter(ids))]
    assert (deal.status, deal.value, list(deal.people)) == (Status.OPEN, Money(Decimal("1500.00"), "EUR"), [person])
    assert (deal.owner, bool(deal.stage), deal.closed_at) == (owner, True, None)
    assert deal.created_at.tzinfo is UTC
    assert deal.updated_at.tzinfo is UTC


async def test_an_empty_crm_has_an_end(case: Case) -> None:
    deals, cursor = await all_deals(case.sales)
    assert deals == []
    assert (await case.reopen().deals(None, cursor)).more is False


async def test_what_changed_after_a_reading_comes_with_the_next(case: Case) -> None:
    won, still = case.deal(title="Won"), case.deal(title="Still open")
    _, cursor = await all_deals(case.sales)
    case.selling.win(case.fake, won)
    new = case.deal(title="New")
    read, after = await all_deals(case.reopen(), None, cursor)
    found = newest(read)
    assert {won, new} <= set(found) <= {won, new, still}
    assert found[won].status is Status.WON
    assert found[won].closed_at is not None
    assert (await case.reopen().deals(None, after)).cursor


async def test_since_a_moment_only_later_changes_come(case: Case) -> None:
    case.deal(title="Of now")
    later = clock.now() + timedelta(days=1)
    assert (await all_deals(case.sales, later))[0] == []
    assert len((await all_deals(case.sales, later - timedelta(days=2)))[0]) == 1


async def test_a_removed_deal_is_told_or_silent(case: Case) -> None:
    gone, kept = case.deal(title="Gone"), case.deal(title="Kept")
    _, cursor = await all_deals(case.sales)
    case.selling.remove_deal(case.fake, gone)
    with clock.travel(clock.now() + LATER):
        found = newest((await all_deals(case.reopen(), None, cursor))[0])
    told = {id for id, deal in found.items() if deal.status is Status.DELETED}
    assert told == ({gone} if case.selling.tells_removed else set())
    assert kept not in told


async def test_amounts_keep_their_currency(case: Case) -> None:
    euro, dollar = case.deal(amount="0.10", currency="EUR"), case.deal(amount="1234567.89", currency="USD")
    read = newest((await all_deals(case.sales))[0])
    assert read[euro].value == Money(Decimal("0.10"), "EUR")
    assert read[dollar].value == Money(Decimal("1234567.89"), "USD")


async def test_every_promised_kind_of_activity_is_read(case: Case) -> None:
    person = case.person()
    owner = case.selling.add_owner(case.fake, "Ada", "Lovelace", active=True)
    for kind in sorted(case.kind.caps.activities):
        id = case.selling.add_activity(case.fake, kind, owner=owner, person=person)
        [activity] = await all_activities(case.sales, kind)
        assert (activity.id, activity.kind, activity.owner) == (id, kind, owner)
        assert (list(activity.people), activity.done, activity.deleted) == ([person], True, False)
        assert activity.at.tzinfo is UTC


async def test_a_deal_is_made_once_however_often_it_is_sent(case: Case) -> None:
    if not case.kind.caps.add_deals:
        pytest.skip("this kind makes no deals")
    person = case.person()
    wanted = DealIn("dlv_1", "Web lead: Ada", Money(Decimal("250.50"), "EUR"))
    first = await case.sales.add_deal(wanted, person)
    again = await case.reopen().add_deal(wanted, person)
    other = await case.reopen().add_deal(DealIn("dlv_2", "Web lead: Ada"), person)
    assert [written.error for written in (first, again, other)] == [None] * 3
    assert first.id == again.id != other.id
    assert [written.created for written in (first, again, other)] == [True, False, True]
    assert case.selling.deals(case.fake) == 2
    deal = newest((await all_deals(case.sales))[0])[str(first.id)]
    assert (deal.title, deal.value, list(deal.people)) == ("Web lead: Ada", wanted.value, [person])


@pytest.mark.parametrize("title", ["Web lead: Ada", "Offer for Mrs Byron"])
async def test_a_deal_whose_answer_was_lost_is_found_whatever_the_lead_is_called_by_now(case: Case, title: str) -> None:
    if not case.kind.caps.add_deals:
        pytest.skip("this kind makes no deals")
    person = case.person()
    wanted, tried_at = DealIn(ids.new("dlv"), "Web lead: Ada"), clock.now()
    shown, *_ = case.sales.preview_deal(wanted, person)
    path = shown.url.removeprefix(case.fake.url).partition("?")[0]
    case.fake.faults.append(Fault("reset", method=shown.method, path=path, effect=True))
    lost = await case.sales.add_deal(wanted, person)
    found = await case.reopen().add_deal(replace(wanted, title=title, tried_at=tried_at), person)
    assert lost.error is not None
    assert lost.error.kind is ErrorClass.RETRY
    assert (found.error, found.created, case.selling.deals(case.fake)) == (None, False, 1)


async def test_a_preview_of_a_deal_sends_nothing(case: Case) -> None:
    if not case.kind.caps.add_deals:
        pytest.skip("this kind makes no deals")
    shown = case.sales.preview_deal(DealIn("dlv_1", "Web lead: Ada"), case.person())
    assert case.exchanges == []
    assert any("Web lead: Ada" in exchange.request_body for exchange in shown)
    assert all(exchange.status is None for exchange in shown)


async def test_who_is_gone_is_told(case: Case) -> None:
    here, gone = case.person(), case.person()
    case.selling.remove_person(case.fake, gone)
    assert await missing(case.sales, [here, gone]) == [gone]
    assert await missing(case.sales, [here]) == []
    assert await missing(case.sales, []) == []


@pytest.mark.parametrize(
    ("status", "expected"), [(503, {ErrorClass.RETRY, ErrorClass.THROTTLE}), (429, {ErrorClass.THROTTLE})]
)
async def test_a_failing_server_is_a_crm_error(case: Case, status: int, expected: set[ErrorClass]) -> None:
    person = case.person()
    case.fake.faults.append(Fault("status", status=status, count=-1))
    with pytest.raises(CrmError) as refused:
        await case.sales.deals(None, None)
    assert refused.value.kind in expected
    for failing in (case.sales.directory(), missing(case.sales, [person])):
        with pytest.raises(CrmError):
            await failing


async def test_no_exchange_shows_a_secret(case: Case) -> None:
    case.deal()
    await all_deals(case.sales)
    secrets = [*PLAYED[case.kind.name].secrets.values()]
    if case.grants:
        secrets.append((await case.grants.current()).access)
    assert case.exchanges
    assert not any(secret in repr(case.exchanges) for secret in secrets)
