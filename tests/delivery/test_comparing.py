"""What we delivered is looked up in the CRM at night; what is gone is told, and can be sent again."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest

from site2crm.core import alarms
from site2crm.delivery import queries
from site2crm.delivery.events import GONE
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests.cast import Person
from tests.delivery.conftest import Office

CRMS = "/o/acme/crms"
DAY_S = 86_400.0


@pytest.fixture
async def forward(office: Office) -> AsyncIterator[Callable[[float], None]]:
    """Three leads have arrived some time ago."""
    with clock.travel(clock.now()) as forward:
        await office.work()
        for name in ("ada", "bob", "eve"):
            await office.submit(f"{name}@example.com")
        await office.work()
        forward(1200)
        yield forward


async def ringing(office: Office) -> list[str]:
    async with office.machine.session() as session:
        return [alarm.code for alarm in await alarms.open_alarms(session, office.org.id) if alarm.code == GONE]


async def remote_ids(office: Office) -> list[str]:
    return [str(each.remote_id) for each in await office.deliveries()]


async def test_what_was_deleted_there_is_found_told_and_sent_again(
    office: Office, alice: Person, forward: Callable[[float], None]
) -> None:
    base = f"/api/v1/connections/{office.connection_id}"
    lost = (await remote_ids(office))[1]
    office.fake._archive(lost)
    assert (await alice.api.post(f"{base}/compare")).status_code == 202
    await office.work()
    told = (await alice.api.get(f"{base}/missing")).json()
    assert (told["count"], told["compared"]["compared"]) == (1, 3)
    assert ([each["remote_id"] for each in told["data"]], await ringing(office)) == ([lost], [GONE])
    page = (await alice.web.get(f"{CRMS}/{office.connection_id}")).text
    assert "Send 1 lead again" in page
    assert (await alice.api.get(f"{base}/health")).json()["missing"] == 1

    sent = [(await alice.api.post(f"{base}/missing/resend", json={})).json()["count"] for _ in range(2)]
    await office.work()
    assert (sent, len(office.fake.contacts), await ringing(office)) == ([1, 0], 3, [])
    forward(1200)
    await alice.api.post(f"{base}/compare")
    await office.work()
    assert (await alice.api.get(f"{base}/missing")).json()["count"] == 0


async def test_it_is_done_by_itself_at_night(office: Office, alice: Person, forward: Callable[[float], None]) -> None:
    del office.fake.contacts[(await remote_ids(office))[0]]
    await office.work()
    for _ in range(10):
        forward(3 * 3600)
        await office.work()
    told = (await alice.api.get(f"/api/v1/connections/{office.connection_id}/missing")).json()
    assert (told["count"], told["compared"]["is_running"]) == (1, False)


async def test_it_does_not_wait_for_a_clock_that_was_put_back(office: Office, alice: Person) -> None:
    now = clock.now()
    with clock.travel(now + timedelta(days=400)):
        await alice.api.post(f"/api/v1/connections/{office.connection_id}/compare")
        await office.work()
    with clock.travel(now) as forward:
        for _ in range(3):
            forward(3600)
            await office.work()
    async with office.machine.session() as session:
        compared = await queries.compared(session, office.org.id, office.connection_id)
    assert compared is not None
    assert compared.finished_at is not None
    assert compared.finished_at < now + timedelta(days=1)


async def test_a_contact_that_was_merged_into_another_is_not_missing(
    office: Office, alice: Person, forward: Callable[[float], None]
) -> None:
    kept, lost, _ = await remote_ids(office)
    office.fake.merge(lost, kept)
    await alice.api.post(f"/api/v1/connections/{office.connection_id}/compare")
    await office.work()
    assert (await alice.api.get(f"/api/v1/connections/{office.connection_id}/missing")).json()["count"] == 0


async def test_a_crm_that_fails_is_asked_again_and_nothing_is_called_missing(
    office: Office, alice: Person, forward: Callable[[float], None]
) -> None:
    office.fake.faults.append(Fault("status", status=503, path="/batch/read", count=-1))
    await alice.api.post(f"/api/v1/connections/{office.connection_id}/compare")
    await office.work()
    told = (await alice.api.get(f"/api/v1/connections/{office.connection_id}/missing")).json()
    assert (told["count"], told["compared"]["finished_at"]) == (0, None)
    office.fake.faults.clear()
    forward(1200)
    await office.work()
    told = (await alice.api.get(f"/api/v1/connections/{office.connection_id}/missing")).json()
    assert (told["count"], told["compared"]["compared"]) == (0, 3)


async def test_a_stranger_sees_and_sends_nothing(
    office: Office, alice: Person, charlie: Person, vera: Person, forward: Callable[[float], None]
) -> None:
    base = f"/api/v1/connections/{office.connection_id}"
    answers = [
        await charlie.api.get(f"{base}/missing"),
        await charlie.api.post(f"{base}/missing/resend", json={}),
        await charlie.api.post(f"{base}/compare"),
        await charlie.web.post(f"{CRMS}/{office.connection_id}/missing/resend"),
    ]
    assert [answer.status_code for answer in answers] == [404] * 4
    assert (await vera.api.post(f"{base}/missing/resend", json={})).status_code == 403


async def test_an_inbox_cannot_be_compared(office: Office, alice: Person) -> None:
    inbox = await office.connect(kind="inbox")
    assert (await alice.api.post(f"/api/v1/connections/{inbox}/compare")).status_code == 409
