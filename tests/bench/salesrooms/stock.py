"""How much a CRM of the bench holds, and what it is called: the same every time."""

import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

OWNERS, DEALS = 40, 100_000
DEALS_EACH = 5
"""Of a person; and for so many there is a call."""
NO_LIMIT = 10_000_000
YEARS = timedelta(days=3 * 365)
CLOSED_AFTER = timedelta(days=20)
CALL_LASTS_S = 300
WORDS = ("Annual plan", "Roof", "Battery", "First visit", "Renewal", "Relaunch", "Workshop", "Support", "Upgrade")


def title(number: int, chance: random.Random) -> str:
    return f"{chance.choice(WORDS)}, Company {number % 5_000}, offer {number}"


def spread(count: int) -> Iterable[tuple[int, random.Random, datetime]]:
    """Each with its number and its moment, over the years until now."""
    chance, began = random.Random(11), datetime.now(UTC).replace(microsecond=0) - YEARS
    return ((number, chance, began + YEARS * number / count) for number in range(count))


def to_the_ms(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_the_s(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


class Ordered:
    """The rows of a table by the moment of their last change, in which order they were added: so a page of them is
    found without looking at each, as a CRM finds it."""

    def __init__(self, rows: Mapping[str, Any], column: str) -> None:
        self._rows = list(rows.items())
        self._moments = [datetime.fromisoformat(row[column]) for row in rows.values()]

    def between(self, first: datetime, last: datetime | None, *, most: int) -> dict[str, Any]:
        """`most` is how many are wanted; without `last` there is always one more, for whoever asks whether there is."""
        start = bisect_left(self._moments, first)
        same = bisect_right(self._moments, first) - start
        end = bisect_right(self._moments, last) if last else start + same + most + 1
        return dict(self._rows[start:end])


@contextmanager
def only(tables: MutableMapping[str, dict[str, Any]], name: str, rows: dict[str, Any]) -> Iterator[None]:
    """Whoever looks into this table meanwhile sees these rows of it."""
    whole, tables[name] = tables[name], rows
    try:
        yield
    finally:
        tables[name] = whole
