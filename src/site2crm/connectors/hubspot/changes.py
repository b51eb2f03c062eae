"""Walks through HubSpot's records: all of them once, then what changed since, and now and then what was archived.

- All: the list, 100 a page, any number of pages, with associations.
- Changed: search, oldest change first. It serves 10,000 rows of a query, then the query begins anew at the last row's
  moment; it cannot tell associations, which are asked for one by one (crm/hubspot.md 7.1). So where very much has
  changed, as after an import, all are listed again: that takes fewer calls.
- Archived: search does not know them and the list cannot be filtered, so it is read once in SWEEP_EVERY.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from site2crm.connectors.contract import CrmError, ErrorClass
from site2crm.connectors.hubspot.answers import HubSpotError
from site2crm.connectors.hubspot.portal import Object, Portal, after, id_of, objects, results
from site2crm.connectors.hubspot.properties import moment
from site2crm.connectors.wire import whole

MODIFIED = "hs_lastmodifieddate"
OVERLAP = timedelta(minutes=5)
"""The search index lags by a few moments."""
SWEEP_EVERY = timedelta(hours=1)
PAGE = 100
SEARCH_ROWS = 10_000
MANY = 1_000
"""Changes, of which each takes a call; with fewer it does not matter."""
_AT_ONCE = 8


class Record(NamedTuple):
    """`people`: the contacts it is about."""

    id: str
    properties: dict[str, object]
    created_at: datetime
    updated_at: datetime
    people: Sequence[str]
    archived: bool


class Place(Struct, frozen=True):
    """Where a walk is. Milliseconds of HubSpot's clock; `of`: the one moment whose rows are taken by id."""

    phase: Literal["all", "changed", "archived", "done"]
    since: int = 0
    after: str = ""
    of: str = ""
    began: int = 0
    swept: int = 0
    total: int | None = None

    def encode(self) -> str:
        return msgspec.json.encode(self).decode()


class Step(NamedTuple):
    records: list[Record]
    place: Place

    @property
    def more(self) -> bool:
        return self.place.phase != "done"


def begin(since: datetime | None, cursor: str | None) -> Place:
    """Raises CrmError(PERMANENT) for a cursor that is none of ours."""
    if cursor is None:
        return Place("changed", since=_ms(since - OVERLAP)) if since else Place("all")
    try:
        place = msgspec.json.decode(cursor, type=Place)
    except msgspec.DecodeError as error:
        raise CrmError(
            ErrorClass.PERMANENT, "This is not where a reading of HubSpot stopped.", code="CURSOR"
        ) from error
    return Place("changed", since=place.since, swept=place.swept) if place.phase == "done" else place


async def step(portal: Portal, of: Object, place: Place, *, properties: Sequence[str]) -> Step:
    """One page. Raises CrmError; then the same place may be tried again."""
    match place.phase:
        case "all":
            return await _all(portal, of, place, properties)
        case "archived":
            return await _archived(portal, of, place, properties)
    return await _changed(portal, of, place, properties)


async def _all(portal: Portal, of: Object, place: Place, properties: Sequence[str]) -> Step:
    if not place.began:
        count = await portal.search(of, {"filterGroups": [], "limit": 1})
        place = _began(portal, place, total=whole(count.get("total")))
    answer = await _list(portal, of, place, properties, associations="contacts")
    records = [found for item in results(answer) if (found := _record(item))]
    if following := after(answer):
        return Step(records, replace(place, after=following))
    if place.swept:
        return Step(records, _after_changes(place))
    return Step(records, Place("done", since=place.began - _OVERLAP_MS, swept=place.began, total=place.total))


async def _archived(portal: Portal, of: Object, place: Place, properties: Sequence[str]) -> Step:
    answer = await _list(portal, of, place, properties, archived="true")
    seen = datetime.fromtimestamp((place.swept - _OVERLAP_MS) / 1000, UTC) if place.swept else None
    records = [found for item in results(answer) if (found := _record(item, archived=True))]
    fresh = [record for record in records if seen is None or record.updated_at >= seen]
    if following := after(answer):
        return Step(fresh, replace(place, after=following))
    return Step(fresh, Place("done", since=place.began - _OVERLAP_MS, swept=place.began))


async def _list(portal: Portal, of: Object, place: Place, properties: Sequence[str], **given: str) -> dict[str, object]:
    query = {"limit": str(PAGE), "properties": ",".join(properties), **given}
    if place.after:
        query["after"] = place.after
    return await portal.call("GET", f"{objects(of)}?{urlencode(query)}")


async def _changed(portal: Portal, of: Object, place: Place, properties: Sequence[str]) -> Step:
    answer = await portal.search(of, _query(place, properties))
    if not place.began:
        place = _began(portal, place)
        if await _is_more_than_a_list(portal, of, answer.get("total")):
            return Step([], Place("all", began=place.began, swept=place.swept or 1))
    found = results(answer)
    records = [record for item in found if (record := _record(item))]
    people = await _people(portal, of, [record.id for record in records])
    records = [record._replace(people=people[record.id]) for record in records]
    return Step(records, _next(place, after(answer), records))


async def _is_more_than_a_list(portal: Portal, of: Object, changed: object) -> bool:
    """Whether reading so many changes takes more calls than listing everything."""
    if not isinstance(changed, int) or changed < MANY:
        return False
    there = (await portal.search(of, {"filterGroups": [], "limit": 1})).get("total")
    return isinstance(there, int) and there <= changed * PAGE


def _query(place: Place, properties: Sequence[str]) -> dict[str, object]:
    if place.of:
        same = {"propertyName": MODIFIED, "operator": "EQ", "value": str(place.since)}
        filters = [same, {"propertyName": "hs_object_id", "operator": "GT", "value": place.of}]
        order = "hs_object_id"
    else:
        filters = [{"propertyName": MODIFIED, "operator": "GTE", "value": str(place.since)}]
        order = MODIFIED
    query = {
        "filterGroups": [{"filters": filters}],
        "sorts": [{"propertyName": order, "direction": "ASCENDING"}],
        "properties": list(properties),
        "limit": PAGE,
    }
    return {**query, "after": place.after} if place.after else query


def _next(place: Place, following: str | None, records: Sequence[Record]) -> Place:
    if following and int(following) < SEARCH_ROWS:
        return replace(place, after=following)
    if following and records:
        last = _ms(records[-1].updated_at)
        if place.of:
            return replace(place, after="", of=records[-1].id)
        # More rows of one moment than a query serves, as after an import: those are taken by id.
        return replace(place, after="", since=last) if last > place.since else replace(place, after="", of="0")
    if place.of:
        return replace(place, after="", of="", since=place.since + 1)
    return _after_changes(place)


def _after_changes(place: Place) -> Place:
    if place.began - place.swept >= _SWEEP_MS:
        return Place("archived", began=place.began, swept=place.swept)
    return Place("done", since=place.began - _OVERLAP_MS, swept=place.swept)


async def _people(portal: Portal, of: Object, ids: Sequence[str]) -> dict[str, list[str]]:
    people: dict[str, list[str]] = {}
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        found = await asyncio.gather(*(associated(portal, of, id, "contacts") for id in some))
        people.update(zip(some, found, strict=True))
    return people


async def associated(portal: Portal, of: Object, id: str, to: Object) -> list[str]:
    """The ids of the records that belong to one; none if that one is gone."""
    try:
        answer = await portal.call("GET", f"{objects(of)}/{quote(id, safe='')}/associations/{to}?limit=500")
    except HubSpotError as error:
        if error.kind is ErrorClass.NOT_FOUND:
            return []
        raise
    return list(dict.fromkeys(str(item["toObjectId"]) for item in results(answer) if item.get("toObjectId")))


def _record(item: dict[str, object], *, archived: bool = False) -> Record | None:
    id, properties = id_of(item), item.get("properties")
    created = moment(item.get("createdAt"))
    if id is None or not isinstance(properties, dict) or created is None:
        return None
    # Of an archived one the moment of that is the newest that is known.
    told = item.get("archivedAt") if archived else properties.get(MODIFIED)
    updated = moment(told) or moment(item.get("updatedAt")) or created
    return Record(id, properties, created, updated, _associated_in(item), archived)


def _associated_in(item: dict[str, object]) -> list[str]:
    every = item.get("associations")
    contacts = every.get("contacts") if isinstance(every, dict) else None
    listed = results(contacts) if isinstance(contacts, dict) else []
    return list(dict.fromkeys(id for one in listed if (id := id_of(one))))


def _began(portal: Portal, place: Place, *, total: int | None = None) -> Place:
    return replace(place, began=_ms(portal.now), total=total)


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


_OVERLAP_MS = round(OVERLAP.total_seconds() * 1000)
_SWEEP_MS = round(SWEEP_EVERY.total_seconds() * 1000)
