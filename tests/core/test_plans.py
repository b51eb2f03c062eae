"""Rows are looked up by their ids, not by walking all that an org has."""

import pytest
from sqlalchemy import select, text
from sqlalchemy.dialects import sqlite

from site2crm.app import Instance
from site2crm.core import db
from site2crm.core.db import Base, OrgOwned

IDS = [f"x_{number}" for number in range(50)]
TABLES = {
    mapper.class_.__tablename__: mapper.class_
    for mapper in Base.registry.mappers
    if issubclass(mapper.class_, OrgOwned) and [column.name for column in mapper.primary_key] == ["id"]
}


async def plan(instance: Instance, model: type[OrgOwned]) -> str:
    statement = select(model.org_id).where(db.these(model, "org_1", IDS))
    literal = statement.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    async with instance.machine.session() as session:
        rows = await session.execute(text(f"EXPLAIN QUERY PLAN {literal}"))
        return " ".join(row.detail for row in rows)


@pytest.mark.parametrize("table", sorted(TABLES))
async def test_these_are_found_by_their_ids(instance: Instance, table: str) -> None:
    found = await plan(instance, TABLES[table])
    assert "SEARCH" in found
    assert "(id=?)" in found or "(rowid=?)" in found, found


def test_every_feature_has_tables_to_look_at() -> None:
    assert {"lead", "submission", "delivery", "form"} <= TABLES.keys()
