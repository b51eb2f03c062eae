"""The geometry of charts."""

from itertools import pairwise

import pytest

from site2crm.kit import charts
from site2crm.kit.charts import Series


@pytest.mark.parametrize(
    ("highest", "levels"),
    [
        (0, [0, 1]),
        (1, [0, 1]),
        (3, [0, 1, 2, 3]),
        (7, [0, 2, 4, 6, 8]),
        (10, [0, 2, 4, 6, 8, 10]),
        (101, [0, 50, 100, 150]),
        (412, [0, 100, 200, 300, 400, 500]),
        (38_190, [0, 10_000, 20_000, 30_000, 40_000]),
    ],
)
def test_levels_are_round_whole_and_reach_the_top(highest: float, levels: list[float]) -> None:
    assert charts.nice_levels(highest) == levels


@pytest.mark.parametrize("highest", [2, 9, 13, 99, 1_000, 123_456, 10**9])
def test_levels_are_few_and_evenly_apart(highest: float) -> None:
    levels = charts.nice_levels(highest)
    assert levels[-1] >= highest and len(levels) <= 7
    assert len({round(after - before, 6) for before, after in pairwise(levels)}) == 1


def test_a_path_goes_from_edge_to_edge_and_the_ground_closes_it() -> None:
    drawn = charts.chart(["a", "b", "c"], [Series("Clicks", [0, 2, 4])], height=100)
    [line] = drawn.lines
    assert line.path == "M0 100L500 50L1000 0"
    assert line.ground == "M0 100L500 50L1000 0L1000 100L0 100Z"


def test_all_series_share_one_scale() -> None:
    drawn = charts.chart(["a", "b"], [Series("Now", [1, 1]), Series("Before", [10, 10], "before")], height=100)
    assert [line.path for line in drawn.lines] == ["M0 90L1000 90", "M0 0L1000 0"]
    assert drawn.lines[1].ground == ""


def test_what_still_grows_is_drawn_apart() -> None:
    [line] = charts.chart(["a", "b", "c"], [Series("Clicks", [2, 4, 0], is_open=True)], height=100).lines
    assert (line.path, line.rest) == ("M0 50L500 0", "M500 0L1000 100")


def test_a_single_value_is_a_level_line() -> None:
    [line] = charts.chart(["a"], [Series("Clicks", [3])], height=90).lines
    assert line.path == "M0 0L1000 0"


def test_nothing_is_drawn_of_nothing() -> None:
    drawn = charts.chart([], [Series("Clicks", [])])
    assert drawn.lines[0].path == "" and drawn.marks == () and drawn.spots == () and drawn.is_empty


def test_a_shorter_period_before_ends_early_and_a_longer_one_is_cut() -> None:
    short = charts.chart(["a", "b", "c"], [Series("Now", [1, 1, 1]), Series("Before", [1], "before")])
    long = charts.chart(["a", "b"], [Series("Now", [1, 1]), Series("Before", [1, 1, 9], "before")])
    assert [len(spot.values) for spot in short.spots] == [2, 1, 1]
    assert long.levels[-1].text == "1" and len(long.spots) == 2


@pytest.mark.parametrize("count", [1, 2, 3, 24, 30, 31, 90, 92])
def test_few_labels_stand_below_from_first_to_last(count: int) -> None:
    labels = [str(number) for number in range(count)]
    marks = charts.chart(labels, [Series("Clicks", [1.0] * count)]).marks
    assert len(marks) <= charts.MOST_MARKS and marks[0].text == "0" and marks[-1].text == labels[-1]
    assert [mark.x for mark in marks] == sorted({mark.x for mark in marks})


@pytest.mark.parametrize("count", [1, 2, 30, 90])
def test_the_strips_cover_the_whole_width(count: int) -> None:
    spots = charts.chart(["x"] * count, [Series("Clicks", [1.0] * count)]).spots
    assert spots[0].left == 0 and spots[-1].left + spots[-1].width == pytest.approx(100, abs=0.2)


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (950, "950"), (1_000, "1k"), (1_250, "1.2k"), (40_000, "40k"), (3_000_000, "3M")]
)
def test_numbers_beside_the_axis_are_short(value: float, text: str) -> None:
    assert charts.short(value) == text


def test_a_sparkline_is_one_path() -> None:
    assert charts.spark([0, 4, 2], height=20) == "M0 20L500 0L1000 10"
