"""Figures as CSV, in the columns of the API."""

from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

from litestar import Response

from site2crm.analytics.queries import Figure, Moment, Portion
from site2crm.kit import csv

VALUES = ("value", "visitors", "clicks", "leads")


def over_time(now: Sequence[Moment], before: Sequence[Moment], zone: str) -> Iterable[str]:
    """A line for each interval, on the clock of the zone, with the value of the same place in the period before."""
    names = _used(now)
    earlier: list[Moment | None] = [*before[: len(now)], *[None] * (len(now) - len(before))]
    return csv.lines(
        ["at", *names, "previous_value"],
        (
            [each.at.astimezone(ZoneInfo(zone)).isoformat(), *_values(each, names), _text(past.value if past else None)]
            for each, past in zip(now, earlier, strict=True)
        ),
    )


def by(portions: Sequence[tuple[Portion, str]], dimension: str) -> Iterable[str]:
    """A line for each value of the dimension, with its name."""
    names = _used([portion for portion, _ in portions])
    return csv.lines(
        [dimension, "label", *names],
        ([portion.key, label, *_values(portion, names)] for portion, label in portions),
    )


def total(metric: str, now: Figure, before: Figure) -> Iterable[str]:
    """One line for this period, one for the one before."""
    names = _used([now])
    rows = (("now", now), ("previous", before))
    return csv.lines(["metric", "period", *names], ([metric, name, *_values(each, names)] for name, each in rows))


def download(lines: Iterable[str], name: str) -> Response[bytes]:
    """All at once: a table of figures is short."""
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "no-store"}
    return Response("".join(lines).encode(), media_type="text/csv", headers=headers)


def _used(rows: Sequence[Figure | Moment | Portion]) -> list[str]:
    return [name for name in VALUES if name == "value" or any(getattr(row, name) is not None for row in rows)]


def _values(row: Figure | Moment | Portion, names: Sequence[str]) -> list[str]:
    return [_text(getattr(row, name)) for name in names]


def _text(value: float | int | None) -> str:
    return "" if value is None else str(value)
