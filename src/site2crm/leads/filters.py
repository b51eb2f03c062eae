"""What a list was asked for, between the address bar and `finding`."""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from site2crm.core import formats
from site2crm.core.errors import Invalid
from site2crm.leads.finding import Wanted

NAMES = ("q", "email", "form", "link", "utm_source", "status", "from", "to", "sort")
CHIPS = {"email": "E-mail", "form": "Form", "link": "Link", "utm_source": "Source", "from": "From", "to": "To"}


def of_query(query: Mapping[str, str], *, zone: str = "UTC", sort: str = "created") -> Wanted:
    """Dates are days of the org's zone, `to` is the last one; moments are taken as they are."""
    return Wanted(
        q=query.get("q", "").strip(),
        email=query.get("email", "").strip(),
        form=query.get("form", "").strip(),
        link=query.get("link", "").strip(),
        source=query.get("utm_source", "").strip(),
        status=query.get("status", "").strip(),
        since=moment("from", query.get("from", ""), zone=zone),
        until=moment("to", query.get("to", ""), zone=zone, is_end=True),
        sort=query.get("sort", "") or sort,
    )


def moment(field: str, text: str, *, zone: str = "UTC", is_end: bool = False) -> datetime | None:
    """A day or a moment. Raises Invalid for anything else."""
    if not text.strip():
        return None
    try:
        at = datetime.fromisoformat(text.strip())
        if len(text.strip()) <= len("2026-11-21"):
            at = datetime.combine(at.date() + timedelta(days=is_end), time(), ZoneInfo(zone))
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Invalid.field(field, "A day such as 2026-11-21 or a moment such as 2026-11-21T14:00:00Z.") from error


def address(base: str, query: Mapping[str, str], **changed: str | None) -> str:
    """The list with these filters; None drops one. A changed filter begins at the first page."""
    kept = {name: query[name] for name in NAMES if query.get(name)}
    return formats.query(base, **{**kept, **changed})


def chips(base: str, query: Mapping[str, str], names: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """(label, value, address without it) of every filter that is set. `names`: of the forms and links, by id."""
    found = []
    for name, label in CHIPS.items():
        if value := query.get(name, ""):
            shown = names.get(value, value) if name in {"form", "link"} else value
            found.append((label, shown, address(base, query, **{name: None})))
    return found
