"""Questions as SQL. Names of columns come from our own list, values travel as parameters."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from site2crm.core.errors import Invalid
from site2crm.core.eventstore.contract import DIMENSIONS, Bots, Question
from site2crm.core.eventstore.names import Names
from site2crm.core.eventstore.schema import NUMBERED, PERSON


class Where(NamedTuple):
    """A condition and its parameters, for the tables of those whom it is about."""

    bots: Bots
    sql: str
    values: tuple[Any, ...]

    @property
    def events(self) -> str:
        """What follows FROM."""
        return f"{_EVENTS[self.bots]} WHERE {self.sql}"

    @property
    def sample(self) -> str:
        """The same of one visitor in sixteen."""
        return f"sample WHERE {self.sql}{_OF_SAMPLE[self.bots]}"

    def also(self, sql: str, *values: Any) -> "Where":
        return Where(self.bots, f"{self.sql} AND {sql}", (*self.values, *values))


def where(question: Question, names: Names) -> Where | None:
    """None: no event can fit, as nobody has ever seen such an org, kind or reason."""
    for dimension in question.where:
        column(dimension)
    org, kind = names.find("org", question.org), names.find("kind", question.kind)
    if org is None or kind is None or question.start >= question.end:
        return None
    sql = f"org = {org} AND kind = {kind} AND ts >= ? AND ts < ?"
    found: Where | None = Where(question.bots, sql, (naive(question.start), naive(question.end)))
    for dimension, values in question.where.items():
        if found is not None:
            found = only(found, dimension, values, names)
    return found


def only(found: Where, dimension: str, values: Sequence[str], names: Names) -> Where | None:
    """Those with one of these values."""
    known = stored(dimension, values, names)
    if not known:
        return None
    return found.also(*among(dimension, known))


def among(dimension: str, values: Sequence[Any]) -> tuple[Any, ...]:
    """SQL and its parameters. Our own numbers are written out: fifty of them cost half of fifty parameters."""
    if dimension in NUMBERED:
        return (f"{column(dimension)} IN ({', '.join(str(int(code)) for code in values)})",)
    return f"{column(dimension)} IN ({', '.join('?' * len(values))})", *values


def column(dimension: str) -> str:
    if dimension not in DIMENSIONS:
        raise Invalid.field("dimension", f"There is no such dimension. Known are {', '.join(DIMENSIONS)}.")
    return dimension


def stored(dimension: str, values: Sequence[str], names: Names) -> list[Any]:
    """The values as the column has them, without those that no row can have."""
    if dimension in NUMBERED:
        return [code for value in values if (code := names.find(dimension, value)) is not None]
    return [value for value in values if is_text(value)]


def shown(dimension: str, value: Any, names: Names) -> str:
    return names.text(dimension, value) if dimension in NUMBERED else str(value)


def naive(at: datetime) -> datetime:
    """As the table has it: UTC, without saying so."""
    return at.astimezone(UTC).replace(tzinfo=None)


_EVENTS = {Bots.EXCLUDE: "people", Bots.ONLY: "machines", Bots.ALL: "events"}
_OF_SAMPLE = {Bots.EXCLUDE: f" AND bot = {PERSON}", Bots.ONLY: f" AND bot <> {PERSON}", Bots.ALL: ""}


def is_text(value: str) -> bool:
    """Half a character, from a percent-encoded address, is in no row; the database would refuse to look for it."""
    return not any("\ud800" <= char <= "\udfff" for char in value)
