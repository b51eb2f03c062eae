"""What a CRM answers half, twice, out of order or not any more: no deal is lost by it, and none is there twice."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from site2crm.connectors import sales
from site2crm.connectors import service as connections
from site2crm.connectors.contract import Act
from site2crm.deals import jobs, storing, syncing
from site2crm.deals.models import About, Activity, Deal
from site2crm.deals.storing import Source
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests.deals.conftest import Floor

DEALS = "/objects/2026-09/deals"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
REFUSED = {"status": "error", "message": "No.", "category": "VALIDATION_ERROR"}


async def remote_ids(floor: Floor) -> list[str]:
    async with floor.machine.session() as session:
        return list(await session.scalars(select(Deal.remote_id)))


async def people(floor: Floor) -> list[str]:
    async with floor.machine.session() as session:
        return list(await session.scalars(select(About.person).order_by(About.subject_id, About.place)))


def later(pages: int, fault: Fault) -> list[Fault]:
    """After so many pages that come as they should."""
    return [*(Fault("slow", seconds=0, method="GET", path=DEALS) for _ in range(pages)), fault]


@pytest.mark.parametrize(("kind", "page"), [("half", 0), ("half", 1), ("reset", 1), ("page", 2), ("status", 2)])
async def test_a_page_that_came_half_is_read_again_and_nothing_twice(floor: Floor, kind: Any, page: int) -> None:
    ids = [floor.deal(f"Deal {number}") for number in range(250)]
    floor.fake.faults += later(page, Fault(kind, status=502, method="GET", path=DEALS))
    with clock.travel(clock.now()) as forward:
        await floor.read()
        assert len(await remote_ids(floor)) == page * 100
        forward(syncing.SHORTEST_WAIT.total_seconds())
        await floor.office.work()
    assert sorted(await remote_ids(floor)) == sorted(ids)


async def test_a_deal_that_moves_between_pages_while_they_are_read_is_kept_as_it_is_then(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [floor.deal(f"Deal {number}") for number in range(250)]
    monkeypatch.setattr(syncing, "SLICE_S", 0.0)
    await floor.read()
    for id in (ids[0], ids[150], ids[-1]):  # read already, and not yet
        floor.fake.sales.change("deals", id, dealname="Moved", dealstage="closedwon")
    floor.fake.sales.archive("deals", ids[1])
    ids.append(floor.deal("Made meanwhile"))
    monkeypatch.undo()
    await floor.read()
    with clock.travel(clock.now() + timedelta(hours=2)):
        await floor.read()
        found = {deal.remote_id: deal for deal in await floor.deals()}
        assert len(await remote_ids(floor)) == 251
    assert {id for id, deal in found.items() if deal.title == "Moved"} >= {ids[-2]}
    async with floor.machine.session() as session:
        won = await session.scalar(select(func.count()).where(Deal.title == "Moved", Deal.status == "won"))
        gone = list(await session.scalars(select(Deal.remote_id).where(Deal.status == "deleted")))
    assert (won, gone) == (3, [ids[1]])


async def test_a_page_that_the_crm_refuses_is_not_asked_for_all_the_time(floor: Floor) -> None:
    """It has led there itself, a moment before: begun anew, the reading would only come there again."""
    ids = [floor.deal(f"Deal {number}") for number in range(250)]
    floor.fake.faults += later(1, Fault("status", status=400, body=REFUSED, method="GET", path=DEALS))
    with clock.travel(clock.now()) as forward:
        await floor.look()
        assert await syncing.read(floor.machine, floor.org_id, floor.connection_id) is False
        stream = await floor.stream()
        assert (len(await remote_ids(floor)), bool(stream.error)) == (100, True)
        assert [code for code, _ in await floor.alarms()] == [syncing.PARTLY]
        forward(syncing.REFUSED_AGAIN.total_seconds() + 1)
        await floor.read()
        assert sorted(await remote_ids(floor)) == sorted(ids)
        assert await floor.alarms() == []


async def test_pages_that_lead_in_a_circle_are_not_read_for_ever(floor: Floor) -> None:
    for after in ("a", "b") * 20:
        body = {"results": [], "paging": {"next": {"after": after}}}
        floor.fake.faults.append(Fault("status", status=200, body=body, method="GET", path=DEALS))
    await floor.read()
    assert "again and again" in (await floor.feed()).error
    assert len(floor.fake.faults) >= 37


def deal(person: str, at: datetime) -> sales.Deal:
    return sales.Deal("1", f"Of {person}", sales.Status.OPEN, created_at=at, updated_at=at, people=[person])


def call(person: str, at: datetime) -> sales.Activity:
    return sales.Activity("1", Act.CALL, None, at=at, done=True, updated_at=at, people=[person])


@pytest.mark.parametrize(("made", "store"), [(deal, storing.deals), (call, storing.activities)])
async def test_an_older_word_changes_nothing_of_whom_something_is_about(floor: Floor, made: Any, store: Any) -> None:
    source, now = storing.Source(floor.org_id, floor.connection_id, "EUR"), clock.now()
    for person, at in (("new", now), ("old", now - timedelta(hours=1)), ("newest", now)):
        async with floor.machine.session() as session:
            await store(session, source, [made(person, at)])
        assert await people(floor) == ["newest" if person == "newest" else "new"]


async def test_who_mends_the_access_waits_no_hour_for_the_deals(floor: Floor) -> None:
    tokens = dict(floor.fake.tokens)
    floor.deal("Offer")
    floor.fake.tokens.clear()
    with clock.travel(clock.now()) as forward:
        await floor.read()
        floor.fake.tokens |= tokens
        async with floor.machine.session() as session:
            await connections.pause(session, floor.org_id, floor.connection_id)
        async with floor.machine.session() as session:
            await connections.resume(session, floor.machine, org_id=floor.org_id, connection_id=floor.connection_id)
        forward(jobs.LOOK_EVERY_S + 1)
        await floor.office.work()
        assert [found.title for found in await floor.deals()] == ["Offer"]
        assert await floor.alarms() == []


@pytest.mark.parametrize("ids", [("x" * 200 + "1", "x" * 200 + "2"), ("a\x00", "a\ufffd")], ids=["long", "null"])
async def test_ids_that_fit_into_one_column_only_as_the_same_stop_no_reading(
    floor: Floor, ids: tuple[str, str]
) -> None:
    source, now = storing.Source(floor.org_id, floor.connection_id, "EUR"), clock.now()
    found = [replace(deal("ada", now), id=id) for id in ids]
    async with floor.machine.session() as session:
        await storing.deals(session, source, found)
    assert len(await remote_ids(floor)) == 1


def call(*, at: datetime, deleted: bool = False) -> sales.Activity:
    return sales.Activity("7", Act.CALL, "501", NOON, True, at, people=["p1"], deleted=deleted)


@pytest.mark.parametrize(("late", "counts"), [(timedelta(minutes=-1), 0), (timedelta(), 0), (timedelta(minutes=1), 1)])
async def test_a_deleted_activity_comes_back_by_a_newer_word_only(floor: Floor, late: timedelta, counts: int) -> None:
    source = Source(floor.org_id, floor.connection_id, "EUR")
    words = (call(at=NOON), call(at=NOON, deleted=True), call(at=NOON, deleted=True), call(at=NOON + late))
    for word in words:
        async with floor.machine.session() as session:
            await storing.activities(session, source, [word])
    async with floor.machine.session() as session:
        counted = await session.scalar(select(func.count()).where(Activity.owner == "501", Activity.done.is_(True)))
    assert (counted, len(await people(floor))) == (counts, counts)
