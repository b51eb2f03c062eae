"""Deals and salespeople in words: what the pages show of figures."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from site2crm.connectors import queries as connections
from site2crm.connectors.contract import Act
from site2crm.connectors.sales import Status
from site2crm.core.formats import number, plural
from site2crm.deals import feeds, filters
from site2crm.deals.progress import Part, Reading, Stand
from site2crm.deals.queries import Sum
from site2crm.deals.ranking import Ranking
from site2crm.deals.sums import Column, Total
from site2crm.kit import money

_UNTOLD = {Act.CALL: "calls", Act.EMAIL: "e-mails", Act.MEETING: "meetings"}
_STOPPED = {
    "paused": "It is paused: no deals are read until it is resumed.",
    "draining": "It is about to be paused: no deals are read until it is resumed.",
    "parked": "It has stopped: no deals are read until it is connected again.",
}
GROWS_S, STOPPED_S, RESTS_S = 5, 15, 60
"""So often what is shown of readings is asked for again: while one grows, is stopped or fails, and else."""


class Tile(Struct, frozen=True):
    label: str
    value: str
    hint: str
    href: str


class Notice(Struct, frozen=True):
    """Of the reading of one connection. `at`: the end of the sentence, where it is a moment."""

    crm: str
    connection: str
    tone: str
    icon: str
    text: str
    at: datetime | None


class Bar(Struct, frozen=True):
    """A stage of the pipeline."""

    label: str
    count: int
    text: str
    href: str


def amounts(sums: Sequence[Sum]) -> str:
    """`1,500 EUR, 300 USD`; empty for nothing."""
    return ", ".join(money.shown(sum.amount_minor, sum.currency) for sum in sums)


def about(sums: Sequence[Sum]) -> str:
    """Without cents: `87,006 EUR, 300 USD`."""
    return ", ".join(money.rounded(sum.amount_minor, sum.currency) for sum in sums)


def tiles(base: str, query: Mapping[str, str], totals: Mapping[str, Total]) -> list[Tile]:
    """Open, won and lost deals of what is in sight, and how many of the closed ones were won."""
    found = [
        Tile(
            label,
            f"{totals[status].count:,}",
            about(totals[status].sums) or "no amount",
            filters.address(base, query, status=status),
        )
        for label, status in (("Open", Status.OPEN), ("Won", Status.WON), ("Lost", Status.LOST))
    ]
    won, lost = totals[Status.WON].count, totals[Status.LOST].count
    rate = f"{100 * won / (won + lost):.0f} %" if won + lost else "–"
    return [*found, Tile("Won of those closed", rate, f"{won:,} of {won + lost:,}", "")]


def bars(base: str, query: Mapping[str, str], pipeline: str, columns: Sequence[Column]) -> list[Bar]:
    """Each stage leads to its deals. `pipeline`: as in the filter."""
    return [
        Bar(
            column.label,
            column.count,
            " · ".join(filter(None, (f"{column.count:,}", about(column.sums)))),
            filters.address(base, query, pipeline=pipeline, stage=column.stage or None, connection=None),
        )
        for column in columns
    ]


def untold(ranking: Ranking, crms: Mapping[str, str]) -> list[str]:
    """What a dash in the ranking means, one sentence for each CRM."""
    return [
        f"{crms.get(id, 'A CRM')} does not tell {_and([_UNTOLD[Act(act)] for act in acts])}."
        for id, acts in ranking.untold.items()
    ]


def notices(readings: Sequence[Reading]) -> list[Notice]:
    """What keeps deals from being read, and what cannot be read at all."""
    return [notice for reading in readings for notice in _notices(reading)]


def _notices(reading: Reading) -> Iterator[Notice]:
    of, at = (reading.name, reading.connection), reading.next_at
    if reading.is_stopped:
        so_far = f" So far: {far(reading)}." if reading.is_first and far(reading) else ""
        yield Notice(*of, "warn", "pause", f"{_STOPPED[reading.connection_state]}{so_far}", None)
    elif reading.fails:
        yield Notice(*of, "warn", "triangle-alert", f"{connections.sentence(reading.error)} It is tried again", at)
    elif reading.state is Stand.RESTING:
        text = "It pauses, as it does when the CRM's limit is reached, and goes on"
        yield Notice(*of, "info", "clock", text, at)
    elif reading.state is Stand.WAITING and not any(part.done for part in reading.parts):
        yield Notice(*of, "info", "clock", "It begins by itself, mostly within half a minute.", None)
    for part in reading.refused:
        text = f"{part.label} cannot be read: {connections.sentence(part.error)}"
        yield Notice(*of, "warn", "triangle-alert", text, None)


def far(reading: Reading) -> str:
    """How far a first reading is: `16,400 of 20,000 deals`; empty before anything is there, and when all is."""
    parts = [part for part in reading.parts if part.name != feeds.DIRECTORY and not part.error]
    begun = [part for part in parts if part.is_first and part.done] or [part for part in parts if part.done][-1:]
    if not reading.is_first or not begun:
        return ""
    done, total = begun[0].done, begun[0].total
    told = f"{number(min(done, total))} of {number(total)}" if total else number(done)
    return f"{told} {begun[0].label.lower()}"


def pace(part: Part) -> str:
    """`120 a second, 2 minutes left`; empty where it is not known."""
    if not part.is_first:
        return "all read"
    if not part.per_s:
        return ""
    left = f", {_time(part.left_s)} left" if part.left_s else ""
    return f"{number(part.per_s)} a second{left}" if part.per_s >= 1 else left.removeprefix(", ")


def of_readings(readings: Sequence[Reading]) -> dict[str, Any]:
    """What the templates of readings need."""
    told = notices(readings)
    refresh_s = GROWS_S if any(reading.grows for reading in readings) else STOPPED_S if told else RESTS_S
    return {"readings": readings, "notices": told, "pace": pace, "refresh_s": refresh_s}


def _time(seconds: float) -> str:
    size, name = (1, "second") if seconds < 90 else (60, "minute") if seconds < 5400 else (3600, "hour")
    return plural(max(1, round(seconds / size)), name)


def _and(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
