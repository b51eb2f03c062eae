"""Which words of a question are looked up in the index, and which are checked on the rows that this finds.

FTS5 collects every row of each word that it is asked for (measured on a hundred thousand rows, beginnings of words),
before it finds the first that has them all: five frequent words cost more than a page may take. So the rarest are
looked up, as many as make the whole the least work, as if words were had independently of each other.
"""

from collections.abc import Sequence
from math import prod

ROWS = 100_000
"""For which the choice is right; with fewer any is."""
LOOK_UP_US = 0.2
"""A row that has the word."""
CHECK_US = 2.0
"""A row of those found."""
LEAST_SHARE = 0.001
"""What no row of the sample has, some may."""


def divided(parts: Sequence[str], shares: Sequence[float], *, wanted: int) -> tuple[list[str], list[str]]:
    """(to look up, to check); `shares`: how many of the rows have each part; `wanted`: the rows of a page."""
    ordered = sorted(zip((max(share, LEAST_SHARE) for share in shares), parts, strict=True))
    sizes = [share for share, _ in ordered]
    count = min(range(1, len(sizes) + 1), key=lambda number: _cost(sizes, number, wanted))
    return [part for _, part in ordered[:count]], [part for _, part in ordered[count:]]


def _cost(shares: Sequence[float], count: int, wanted: int) -> float:
    found, passing = ROWS * prod(shares[:count]), prod(shares[count:])
    return LOOK_UP_US * ROWS * sum(shares[:count]) + CHECK_US * min(found, wanted / passing)
