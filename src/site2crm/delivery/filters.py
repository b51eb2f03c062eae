"""What the list of deliveries was asked for, between the address bar and `queries`."""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from site2crm.core import formats, inputs
from site2crm.core.errors import Invalid
from site2crm.delivery.queries import ALL_WAITING, Wanted
from site2crm.delivery.states import WAITING, State, shown

NAMES = ("state", "connection", "form", "lead", "code", "from", "to")
TABS = (("All", ""), ("Waiting", ALL_WAITING), ("Delivered", State.DELIVERED), ("Refused", State.DEAD),
        ("Skipped", State.SKIPPED))  # fmt: skip
_CHIPS = {"connection": "CRM", "form": "Form", "lead": "Lead", "code": "Error", "from": "From", "to": "To"}


def of_query(query: Mapping[str, str], *, zone: str) -> Wanted:
    """Dates are days of the org's zone, `to` is the last one."""
    return Wanted(
        state=query.get("state", "").strip(),
        connection=query.get("connection", "").strip(),
        form=query.get("form", "").strip(),
        lead=query.get("lead", "").strip(),
        code=query.get("code", "").strip(),
        since=_day("from", query.get("from", ""), zone=zone),
        until=_day("to", query.get("to", ""), zone=zone, later=1),
        as_of=_moment("as_of", query.get("as_of", "")),
    )


def address(base: str, query: Mapping[str, str], **changed: str | None) -> str:
    """The list with these filters; None drops one. A changed filter begins at the first page."""
    kept: dict[str, str | None] = {name: query[name] for name in NAMES if query.get(name)}
    return formats.query(base, **{**kept, **changed})


def chips(base: str, query: Mapping[str, str], names: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """(label, value, address without it) of every filter that is set; `names` of CRMs, forms and leads by id."""
    found = [
        (label, names.get(query[name], query[name]), address(base, query, **{name: None}))
        for name, label in _CHIPS.items()
        if query.get(name)
    ]
    state = query.get("state", "")
    if state in WAITING:
        found.insert(0, ("State", shown(state), address(base, query, state=None)))
    return found


def tabs(base: str, query: Mapping[str, str], counts: Mapping[str, int]) -> list[tuple[str, str, bool, int | None]]:
    """(label, address, is current, count) of each state; a state in which it waits stands for all of them."""
    here = ALL_WAITING if query.get("state") in WAITING else query.get("state", "")
    shown = {**counts, ALL_WAITING: sum(counts.get(state, 0) for state in WAITING)}
    return [
        (label, address(base, query, state=state or None), state == here, shown.get(state) or None)
        for label, state in TABS
    ]


def _day(field: str, text: str, *, zone: str, later: int = 0) -> datetime | None:
    if not text.strip():
        return None
    try:
        day = datetime.strptime(text.strip(), "%Y-%m-%d").replace(tzinfo=UTC).date() + timedelta(days=later)
        return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Invalid.field(field, "A day such as 2026-11-21.") from error


def _moment(field: str, text: str) -> datetime | None:
    try:
        return inputs.aware(field, datetime.fromisoformat(text.strip()) if text.strip() else None)
    except ValueError as error:
        raise Invalid.field(field, "A moment such as 2026-11-21T10:00:00+00:00.") from error
