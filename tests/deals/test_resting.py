"""A reading that was given back, failed, or has just been made is not begun at once again, whatever the CRM tells."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import event, update
from sqlalchemy.exc import OperationalError

from site2crm.connectors.events import AccessReplaced
from site2crm.core.errors import DatabaseBusy
from site2crm.core.events import emit
from site2crm.deals import feeds, hooks, service, syncing
from site2crm.deals.models import Feed
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests.cast import Person
from tests.deals.conftest import Floor
from tests.fakes.hubspot_hooks import OPERATORS_APP, app_of
from tests.fakes.hubspot_hooks import event as change

LOCKED = OperationalError("", {}, Exception("database is locked"))
PAGE_STORED = ("INSERT INTO deal_stream", "UPDATE deal_stream")


@pytest.fixture
def operators() -> dict[str, str]:
    return OPERATORS_APP


@contextmanager
def taking_nothing(floor: Floor, *, times: int = 10**9) -> Iterator[None]:
    """The database refuses so often to note that a page was stored, as one does whose lock somebody else has."""
    left = [times]

    def refuse(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(PAGE_STORED) and left[0] > 0:
            left[0] -= 1
            raise LOCKED

    engine = floor.machine.database.writer.sync_engine
    event.listen(engine, "before_cursor_execute", refuse)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", refuse)


async def spoken_all_the_time(floor: Floor, vendor: httpx.AsyncClient) -> int:
    """How often it was read in three minutes in which the CRM spoke every six seconds."""
    app = app_of(floor.machine)
    floor.fake.requests.clear()
    with clock.travel(clock.now()) as forward:
        for _ in range(30):
            assert await app.tell(vendor, change()) == [204]
            forward(feeds.SOON.total_seconds() + 1)
            await floor.office.work()
    return sum(request.path.endswith("/deals/search") for request in floor.fake.requests)


async def begun(floor: Floor) -> "asyncio.Task[bool]":
    """A reading that is under way."""
    reading = asyncio.create_task(syncing.read(floor.machine, floor.org_id, floor.connection_id))
    while not (await floor.feed()).lease:
        await asyncio.sleep(0.05)
    return reading


async def test_a_crm_that_speaks_all_the_time_is_not_read_all_the_time(floor: Floor, vendor: httpx.AsyncClient) -> None:
    await floor.read()
    assert 1 <= await spoken_all_the_time(floor, vendor) <= 6


async def test_a_busy_database_is_no_reason_to_ask_the_crm_again_and_again(
    floor: Floor, vendor: httpx.AsyncClient
) -> None:
    await floor.read()
    with taking_nothing(floor):
        assert await spoken_all_the_time(floor, vendor) <= 4
    feed = await floor.feed()
    assert (feed.lease, feed.error, feed.failures) == ("", "", 0)


async def test_what_was_told_while_the_database_was_busy_is_read_a_minute_later(
    floor: Floor, vendor: httpx.AsyncClient
) -> None:
    await floor.read()
    app = app_of(floor.machine)
    with clock.travel(clock.now()) as forward:
        forward(feeds.REST.total_seconds())
        with taking_nothing(floor, times=1):
            await floor.read()
        floor.deal("Told of")
        assert await app.tell(vendor, change()) == [204]
        forward(feeds.SOON.total_seconds())
        await floor.office.work()
        assert await floor.deals() == []
        forward(syncing.SHORTEST_WAIT.total_seconds())
        await floor.office.work()
    assert [deal.title for deal in await floor.deals()] == ["Told of"]


async def test_what_was_told_in_vain_is_heard_when_it_is_told_again(
    floor: Floor, vendor: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CRM repeats what was answered 503 within seconds."""
    await floor.read()
    floor.deal("Told of")
    app = app_of(floor.machine)
    with clock.travel(clock.now()) as forward:
        forward(feeds.REST.total_seconds())
        with monkeypatch.context() as busy:
            busy.setattr("site2crm.deals.feeds.enqueue", _busy)
            assert await app.tell(vendor, change()) == [503]
        assert await app.tell(vendor, change()) == [204]
        forward(feeds.SOON.total_seconds())
        await floor.office.work()
    assert [deal.title for deal in await floor.deals()] == ["Told of"]


async def _busy(*_: Any, **__: Any) -> None:
    raise DatabaseBusy


async def test_a_crm_that_speaks_is_not_asked_before_it_said_it_may_be(floor: Floor, vendor: httpx.AsyncClient) -> None:
    await floor.read()
    floor.fake.faults.append(Fault("status", status=503, count=-1, path="/deals/search"))
    assert await spoken_all_the_time(floor, vendor) <= 3


async def test_who_comes_when_it_has_just_been_read_does_not_read_it_again(floor: Floor) -> None:
    """The cron has seen that it is due, and somebody else was quicker."""
    await floor.look()
    await syncing.read(floor.machine, floor.org_id, floor.connection_id)
    floor.fake.requests.clear()
    await floor.office.work()
    assert [request.path for request in floor.fake.requests] == []


async def test_a_change_told_of_during_a_reading_is_read_after_a_rest(floor: Floor) -> None:
    await floor.look()
    floor.fake.faults.append(Fault("slow", seconds=1, path="/objects/2026-09/deals", count=1))
    reading = await begun(floor)
    async with floor.machine.session() as session:
        await session.execute(update(Feed).values(hinted_at=clock.now()))
    assert await reading is False
    feed = await floor.feed()
    assert feed.read_at is not None
    assert feed.due_at == feed.read_at + feeds.REST
    floor.deal("Told of")
    with clock.travel(feed.due_at):
        await floor.office.work()
    assert [deal.title for deal in await floor.deals()] == ["Told of"]


async def test_a_person_who_wants_it_read_now_does_not_wait(floor: Floor) -> None:
    with taking_nothing(floor, times=1):
        await floor.read()
    floor.deal("Wanted")
    assert (await floor.feed()).due_at > clock.now() + timedelta(seconds=30)
    async with floor.machine.session() as session:
        await service.read_now(session, floor.machine, org_id=floor.org_id)
    await floor.office.work()
    assert [deal.title for deal in await floor.deals()] == ["Wanted"]


async def test_a_lease_of_which_nobody_knows_whether_it_was_taken_is_given_back(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database commits, and its answer is lost."""
    await floor.look()
    dialect = floor.machine.database.writer.sync_engine.dialect
    commit = dialect.do_commit

    def losing(connection: Any) -> None:
        commit(connection)
        monkeypatch.undo()
        raise LOCKED

    monkeypatch.setattr(dialect, "do_commit", losing)
    assert await syncing.read(floor.machine, floor.org_id, floor.connection_id) is False
    assert dialect.do_commit == commit
    feed = await floor.feed()
    assert (feed.lease, feed.due_at < clock.now() + timedelta(minutes=2)) == ("", True)


async def test_a_process_that_stops_gives_its_reading_to_others(floor: Floor) -> None:
    await floor.look()
    floor.fake.faults.append(Fault("slow", seconds=30, path="/objects/2026-09/deals", count=1))
    reading = await begun(floor)
    reading.cancel()
    await asyncio.wait({reading})
    async with floor.machine.session() as session:
        assert await feeds.due(session) == [(floor.org_id, floor.connection_id)]


async def test_a_reading_that_was_put_off_under_a_wrong_clock_is_made_after_it_was_put_back(floor: Floor) -> None:
    floor.deal("Offer")
    floor.fake.faults.append(Fault("status", status=503, count=1))
    with clock.travel(clock.now()) as forward:
        forward(10 * 86_400)
        await floor.read()
        forward(-10 * 86_400)
        await floor.look()
        await floor.office.work()
        assert [deal.title for deal in await floor.deals()] == ["Offer"]


async def test_what_was_told_of_under_a_wrong_clock_is_not_read_again_and_again(floor: Floor) -> None:
    with clock.travel(clock.now()) as forward:
        await floor.look()
        forward(3_600)
        async with floor.machine.session() as session:
            await hooks.hint(session, [floor.connection_id], called_at="https://x.example")
        forward(-3_600)
        await floor.read()
        assert (await floor.feed()).due_at > clock.now() + feeds.REST


async def test_what_fails_of_the_access_from_before_puts_nothing_off(floor: Floor) -> None:
    await floor.look()
    floor.fake.faults.append(Fault("slow", seconds=1, count=1))
    tokens = dict(floor.fake.tokens)
    floor.fake.tokens.clear()
    floor.deal("Offer")
    reading = await begun(floor)
    async with floor.machine.session() as session:
        await emit(session, AccessReplaced(org_id=floor.org_id, connection_id=floor.connection_id))
    assert await reading is False
    assert await floor.alarms() == []
    floor.fake.tokens |= tokens
    await floor.look()
    await floor.office.work()
    assert [deal.title for deal in await floor.deals()] == ["Offer"]


async def test_what_was_refused_is_asked_for_again_with_a_new_access(floor: Floor) -> None:
    floor.deal("Offer")
    floor.fake.faults.append(
        Fault("status", status=403, body={"message": "No."}, path="/objects/2026-09/deals", count=1)
    )
    await floor.read()
    assert [code for code, _ in await floor.alarms()] == [syncing.PARTLY]
    async with floor.machine.session() as session:
        await emit(session, AccessReplaced(org_id=floor.org_id, connection_id=floor.connection_id))
    await floor.look()
    await floor.office.work()
    assert [deal.title for deal in await floor.deals()] == ["Offer"]
    assert await floor.alarms() == []


async def test_a_connection_that_is_removed_while_it_is_read_ends_the_reading(floor: Floor, alice: Person) -> None:
    await floor.look()
    floor.fake.faults.append(Fault("slow", seconds=1, count=1))
    reading = await begun(floor)
    floor.fake.tokens.clear()
    assert (await alice.api.delete(f"/api/v1/connections/{floor.connection_id}")).status_code == 204
    assert await reading is False
