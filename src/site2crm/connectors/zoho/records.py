"""Zoho's users, pipelines, deals and activities in plain terms (crm/zoho.md 6 and 7)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from site2crm.connectors.contract import Act
from site2crm.connectors.sales import Activity, Deal, Money, Owner, Pipeline, Stage, Status
from site2crm.connectors.wire import whole
from site2crm.connectors.zoho.answers import Item
from site2crm.connectors.zoho.client import link_of, moment
from site2crm.kit import clock

_STATUS = {"closed won": Status.WON, "closed lost": Status.LOST, "open": Status.OPEN}
_DAWN = datetime(1970, 1, 1, tzinfo=UTC)


class Stages:
    """What a deal in a stage is: only the stage's `forecast_type` tells. Deals name stages by value or by label."""

    def __init__(self, pipelines: Sequence[Pipeline]) -> None:
        self._stages: dict[tuple[str, str], Stage] = {}
        self._pipelines: dict[str, str] = {}
        for pipeline in pipelines:
            self._pipelines |= {pipeline.label: pipeline.id, pipeline.id: pipeline.id}
            for stage in pipeline.stages:
                for place in (pipeline.id, ""):
                    self._stages.setdefault((place, stage.label), stage)
                    self._stages.setdefault((place, stage.id), stage)

    def of(self, row: Item) -> tuple[str | None, str | None, Status]:
        """The pipeline, the stage, and what that makes of the deal."""
        said, name = _text(row.get("Pipeline")), _text(row.get("Stage"))
        pipeline = self._pipelines.get(said, said) if said else None
        stage = self._stages.get((pipeline or "", name or "")) or self._stages.get(("", name or ""))
        if stage is None:
            return pipeline, name, Status.OPEN
        return pipeline, stage.id, stage.status or Status.OPEN


def owner(row: Item) -> Owner:
    name = row.get("full_name") or " ".join(filter(None, (_text(row.get("first_name")), _text(row.get("last_name")))))
    return Owner(str(row.get("id")), str(name or row.get("email") or ""), _text(row.get("email")),
                 row.get("status") == "active")  # fmt: skip


def pipeline(row: Item) -> Pipeline:
    """By the value that deals carry: it stays when somebody changes the label."""
    maps = row.get("maps")
    listed = [one for one in maps if isinstance(one, dict)] if isinstance(maps, list) else []
    listed.sort(key=lambda one: whole(one.get("sequence_number")) or 0)
    stages = [
        Stage(str(one.get("actual_value")), str(one.get("display_value")), number, status_of(one))
        for number, one in enumerate(listed)
    ]
    return Pipeline(str(row.get("actual_value")), str(row.get("display_value")), stages)


def status_of(stage: Mapping[str, object]) -> Status | None:
    """Where Zoho gives no forecast, its own two names for the end of a deal do."""
    told = _text(stage.get("forecast_type"))
    return _STATUS.get((told or str(stage.get("actual_value"))).lower(), None if told is None else Status.OPEN)


def deal(
    row: Item,
    stages: Stages,
    *,
    currency: str | None,
    tz: str | None,
    leads: Sequence[str] = (),
    url: str | None = None,
) -> Deal:
    """`currency`: the organisation's, for deals that name none."""
    pipeline, stage, status = stages.of(row)
    contact, close = link_of(row, "Contact_Name"), _date(row.get("Closing_Date"))
    updated = moment(row.get("Modified_Time")) or _DAWN
    return Deal(
        id=str(row["id"]),
        title=str(row.get("Deal_Name") or ""),
        status=status,
        created_at=moment(row.get("Created_Time")) or updated,
        updated_at=updated,
        value=_money(row, currency),
        pipeline=pipeline,
        stage=stage,
        owner=link_of(row, "Owner"),
        people=[*([contact] if contact else []), *leads],
        close=close,
        closed_at=_closed_at(close, updated, tz) if status in (Status.WON, Status.LOST) else None,
        url=url,
    )


def deleted_deal(row: Item) -> Deal:
    at = moment(row.get("deleted_time")) or _DAWN
    title = str(row.get("display_name") or "")
    return Deal(str(row["id"]), title, Status.DELETED, created_at=at, updated_at=at)


def deleted_activity(row: Item, kind: Act) -> Activity:
    at = moment(row.get("deleted_time")) or _DAWN
    return Activity(str(row["id"]), kind, None, at, done=False, updated_at=at, deleted=True)


def _call(row: Item, tz: str | None) -> Activity:
    """A missed call is nobody's work; one without a length has not taken place yet."""
    seconds = row.get("Call_Duration_in_seconds")
    length = int(seconds) if isinstance(seconds, int | float) else None
    made = length is not None and row.get("Call_Type") != "Missed"
    return _activity(row, Act.CALL, moment(row.get("Call_Start_Time")), done=made, seconds=length)


def _meeting(row: Item, tz: str | None) -> Activity:
    start, end = moment(row.get("Start_DateTime")), moment(row.get("End_DateTime"))
    seconds = int((end - start).total_seconds()) if start and end and end >= start else None
    return _activity(row, Act.MEETING, start, done=bool(end and end <= clock.now()), seconds=seconds)


def _task(row: Item, tz: str | None) -> Activity:
    closed, due = moment(row.get("Closed_Time")), _date(row.get("Due_Date"))
    at = closed or (_start_of(due, tz) if due else None)
    return _activity(row, Act.TASK, at, done=closed is not None or row.get("Status") == "Completed", seconds=None)


def _activity(row: Item, kind: Act, at: datetime | None, *, done: bool, seconds: int | None) -> Activity:
    updated = moment(row.get("Modified_Time")) or _DAWN
    # A lead stands in What_Id, a contact in Who_Id; ids are unique over all modules, so that a deal's does no harm.
    people = [id for id in (link_of(row, "Who_Id"), link_of(row, "What_Id")) if id]
    return Activity(str(row["id"]), kind, link_of(row, "Owner"), at or updated, done, updated, seconds, people)


class Shape(NamedTuple):
    """A kind of activity: its module, what to ask for, and how a row is read."""

    module: str
    columns: tuple[str, ...]
    optional: tuple[str, ...]
    read: Callable[[Item, str | None], Activity]


_EVERYWHERE = ("Owner", "Modified_Time")
_LINKS = ("Who_Id", "What_Id")
ACTIVITIES = {
    Act.CALL: Shape("Calls", (*_EVERYWHERE, "Call_Type", "Call_Start_Time", "Call_Duration_in_seconds"), _LINKS, _call),
    Act.MEETING: Shape("Events", (*_EVERYWHERE, "Start_DateTime", "End_DateTime"), _LINKS, _meeting),
    Act.TASK: Shape("Tasks", (*_EVERYWHERE, "Status", "Due_Date"), ("Closed_Time", *_LINKS), _task),
}


def _money(row: Item, currency: str | None) -> Money | None:
    amount = row.get("Amount")
    if not isinstance(amount, int | float | str) or isinstance(amount, bool) or amount == "":
        return None
    try:
        exact = Decimal(str(amount))
    except InvalidOperation:
        return None
    return Money(exact, _text(row.get("Currency")) or currency) if exact.is_finite() else None


def _closed_at(close: date | None, updated: datetime, tz: str | None) -> datetime:
    """Zoho keeps no such moment: the day that was entered, unless that lies ahead of the change itself."""
    entered = _start_of(close, tz) if close else updated
    return min(entered, updated)


def _start_of(day: date, tz: str | None) -> datetime:
    try:
        zone = ZoneInfo(tz or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        zone = ZoneInfo("UTC")
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _date(value: object) -> date | None:
    try:
        found = date.fromisoformat(str(value))
    except ValueError:
        return None
    return found if MINYEAR < found.year < MAXYEAR else None


def _text(value: object) -> str | None:
    return str(value) if value not in (None, "") else None
