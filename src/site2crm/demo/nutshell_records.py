"""What the demo's Nutshell keeps: records with ids like `3-contacts`, the feed of their events, and its refusals."""

import itertools
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from site2crm.kit import clock

Record = dict[str, Any]
TABLES = ("contacts", "accounts", "leads", "notes", "activities", "users", "stagesets", "stages", "outcomes")
PLACES = {"contacts": "person", "accounts": "company", "leads": "lead"}


class Refused(Exception):
    """A 4xx with the vendor's envelope of errors."""

    def __init__(self, title: str, *, field: str | None = None, status: int = 400) -> None:
        super().__init__(title)
        self.title = title
        self.field = field
        self.status = status


class Records:
    """Lists show a record `list_lag_s` after it was written; the feed and single reads show it at once."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Record]] = {name: {} for name in TABLES}
        self.events: list[Record] = []
        self.list_lag_s = 0.0
        self._written: dict[str, float] = {}
        self._ids = itertools.count(3)

    def add(self, table: str, given: Mapping[str, Any], *, at: float | None = None) -> Record:
        """A new record; it is in the feed as created at `at` (Unix seconds; now)."""
        id = f"{next(self._ids)}-{table}"
        record = {"id": id, "type": table, "href": f"https://app.nutshell.com/rest/{table}/{id}", **given}
        if table in PLACES:
            record["htmlUrl"] = f"https://app.nutshell.com/{PLACES[table]}/{id.partition('-')[0]}"
        self.tables[table][id] = record
        self._written[id] = time.monotonic()
        if table in ("contacts", "accounts", "leads", "notes", "activities"):
            self.happened("create", record, at=at)
        return record

    def settle(self, id: str) -> None:
        """As if it had been written long ago."""
        self._written[id] = 0.0

    def happened(
        self, action: str, record: Record, *, at: float | None = None, changes: Sequence[Record] = ()
    ) -> Record:
        """Another event of the feed."""
        event = {
            "id": f"{len(self.events) + 163}-events", "type": "events", "action": action, "actorType": "users",
            "createdTime": int(clock.unix() if at is None else at), "payloadType": record["type"],
            "changes": list(changes), "links": {"actor": "1-users", "payloads": [record["id"]]},
        }  # fmt: skip
        self.events.append(event)
        return event

    def get(self, table: str, id: str) -> Record | None:
        return self.tables[table].get(id)

    def listed(self, table: str) -> list[Record]:
        seen = time.monotonic() - self.list_lag_s
        return [
            record
            for id, record in self.tables[table].items()
            if self._written[id] <= seen and not record.get("deletedTime")
        ]

    def feed(self, query: Sequence[tuple[str, str]]) -> list[Record]:
        """The events that fit, newest first. `max_id` is the oldest one that is known: the answer begins below it."""
        told = dict(query)
        kinds = {value for name, value in query if name == "filters[payload][]"}
        newest_first = sorted(self.events, key=lambda event: (event["createdTime"], number(event)), reverse=True)
        return [
            event
            for event in newest_first
            if (not kinds or event["payloadType"] in kinds)
            and event["createdTime"] >= int(told.get("since_time", 0))
            and event["createdTime"] <= int(told.get("max_time", 1 << 40))
            and number(event) > _number_in(told.get("since_id", "0"))
            and number(event) < _number_in(told.get("max_id", str(1 << 40)))
            and ("entity_id" not in told or self._is_about(event, told["entity_id"]))
        ]

    def payloads(self, events: Iterable[Record]) -> list[Record]:
        ids = dict.fromkeys(id for event in events for id in event["links"]["payloads"])
        found = (self.tables[id.partition("-")[2]].get(id) for id in ids)
        return [record for record in found if record]

    def _is_about(self, event: Record, entity_id: str) -> bool:
        for record in self.payloads([event]):
            links = record.get("links", {})
            if record["id"] == entity_id or entity_id in (links.get("parent"), *links.get("contacts", ())):
                return True
        return False


def number(record: Mapping[str, Any]) -> int:
    return _number_in(record["id"])


def _number_in(id: str) -> int:
    return int(id.partition("-")[0])


def when(at: float | None) -> Record | None:
    """A moment as leads show it."""
    if at is None:
        return None
    return {"timestamp": int(at), "value": str(int(at)), "absoluteLocalizedString": "", "fromNowLocalizedString": ""}


def page_of(records: Sequence[Record], query: Mapping[str, str]) -> list[Record]:
    """Pages begin at 0; 50 a page unless told otherwise."""
    page, limit = query.get("page[page]", "0"), query.get("page[limit]", query.get("limit", "50"))
    if not page.isdecimal():
        raise Refused("Invalid page number")
    if not limit.isdecimal() or not 0 < int(limit) <= 10_000:
        raise Refused("Invalid page limit")
    start = int(page) * int(limit)
    return list(records[start : start + int(limit)])
