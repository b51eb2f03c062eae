"""Statements that SQLAlchemy spells differently for each database.

Models do not import PostgreSQL's dialect, nor does anything else that every start loads: SQLite's `ON CONFLICT` says
the same, and compiles for both.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Integer, String, func
from sqlalchemy.dialects.sqlite import Insert
from sqlalchemy.dialects.sqlite import insert as insert
from sqlalchemy.dialects.sqlite.dml import OnConflictDoNothing, OnConflictDoUpdate
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.visitors import InternalTraversal

from site2crm.core.db import Base


def upsert(
    model: type[Base], rows: Sequence[Mapping[str, Any]], *, on: Sequence[str], set_: Mapping[str, Any]
) -> Insert:
    """Insert, or change the row that has the same key."""
    return insert(model).values(list(rows)).on_conflict_do_update(index_elements=list(on), set_=dict(set_))


def insert_new(model: type[Base], rows: Sequence[Mapping[str, Any]]) -> Insert:
    """Insert the rows that are not there yet, leave the others as they are."""
    return insert(model).values(list(rows)).on_conflict_do_nothing()


@compiles(OnConflictDoUpdate, "postgresql")
def _do_update(element: OnConflictDoUpdate, compiler: Any, **options: Any) -> str:
    element.constraint_target = None  # type: ignore[attr-defined] # what PostgreSQL's own has beside
    return str(compiler.visit_on_conflict_do_update(element, **options))


@compiles(OnConflictDoNothing, "postgresql")
def _do_nothing(element: OnConflictDoNothing, compiler: Any, **options: Any) -> str:
    element.constraint_target = None  # type: ignore[attr-defined]
    return str(compiler.visit_on_conflict_do_nothing(element, **options))


def contains(text: Any, part: str) -> ColumnElement[bool]:
    """Whether a text has the part in it, byte for byte: no pattern, no sign with a meaning."""
    return place(text, part) > 0


def place(text: Any, part: str) -> ColumnElement[int]:
    """Where the part begins in the text, from 1; 0 if it is not there."""
    return _Place(text, part)


class _Place(FunctionElement[int]):
    type = Integer()
    inherit_cache = True


@compiles(_Place)
def _instr(element: _Place, compiler: Any, **options: Any) -> str:
    return str(compiler.process(func.instr(*element.clauses), **options))


@compiles(_Place, "postgresql")
def _strpos(element: _Place, compiler: Any, **options: Any) -> str:
    return str(compiler.process(func.strpos(*element.clauses), **options))


class JsonText(ColumnElement[str]):
    """The text at a path of names in a JSON column, None where there is none:
    `JsonText("lead.attribution", "last.page")`.

    Written out, without parameters: an index over such an expression is only used for the very same words.
    """

    _traverse_internals = [("column", InternalTraversal.dp_string), ("path", InternalTraversal.dp_string)]  # noqa: RUF012
    inherit_cache = True
    type = String()

    def __init__(self, column: str, path: str) -> None:
        self.column = column
        self.path = path


@compiles(JsonText)
def _json_extract(element: JsonText, _compiler: Any, **_options: Any) -> str:
    return f"json_extract({element.column}, '$.{element.path}')"


@compiles(JsonText, "postgresql")
def _json_path(element: JsonText, _compiler: Any, **_options: Any) -> str:
    return f"({element.column} #>> '{{{element.path.replace('.', ',')}}}')"
