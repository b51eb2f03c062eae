"""How far a reading is, and why it does not go on: the same on every page, in the API and on the command line."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import update

from site2crm.commands import crm
from site2crm.connectors import controls as listing
from site2crm.connectors import service as connections
from site2crm.deals import controls, feeds, syncing
from site2crm.deals.models import Feed, Stream
from site2crm.deals.progress import PACE_S, Paces
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests.cast import Person
from tests.deals.conftest import Floor

DEALS = "/objects/2026-09/deals"


@pytest.fixture
async def half(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> Floor:
    """A hundred of 250 deals have been read."""
    for number in range(250):
        floor.deal(f"Deal {number}")
    with monkeypatch.context() as short:
        short.setattr(syncing, "SLICE_S", 0.0)
        await floor.read()
    return floor


async def told(floor: Floor, alice: Person) -> dict[str, Any]:
    health: dict[str, Any] = (await alice.api.get(f"/api/v1/connections/{floor.connection_id}/health")).json()
    found: dict[str, Any] = health["deals"]
    return found


async def page_of(floor: Floor, alice: Person) -> str:
    return (await alice.web.get(f"/o/acme/crms/{floor.connection_id}")).text


async def test_a_first_reading_is_told_everywhere(half: Floor, alice: Person) -> None:
    reading = await told(half, alice)
    deals = next(part for part in reading["parts"] if part["name"] == "deal")
    assert (reading["state"], reading["is_first"], deals["done"], deals["total"]) == ("waiting", True, 100, 250)
    for path in ("/o/acme/crms", "/agency/crms", "/o/acme/deals", f"/o/acme/crms/{half.connection_id}"):
        assert "100 of 250" in (await alice.web.get(path)).text, path
    listed = await controls.readings(half.machine, {})
    assert listed["readings"][half.connection_id]["far"] == "100 of 250 deals"


async def test_no_more_is_read_than_there_is(half: Floor) -> None:
    """Deals are made while others are read, and the CRM has told before how many there are."""
    async with half.machine.session() as session:
        await session.execute(update(Stream).where(Stream.name == feeds.DEAL).values(done=260))
    listed = await controls.readings(half.machine, {})
    assert listed["readings"][half.connection_id]["far"] == "250 of 250 deals"


async def test_when_all_is_read_the_progress_is_gone(half: Floor, alice: Person) -> None:
    await half.read()
    reading = await told(half, alice)
    assert (reading["state"], reading["is_first"], [part["is_first"] for part in reading["parts"]]) == (
        "current",
        False,
        [False] * 6,
    )
    assert "of 250" not in await page_of(half, alice)


async def test_the_command_line_tells_what_was_cut_off_after_its_last_page(
    half: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await half.read()
    async with half.machine.session() as session:
        await session.execute(update(Feed).values(read_at=None))
    answers = {
        listing.LIST: await listing.listed(half.machine, {}),
        controls.READINGS: await controls.readings(half.machine, {}),
    }
    monkeypatch.setattr(crm.control, "ask", lambda _folder, verb, **_rest: answers[verb])
    done = CliRunner().invoke(crm.command, ["list"])
    assert (done.exit_code, done.exception) == (0, None)
    assert "deals: not all yet" in done.output


@pytest.mark.parametrize(
    ("stop", "words"), [(connections.pause, "It is paused"), (connections.drain, "It is about to be paused")]
)
async def test_a_stopped_reading_says_so_and_how_far_it_came(
    half: Floor, alice: Person, stop: Callable[..., Awaitable[object]], words: str
) -> None:
    await half.office.submit("still.to.send@example.com")
    async with half.machine.session() as session:
        await stop(session, half.org_id, half.connection_id)
    assert (await told(half, alice))["state"] == "stopped"
    for path in ("/o/acme/deals", f"/o/acme/crms/{half.connection_id}"):
        page = (await alice.web.get(path)).text
        assert words in page and "So far: 100 of 250 deals." in page, path


async def test_a_resumed_connection_is_read_at_once(half: Floor) -> None:
    async with half.machine.session() as session:
        await connections.pause(session, half.org_id, half.connection_id)
    await half.office.work()
    with clock.travel(clock.now()):  # no cron comes due any more
        async with half.machine.session() as session:
            await connections.resume(session, half.machine, org_id=half.org_id, connection_id=half.connection_id)
        await half.office.work()
    assert (await half.stream()).done == 250


async def test_at_a_limit_it_says_when_it_goes_on(half: Floor, alice: Person) -> None:
    half.fake.faults.append(Fault("status", status=429, headers={"Retry-After": "120"}, path=DEALS))
    with clock.travel(clock.now()):
        await half.read()
        reading = await told(half, alice)
        assert (reading["state"], reading["error"]) == ("resting", "")
        assert "limit is reached, and goes on" in await page_of(half, alice)


async def test_a_failure_is_told_until_it_is_tried_again(half: Floor, alice: Person) -> None:
    half.fake.faults.append(Fault("status", status=503, path=DEALS))
    with clock.travel(clock.now()):
        await half.read()
        page = await page_of(half, alice)
        assert (await told(half, alice))["state"] == "resting"
        assert "It is tried again" in page
        async with half.machine.session() as session:
            await session.execute(update(Feed).values(due_at=clock.now()))
        async with half.machine.session() as session:
            assert await feeds.claim(session, half.org_id, half.connection_id, node="here") is not None
        assert "It is tried again" not in await page_of(half, alice)


async def test_a_first_reading_that_is_begun_anew_counts_anew(half: Floor) -> None:
    async with half.machine.session() as session:
        stream = await session.get(Stream, (half.connection_id, feeds.DEAL))
        assert stream is not None
        stream.cursor = "nonsense"
    for _ in range(2):
        await half.read()
    assert ((await half.stream()).done, len(await half.deals())) == (250, 200)


async def test_failures_between_which_it_goes_on_are_not_in_a_row(floor: Floor) -> None:
    for number in range(650):
        floor.deal(f"Deal {number}")
    with clock.travel(clock.now()) as forward:
        for _ in range(syncing.TELL_AFTER):
            comes, fails = Fault("slow", seconds=0, path=DEALS), Fault("status", status=503, path=DEALS)
            comes.method = fails.method = "GET"
            floor.fake.faults = [comes, fails]
            await floor.read()
            assert ((await floor.feed()).failures, await floor.alarms()) == (1, [])
            forward(syncing.SHORTEST_WAIT.total_seconds() + 1)


async def test_what_only_the_reading_is_refused_stops_no_leads(floor: Floor) -> None:
    body = {"status": "error", "category": "INVALID_AUTHENTICATION", "message": "Not for deals."}
    floor.fake.faults.append(Fault("status", status=401, body=body, count=-1, path="/deals"))
    await floor.read()
    [(code, text)] = await floor.alarms()
    assert (code, "are no longer read" in text) == (syncing.STOPPED, True)
    assert await floor.office.state() == "active"


async def test_of_a_connection_that_was_removed_nothing_is_told(floor: Floor, alice: Person) -> None:
    body = {"status": "error", "category": "INVALID_AUTHENTICATION", "message": "Not for deals."}
    forbidden = {"status": "error", "category": "MISSING_SCOPES", "message": "no"}
    floor.fake.faults.append(Fault("status", status=403, body=forbidden, count=-1, path="/deals"))
    floor.fake.faults.append(Fault("status", status=401, body=body, count=-1, path="/calls"))
    await floor.read()
    assert {code for code, _ in await floor.alarms()} == {syncing.STOPPED, syncing.PARTLY}
    assert (await alice.api.delete(f"/api/v1/connections/{floor.connection_id}")).status_code == 204
    assert await floor.alarms() == []


async def test_a_token_that_died_stops_the_connection_and_is_told_once(floor: Floor, alice: Person) -> None:
    floor.fake.tokens.clear()
    await floor.read()
    assert (await floor.office.state(), await floor.alarms()) == ("parked", [])
    assert "It has stopped: no deals are read until it is connected again." in await page_of(floor, alice)


def test_the_pace_is_that_of_the_last_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("site2crm.deals.progress.time.monotonic", lambda: now[0])
    paces = Paces()
    for _ in range(6):
        paces.note("con", "deal", 100)
        now[0] += 2
    assert paces.per_s("con", "deal") == 500 / 12
    now[0] += PACE_S
    assert paces.per_s("con", "deal") is None
