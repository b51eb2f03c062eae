"""What a bad day does to a delivery: a receiver that misbehaves, and people who act while a call is under way."""

import asyncio
import html
import random
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from site2crm.connectors import service as connections
from site2crm.delivery import service
from site2crm.delivery.drain import SIDE_BY_SIDE, drain
from site2crm.delivery.queries import Wanted
from site2crm.delivery.values import FRESH_S
from site2crm.demo.server import Answer, Fault
from site2crm.leads import service as leads
from tests.cast import Person
from tests.delivery.conftest import Office
from tests.fakes.webhook import WebhookFake

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TEN_MB = b"x" * 10_000_000


@pytest.fixture
async def receiver(office: Office) -> AsyncIterator[WebhookFake]:
    """The custom CRM of Alice's org; its HubSpot gets nothing."""
    server = WebhookFake(SECRET)
    await server.start()
    async with office.machine.session() as session:
        await connections.remove(session, office.org.id, office.connection_id)
    office.connection_id = await office.connect(kind="webhook", url=server.url, secret=SECRET)
    server.requests.clear()
    server.received.clear()
    yield server
    await server.stop()


async def mend(office: Office) -> None:
    """The receiver works again, and a person has said so."""
    if await office.state() == "parked":
        async with office.machine.session() as session:
            await connections.resume(session, office.machine, org_id=office.org.id, connection_id=office.connection_id)
    async with office.machine.session() as session:
        await service.replay_many(session, office.org.id, Wanted(state="retrying"))
    await office.work()


@pytest.mark.parametrize(
    ("fault", "state", "connection"),
    [
        (Fault("timeout", effect=True), "retrying", "active"),
        (Fault("half", effect=True), "retrying", "active"),
        (Fault("reset", effect=True), "retrying", "active"),
        (Fault("status", status=500, body=TEN_MB), "retrying", "active"),
        (Fault("status", status=302, headers={"Location": "http://127.0.0.1:1/elsewhere"}), "parked", "parked"),
        (Fault("status", status=308, headers={"Location": "/elsewhere"}), "parked", "parked"),
        (Fault("status", status=410, body={"message": "gone"}), "parked", "parked"),
    ],
    ids=["hangs", "half a body", "reset", "10 MB", "redirect", "redirect to itself", "gone"],
)
async def test_a_misbehaving_receiver_gets_the_lead_under_one_id_once_it_works(
    office: Office, receiver: WebhookFake, fault: Fault, state: str, connection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("site2crm.connectors.webhook.connector.TIMEOUT_S", 1.0)
    receiver.faults.append(fault)
    await office.submit()
    await office.work()
    before, calls = await office.only(), len(receiver.requests)
    assert (before.state, await office.state(), calls) == (state, connection, 1)

    await mend(office)

    after = await office.only()
    events = [event["data"]["lead_id"] for event in receiver.received if event["type"] == "lead.created"]
    assert (after.state, set(events), list(receiver.by_webhook_id.values())[-1]) == (
        "delivered",
        {after.lead},
        after.remote_id,
    )
    assert [request.headers["webhook-id"] for request in receiver.requests].count(after.id) == 2


@pytest.mark.parametrize(
    ("fault", "cure"),
    [
        (Fault("status", status=401, body={"message": "no"}), "enter the secret that it checks with"),
        (Fault("status", status=403, body={"message": "no"}), "allow it there, or correct the address"),
        (Fault("status", status=410, body={"message": "gone"}), "enter the new one"),
        (Fault("status", status=302, headers={"Location": "http://127.0.0.1:1/x"}), "enter the final address"),
    ],
    ids=["wrong secret", "not let in", "gone", "redirect"],
)
async def test_a_receiver_of_ones_own_that_refuses_is_told_with_what_mends_it(
    office: Office, receiver: WebhookFake, alice: Person, fault: Fault, cure: str
) -> None:
    receiver.faults.append(fault)
    await office.submit()
    await office.work()
    delivery = await office.only()
    page = (await alice.web.get(f"/o/{office.org.slug}/deliveries/{delivery.id}")).text
    assert (delivery.state, await office.state()) == ("parked", "parked")
    assert f"{cure}. Then this lead is sent by itself." in html.unescape(page)
    assert f'href="/o/{office.org.slug}/crms/{office.connection_id}"' in page


async def test_ten_megabytes_of_thanks_are_a_delivery(office: Office, receiver: WebhookFake) -> None:
    receiver.says = Answer(200, TEN_MB)
    await office.submit()
    await office.work()
    assert ((await office.only()).state, len(receiver.received)) == ("delivered", 1)


async def under_way(office: Office, *, calls: int = 1) -> asyncio.Task[None]:
    """So many calls for which HubSpot takes its time, until it is told to `hurry`; they will succeed."""
    office.fake.faults.append(Fault("slow", count=calls, method="PATCH"))
    draining = asyncio.create_task(drain(office.machine, office.org.id, office.connection_id))
    while len(office.fake.requests) < calls:
        await asyncio.sleep(0.01)
    return draining


async def test_a_connection_removed_during_a_call_keeps_what_came_of_it(office: Office) -> None:
    for number in range(30):
        await office.submit(f"p{number:02}@example.com")
    draining = await under_way(office, calls=SIDE_BY_SIDE)
    async with office.machine.session() as session:
        await connections.remove(session, office.org.id, office.connection_id)
    office.fake.hurry.set()
    await draining
    await office.work()

    states = [delivery.state for delivery in await office.deliveries()]
    assert set(states) == {"delivered", "skipped"}
    assert states.count("delivered") == len(office.fake.contacts)
    assert (await office.numbers()).waiting == 0


async def test_a_lead_erased_during_its_call_leaves_nothing_and_stops_nobody(office: Office) -> None:
    await office.submit("ada@example.com")
    await office.submit("bob@example.com")
    [ada, bob] = await office.deliveries()
    draining = await under_way(office)
    async with office.machine.session() as session:
        await leads.erase(session, office.org.id, [ada.lead])
    office.fake.hurry.set()
    await draining
    left = await office.only()
    assert (left.id, left.state) == (bob.id, "delivered")


async def test_a_lead_erased_before_its_call_is_not_sent(office: Office) -> None:
    for number in range(8):
        await office.submit(f"p{number}@example.com")
    last = (await office.deliveries())[-1]
    draining = await under_way(office, calls=SIDE_BY_SIDE)
    async with office.machine.session() as session:
        await leads.erase(session, office.org.id, [last.lead])
    await asyncio.sleep(FRESH_S)
    office.fake.hurry.set()
    await draining
    assert "p7@example.com" not in [contact["properties"]["email"] for contact in office.fake.contacts.values()]
    assert {delivery.state for delivery in await office.deliveries()} == {"delivered"}
    assert len(office.fake.contacts) == 7


async def test_two_replays_at_once_are_one_more_call(office: Office, alice: Person) -> None:
    await office.submit()
    await office.work()
    delivery = await office.only()
    office.fake.requests.clear()

    path = f"/api/v1/deliveries/{delivery.id}/replay"
    many = {"filter": {"ids": [delivery.id], "state": "delivered"}}
    answers: list[httpx.Response] = await asyncio.gather(
        alice.api.post(path), alice.api.post(path), alice.api.post("/api/v1/deliveries/replay", json=many)
    )
    await asyncio.gather(office.work(), drain(office.machine, office.org.id, office.connection_id))

    assert {answer.status_code for answer in answers} == {200}
    assert [request.method for request in office.fake.requests] == ["PATCH"]
    assert (await office.only()).attempts == 2


async def test_a_replay_during_the_call_is_refused_and_told_why(office: Office, alice: Person) -> None:
    await office.submit()
    draining = await under_way(office)
    delivery = await office.only()
    answer = await alice.api.post(f"/api/v1/deliveries/{delivery.id}/replay")
    office.fake.hurry.set()
    await draining
    said: dict[str, Any] = answer.json()
    assert (answer.status_code, said["code"]) == (409, "delivery_state")
    assert ((await office.only()).attempts, len(office.fake.contacts)) == (1, 1)


async def test_an_id_that_no_key_can_be_is_none_and_the_lead_is_sent_once(
    office: Office, receiver: WebhookFake
) -> None:
    chance = random.Random(1)
    endless = "".join(chr(chance.randrange(0x4E00, 0x9FFF)) for _ in range(5_000))
    receiver.says = Answer(200, {"id": endless, "url": f"https://crm.example.com/{endless}"})
    await office.submit()
    await office.work()
    delivery = await office.only()
    assert (delivery.state, delivery.remote_id, delivery.remote_url) == ("delivered", None, None)
    assert len(receiver.requests) == 1
