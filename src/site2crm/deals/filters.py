"""What the list of deals was asked for, between the address bar and `queries`."""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from site2crm.connectors.sales import Status
from site2crm.core import formats
from site2crm.core.errors import Invalid
from site2crm.deals.queries import Wanted
from site2crm.kit import clock

NAMES = ("q", "connection", "pipeline", "stage", "owner", "status", "lead", "from", "to")
TABS = (("All", ""), ("Open", Status.OPEN), ("Won", Status.WON), ("Lost", Status.LOST), ("Deleted", Status.DELETED))
PERIODS = {"7d": 7, "30d": 30, "90d": 90, "365d": 365}
"""Of the ranking: so many days, today included."""
USUAL = "30d"
_CHIPS = {"q": "Search", "connection": "CRM", "pipeline": "Pipeline", "stage": "Stage", "owner": "Owner",
          "lead": "Lead", "from": "From", "to": "To"}  # fmt: skip


def of_query(query: Mapping[str, str], *, zone: str) -> Wanted:
    """Dates are days of the org's zone, `to` is the last one. A pipeline and an owner name their CRM too."""
    connection, pipeline = _pair(query.get("pipeline", ""))
    other, owner = _pair(query.get("owner", ""))
    return Wanted(
        connection=connection or other or query.get("connection", "").strip(),
        pipeline=pipeline,
        stage=query.get("stage", "").strip(),
        owner=owner,
        status=query.get("status", "").strip(),
        search=query.get("q", "").strip(),
        since=_day("from", query.get("from", ""), zone=zone),
        until=_day("to", query.get("to", ""), zone=zone, later=1),
        lead=query.get("lead", "").strip(),
    )


def without_stage(wanted: Wanted) -> Wanted:
    """For the pipeline itself: each of its stages stands for the list of it."""
    return replace(wanted, stage="", status="")


def address(base: str, query: Mapping[str, str], **changed: str | None) -> str:
    """The list with these filters; None drops one. A changed filter begins at the first page."""
    kept: dict[str, str | None] = {name: query[name] for name in NAMES if query.get(name)}
    return formats.query(base, **{**kept, **changed})


def chips(base: str, query: Mapping[str, str], names: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """(label, value, address without it) of every filter that is set; `names` of what has an id."""
    return [
        (label, names.get(query[name], query[name]), address(base, query, **{name: None}))
        for name, label in _CHIPS.items()
        if query.get(name)
    ]


def day_chips(base: str, query: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """As `chips`, of the days of the ranking: while there are any, they count and the period does not."""
    kept = {name: query.get(name) for name in ("period", "connection", "from", "to")}
    days = {name: kept[name] or "" for name in ("from", "to") if kept[name]}
    return [(name.title(), day, formats.query(base, **{**kept, name: None})) for name, day in days.items()]


def tabs(base: str, query: Mapping[str, str], *, with_deleted: bool) -> list[tuple[str, str, bool]]:
    """(label, address, is current) of each status."""
    here = query.get("status", "")
    return [
        (label, address(base, query, status=status or None), status == here)
        for label, status in TABS
        if status != Status.DELETED or with_deleted or here == status
    ]


def period(query: Mapping[str, str], *, zone: str) -> tuple[datetime, datetime]:
    """[since, until) of the ranking: `period`, or `from` and `to`."""
    since, until = _day("from", query.get("from", ""), zone=zone), _day("to", query.get("to", ""), zone=zone, later=1)
    today = clock.now().astimezone(ZoneInfo(zone)).date()
    end = until or datetime.combine(today + timedelta(days=1), time(), ZoneInfo(zone)).astimezone(UTC)
    if since is None:
        name = query.get("period", "") or USUAL
        if name not in PERIODS:
            raise Invalid.field("period", f"One of: {', '.join(PERIODS)}; or `from` and `to`.")
        since = end - min(timedelta(days=PERIODS[name]), end - datetime.min.replace(tzinfo=UTC))
    if since >= end:
        raise Invalid.field("to", "The last day is before the first one.")
    return since, end


def _pair(text: str) -> tuple[str, str]:
    connection, _, id = text.strip().partition(":")
    return (connection, id) if id else ("", "")


def _day(field: str, text: str, *, zone: str, later: int = 0) -> datetime | None:
    if not text.strip():
        return None
    try:
        day = datetime.strptime(text.strip(), "%Y-%m-%d").replace(tzinfo=UTC).date() + timedelta(days=later)
        return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Invalid.field(field, "A day such as 2026-11-21.") from error
