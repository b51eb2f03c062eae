"""A reading that ends at any moment, and a database that takes nothing for a while: what is kept is true all the same."""

import asyncio
import random
import sqlite3

import pytest
from sqlalchemy import func, select

from site2crm.deals import counting, feeds, syncing
from site2crm.deals.models import Deal, DealCount
from site2crm.demo.server import Fault
from tests.deals.conftest import Floor

ROUNDS, DEALS = 12, 250
BUSY_S = 8.0
"""Longer than a writer waits for another process."""


async def counts(floor: Floor) -> list[tuple[object, ...]]:
    columns = (DealCount.pipeline, DealCount.stage, DealCount.status, DealCount.deals, DealCount.high, DealCount.low)
    async with floor.machine.session() as session:
        rows = await session.execute(select(*columns).where(DealCount.deals != 0).order_by(*columns))
        return [tuple(row) for row in rows]


async def expect_true_counts(floor: Floor) -> None:
    kept = await counts(floor)
    async with floor.machine.session() as session:
        await counting.recount(session, floor.connection_id)
    assert kept == await counts(floor)


async def killed(floor: Floor, chance: random.Random) -> None:
    """Whatever is not committed by then is undone, and nobody tidies up; a new process takes the lease back."""
    reading = asyncio.create_task(syncing.read(floor.machine, floor.org_id, floor.connection_id))
    await asyncio.wait({reading}, timeout=chance.uniform(0.0, 0.12))
    reading.cancel()
    await asyncio.wait({reading})
    async with floor.machine.session() as session:
        await feeds.take_back(session)


async def test_a_reading_that_is_cut_off_anywhere_leaves_true_counts_and_ends_with_all(floor: Floor) -> None:
    chance = random.Random(7)
    for number in range(DEALS):
        floor.deal(f"Deal {number}", amount=str(number), dealstage=chance.choice(("closedwon", "appointmentscheduled")))
    await floor.look()
    for round in range(ROUNDS):
        await killed(floor, chance)
        await expect_true_counts(floor)
        floor.fake.sales.change("deals", chance.choice([*floor.fake.sales.records["deals"]]), amount=str(round))
    await floor.read()
    await floor.read()
    await expect_true_counts(floor)
    async with floor.machine.session() as session:
        found = (await session.execute(select(func.count(), func.count(Deal.remote_id.distinct())))).one()
    assert tuple(found) == (DEALS, DEALS)


@pytest.mark.only_once("another process locks the file")
async def test_a_database_that_takes_nothing_for_a_while_costs_a_reading_and_no_more(floor: Floor) -> None:
    floor.deal("Offer")
    await floor.look()
    floor.fake.faults.append(Fault("slow", seconds=1, path="/objects/2026-09/deals", count=1))
    reading = asyncio.create_task(syncing.read(floor.machine, floor.org_id, floor.connection_id))
    await asyncio.sleep(0.5)
    with sqlite3.connect(floor.machine.settings.records) as other:
        other.execute("BEGIN IMMEDIATE")
        await asyncio.wait({reading}, timeout=BUSY_S)
        other.rollback()
    assert reading.done() is False
    assert await asyncio.wait_for(reading, 20) is False
    feed = await floor.feed()
    assert (feed.lease, feed.error, feed.failures) == ("", "", 0)
    await floor.read()
    assert (await floor.only()).title == "Offer"
