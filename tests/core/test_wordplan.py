"""Which words the index is asked for, and which are checked on the rows it finds."""

import pytest

from site2crm.core import wordplan

PARTS = ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("shares", "looked_up"),
    [
        ([0.9, 0.0, 1.0, 0.5], ["b"]),  # one is rare: the others are checked on its few rows
        ([0.4, 0.4, 0.4, 0.3], ["d"]),  # all are frequent: rows with all are soon met
        ([0.1, 0.1, 0.1, 1.0], ["a", "b"]),  # hardly a row has all three: two leave few to check
        ([0.0, 0.0, 0.9, 1.0], ["a", "b"]),
    ],
)
def test_the_rarest_are_looked_up(shares: list[float], looked_up: list[str]) -> None:
    found, checked = wordplan.divided(PARTS, shares, wanted=51)
    assert found == looked_up
    assert sorted([*found, *checked]) == PARTS


def test_one_word_is_looked_up() -> None:
    assert wordplan.divided(["a"], [1.0], wanted=51) == (["a"], [])
