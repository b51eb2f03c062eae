"""Questions in ClickHouse's SQL. Names of columns come from our own list, values travel beside the statement."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from site2crm.core.eventstore import asking
from site2crm.core.eventstore.clickhouse_line import Value
from site2crm.core.eventstore.clickhouse_schema import TABLE
from site2crm.core.eventstore.contract import Bots, Question

VALUE = "count()"
VISITORS = "least(uniqIf(visitor, visitor > 0), count())"
"""As exact as 32 bits of a hash are up to 65,536 different ones, then within half a percent."""
MOMENT = "DateTime64(6, 'UTC')"

_BOTS = {Bots.EXCLUDE: " AND bot = ''", Bots.ONLY: " AND bot != ''", Bots.ALL: ""}
_EARLIEST, _LATEST = datetime(1971, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""Beyond them no event is, and the type soon ends."""


class Where(NamedTuple):
    """A condition and its parameters."""

    sql: str
    values: Mapping[str, Value]

    @property
    def events(self) -> str:
        """What follows FROM."""
        return f"{TABLE} WHERE {self.sql}"

    def also(self, sql: str, **values: Value) -> "Where":
        return Where(f"{self.sql} AND {sql}", {**self.values, **values})


def where(question: Question) -> Where | None:
    """None: no event can fit."""
    for dimension in question.where:
        asking.column(dimension)
    if question.start >= question.end or not asking.is_text(question.org):
        return None
    found: Where | None = Where(
        f"org = {{org:String}} AND kind = {{kind:String}} AND ts >= {{start:{MOMENT}}} AND ts < {{end:{MOMENT}}}"
        f"{_BOTS[question.bots]}",
        {
            "org": question.org,
            "kind": question.kind,
            "start": _within(question.start),
            "end": _within(question.end),
        },
    )
    for dimension, values in question.where.items():
        if found is not None:
            found = only(found, dimension, values, parameter=f"only_{dimension}")
    return found


def only(found: Where, dimension: str, values: Sequence[str], *, parameter: str) -> Where | None:
    """Those with one of these values; None if no row can have one."""
    known = [value for value in values if asking.is_text(value)]
    if not known:
        return None
    return found.also(f"{asking.column(dimension)} IN {{{parameter}:Array(String)}}", **{parameter: known})


def figures(question: Question) -> str:
    """What is counted, as columns."""
    return f"{VALUE} AS events, {VISITORS if question.with_visitors else '0'} AS people"


def _within(at: datetime) -> datetime:
    return min(max(at, _EARLIEST), _LATEST)
