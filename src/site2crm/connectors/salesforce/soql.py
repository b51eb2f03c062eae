"""Pieces of SOQL, each value escaped (crm/salesforce.md 4.1). Pure."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"})
_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")


def select(columns: Sequence[str], table: str, *clauses: str) -> str:
    return " ".join(("SELECT", ", ".join(columns), "FROM", table, *filter(None, clauses)))


def text(value: str) -> str:
    return f"'{value.translate(_ESCAPES)}'"


def moment(value: datetime) -> str:
    """Not quoted, whole seconds, and Z: a plus sign would be read as a space."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def among(name: str, values: Iterable[str]) -> str:
    """`Email IN ('a', 'b')`, without doubles; "" for no values."""
    listed = ", ".join(text(value) for value in dict.fromkeys(values))
    return f"{name} IN ({listed})" if listed else ""


def is_id(value: str) -> bool:
    """Anything else in a comparison of ids makes the whole query invalid."""
    return _ID.fullmatch(value) is not None


def either(*tests: str) -> str:
    return " OR ".join(test for test in tests if test)
