"""A slow CRM keeps neither other connections nor other jobs waiting."""

import asyncio

import pytest
from sqlalchemy import text

from site2crm.core import db
from site2crm.delivery import queries
from site2crm.delivery.drain import drains
from site2crm.delivery.shares import Shares
from site2crm.demo.server import Fault
from tests.delivery.conftest import Office


async def test_who_has_had_a_slot_for_longest_goes_on_beside_the_queue() -> None:
    shares, end, ended = Shares(2), asyncio.Event(), list[str]()

    async def work(name: str) -> None:
        await end.wait()
        ended.append(name)

    slots = [asyncio.create_task(shares.run(name, work(name))) for name in "abc"]
    done, holding = await asyncio.wait(slots, timeout=0.05)
    assert (done, holding) == ({slots[0]}, {slots[1], slots[2]})
    end.set()
    await asyncio.gather(*slots)
    await shares.close(5)
    assert sorted(ended) == ["a", "b", "c"]


async def test_an_error_in_a_held_slot_is_the_jobs() -> None:
    async def work() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await Shares(1).run("a", work())


async def test_what_goes_on_beside_the_queue_is_cut_off_at_the_end() -> None:
    shares = Shares(1)
    first = asyncio.create_task(shares.run("a", asyncio.sleep(60)))
    await asyncio.sleep(0)
    second = asyncio.create_task(shares.run("b", asyncio.sleep(60)))
    await first
    second.cancel()
    await shares.close(0)
    assert await asyncio.wait({second})


async def test_a_slow_connection_does_not_keep_a_fast_one_waiting(office: Office) -> None:
    """As many slow ones as there are job slots, and one more that is fast."""
    jobs, slow = office.machine.jobs, office.machine.settings.queue.workers
    assert jobs is not None
    for _ in range(slow - 1):
        await office.connect()
    office.fake.faults.append(Fault("timeout", count=-1, seconds=10))
    inbox = await office.connect(kind="inbox")
    await office.submit()
    await jobs.start()
    while len(office.fake.requests) < slow or (await office.deliveries(connection=inbox))[0].state != "delivered":
        await asyncio.sleep(0.02)
    waiting = await office.deliveries(state="sending")
    await jobs.stop(0)
    await drains(office.machine).shares.close(0)
    assert len(waiting) == slow


async def test_many_leads_go_to_the_inbox_in_a_few_calls(office: Office) -> None:
    inbox = await office.connect(kind="inbox", mapping={"email": "email"})
    for number in range(40):
        await office.submit(f"p{number}@example.com")
    await office.work()
    found = [delivery.id for delivery in await office.deliveries(connection=inbox)]
    async with office.machine.session() as session:
        tries = [attempt for log in (await queries.attempts(session, office.org.id, found)).values() for attempt in log]
    assert [attempt.outcome for attempt in tries] == ["delivered"] * 40
    assert all(len(attempt.exchanges) == 1 for attempt in tries)
    assert len({attempt.started_at for attempt in tries}) < 10


async def test_one_unreadable_lead_in_a_batch_does_not_hold_up_the_others(office: Office) -> None:
    inbox = await office.connect(kind="inbox", mapping={"email": "email"})
    for number in range(5):
        await office.submit(f"p{number}@example.com")
    broken = (await office.deliveries(connection=inbox))[2]
    async with office.machine.session() as session:
        await db.lock(session)
        await session.execute(text("UPDATE lead SET attribution = '[]' WHERE id = :id"), {"id": broken.lead})
    await office.work()
    states = {delivery.id: delivery.state for delivery in await office.deliveries(connection=inbox)}
    assert states.pop(broken.id) == "retrying"
    assert set(states.values()) == {"delivered"}
