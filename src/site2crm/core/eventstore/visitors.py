"""Counting different visitors: exactly up to 100,000 rows, beyond that among one in sixteen; for charts see `in_time`.

A visitor's number is a hash, so the sample is fair: of a million visitors its answer is within half a percent (DuckDB's
own approximation, with its 64 registers, is often off by ten). Keys with few rows are counted exactly all the same.
Events without a visitor (somebody who asked not to be followed) count as events only.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from site2crm.core import heavy
from site2crm.core.eventstore import buckets
from site2crm.core.eventstore.asking import Where
from site2crm.core.eventstore.schema import SAMPLE_SHARE

EXACT_ROWS = 100_000
FEW_ROWS = 2_000
"""A key with no more is never estimated."""
MOST_SAMPLED_ROWS = 200_000
"""Beyond this the sample is sampled again."""
EXACT_IN_TIME = 250_000
ALL_IN_TIME = 1_500_000
"""In a chart each point has few rows of the sample, so all rows are looked at for longer: up to the first number
exactly, up to the second by marking cells, which is within one percent."""
LEAST_CELLS, MOST_CELLS = 1 << 16, 1 << 26
CELLS_PER_ROW = 4

_ALL = 1 << 64
_VISITOR_BITS = 50


def by_key(connection: Any, where: Where, key: str, rows: Mapping[Any, int]) -> dict[Any, int]:
    """Visitors of each key; `rows` are its events, `key` the SQL that gives it."""
    if sum(rows.values()) <= EXACT_ROWS:
        return _distinct(connection, where.also("visitor > 0"), key)
    few = _few(rows)
    return _estimated(connection, where, key, rows) | (_exactly(connection, where, key, few) if few else {})


def in_time(connection: Any, where: Where, starts: Sequence[datetime], rows: Sequence[int]) -> list[int]:
    """Visitors of each interval of time; `rows` are its events."""
    total = sum(rows)
    if total <= EXACT_IN_TIME:
        exact = where.also("visitor > 0")
        return _distinct_in_time(connection, exact.events, exact.values, starts)
    cells = max(LEAST_CELLS, 1 << (CELLS_PER_ROW * max(rows)).bit_length())
    if total <= ALL_IN_TIME and cells * len(starts) <= MOST_CELLS:
        found = _marked_in_time(connection, where.also("visitor > 0"), starts, cells)
        return [min(number, at_most) for number, at_most in zip(found, rows, strict=True)]
    share = _share(total)
    sampled = where.also(f"visitor < {_ALL // share}")
    found = _distinct_in_time(connection, sampled.sample, sampled.values, starts)
    return [_scaled(number, share, at_most) for number, at_most in zip(found, rows, strict=True)]


def _estimated(connection: Any, where: Where, key: str, rows: Mapping[Any, int]) -> dict[Any, int]:
    share = _share(sum(rows.values()))
    sampled = where.also(f"visitor < {_ALL // share}")
    found = _pairs(connection, sampled.sample, sampled.values, key)
    return {one: _scaled(found.get(one, 0), share, number) for one, number in rows.items()}


def _scaled(sampled: int, share: int, rows: int) -> int:
    """Who was there is at least one, and at most as many as the events."""
    return max(1, min(sampled * share, rows)) if rows else 0


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
    return _distinct(connection, where.also(f"visitor > 0 AND {key} IN ({marks})", *few), key)


def _distinct(connection: Any, where: Where, key: str) -> dict[Any, int]:
    return _pairs(connection, where.events, where.values, key)


def _pairs(connection: Any, rows: str, values: Sequence[Any], key: str) -> dict[Any, int]:
    pairs = f"SELECT DISTINCT {key} AS k, visitor FROM {rows}"  # noqa: S608 - own names
    return dict(connection.execute(f"SELECT k, count(*) FROM ({pairs}) GROUP BY 1", values).fetchall())  # noqa: S608


def _marked_in_time(connection: Any, where: Where, starts: Sequence[datetime], cells: int) -> list[int]:
    """Each visitor marks one of the interval's cells; from how many are marked follows how many there were.

    Linear counting: Whang, Vander-Zanden, Taylor, 1990. A tenth of the work of sorting them.
    """
    numpy = heavy.numpy()
    found = connection.execute(f"SELECT slot, visitor FROM {where.events}", where.values).fetchnumpy()  # noqa: S608
    places = buckets.places(starts, found["slot"]).astype("uint64")
    marked = numpy.zeros((len(starts), cells), dtype=bool)
    marked.reshape(-1)[places * cells | found["visitor"] & (cells - 1)] = True
    taken = numpy.count_nonzero(marked, axis=1)
    return [round(-cells * math.log1p(-int(number) / cells)) for number in taken]


def _distinct_in_time(connection: Any, rows: str, values: Sequence[Any], starts: Sequence[datetime]) -> list[int]:
    """Interval and visitor (fifty bits of it) as one number: sorting those finds equal ones in the least time."""
    numpy = heavy.numpy()
    found = connection.execute(f"SELECT slot, visitor FROM {rows}", values).fetchnumpy()  # noqa: S608 - own names
    places = buckets.places(starts, found["slot"]).astype("uint64")
    pairs = numpy.sort(places << _VISITOR_BITS | found["visitor"] & ((1 << _VISITOR_BITS) - 1))
    different = pairs[
        numpy.diff(pairs, prepend=numpy.uint64(_ALL - 1)) != 0
    ]  # numpy.unique would take ten times as long
    return numpy.bincount((different >> _VISITOR_BITS).astype("int64"), minlength=len(starts)).tolist()  # type: ignore[no-any-return]
