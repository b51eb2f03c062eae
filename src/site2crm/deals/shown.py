"""Deals and salespeople in words: what the pages show of figures."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from site2crm.connectors.contract import Act
from site2crm.connectors.sales import Status
from site2crm.deals import filters
from site2crm.deals.queries import Sum
from site2crm.deals.ranking import Ranking
from site2crm.deals.sums import Column, Total
from site2crm.deals.timeline import Reading
from site2crm.kit import money

_UNTOLD = {Act.CALL: "calls", Act.EMAIL: "e-mails", Act.MEETING: "meetings"}


class Tile(Struct, frozen=True):
    label: str
    value: str
    hint: str
    href: str


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


def refusals(readings: Sequence[Reading]) -> list[tuple[str, str]]:
    """(CRM, sentence) of what cannot be read, each once."""
    found: dict[tuple[str, str], None] = {}
    for reading in readings:
        if reading.error:
            found[reading.name, reading.error] = None
        for part in reading.refused:
            found[reading.name, f"{part.label} cannot be read: {part.error}"] = None
    return list(found)


def _and(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
