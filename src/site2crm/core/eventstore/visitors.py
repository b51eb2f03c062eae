"""Counting different visitors: exactly up to 100,000 rows, beyond that among one visitor in sixteen.

A visitor's number is a hash, so the sample is fair: of a million visitors its answer is within half a percent (DuckDB's
own approximation, with its 64 registers, is often off by ten). Keys with few rows are counted exactly all the same.
Events without a visitor (somebody who asked not to be followed) count as events only.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from site2crm.core.eventstore.asking import Where
from site2crm.core.eventstore.schema import SAMPLE_SHARE

EXACT_ROWS = 100_000
FEW_ROWS = 2_000
"""A key with no more is never estimated."""
MOST_SAMPLED_ROWS = 200_000
"""Beyond this the sample is sampled again."""
EXACT_IN_TIME = 250_000
"""In a chart each point has few rows of the sample: it is exact for longer."""

_ALL = 1 << 64


def by_key(connection: Any, where: Where, key: str, rows: Mapping[Any, int]) -> dict[Any, int]:
    """Visitors of each key; `rows` are its events, `key` the SQL that gives it."""
    if sum(rows.values()) <= EXACT_ROWS:
        return _distinct(connection, "event", where.also("visitor > 0"), key)
    few = _few(rows)
    return _estimated(connection, where, key, rows) | (_exactly(connection, where, key, few) if few else {})


def in_time(connection: Any, where: Where, key: str, rows: Mapping[Any, int]) -> dict[Any, int]:
    """Visitors of each interval of time."""
    if sum(rows.values()) <= EXACT_IN_TIME:
        return _distinct(connection, "event", where.also("visitor > 0"), key)
    return _estimated(connection, where, key, rows)


def _estimated(connection: Any, where: Where, key: str, rows: Mapping[Any, int]) -> dict[Any, int]:
    share = _share(sum(rows.values()))
    sampled = _distinct(connection, "sample", where.also(f"visitor < {_ALL // share}"), key)
    return {one: max(1, min(sampled.get(one, 0) * share, number)) for one, number in rows.items() if number}


def _share(total: int) -> int:
    share = SAMPLE_SHARE
    while total > share * MOST_SAMPLED_ROWS:
        share *= 2
    return share


def _few(rows: Mapping[Any, int]) -> list[Any]:
    """The smallest keys, as many as cost nothing to count exactly."""
    few, total = [], 0
    for one, number in sorted(rows.items(), key=lambda item: item[1]):
        total += number
        if number > FEW_ROWS or total > EXACT_ROWS:
            break
        few.append(one)
    return few


def _exactly(connection: Any, where: Where, key: str, few: Sequence[Any]) -> dict[Any, int]:
    marks = ", ".join("?" * len(few))
    return _distinct(connection, "event", where.also(f"visitor > 0 AND {key} IN ({marks})", *few), key)


def _distinct(connection: Any, table: str, where: Where, key: str) -> dict[Any, int]:
    pairs = f"SELECT DISTINCT {key} AS k, visitor FROM {table} WHERE {where.sql}"  # noqa: S608 - own names
    sql = f"SELECT k, count(*) FROM ({pairs}) GROUP BY 1"  # noqa: S608
    return dict(connection.execute(sql, where.values).fetchall())
