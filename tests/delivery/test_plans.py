"""Few rows are looked up, however many the org and its neighbours have."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from site2crm.core.machine import Machine
from site2crm.delivery import backfill, queries, service
from site2crm.delivery.queries import Wanted
from site2crm.forms import service as forms
from site2crm.forms.service import FormIn
from tests.delivery.conftest import Office

Statements = list[tuple[str, Any]]


@contextmanager
def reads(machine: Machine) -> Iterator[Statements]:
    """Every statement that is read with meanwhile."""
    seen: Statements = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        seen.append((statement, parameters))

    engine = machine.database.reader.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def plan(machine: Machine, statement: str, parameters: Any) -> str:
    async with machine.database.reader.connect() as connection:
        rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return " ".join(row.detail for row in rows)


@pytest.mark.parametrize("wanted", [Wanted(), Wanted(state="dead"), Wanted(form="frm_1", connection="con_1")])
async def test_chosen_deliveries_are_found_by_their_ids(office: Office, wanted: Wanted) -> None:
    ids = [f"dlv_{number}" for number in range(50)]
    async with office.machine.session() as session:
        with reads(office.machine) as seen:
            await service.replay_many(session, office.org.id, wanted, ids=ids, dry_run=True)
    [found] = [await plan(office.machine, *one) for one in seen if "FROM delivery" in one[0]]
    assert "SEARCH delivery USING INDEX sqlite_autoindex_delivery_1 (id=?)" in found


async def test_the_deliveries_of_a_lead_are_found_by_the_lead(office: Office) -> None:
    async with office.machine.session() as session:
        with reads(office.machine) as seen:
            await queries.page(session, office.org.id, Wanted(lead="led_1"))
    [found] = [await plan(office.machine, *one) for one in seen if "FROM" in one[0]]
    assert "ix_delivery_lead (lead_id=?" in found


async def test_what_came_before_is_counted_in_as_many_queries_for_many_forms_as_for_one(office: Office) -> None:
    async def asked() -> int:
        async with office.machine.session() as session:
            with reads(office.machine) as seen:
                await backfill.progress(session, office.org.id, office.connection_id)
        return len(seen)

    one = await asked()
    async with office.machine.session() as session:
        for number in range(5):
            await forms.create(session, office.org.id, FormIn(name=f"Form {number}"))
    assert (await asked(), one) == (one, one)


async def test_the_figures_are_read_from_indexes_alone(office: Office) -> None:
    async with office.machine.session() as session:
        with reads(office.machine) as seen:
            await queries.paces(session, [office.connection_id, "con_2"])
    plans = [await plan(office.machine, *one) for one in seen if "FROM delivery" in one[0]]
    assert ["ix_delivery_arrived" in plans[0], "ix_delivery_connection" in plans[1]] == [True, True]
    assert all("COVERING INDEX" in each for each in plans)
