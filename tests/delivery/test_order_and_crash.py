"""One at a time for a lead, oldest first; and what a crash in the middle of a call leaves behind."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import delete, event, update
from sqlalchemy.util import await_only

from site2crm.core import db
from site2crm.core.queue.model import jobs as queued
from site2crm.delivery import jobs, ledger, settling, way
from site2crm.delivery.calling import Caller
from site2crm.delivery.drain import Drain, drain, drains
from site2crm.delivery.judging import Schedule
from site2crm.delivery.models import Delivery
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests.delivery.conftest import Office

START = datetime(2027, 1, 4, 12, tzinfo=UTC)


async def cut_off(office: Office) -> None:
    """The process dies while the CRM has the lead and the answer is on its way."""
    office.fake.faults.append(Fault("timeout", method="POST", effect=True))
    dying = asyncio.create_task(drain(office.machine, office.org.id, office.connection_id))
    while not any(request.method == "POST" for request in office.fake.requests):
        await asyncio.sleep(0.01)
    dying.cancel()
    await asyncio.wait({dying})


async def test_a_crash_between_call_and_outcome_makes_no_second_contact(office: Office) -> None:
    with clock.travel(START) as forward:
        await office.submit()
        await cut_off(office)
        orphan, asked = await office.only(), len(office.fake.requests)
        async with jobs.recovered(office.machine):
            await office.work()
            early = len(office.fake.requests) - asked
            forward(ledger.SETTLES_S)
            await office.work()

    delivery = await office.only()
    assert (orphan.state, await office.outcomes(orphan.id)) == ("sending", ["interrupted", "delivered"])
    assert (delivery.state, delivery.attempts, len(office.fake.contacts)) == ("delivered", 2, 1)
    assert early == 0  # the CRM may be carrying out what the dead process asked for


@pytest.mark.parametrize("node", ["", None])
async def test_on_a_server_what_another_node_is_sending_waits_for_its_lease(office: Office, node: str | None) -> None:
    if not office.machine.database.is_shared:
        pytest.skip("SQLite has no other nodes")
    await office.submit()
    await cut_off(office)
    async with office.machine.session() as session:
        await session.execute(update(Delivery).values(node=node))

    async with jobs.recovered(office.machine):
        await office.work()

    assert (await office.only()).state == "sending"


async def test_a_lapsed_lease_is_taken_back_by_the_sweep(office: Office) -> None:
    with clock.travel(START) as forward:
        await office.submit()
        await cut_off(office)
        await office.work()
        held = (await office.only()).state
        forward(3600)
        await office.work()
    assert (held, (await office.only()).state, len(office.fake.contacts)) == ("sending", "delivered", 1)


async def test_what_came_of_a_claim_that_has_lapsed_does_not_touch_the_next_one(office: Office) -> None:
    """A node was held up for longer than its lease; meanwhile another one sends its lead."""
    await office.submit()
    machine, connection_id = office.machine, office.connection_id
    async with machine.session() as session:
        await db.lock(session)
        found = await way.find(session, machine, office.org.id, connection_id=connection_id)
        assert found is not None
        mine = await ledger.claim(session, connection_id, limit=1, lease_until=clock.now(), node="mine")
        await ledger.take_back(session, ledger.of_node("mine"), spared=())
        await ledger.claim(session, connection_id, limit=1, lease_until=clock.after(60), node="theirs")
    office.fake.faults.append(Fault("status", status=500))
    results = await Caller(machine, office.org.id).call(found, mine)
    async with machine.session() as session:
        await db.lock(session)
        await settling.settle(session, connection_id, found, results=results, schedule=Schedule([1], 0))
    settled = await office.only()
    async with machine.session() as session:
        await db.lock(session)
        await ledger.release(session, mine)
    released = await office.only()
    assert [(each.state, each.attempts) for each in (settled, released)] == [("sending", 2), ("sending", 2)]


async def test_the_sweep_spares_what_is_under_way_here(office: Office) -> None:
    office.fake.faults.append(Fault("timeout", seconds=0.5))
    await office.submit()
    running = asyncio.create_task(drain(office.machine, office.org.id, office.connection_id))
    while not drains(office.machine).in_hand():
        await asyncio.sleep(0.01)
    async with office.machine.session() as session:
        await db.lock(session)
        taken = await ledger.take_back(session, spared=drains(office.machine).in_hand())
    await running
    assert taken == []


async def test_a_start_that_asks_late_spares_what_is_under_way_here(office: Office) -> None:
    """As after a database that was locked at the start: leads go out before it could be asked."""
    office.fake.faults.append(Fault("slow", method="POST"))
    await office.submit()
    running = asyncio.create_task(drain(office.machine, office.org.id, office.connection_id))
    while not any(request.method == "POST" for request in office.fake.requests):
        await asyncio.sleep(0.01)
    async with jobs.recovered(office.machine):
        meanwhile = (await office.only()).state
    office.fake.hurry.set()
    await running
    assert (meanwhile, (await office.only()).state) == ("sending", "delivered")


async def test_a_lead_that_comes_while_a_drain_looks_is_seen(office: Office) -> None:
    came = list[str]()

    def meanwhile(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "FROM delivery" in statement and not came:
            came.append(await_only(office.submit()))
            await_only(drain(office.machine, office.org.id, office.connection_id))  # its wake-up finds one running

    event.listen(office.machine.database.reader.sync_engine, "after_cursor_execute", meanwhile)
    await drain(office.machine, office.org.id, office.connection_id)
    assert (await office.only()).state == "delivered"


async def test_a_lost_wake_up_costs_nothing(office: Office) -> None:
    with clock.travel(START) as forward:
        await office.work()
        await office.submit()
        async with office.machine.session() as session:
            await session.execute(delete(queued))
        forward(10)
        await office.work()
    assert (await office.only()).state == "delivered"


async def test_a_lead_goes_in_the_order_in_which_it_came(office: Office) -> None:
    with clock.travel(START) as forward:
        office.fake.faults.append(Fault("status", status=500, count=1))
        for message in ("one", "two", "three"):
            await office.submit("ada@example.com", message=message)
            forward(0.001)
        await office.work()
        early = [delivery.state for delivery in await office.deliveries()]
        forward(6)
        await office.work()

    sent = [request.json()["properties"]["message"] for request in office.fake.requests if request.body]
    assert early == ["retrying", "pending", "pending"]
    assert list(dict.fromkeys(sent)) == ["one", "two", "three"]
    assert [delivery.state for delivery in await office.deliveries()] == ["delivered"] * 3
    [contact] = office.fake.contacts.values()
    assert contact["properties"]["message"] == "three"


async def test_a_refused_one_does_not_hold_up_the_next(office: Office) -> None:
    await office.map({"email": "email", "company": "company", "message": "industry"})
    await office.submit("ada@example.com", message="Farming")
    await office.submit("ada@example.com", message="RETAIL")
    await office.work()
    assert [delivery.state for delivery in await office.deliveries()] == ["dead", "delivered"]


async def test_many_leads_at_once_are_one_contact_each(office: Office) -> None:
    for number in range(60):
        await office.submit(f"p{number % 30}@example.com", message=str(number))
    wake_ups = [drain(office.machine, office.org.id, office.connection_id) for _ in range(3)]
    await asyncio.gather(office.work(), *wake_ups)
    await office.work()
    assert {delivery.state for delivery in await office.deliveries()} == {"delivered"}
    assert len(office.fake.contacts) == 30
    messages = sorted(int(contact["properties"]["message"]) for contact in office.fake.contacts.values())
    assert messages == list(range(30, 60))


async def test_a_start_that_asks_late_spares_what_has_been_claimed_just_now(office: Office) -> None:
    """It is on disk, and not in hand yet."""
    machine, begun_at = office.machine, clock.now()
    seen, first = list[tuple[str, int]](), list[db.RoutedSession]()

    async def late() -> None:
        seen.append(((await office.only()).state, len(drains(machine).in_hand())))
        await jobs.recover(machine, begun_at)

    def claimed(session: db.RoutedSession) -> None:
        if drains(machine).running and session.writing and not first:
            first.append(session)
            session.info.setdefault("after_commit", []).append(late)

    await office.submit()
    event.listen(db.RoutedSession, "after_commit", claimed)
    try:
        await drain(machine, office.org.id, office.connection_id)
    finally:
        event.remove(db.RoutedSession, "after_commit", claimed)
    assert (seen, (await office.only()).state) == ([("sending", 0)], "delivered")


async def test_a_drain_whose_time_is_over_ends_however_often_it_is_woken(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a busy database holds up each turn, new leads come: what claims nothing any more has to let go of them."""
    machine, turn = office.machine, Drain._turn
    where = (machine, office.org.id, office.connection_id)

    async def held_up(self: Drain) -> object:
        found = await turn(self)
        await drain(*where)  # the wake-up of a lead that came in meanwhile
        return found

    monkeypatch.setattr(Drain, "_turn", held_up)
    await office.take([office.frame(f"p{number}@example.com") for number in range(3)])
    monkeypatch.setattr("site2crm.delivery.drain.TURNS_AT_MOST_S", -1.0)
    await asyncio.wait_for(drain(*where), 20)
    waiting = [each.state for each in await office.deliveries()]

    monkeypatch.undo()
    await office.work()
    assert waiting == ["pending"] * 3
    assert [each.state for each in await office.deliveries()] == ["delivered"] * 3
    assert len(office.fake.contacts) == 3
