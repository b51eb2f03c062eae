"""The large numbers at the top, each against the period before, and the lines of top lists."""

from msgspec import Struct

from site2crm.analytics import queries, words

Pair = tuple[float, float]
"""In this period, in the one before."""
Sent = tuple[tuple[int, int], tuple[int, int]]
"""Deliveries that were made and that arrived: in this period, in the one before."""


class Tile(Struct, frozen=True):
    label: str
    value: str
    hint: str = ""
    delta: str = ""
    tone: str = ""
    href: str = ""


class Row(Struct, frozen=True):
    """A line of a top list. `href`: the same page for this alone; `page`: of the thing itself."""

    label: str
    value: float
    text: str = ""
    href: str = ""
    page: str = ""


def counts(label: str, pair: Pair | None, *, href: str = "") -> Tile:
    """None: it is not known under these filters, or not now."""
    if pair is None:
        return Tile(label, "–", "not known here", href=href)
    delta, tone = words.change(*pair)
    return Tile(label, f"{pair[0]:,.0f}", f"{pair[1]:,.0f} before", delta, tone, href)


def conversion(brought: tuple[int, int] | None, clicks: Pair | None) -> Tile:
    """Leads with a click by clicks."""
    if brought is None or clicks is None:
        return Tile("Conversion", "–", "not known here")
    now, before = queries.rate(brought[0], clicks[0]), queries.rate(brought[1], clicks[1])
    return Tile("Conversion", words.percent(now), f"{brought[0]:,} with a click", *words.points(now, before))


def delivered(sent: Sent, href: str) -> Tile:
    (made, arrived), (_, arrived_before) = sent
    hint = f"{words.percent(arrived / made)} of {made:,}" if made else "nothing was sent"
    return Tile("Delivered to CRM", f"{arrived:,}", hint, *words.change(arrived, arrived_before), href)
