"""What a row of a mapping can never put into a property, told before a lead comes. Pure."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from site2crm.connectors import sources
from site2crm.connectors.coercion import fit, wanted
from site2crm.connectors.contract import FieldDef
from site2crm.connectors.mapping import Row, Transform
from site2crm.connectors.sources import CONSTANT, TEMPLATE
from site2crm.kit import clock

CHOOSE = "Choose one that the CRM has, in the mapping."
REWRITE = "Write one that fits in the mapping, or choose another property."
ELSEWHERE = "Map the field to a property that takes text, or another field to this one."

_URL, _NAME = "https://www.example.com/", "Ada"
_TYPICAL = {
    "email": "ada@example.com",
    **dict.fromkeys(("first_name", "last_name", "name"), _NAME),
    **dict.fromkeys(("page_url", "landing_url", "referrer", "short_url"), _URL),
}
"""What such a field looks like, whoever fills in the form."""


class Fault(NamedTuple):
    text: str
    cure: str


def faults(row: Row, field: FieldDef) -> Iterator[Fault]:
    """Values that stand in the row itself, and fields whose values are never what the property takes."""
    for value in _fixed(row):
        _, problem = fit(value, field)
        if problem:
            yield Fault(problem, CHOOSE if field.choices else REWRITE)
    if row.transform is not Transform.VALUE_MAP:
        for source in (row.source, *row.otherwise):
            if (typical := _typical(source, field)) and fit(typical, field)[1]:
                yield Fault(f"{sources.label_of(source)} is never {wanted(field)}.", ELSEWHERE)


def _fixed(row: Row) -> list[str]:
    head, _, text = row.source.partition(":")
    return [value for value in ([text] if head == CONSTANT else []) + [row.default, *row.value_map.values()] if value]


def _typical(source: str, field: FieldDef) -> str | datetime:
    """ "" for a field that may hold anything."""
    head, _, text = source.partition(":")
    if head == TEMPLATE:
        return sources.filled_with("1", text) if field.type in ("number", "money") else ""
    if source == "submitted_at":
        return clock.now()
    return _TYPICAL.get(source.removeprefix("first.").removeprefix("last."), "")
