"""Statements that SQLAlchemy spells differently for each database."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.dialects.sqlite import Insert, insert

from site2crm.core.db import Base


def upsert(
    model: type[Base], rows: Sequence[Mapping[str, Any]], *, on: Sequence[str], set_: Mapping[str, Any]
) -> Insert:
    """Insert, or change the row that has the same key."""
    return insert(model).values(list(rows)).on_conflict_do_update(index_elements=list(on), set_=dict(set_))


def insert_new(model: type[Base], rows: Sequence[Mapping[str, Any]]) -> Insert:
    """Insert the rows that are not there yet, leave the others as they are."""
    return insert(model).values(list(rows)).on_conflict_do_nothing()
