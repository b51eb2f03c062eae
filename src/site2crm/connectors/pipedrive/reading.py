"""Deals and activities of Pipedrive in plain terms, and where a sync of its lists goes on. Pure.

Each list has a mark of its own, the newest change that it has shown: what changes in one while another is read is
newer than its mark, and comes the next time. The first list is read each time, the others once an hour: they cost
three times as much of the tokens that the customer has for a day, and little happens in them.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation

import msgspec
from msgspec import Struct

from site2crm.connectors.contract import Act
from site2crm.connectors.pipedrive.client import id_of
from site2crm.connectors.sales import Activity, Deal, Money, Status
from site2crm.kit import clock

OVERLAP = timedelta(minutes=5)
PAGE_ROWS = 500
OTHERS_EVERY = timedelta(hours=1)
Record = Mapping[str, object]


class Place(Struct, omit_defaults=True):
    """Where a sync is: `marks` by list, the list that is being read, its next page, the newest change seen in it.

    `others`: when the lists after the first were begun.
    """

    marks: dict[str, str] = {}
    list: str = ""
    next: str = ""
    seen: str = ""
    others: str = ""

    def query(self, **also: str) -> dict[str, str]:
        """Milliseconds are refused there."""
        asked = {"limit": str(PAGE_ROWS), "sort_by": "update_time", "sort_direction": "asc", **also}
        if mark := self.marks.get(self.list):
            since = _moment(mark) or clock.now()
            asked["updated_since"] = written(since - OVERLAP)
        return {**asked, "cursor": self.next} if self.next else asked

    def after(self, rows: Sequence[Record], cursor: str | None, lists: Sequence[str]) -> "Place":
        """The place after this page; `list` is empty after the last one."""
        times = [str(row.get("update_time") or "") for row in rows]
        seen = max([self.seen, *times])
        if cursor and cursor != self.next:
            return Place(self.marks, self.list, cursor, seen, self.others)
        marks = {**self.marks, self.list: seen} if seen else self.marks
        following, others = lists.index(self.list) + 1, self.others
        if following == 1:
            before = _moment(others)
            if before and clock.now() - before < OTHERS_EVERY:
                return Place(marks, others=others)
            others = written(clock.now())
        return Place(marks, lists[following] if following < len(lists) else "", others=others)


def place_of(cursor: str | None, since: datetime | None, lists: Sequence[str]) -> Place:
    """Where to read on; a cursor that cannot be read is none."""
    try:
        place = msgspec.json.decode(cursor or "", type=Place)
    except (msgspec.DecodeError, msgspec.ValidationError):
        place = Place({name: written(since + OVERLAP) for name in lists} if since else {})
    if place.list not in lists:
        place = Place(place.marks, lists[0], others=place.others)
    return place


def cursor_of(place: Place) -> str:
    return msgspec.json.encode(place).decode()


def written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def deal(row: Record, *, url: str | None) -> Deal | None:
    """None for a row without an id or without its times."""
    id, made, changed = id_of(row), _moment(row.get("add_time")), _moment(row.get("update_time"))
    if id is None or changed is None:
        return None
    closed = row.get("won_time") or row.get("lost_time") or row.get("close_time")
    person = row.get("person_id")
    return Deal(
        id=id,
        title=str(row.get("title") or ""),
        status=_status(row),
        created_at=made or changed,
        updated_at=changed,
        value=_money(row),
        pipeline=_ref(row.get("pipeline_id")),
        stage=_ref(row.get("stage_id")),
        owner=_ref(row.get("owner_id")),
        people=[str(person)] if isinstance(person, int) else [],
        close=_day(row.get("expected_close_date")),
        closed_at=_moment(closed),
        url=url,
    )


def activity(row: Record, kind: Act) -> Activity | None:
    """`at` is the due time, as in Pipedrive's own reports: a call that is entered afterwards gets its time there."""
    id, changed = id_of(row), _moment(row.get("update_time"))
    if id is None or changed is None:
        return None
    due = f"{row.get('due_date') or ''} {row.get('due_time') or ''}".strip()
    done = row.get("done") is True
    return Activity(
        id=id,
        kind=kind,
        owner=_ref(row.get("owner_id")),
        at=_moment(due) or _moment(row.get("marked_as_done_time")) or _moment(row.get("add_time")) or changed,
        done=done,
        updated_at=changed,
        seconds=_seconds(row.get("duration")),
        people=_people(row),
        deleted=row.get("is_deleted") is True,
    )


def is_of(row: Record, types: Collection[str]) -> bool:
    return str(row.get("type") or "").casefold() in types


def _status(row: Record) -> Status:
    if row.get("is_deleted") is True:
        return Status.DELETED
    try:
        return Status(str(row.get("status")))
    except ValueError:
        return Status.OPEN


def _money(row: Record) -> Money | None:
    value, currency = row.get("value"), row.get("currency")
    if value is None or isinstance(value, bool):
        return None
    try:
        return Money(Decimal(str(value)), str(currency) if currency else None)
    except InvalidOperation:
        return None


def _people(row: Record) -> list[str]:
    listed = row.get("participants")
    rows = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    rows.sort(key=lambda each: each.get("primary") is not True)
    ids = [str(each["person_id"]) for each in rows if isinstance(each.get("person_id"), int)]
    person = row.get("person_id")
    return ids or ([str(person)] if isinstance(person, int) else [])


def _seconds(duration: object) -> int | None:
    """`HH:MM` or `HH:MM:SS`."""
    parts = str(duration or "").split(":")
    if len(parts) not in (2, 3) or not all(part.isdecimal() for part in parts):
        return None
    hours, minutes, seconds = (*(int(part) for part in parts), 0)[:3]
    return hours * 3600 + minutes * 60 + seconds


def _ref(value: object) -> str | None:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None


def _moment(value: object) -> datetime | None:
    """UTC, whether it says so (version 2) or not (version 1)."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return clock.as_utc(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
