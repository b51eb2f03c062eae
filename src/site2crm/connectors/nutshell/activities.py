"""Reads calls and meetings, some days at a time: their list has no page that is sure, and no "changed since".

An activity may be logged later than it took place: the last days are read again each time.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import msgspec
from msgspec import Struct

from site2crm.connectors.contract import Act
from site2crm.connectors.nutshell import answers
from site2crm.connectors.nutshell.access import LIST_BYTES, Access
from site2crm.connectors.nutshell.answers import Record
from site2crm.connectors.nutshell.properties import ids_in
from site2crm.connectors.nutshell.values import moment
from site2crm.connectors.sales import Activity, Page
from site2crm.kit import clock

HISTORY_DAYS = 5 * 365
LATE_DAYS = 3
WIDEST_DAYS = 183
PAGE, WHOLE_DAY = 500, 10_000
ROUND = frozenset({PAGE, 20, 25, 50, 100, 150, 200, 250, 300, 400})
"""So many in an answer may be all that it holds: how large a page may be asked for is not documented."""
_STATES = ("logged", "scheduled", "cancelled")
_WORDS = {Act.CALL: ("call", "phone"), Act.MEETING: ("meeting", "visit", "demo")}
_SETTINGS = {Act.CALL: "call_types", Act.MEETING: "meeting_types"}


class Cursor(Struct):
    """`days` are read from `day` on."""

    day: date
    days: int = WIDEST_DAYS


class Activities:
    def __init__(self, access: Access) -> None:
        self._access = access
        self._types: dict[str, str] | None = None

    async def page(self, kind: Act, since: datetime | None, cursor: str | None) -> Page[Activity]:
        """One stretch of days, shorter where there is more in it than one answer holds."""
        at, last = _cursor(since, cursor), clock.now().date() + timedelta(days=1)
        types = await self._of(kind)
        if not types:
            return Page((), _text(_again()), more=False)
        listed = await self._between(at)
        while (len(listed) > PAGE or len(listed) in ROUND) and at.days > 1:
            at = Cursor(at.day, at.days // 2)
            listed = await self._between(at)
        found = [activity for item in listed if (activity := _activity(item, kind, types))]
        following = Cursor(at.day + timedelta(days=at.days), min(at.days * 2, WIDEST_DAYS))
        done = following.day > last
        return Page(found, _text(_again() if done else following), more=not done)

    async def _between(self, at: Cursor) -> list[Record]:
        query = [("filter[status][]", state) for state in _STATES]
        query.append(("filter[dateMin]", at.day.isoformat()))
        query.append(("filter[dateMax]", (at.day + timedelta(days=at.days - 1)).isoformat()))
        query.append(("limit", str(PAGE if at.days > 1 else WHOLE_DAY)))
        body = await self._access.get("/activities", query=query, max_bytes=LIST_BYTES)
        return answers.listed(body, "activities")

    async def _of(self, kind: Act) -> list[str]:
        """The ids of the types that count: as the settings say, else by their names."""
        if self._types is None:
            body = await self._access.get("/activitytypes", max_bytes=LIST_BYTES)
            listed = answers.listed(body, "activityTypes")
            self._types = {str(item["id"]): str(item.get("name") or "").strip().casefold() for item in listed}
        told = self._access.context.settings.get(_SETTINGS[kind], "")
        wanted = [name.strip().casefold() for name in told.split(",") if name.strip()]
        if wanted:
            return [id for id, name in self._types.items() if name in wanted]
        return [id for id, name in self._types.items() if any(word in name for word in _WORDS[kind])]


def _activity(item: Record, kind: Act, types: Sequence[str]) -> Activity | None:
    links = item.get("links")
    type_ids = ids_in(item, "activityType") or ids_in(links, "activityType")
    created = moment(item.get("createdTime"))
    at = moment(item.get("startTime")) or created
    if at is None or not set(type_ids) & set(types):
        return None
    taking_part, ended = ids_in(links, "participants"), moment(item.get("endTime"))
    gone = item.get("isCancelled") is True or bool(item.get("deletedTime"))
    return Activity(
        id=str(item["id"]),
        kind=kind,
        owner=_owner(taking_part, ids_in(links, "creator")),
        at=at,
        done=item.get("isLogged") is True and not gone,
        updated_at=moment(item.get("modifiedTime")) or created or at,
        seconds=int((ended - at).total_seconds()) if ended and ended >= at else None,
        people=[id for id in taking_part if id.endswith("-contacts")],
        deleted=gone,
    )


def _owner(taking_part: Sequence[str], creators: Sequence[str]) -> str | None:
    """Who wrote it down, if they took part; else the first of us who did."""
    users = [id for id in taking_part if id.endswith("-users")]
    both = [id for id in creators if id in users]
    return next(iter([*both, *users, *creators]), None)


def _cursor(since: datetime | None, text: str | None) -> Cursor:
    if text:
        try:
            return msgspec.json.decode(text, type=Cursor)
        except msgspec.DecodeError:
            pass  # of another version of us: begin anew
    if since is not None:
        return Cursor(since.date() - timedelta(days=LATE_DAYS))
    return Cursor(clock.now().date() - timedelta(days=HISTORY_DAYS))


def _again() -> Cursor:
    return Cursor(clock.now().date() - timedelta(days=LATE_DAYS))


def _text(cursor: Cursor) -> str:
    return msgspec.json.encode(cursor).decode()
