"""What is counted beforehand is what counting the rows would find, whatever the CRM says and in which order."""

import asyncio
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, select, update

from site2crm.connectors import service as connections
from site2crm.connectors.sales import Deal, Money, Status
from site2crm.core import resources
from site2crm.core.db import in_org
from site2crm.core.queue import JobContext
from site2crm.deals import counting, jobs, models, storing, sums
from site2crm.deals.models import DealCount
from site2crm.deals.queries import Wanted
from site2crm.deals.sums import Alike
from tests.deals.conftest import Floor

MIGRATION = "0011"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


async def keep(floor: Floor, *deals: Deal) -> None:
    async with floor.machine.session() as session:
        await storing.deals(session, storing.Source(floor.org_id, floor.connection_id, "EUR"), deals)


async def counted(floor: Floor, wanted: Wanted) -> list[Alike]:
    """As counting the rows would find it."""
    async with floor.machine.session() as session:
        found = sorted(await sums.in_sight(session, floor.org_id, wanted) or [])
        assert found == sorted(await sums.by_rows(session, floor.org_id, wanted))
    return found


async def expect_true_counts(floor: Floor) -> list[Alike]:
    for owner in ("ada", "ben"):
        await counted(floor, Wanted(owner=owner))
    return await counted(floor, Wanted())


def a_deal(
    id: str, *, amount: str = "10.50", currency: str = "EUR", status: Status = Status.OPEN, hours: int = 0, **said: str
) -> Deal:
    at = NOON + timedelta(hours=hours)
    value = Money(Decimal(amount), currency) if amount else None
    return Deal(id, "Offer", status, created_at=NOON, updated_at=at, value=value, **said)


async def test_a_deal_is_counted_once_where_it_is_now(floor: Floor) -> None:
    await keep(floor, a_deal("1", pipeline="main", stage="new"))
    await keep(floor, a_deal("1", pipeline="main", stage="won", status=Status.WON, hours=1))
    [one] = await expect_true_counts(floor)
    assert one == (floor.connection_id, "main", "won", "won", "EUR", 1, 1050)


async def test_an_older_word_counts_for_nothing(floor: Floor) -> None:
    await keep(floor, a_deal("1", stage="won", hours=2))
    await keep(floor, a_deal("1", stage="new", amount="99", hours=1))
    [one] = await expect_true_counts(floor)
    assert (one.stage, one.amount) == ("won", 1050)


async def test_a_deleted_deal_is_counted_as_that(floor: Floor) -> None:
    await keep(floor, a_deal("1"), a_deal("2"))
    await keep(floor, a_deal("2", status=Status.DELETED, hours=1), a_deal("never seen", status=Status.DELETED))
    assert {(one.status, one.deals) for one in await expect_true_counts(floor)} == {("open", 1), ("deleted", 1)}


async def test_thousands_of_changes_in_any_order_leave_the_counts_true(floor: Floor) -> None:
    chance = random.Random(5)
    for _ in range(40):
        page = [
            a_deal(
                str(chance.randrange(60)),
                amount=chance.choice(("", "0", "-7.25", "12.5", "90000000000000")),
                currency=chance.choice(("EUR", "JPY")),
                status=chance.choice(list(Status)),
                hours=chance.randrange(50),
                pipeline=chance.choice(("main", "side")),
                stage=chance.choice(("new", "offer")),
                owner=chance.choice(("ada", "ben")),
            )
            for _ in range(50)
        ]
        await keep(floor, *page)
    assert sum(one.deals for one in await expect_true_counts(floor)) > 50


async def test_any_period_comes_to_what_its_rows_come_to(floor: Floor) -> None:
    chance = random.Random(7)
    deals = [
        a_deal(
            str(number),
            amount=chance.choice(("", "-7.25", "12.5")),
            status=chance.choice((Status.OPEN, Status.WON)),
            owner=chance.choice(("ada", "ben")),
        )
        for number in range(60)
    ]
    made = [NOON + timedelta(hours=chance.randrange(20)) for _ in deals]
    await keep(floor, *(replace(deal, created_at=at) for deal, at in zip(deals, made, strict=True)))
    edges = [None, *(NOON + timedelta(hours=hour) for hour in (-1, 0, 1, 7, 13, 19, 20, 30))]
    found = [
        sum(one.deals for one in await counted(floor, Wanted(since=since, until=until, owner=owner)))
        for since in edges
        for until in edges
        for owner in ("", "ada")
    ]
    assert {0, 60} < set(found)


async def test_who_changes_the_same_deals_at_the_same_time_counts_in_turn(floor: Floor) -> None:
    """Without the lock in `counting.counted` all of them count what there was before any of them wrote: on SQLite as on
    PostgreSQL reads do not wait for writers. What it cannot show: two nodes. Their lock is `core.db.lock`'s."""
    stages = [f"s{number}" for number in range(6)]
    await keep(floor, *(a_deal(str(number), pipeline="main") for number in range(20)))
    await asyncio.gather(
        *(
            keep(floor, *(a_deal(str(number), pipeline="main", stage=stage, hours=hour) for number in range(30)))
            for hour, stage in enumerate(stages, 1)
        ),
        jobs.recount(JobContext(floor.machine, 1, "cron")),
    )
    assert sum(one.deals for one in await expect_true_counts(floor)) == 30


async def test_what_was_not_counted_is_found_by_the_next_recount(floor: Floor) -> None:
    await keep(floor, a_deal("1", pipeline="main", stage="new"), a_deal("2", pipeline="main", amount=""))
    async with floor.machine.session() as session:
        await session.execute(update(models.Deal).values(stage="won"))
    await jobs.recount(JobContext(floor.machine, 1, "cron"))
    assert {one.stage for one in await expect_true_counts(floor)} == {"won"}


async def test_a_removed_connection_is_no_longer_counted_at_once(floor: Floor) -> None:
    await keep(floor, a_deal("1"))
    async with floor.machine.session() as session:
        await connections.remove(session, floor.org_id, floor.connection_id)
    async with floor.machine.session() as session:
        assert (await session.scalars(in_org(DealCount, floor.org_id))).all() == []
        assert await session.scalar(select(DealCount.deals)) is None


async def test_a_recount_that_a_removal_has_overtaken_leaves_no_count_behind(floor: Floor) -> None:
    await keep(floor, a_deal("1"))
    async with floor.machine.session() as session:
        await connections.remove(session, floor.org_id, floor.connection_id)
    async with floor.machine.session() as session:
        await counting.recount(session, floor.connection_id)
    await jobs.forget(JobContext(floor.machine, 1, "forget"), connection_id=floor.connection_id)
    assert await counted(floor, Wanted()) == []


async def test_deals_that_were_there_before_are_counted_by_the_migration(floor: Floor) -> None:
    await keep(
        floor, *(a_deal(str(n), amount=a) for n, a in enumerate(("90000000000000.99", "90000000000000", "-7", "")))
    )
    before = await expect_true_counts(floor)
    async with floor.machine.database.writer.begin() as connection:
        await connection.run_sync(count_again)
    for engine in (floor.machine.database.reader, floor.machine.database.writer):
        await engine.dispose()  # PostgreSQL has plans for the table that was
    assert await expect_true_counts(floor) == before


def count_again(connection: Connection) -> None:
    """As on a database that has deals and no counts."""
    with Operations.context(MigrationContext.configure(connection)):
        found = ScriptDirectory(str(resources.migrations())).get_revision(MIGRATION)
        assert found is not None
        found.module.downgrade()
        found.module.upgrade()
