"""What is asked for, between the address bar and `queries`: the span, the filters, which requests count.

Every refusal names the field and what to write instead: a figure about something else than was asked for is a lie.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.analytics import periods
from site2crm.analytics.periods import Span
from site2crm.core.errors import FieldError, Invalid
from site2crm.core.eventstore.contract import DIMENSIONS, Bots, Interval, Question
from site2crm.forms import queries as forms
from site2crm.forms.errors import FormNotFound
from site2crm.leads.queries import COUNTED_BY
from site2crm.links import queries as links
from site2crm.links.errors import LinkNotFound

MOST_VALUES = 50
LONGEST_VALUE = 400
MOST_ROWS = 1_000
ROWS = 10
NO_FORM = "A click belongs to a link, not to a form: leave `form` out, or ask for leads."

Query = Mapping[str, Sequence[str]]
"""As in the address: each name with all its values."""


class Metric(StrEnum):
    CLICKS = "clicks"
    VISITORS = "visitors"
    LEADS = "leads"
    CONVERSION = "conversion"

    @property
    def of_leads(self) -> bool:
        return self in {Metric.LEADS, Metric.CONVERSION}

    @property
    def of_clicks(self) -> bool:
        return self is not Metric.LEADS


class Ask(Struct, frozen=True, kw_only=True):
    """What a figure is about. `where`: dimension -> values, any of which fits."""

    org_id: str
    span: Span
    where: dict[str, tuple[str, ...]] = {}
    bots: Bots = Bots.EXCLUDE

    def question(self, span: Span, *, with_visitors: bool = True) -> Question:
        """The same of the event store, about this span of it."""
        return Question(
            org=self.org_id,
            start=span.start,
            end=span.end,
            bots=self.bots,
            where=self.where,
            with_visitors=with_visitors,
        )

    @property
    def knows_clicks(self) -> bool:
        return "form" not in self.where

    @property
    def knows_leads(self) -> bool:
        return set(self.where) <= set(COUNTED_BY)


def one(query: Query, name: str) -> str:
    """The last value wins, as everywhere in the product."""
    return query[name][-1].strip() if query.get(name) else ""


def filters(query: Query) -> dict[str, tuple[str, ...]]:
    """The dimensions that the address names. A name without a value is a filter for events without one."""
    found = {}
    for name in DIMENSIONS:
        values = tuple(dict.fromkeys(value.strip() for value in query.get(name, ())))
        if len(values) > MOST_VALUES:
            raise Invalid.field(name, f"At most {MOST_VALUES} values at once.")
        if any(len(value) > LONGEST_VALUE or "\x00" in value for value in values):
            raise Invalid.field(name, f"At most {LONGEST_VALUE} characters, without null bytes.")
        if values:
            found[name] = values
    return found


def known_only(query: Query, also: Sequence[str]) -> None:
    """A misspelt filter would count everything: it is refused."""
    known = {*DIMENSIONS, *also}
    unknown = [name for name in query if name not in known]
    if unknown:
        text = f"There is no parameter of this name. Known: {', '.join(sorted(known))}."
        raise Invalid(text, errors=[FieldError(name[:LONGEST_VALUE], text) for name in unknown[:MOST_VALUES]])


def metric(text: str) -> Metric:
    return Metric(_choice("metric", text, tuple(Metric)))


def bots(text: str) -> Bots:
    return Bots(_choice("bots", text, tuple(Bots)))


def interval(text: str, span: Span) -> Interval:
    chosen = Interval(_choice("interval", text, tuple(Interval))) if text else span.interval
    periods.edges(span, chosen)
    return chosen


def dimension(text: str, asked: Metric) -> str:
    """Raises Invalid for one that does not exist, or that leads are not known by."""
    chosen = _choice("dimension", text, DIMENSIONS)
    if asked.of_leads and chosen not in COUNTED_BY:
        raise Invalid.field("dimension", f"Leads are known by: {', '.join(COUNTED_BY)}.")
    if asked.of_clicks and chosen == "form":
        raise Invalid.field("dimension", NO_FORM)
    return chosen


def limit(number: int | None) -> int:
    if number is not None and not 1 <= number <= MOST_ROWS:
        raise Invalid.field("limit", f"Between 1 and {MOST_ROWS:,}.")
    return ROWS if number is None else number


def fits(ask: Ask, asked: Metric) -> None:
    """Raises Invalid for a filter by something that the metric does not know."""
    if asked.of_clicks and not ask.knows_clicks:
        raise Invalid.field("form", NO_FORM)
    if asked.of_leads and not ask.knows_leads:
        name = next(name for name in ask.where if name not in COUNTED_BY)
        raise Invalid.field(
            name, f"Leads are known by: {', '.join(COUNTED_BY)}. Leave `{name}` out, or ask for clicks."
        )


async def exist(session: AsyncSession, org_id: str, where: Mapping[str, Sequence[str]]) -> None:
    """Raises NotFound for a link or form that this org does not have."""
    if wanted := {value for value in where.get("link", ()) if value}:
        found = await links.by_ids(session, org_id, sorted(wanted))
        if wanted - set(found):
            raise LinkNotFound
    if (wanted := {value for value in where.get("form", ()) if value}) and wanted - set(
        await forms.names(session, org_id)
    ):
        raise FormNotFound


def _choice(name: str, text: str, known: Sequence[str]) -> str:
    if text not in known:
        raise Invalid.field(name, f"One of: {', '.join(known)}.")
    return text
