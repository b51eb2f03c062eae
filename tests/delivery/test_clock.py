"""A clock that was wrong and is put back: what was written under it goes out at once, and not when it says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from site2crm.core.errors import DatabaseBusy
from site2crm.core.queue import JobContext
from site2crm.delivery import jobs
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests.delivery.conftest import Office

START = datetime(2027, 1, 4, 12, tzinfo=UTC)
REST_S = 70
"""Longer than the queue and the sweep take to look again, and than a breaker rests."""
HOURS, DAYS = timedelta(hours=3), timedelta(days=400)


@pytest.mark.parametrize("restarts", [True, False])
@pytest.mark.parametrize(
    ("fault", "ahead"),
    [
        (None, HOURS), (None, DAYS),
        (Fault("status", status=500), HOURS), (Fault("status", status=500, count=6), HOURS),
        (Fault("status", status=429, headers={"Retry-After": "60"}), DAYS),
    ],
)  # fmt: skip
async def test_leads_do_not_wait_for_a_clock_that_was_put_back(
    office: Office, fault: Fault | None, ahead: timedelta, restarts: bool
) -> None:
    with clock.travel(START + ahead) as forward:
        await office.work()
        forward(REST_S)
        await office.work()
        office.fake.faults += [replace(fault)] if fault else []
        for name in range(6):
            await office.submit(f"{name}@example.com")
        await office.work()
        await office.submit("last@example.com")
    office.fake.faults.clear()
    with clock.travel(START) as forward:
        if restarts:
            async with jobs.recovered(office.machine):
                pass
        for _ in range(10):
            await office.work()
            forward(REST_S)
    assert {delivery.state for delivery in await office.deliveries()} == {"delivered"}


async def test_a_database_that_is_busy_while_the_clock_is_put_back_is_asked_again(office: Office) -> None:
    refused = list[str]()

    def refuse(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("UPDATE delivery") and not refused:
            refused.append(statement)
            raise OperationalError(statement, {}, Exception("database is locked"))

    sweep = JobContext(office.machine, 1, "")
    with clock.travel(START + DAYS):
        await office.submit()
        await jobs.sweep(sweep)
    event.listen(office.machine.database.writer.sync_engine, "before_cursor_execute", refuse)
    with clock.travel(START):
        with pytest.raises((OperationalError, DatabaseBusy)):
            await jobs.sweep(sweep)
        await jobs.sweep(sweep)
        await office.work()
    assert (await office.only()).state == "delivered"
