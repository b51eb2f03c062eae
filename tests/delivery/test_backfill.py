"""Leads that came before their connection, sent to it on request."""

import httpx
import pytest

from site2crm.connectors import queries
from site2crm.connectors import service as connections
from site2crm.connectors.errors import ConnectionNotFound
from site2crm.delivery import backfill
from site2crm.delivery.backfill import Progress
from site2crm.forms import service as forms
from site2crm.forms.service import FormIn
from tests.cast import Person
from tests.delivery.conftest import Office


async def left(office: Office, connection_id: str) -> Progress:
    async with office.machine.session() as session:
        return await backfill.progress(session, office.org.id, connection_id)


async def start(office: Office, connection_id: str) -> Progress:
    async with office.machine.session() as session:
        return await backfill.start(session, office.org.id, connection_id)


async def late_inbox(office: Office) -> str:
    return await office.connect(kind="inbox", mapping={"email": "email", "message": "message"})


async def received(office: Office, connection_id: str) -> dict[str, str]:
    async with office.machine.session() as session:
        page = await queries.records(session, office.org.id, connection_id)
    return {record.key: record.properties.get("message", "") for record in page.data}


async def test_what_came_before_is_counted_and_sent_oldest_first(office: Office) -> None:
    for number in range(5):
        await office.submit(f"p{number}@example.com", message=str(number))
    inbox = await late_inbox(office)
    before = await left(office, inbox)
    started = await start(office, inbox)
    running = await left(office, inbox)
    await office.work()

    deliveries = await office.deliveries(connection=inbox)
    assert (before, started) == (Progress(5, 0), Progress(5, 5))
    assert (running.is_running, running.done) == (True, 0)
    assert await left(office, inbox) == Progress(0, 0)
    assert [delivery.state for delivery in deliveries] == ["delivered"] * 5
    assert await received(office, inbox) == {f"p{number}@example.com": str(number) for number in range(5)}


async def test_it_can_be_asked_for_twice_and_run_twice(office: Office) -> None:
    for number in range(3):
        await office.submit(f"p{number}@example.com")
    inbox = await late_inbox(office)
    await start(office, inbox)
    again = await start(office, inbox)
    await backfill.run(office.machine, office.org.id, inbox)
    halfway = await left(office, inbox)
    await office.work()
    assert (again, halfway) == (Progress(3, 3), Progress(0, 3))
    assert len(await office.deliveries(connection=inbox)) == 3
    assert await start(office, inbox) == Progress(0, 0)


async def test_something_newer_is_not_overwritten_by_something_older(office: Office) -> None:
    await office.submit("ada@example.com", message="old")
    inbox = await late_inbox(office)
    await office.submit("ada@example.com", message="new")
    await office.work()
    await start(office, inbox)
    await office.work()
    old, new = await office.deliveries(connection=inbox)
    assert (old.state, old.error_code, new.state) == ("skipped", "newer", "delivered")
    assert await received(office, inbox) == {"ada@example.com": "new"}
    assert (await left(office, inbox)).left == 0


async def test_two_old_ones_of_a_lead_go_in_their_order(office: Office) -> None:
    for message in ("one", "two"):
        await office.submit("ada@example.com", message=message)
    inbox = await late_inbox(office)
    await start(office, inbox)
    await office.work()
    assert [delivery.state for delivery in await office.deliveries(connection=inbox)] == ["delivered"] * 2
    assert await received(office, inbox) == {"ada@example.com": "two"}


async def test_only_the_forms_of_the_connection_count(office: Office) -> None:
    async with office.machine.session() as session:
        other = await forms.create(session, office.org.id, FormIn(name="Other"))
    await office.submit("a@example.com")
    await office.submit("b@example.com", form_id=other.id)
    inbox = await late_inbox(office)
    async with office.machine.session() as session:
        patch = connections.ConnectionPatch(form_ids=[other.id])
        await connections.change(session, office.machine, org_id=office.org.id, connection_id=inbox, patch=patch)
    assert (await left(office, inbox)).left == 1
    await start(office, inbox)
    await office.work()
    assert list(await received(office, inbox)) == ["b@example.com"]


async def test_a_paused_connection_gets_them_when_it_is_resumed(office: Office) -> None:
    await office.submit()
    inbox = await late_inbox(office)
    async with office.machine.session() as session:
        await connections.pause(session, office.org.id, inbox)
    await start(office, inbox)
    await office.work()
    [held] = await office.deliveries(connection=inbox)
    async with office.machine.session() as session:
        await connections.resume(session, office.machine, org_id=office.org.id, connection_id=inbox)
    await office.work()
    assert (held.state, (await office.deliveries(connection=inbox))[0].state) == ("parked", "delivered")


async def test_a_removed_connection_gets_nothing(office: Office) -> None:
    await office.submit()
    inbox = await late_inbox(office)
    await start(office, inbox)
    async with office.machine.session() as session:
        await connections.remove(session, office.org.id, inbox)
    await office.work()
    assert await office.deliveries(connection=inbox) == []
    with pytest.raises(ConnectionNotFound):
        await start(office, inbox)


async def test_the_page_offers_it_shows_how_far_it_is_and_then_is_silent(office: Office, alice: Person) -> None:
    await office.submit()
    inbox = await late_inbox(office)
    page = f"/o/{office.org.slug}/crms/{inbox}"
    offered = (await alice.web.get(page)).text
    posted = await alice.web.post(f"{page}/backfill")
    running = (await alice.web.get(page)).text
    await office.work()
    over = (await alice.web.get(page)).text
    assert "Send the 1 lead that came before" in offered
    assert (posted.status_code, posted.headers["location"].split("?")[0]) == (303, page)
    assert "0 of 1" in running.replace("\n", " ")
    assert "Send the 1 lead" not in running
    assert "came before" not in over


async def test_a_script_can_do_it_and_strangers_and_viewers_cannot(
    office: Office, alice: Person, vera: Person, charlie: Person, nobody: httpx.AsyncClient
) -> None:
    await office.submit()
    inbox = await late_inbox(office)
    url = f"/api/v1/connections/{inbox}/backfill"
    assert (await charlie.api.post(url)).status_code == 404
    assert (await nobody.post(url)).status_code == 401
    assert (await vera.api.post(url)).status_code == 403
    assert (await charlie.web.post(f"/o/{charlie.org.slug}/crms/{inbox}/backfill")).status_code == 404
    assert (await vera.api.get(url)).json() == {"left": 1, "running": False, "total": 0, "done": 0}
    answer = await alice.api.post(url)
    assert (answer.status_code, answer.json()) == (202, {"left": 1, "running": True, "total": 1, "done": 0})
