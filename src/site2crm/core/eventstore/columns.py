"""Rows as NumPy columns and back: what makes an append cost microseconds a row instead of a millisecond."""

import hashlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import astuple, fields

from site2crm.core import heavy
from site2crm.core.eventstore.contract import Event
from site2crm.core.eventstore.names import Names
from site2crm.core.eventstore.schema import COLUMNS, NUMBERED, PERSON, SAMPLED_BELOW, SLOT_S, TEXTS

_FIELDS = [field.name for field in fields(Event)]
_DTYPES = {"UINTEGER": "uint32", "UTINYINT": "uint8"}


def of(rows: Sequence[Event], names: Names) -> dict[str, Any]:
    """Column -> array, in the order of the table."""
    numpy = heavy.numpy()
    by_field = dict(zip(_FIELDS, zip(*map(astuple, rows), strict=True), strict=True))
    seconds = [at.timestamp() for at in by_field["ts"]]
    columns = {
        "ts": numpy.array([round(at * 1_000_000) for at in seconds], dtype="int64").view("datetime64[us]"),
        "slot": numpy.array([at // SLOT_S for at in seconds]).astype("uint32"),
        "visitor": numpy.array([visitor_number(text) for text in by_field["visitor"]], dtype="uint64"),
        "value": numpy.array(by_field["value"], dtype="int64"),
    }
    for col, kind in NUMBERED.items():
        columns[col] = numpy.array(names.numbers(col, by_field[col]), dtype=_DTYPES[kind])
    for col in TEXTS:
        columns[col] = numpy.array(by_field[col], dtype=object)
        time.sleep(0)  # redirects go first
    return {name: columns[name] for name in COLUMNS}


def parts(arrived: dict[str, Any]) -> list[str]:
    """The tables that get any of these rows: each INSERT costs milliseconds, however few rows it has."""
    people, visitor = arrived["bot"] == PERSON, arrived["visitor"]
    rows = {"people": people, "machines": ~people, "sample": (visitor > 0) & (visitor < SAMPLED_BELOW)}
    return [part for part, chosen in rows.items() if chosen.any()]


def event(row: Sequence[Any], names: Names) -> Event:
    """A row of the table, its columns in their order."""
    values = dict(zip(COLUMNS, row, strict=True))
    del values["slot"]
    at: datetime = values.pop("ts")
    values |= {col: names.text(col, values[col]) for col in NUMBERED}
    values["visitor"] = visitor_text(values["visitor"])
    return Event(ts=at.replace(tzinfo=UTC), **values)


def visitor_number(text: str) -> int:
    """16 hex digits are a number already; nothing is 0."""
    if not text:
        return 0
    try:
        number = int(text, 16) if len(text) == 16 else -1
    except ValueError:
        number = -1
    return number if number >= 0 else int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def visitor_text(number: int) -> str:
    return f"{number:016x}" if number else ""
