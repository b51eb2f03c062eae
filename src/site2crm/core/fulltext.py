"""One question to two indexes of words: FTS5 on SQLite, `tsvector` with GIN on PostgreSQL.

What is indexed is made in Python and split at spaces only, by both: PostgreSQL's own parsers, which take words apart
by the rules of a language and of the server's locale, are passed by. So both find the same.
"""

from collections.abc import Iterable
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, TextClause, column, table, text
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import db


class Index(Struct, frozen=True):
    """`rows` to select from; `number` to sort and cut by. `alone`: without the columns of the table."""

    rows: Any
    alone: Any
    number: ColumnElement[int]
    name: str
    is_postgresql: bool

    def has(self, parts: Iterable[str]) -> TextClause:
        """All the parts: ` word ` is the whole word, ` word` its beginning; letters, digits and `_` only."""
        if self.is_postgresql:
            # To the letter what the migrations index: PostgreSQL finds no index for anything else.
            words = f"array_to_tsvector(string_to_array(btrim({self.name}.words), ' '))"
            return text(f"{words} @@ CAST(:asked AS tsquery)").bindparams(asked=tsquery(parts))
        return text(f"{self.name} MATCH :asked").bindparams(asked=match(parts))


def index(session: AsyncSession, searched: Any, name: str) -> Index:
    """Of the table `searched` (id, words); `name` is what its FTS5 index is called."""
    if db.is_postgresql(session):
        # A sum, so that the planner does not walk along the numbers and make a tsvector of each row on the way.
        return Index(searched, searched, searched.id + 0, searched.__tablename__, True)
    fts = table(name, column("rowid"), column(name))
    return Index(fts.join(searched, searched.id == fts.c.rowid), fts, fts.c.rowid, name, False)


def match(parts: Iterable[str]) -> str:
    """For FTS5."""
    return " AND ".join(f'"{part.strip()}"' + ("" if part.endswith(" ") else " *") for part in parts)


def tsquery(parts: Iterable[str]) -> str:
    """For PostgreSQL."""
    return " & ".join(f"'{part.strip()}'" + ("" if part.endswith(" ") else ":*") for part in parts)
