"""What a page of figures was asked for: the period, the filters, and the addresses that change one of them."""

from collections.abc import Mapping
from urllib.parse import urlencode

from msgspec import Struct

from site2crm.analytics import asking, periods, words
from site2crm.analytics.asking import Ask, Query
from site2crm.analytics.periods import Span
from site2crm.core.access import OrgRef
from site2crm.core.errors import Invalid
from site2crm.core.eventstore.contract import DIMENSIONS

LABELS = {"today": "Today", "7d": "7 d", "30d": "30 d", "90d": "90 d"}
PERIOD = ("period", "from", "to")


class Chip(Struct, frozen=True):
    label: str
    value: str
    remove: str


class View(Struct, frozen=True, kw_only=True):
    """`ask` is what to count, the rest is for the controls. Everything else in the address is left as it is."""

    ask: Ask
    base: str
    """The page's own path."""
    kept: dict[str, tuple[str, ...]]
    """What of the address belongs to this view."""
    period: str
    """The name of the preset, or "" for chosen days."""

    @property
    def here(self) -> str:
        return self.address()

    def address(self, path: str = "", /, **changed: str | None) -> str:
        """This view with something changed (`from_` is `from`); None takes it away. `path`: of another page."""
        given = {name.rstrip("_"): value for name, value in changed.items()}
        pairs = [(name, value) for name, values in self.kept.items() if name not in given for value in values]
        pairs += [(name, value) for name, value in given.items() if value is not None]
        return (path or self.base) + (f"?{urlencode(pairs)}" if pairs else "")

    def only(self, **wanted: str) -> str:
        """This view of what has these values alone, in place of others that it was filtered by."""
        return self.address(**wanted)

    @property
    def segments(self) -> list[tuple[str, str, bool]]:
        return [
            (label, self.address(period=name, from_=None, to=None), name == self.period)
            for name, label in LABELS.items()
        ]

    @property
    def hidden(self) -> list[tuple[str, str]]:
        """What a form for other days has to carry along."""
        return [(name, value) for name, values in self.kept.items() if name not in PERIOD for value in values]

    def one(self, name: str) -> str:
        return asking.one(self.kept, name)

    def chips(self, names: Mapping[str, str]) -> list[Chip]:
        """Every filter that can be taken away, and days that were chosen, each with the address without it."""
        found = []
        if not self.period:
            text = " – ".join(part for part in (self.one("from"), self.one("to") or "now") if part)
            found.append(Chip("Dates", text, self.address(from_=None, to=None)))
        for name in [name for name in self.kept if name not in PERIOD]:
            text = ", ".join(words.label(name, value, names) for value in self.kept[name])
            found.append(Chip(words.DIMENSIONS[name], text, self.address(**{name: None})))
        return found


def of_query(query: Query, org: OrgRef, *, base: str, where: Mapping[str, tuple[str, ...]] | None = None) -> View:
    """Raises Invalid. `where`: filters that the page itself stands for."""
    chosen = {**asking.filters(query), **(where or {})}
    own = {name: values for name, values in chosen.items() if name not in (where or {})}
    span, period = _span(query, org.time_zone)
    kept = {name: (value,) for name in PERIOD if (value := asking.one(query, name))} | own
    return View(ask=Ask(org_id=org.id, span=periods.clipped(span), where=chosen), base=base, kept=kept, period=period)


def _span(query: Query, zone: str) -> tuple[Span, str]:
    since, until = asking.one(query, "from"), asking.one(query, "to")
    if since or until:
        return periods.between(since, until, zone), ""
    name = asking.one(query, "period") or periods.DEFAULT
    if name not in periods.PRESETS:
        raise Invalid.field("period", f"One of: {', '.join(periods.PRESETS)}.")
    return periods.preset(name, zone), name


assert set(words.DIMENSIONS) == set(DIMENSIONS)
