"""Statements are compiled once for a test process, not once for each of the engines that its tests open.

SQLAlchemy keeps what it has compiled with the engine, by its dialect. Every test opens engines of its own, and compiling
the same fifty statements again took a sixth of its time. Our dialects of one kind differ in nothing that is compiled.
"""

from functools import cache
from typing import Any

from sqlalchemy import Dialect, Engine
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.util import LRUCache

KINDS: tuple[type[Dialect], ...] = (SQLiteDialect_aiosqlite, PGDialect_asyncpg)

MOST = 3_000


def share() -> None:
    """From now on, in this process."""
    for kind in KINDS:
        kind.__hash__ = lambda self: hash(type(self))  # type: ignore[method-assign]
        kind.__eq__ = lambda self, other: type(self) is type(other)  # type: ignore[method-assign,assignment]
    made = Engine.__init__

    def make(self: Engine, *args: Any, **options: Any) -> None:
        made(self, *args, **options)
        if isinstance(self.dialect, KINDS):
            self._compiled_cache = _cache_of(type(self.dialect))

    Engine.__init__ = make  # type: ignore[method-assign]


@cache
def _cache_of(_kind: type[Dialect]) -> Any:
    return LRUCache(MOST)
