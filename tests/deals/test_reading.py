"""Deals come back from the CRM: all of them, then what changed, whatever happens in between."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from site2crm.connectors import sales
from site2crm.connectors import service as connections
from site2crm.core.db import in_org
from site2crm.deals import feeds, hooks, jobs, queries, storing, sums, syncing
from site2crm.deals.models import About, Activity, Deal, Feed, Owner, Stream
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests.cast import Person
from tests.deals.conftest import Floor
from tests.fakes.hubspot import READ, TOKEN, WRITE

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


async def rows(floor: Floor, model: Any) -> list[Any]:
    async with floor.machine.session() as session:
        return list((await session.scalars(in_org(model, floor.org_id))).all())


async def test_a_deal_is_read_with_all_that_it_points_at(floor: Floor) -> None:
    lead, contact = await floor.lead()
    owner = floor.fake.sales.add_owner("Grace", "Hopper")
    floor.deal("Big one", contacts=(contact,), amount="1500.50", deal_currency_code="USD", hubspot_owner_id=owner)
    await floor.read()
    deal = await floor.only()
    assert (deal.title, deal.status, deal.lead) == ("Big one", "open", lead)
    assert deal.value == queries.Sum("USD", 150050, "1500.50")
    assert deal.owner is not None and deal.stage is not None and deal.pipeline is not None
    assert (deal.owner.name, deal.stage.label, deal.pipeline.label) == (
        "Grace Hopper",
        "Appointment scheduled",
        "Sales Pipeline",
    )
    assert deal.url == f"https://app-eu1.hubspot.com/contacts/62515/record/0-3/{deal.remote_id}"


async def test_a_crm_that_was_just_connected_is_read_at_once(floor: Floor, alice: Person) -> None:
    floor.deal("Big one")
    with clock.travel(clock.now()):  # from now on no cron is due
        await floor.office.work()
        made = await alice.api.post("/api/v1/connections", json={"kind": "hubspot", "settings": {"token": TOKEN}})
        await floor.office.work()
    assert [deal.title for deal in await floor.deals(connection=made.json()["id"])] == ["Big one"]


async def test_a_deal_without_a_currency_has_the_accounts(floor: Floor) -> None:
    floor.deal(amount="10")
    await floor.read()
    deal = await floor.only()
    assert deal.value == queries.Sum("EUR", 1000, "10.00")


async def test_a_new_reading_brings_what_changed_and_nothing_twice(floor: Floor) -> None:
    won = floor.deal("Won later", amount="10")
    floor.deal("Stays")
    await floor.read()
    floor.fake.sales.change("deals", won, dealstage="closedwon", closedate="2026-11-21T10:00:00Z")
    floor.deal("New")
    await floor.read()
    found = {deal.title: deal.status for deal in await floor.deals()}
    assert found == {"Won later": "won", "Stays": "open", "New": "open"}
    assert (await floor.stream()).full_at is not None


async def test_the_newest_word_wins_whatever_the_order(floor: Floor) -> None:
    id = floor.deal("Second", at=NOON)
    await floor.read()
    source = storing.Source(floor.org_id, floor.connection_id, "EUR")
    older = syncing_deal(id, "First", NOON - timedelta(hours=1))
    async with floor.machine.session() as session:
        await storing.deals(session, source, [older])
    assert (await floor.only()).title == "Second"


def syncing_deal(id: str, title: str, at: datetime) -> sales.Deal:
    return sales.Deal(id, title, sales.Status.OPEN, created_at=at, updated_at=at)


async def test_a_deleted_deal_is_marked_and_leaves_the_lists(floor: Floor) -> None:
    gone, _ = floor.deal("Gone", amount="5"), floor.deal("Kept", amount="7")
    await floor.read()
    floor.fake.sales.archive("deals", gone)
    with clock.travel(clock.now() + timedelta(hours=2)):
        await floor.read()
        assert [deal.title for deal in await floor.deals()] == ["Kept"]
        assert [deal.title for deal in await floor.deals(status="deleted")] == ["Gone"]
        async with floor.machine.session() as session:
            totals = sums.totals(await sums.in_sight(session, floor.org_id, queries.Wanted()) or [], queries.Wanted())
    assert totals["open"] == sums.Total(1, [queries.Sum("EUR", 700, "7.00")])


async def test_an_owner_who_left_keeps_the_name(floor: Floor) -> None:
    owner = floor.fake.sales.add_owner("Grace", "Hopper")
    floor.deal(hubspot_owner_id=owner)
    await floor.read()
    floor.fake.sales.owners[0]["archived"] = True
    with clock.travel(clock.now() + timedelta(hours=2)):
        await floor.read()
    deal = await floor.only()
    assert deal.owner is not None
    assert (deal.owner.name, deal.owner.active) == ("Grace Hopper", False)


async def test_an_owner_who_vanished_is_no_longer_active(floor: Floor) -> None:
    floor.fake.sales.add_owner("Grace", "Hopper")
    await floor.read()
    floor.fake.sales.owners.clear()
    with clock.travel(clock.now() + timedelta(hours=2)):
        await floor.read()
    [owner] = await rows(floor, Owner)
    assert owner.active is False


async def test_currencies_are_never_added_up(floor: Floor) -> None:
    floor.deal(amount="100", deal_currency_code="EUR")
    floor.deal(amount="200", deal_currency_code="USD")
    floor.deal(amount="3000", deal_currency_code="JPY")
    await floor.read()
    async with floor.machine.session() as session:
        totals = sums.totals(await sums.in_sight(session, floor.org_id, queries.Wanted()) or [], queries.Wanted())
    assert {(sum.currency, sum.amount) for sum in totals["open"].sums} == {
        ("EUR", "100.00"),
        ("USD", "200.00"),
        ("JPY", "3000"),
    }


async def test_a_reading_goes_on_after_a_limit(floor: Floor) -> None:
    ids = {floor.deal(f"Deal {n}") for n in range(250)}
    floor.fake.faults.append(Fault("status", status=429, headers={"Retry-After": "120"}, path="/deals"))
    with clock.travel(clock.now()) as forward:
        await floor.read()
        early = await floor.feed()
        assert early.due_at - clock.now() == timedelta(seconds=120)
        assert (early.failures, await floor.alarms()) == (0, [])
        forward(121)
        await floor.read()
    assert {deal.remote_id for deal in await rows(floor, Deal)} == ids


async def test_a_limit_in_the_middle_loses_no_page(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = {floor.deal(f"Deal {n}") for n in range(350)}
    monkeypatch.setattr(syncing, "SLICE_S", 0.0)
    with clock.travel(clock.now()) as forward:
        for _ in range(2):
            await floor.read()
        assert len(await rows(floor, Deal)) == 200
        floor.fake.faults.append(Fault("status", status=429, headers={"Retry-After": "5"}))
        await floor.read()
        forward(6)
        monkeypatch.undo()
        await floor.read()
    assert {deal.remote_id for deal in await rows(floor, Deal)} == ids
    assert sum("objects/2026-09/deals?" in request.target for request in floor.fake.requests) == 5


async def test_a_slice_ends_and_the_next_goes_on_from_there(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(250):
        floor.deal(f"Deal {n}")
    monkeypatch.setattr(syncing, "SLICE_S", 0.0)
    await floor.look()
    seen = []
    for _ in range(10):
        goes_on = await syncing.read(floor.machine, floor.org_id, floor.connection_id)
        seen.append(len(await rows(floor, Deal)))
        if not goes_on:
            break
    assert seen[:3] == [100, 200, 250]
    assert (await floor.stream()).done == 250
    assert sum("objects/2026-09/deals?" in request.target for request in floor.fake.requests) == 3


async def test_a_missing_right_stops_its_own_stream_only(floor: Floor) -> None:
    floor.fake.tokens[TOKEN] = {READ, WRITE, "crm.objects.owners.read"}
    contact = floor.fake.add_contact(email="ada@example.com")
    floor.fake.sales.add("calls", contacts=[contact], hubspot_owner_id="1", hs_timestamp="2026-11-20T09:00:00Z")
    await floor.read()
    assert len(await rows(floor, Activity)) == 1
    told = [text for code, text in await floor.alarms() if code == syncing.PARTLY]
    assert any("does not let us read deals" in text and "crm.objects.deals.read" in text for text in told)
    assert await floor.office.state() == "active"
    floor.fake.tokens[TOKEN] |= {"crm.objects.deals.read"}
    floor.deal("Now visible")
    with clock.travel(clock.now() + timedelta(hours=2)):
        await floor.read()
    assert (await floor.only()).title == "Now visible"
    assert await floor.alarms() == []


async def test_a_failing_crm_is_told_of_only_when_it_lasts(floor: Floor) -> None:
    floor.fake.faults.append(Fault("status", status=503, count=-1))
    with clock.travel(clock.now()) as forward:
        for _ in range(syncing.TELL_AFTER):
            assert await floor.alarms() == []
            await floor.read()
            forward(3700)
        [(code, _)] = await floor.alarms()
        floor.fake.faults.clear()
        await floor.read()
    assert code == syncing.STOPPED
    assert (await floor.alarms(), (await floor.feed()).failures) == ([], 0)


async def test_a_place_that_the_crm_forgot_is_begun_anew(floor: Floor) -> None:
    floor.deal("First")
    await floor.read()
    async with floor.machine.session() as session:
        stream = await session.get(Stream, (floor.connection_id, feeds.DEAL))
        assert stream is not None
        stream.cursor = "nonsense"
    floor.deal("Second")
    await floor.read()
    await floor.read()
    assert {deal.title for deal in await floor.deals()} == {"First", "Second"}


async def test_a_paused_connection_is_not_read(floor: Floor) -> None:
    floor.deal()
    await floor.look()
    async with floor.machine.session() as session:
        await connections.pause(session, floor.org_id, floor.connection_id)
    floor.fake.requests.clear()
    await floor.read()
    assert (len(floor.fake.requests), await floor.deals()) == (0, [])


async def test_only_one_reads_at_a_time(floor: Floor) -> None:
    await floor.look()
    async with floor.machine.session() as session:
        first = await feeds.claim(session, floor.org_id, floor.connection_id, node="here")
    async with floor.machine.session() as session:
        second = await feeds.claim(session, floor.org_id, floor.connection_id, node="here")
    assert (first is not None, second) == (True, None)
    with clock.travel(clock.now() + feeds.LEASE + timedelta(seconds=1)):
        async with floor.machine.session() as session:
            assert await feeds.claim(session, floor.org_id, floor.connection_id, node="here") is not None


async def test_who_lost_the_lease_stores_nothing(floor: Floor) -> None:
    await floor.look()
    async with floor.machine.session() as session:
        lease = await feeds.claim(session, floor.org_id, floor.connection_id, node="here")
    assert lease is not None
    async with floor.machine.session() as session:
        await feeds.take_back(session)
    with pytest.raises(feeds.Lost):
        async with floor.machine.session() as session:
            await feeds.hold(session, lease)


async def test_who_starts_takes_back_what_it_was_reading_itself(floor: Floor) -> None:
    await floor.look()
    async with floor.machine.session() as session:
        lease = await feeds.claim(session, floor.org_id, floor.connection_id, node="a_b")
    assert lease is not None
    async with floor.machine.session() as session:
        await feeds.take_back(session, feeds.of_node("axb"))
        await feeds.take_back(session, feeds.of_node("a"))
        await feeds.hold(session, lease)
    async with floor.machine.session() as session:
        await feeds.take_back(session, feeds.of_node("a_b"))
    async with floor.machine.session() as session:
        assert await feeds.due(session) == [(floor.org_id, floor.connection_id)]
        assert await feeds.claim(session, floor.org_id, floor.connection_id, node="there") is not None


async def test_a_removed_connection_takes_its_deals_along(floor: Floor) -> None:
    _, contact = await floor.lead()
    floor.deal(contacts=(contact,))
    floor.fake.sales.add("calls", contacts=[contact], hs_timestamp="2026-11-20T09:00:00Z")
    await floor.read()
    async with floor.machine.session() as session:
        await connections.remove(session, floor.org_id, floor.connection_id)
    await floor.office.work()
    assert [len(await rows(floor, model)) for model in (Deal, Activity, About, Owner, Stream, Feed)] == [0] * 6


async def test_the_cron_reads_what_is_due_and_lets_it_rest(floor: Floor) -> None:
    floor.deal()
    with clock.travel(clock.now()) as forward:
        await floor.look()
        await floor.office.work()
        assert len(await floor.deals()) == 1
        floor.fake.requests.clear()
        await floor.look()
        await floor.office.work()
        assert len(floor.fake.requests) == 0
        forward((feeds.EVERY * (1 + feeds.JITTER)).total_seconds())
        await floor.look()
        await floor.office.work()
        assert len(floor.fake.requests) > 0


async def test_more_readings_than_slots_wait_for_their_turn(floor: Floor) -> None:
    floor.deal()
    running = floor.machine.get(jobs.Readings).running
    running |= {"con_a", "con_b"}
    with clock.travel(clock.now()) as forward:
        await floor.look()
        await floor.office.work()
        assert await floor.deals() == []
        running.clear()
        forward(jobs.ITS_TURN_IN.total_seconds())
        await floor.office.work()
    assert len(await floor.deals()) == 1


@pytest.mark.parametrize("jump_s", [-3600, 3600], ids=["back", "forward"])
async def test_a_clock_that_jumps_makes_no_reading_wait_for_a_dead_one(floor: Floor, jump_s: float) -> None:
    """Another node was killed while it read; an hour later by its clock, or earlier by ours, it is read on."""
    floor.deal("Offer")
    with clock.travel(clock.now()) as forward:
        await floor.look()
        async with floor.machine.session() as session:
            assert await feeds.claim(session, floor.org_id, floor.connection_id, node="killed")
        forward(jump_s)
        async with floor.machine.session() as session:
            assert await feeds.due(session) == [(floor.org_id, floor.connection_id)]
        await syncing.read(floor.machine, floor.org_id, floor.connection_id)
        assert [deal.title for deal in await floor.deals()] == ["Offer"]


@pytest.mark.parametrize(("behind_s", "is_taken"), [(5, False), (3600, True)], ids=["another node", "put back"])
async def test_a_lease_is_kept_from_nodes_whose_clock_is_behind(floor: Floor, behind_s: float, is_taken: bool) -> None:
    await floor.look()
    with clock.travel(clock.now()) as forward:
        async with floor.machine.session() as session:
            assert await feeds.claim(session, floor.org_id, floor.connection_id, node="here")
        forward(-behind_s)
        async with floor.machine.session() as session:
            there = await feeds.claim(session, floor.org_id, floor.connection_id, node="there")
    assert (there is not None) is is_taken


async def test_a_hint_is_heeded_soon_also_after_the_clock_was_put_back(floor: Floor) -> None:
    with clock.travel(clock.now()) as forward:
        await floor.read()
        forward(-3600)
        async with floor.machine.session() as session:
            await hooks.hint(session, [floor.connection_id], called_at="https://x.example")
        assert (await floor.feed()).due_at == clock.now() + feeds.SOON
