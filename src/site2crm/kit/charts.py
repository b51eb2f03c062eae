"""The geometry of charts: nice scales, paths, what to write below the axis. Numbers in, numbers out; a macro draws.

Across, everything is a share of the width (a chart is as wide as its card); up and down it is pixels.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct

WIDTH = 1_000
"""Of the box in which paths are drawn; it is stretched to the width of the card."""
HEIGHT = 180
"""Of the plot, from the highest grid line to the ground."""
MOST_MARKS = 6
"""Labels below the axis: as many as a phone has room for."""
FEW_MARKS = 3


class Series(Struct, frozen=True):
    """One row of numbers. `style`: area (the main one), line (beside it), before (the previous period).

    `is_open`: the last interval is not over, its number still grows.
    """

    name: str
    values: Sequence[float]
    style: str = "area"
    is_open: bool = False


class Line(Struct, frozen=True):
    name: str
    style: str
    path: str
    ground: str
    """The closed path under an area; "" for a line."""
    rest: str = ""
    """The path to the last point where that still moves."""


class Level(Struct, frozen=True):
    """A grid line: how far from the top, and its number, short: `12k`."""

    y: float
    text: str


class Mark(Struct, frozen=True):
    """A label below the axis. `anchor`: start | middle | end."""

    x: float
    text: str
    anchor: str


class Spot(Struct, frozen=True):
    """One point of time: the strip that answers to the pointer, and what every series says there."""

    left: float
    width: float
    label: str
    values: tuple[float, ...]


class Chart(Struct, frozen=True):
    lines: tuple[Line, ...]
    levels: tuple[Level, ...]
    marks: tuple[Mark, ...]
    spots: tuple[Spot, ...]
    names: tuple[str, ...]
    height: int = HEIGHT
    width: int = WIDTH

    @property
    def is_empty(self) -> bool:
        return not any(value for spot in self.spots for value in spot.values)


def chart(labels: Sequence[str], series: Sequence[Series], *, height: int = HEIGHT) -> Chart:
    """All series on one scale from 0. Values without a label are left out, missing ones are not drawn."""
    levels = nice_levels(max((value for one in series for value in one.values[: len(labels)]), default=0))
    top, count = levels[-1], len(labels)
    return Chart(
        lines=tuple(_line(one, count, top, height) for one in series),
        levels=tuple(Level(round(height * (1 - value / top), 1), short(value)) for value in levels),
        marks=_marks(labels),
        spots=_spots(labels, series),
        names=tuple(one.name for one in series),
        height=height,
    )


def nice_levels(highest: float, *, most: int = 5) -> list[float]:
    """From 0 in at most so many equal steps of 1, 2 or 5 times a power of ten, up to `highest` or just above."""
    if highest <= 0:
        return [0, 1]
    rough = highest / most
    power = 10 ** math.floor(math.log10(rough))
    step = max(1.0, next(size * power for size in (1, 2, 5, 10) if size * power >= rough * (1 - 1e-9)))
    return [number * step for number in range(math.ceil(highest / step - 1e-9) + 1)]


def spark(values: Sequence[float], *, height: int = 24) -> str:
    """The path of a sparkline in a box of WIDTH by `height`."""
    return _path(values, len(values), max([*values, 1]), height)


def place(index: int, count: int) -> float:
    """Where a point stands, as a share of the width in percent; one alone stands in the middle."""
    return 50.0 if count < 2 else round(100 * index / (count - 1), 2)


def short(value: float) -> str:
    """A number in four signs: `950`, `1.2k`, `40k`, `3M`."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return f"{value / size:.1f}".removesuffix(".0") + unit
    return f"{value:g}"


def _line(one: Series, count: int, top: float, height: int) -> Line:
    points = _points(one.values[:count], count, top, height)
    ground = ""
    if points and one.style == "area":
        ground = f"{_drawn(points)}L{_pixels(points[-1][0])} {height}L{_pixels(points[0][0])} {height}Z"
    if one.is_open and count > 1 and len(points) == count:
        return Line(one.name, one.style, _drawn(points[:-1]), ground, _drawn(points[-2:]))
    return Line(one.name, one.style, _drawn(points), ground)


def _path(values: Sequence[float], count: int, top: float, height: int) -> str:
    return _drawn(_points(values, count, top, height))


def _points(values: Sequence[float], count: int, top: float, height: int) -> list[tuple[float, float]]:
    """One value alone is a level line, so that it can be seen."""
    points = [(_across(index, count), height * (1 - value / top)) for index, value in enumerate(values)]
    if len(points) == 1 and count == 1:
        return [(0.0, points[0][1]), (float(WIDTH), points[0][1])]
    return points


def _drawn(points: Sequence[tuple[float, float]]) -> str:
    return "".join(f"{'L' if index else 'M'}{_pixels(x)} {_pixels(y)}" for index, (x, y) in enumerate(points))


def _across(index: int, count: int) -> float:
    return place(index, count) * WIDTH / 100


def _pixels(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


def _marks(labels: Sequence[str]) -> tuple[Mark, ...]:
    """The first, the last and between them evenly, as far as that leaves enough; equal neighbours (hours) once."""
    count = len(labels)
    if not count:
        return ()
    most = min(count, MOST_MARKS)
    shown = next((marks for marks in range(most, FEW_MARKS, -1) if (count - 1) % (marks - 1) == 0), most)
    chosen = sorted({round(step * (count - 1) / max(shown - 1, 1)) for step in range(shown)})
    return tuple(Mark(place(index, count), labels[index], _anchor(index, count)) for index in chosen)


def _anchor(index: int, count: int) -> str:
    if count > 1 and index == 0:
        return "start"
    return "end" if count > 1 and index == count - 1 else "middle"


def _spots(labels: Sequence[str], series: Sequence[Series]) -> tuple[Spot, ...]:
    count = len(labels)
    middles = [place(index, count) for index in range(count)]
    edges = [0.0, *((left + right) / 2 for left, right in pairwise(middles)), 100.0]
    return tuple(
        Spot(
            left=round(edges[index], 1),
            width=round(edges[index + 1] - edges[index], 1),
            label=label,
            values=tuple(one.values[index] for one in series if index < len(one.values)),
        )
        for index, label in enumerate(labels)
    )
