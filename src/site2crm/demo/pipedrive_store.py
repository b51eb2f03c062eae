"""Rows of the invented Pipedrive, and its two ways of listing them: by cursor (version 2) and by start (version 1)."""

import base64
import itertools
import json
import re
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from operator import itemgetter
from typing import Any

from site2crm.demo.pipedrive_fields import Refused, invalid
from site2crm.demo.server import Answer, Request
from site2crm.kit import clock

MOST_ROWS = 500
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)")


class Records:
    """One kind of record. `written` is when each became known to search; `named`: by what an exact search finds it."""

    def __init__(self, named: Callable[[dict[str, Any]], Iterable[str]] = lambda row: ()) -> None:
        self.rows: dict[int, dict[str, Any]] = {}
        self._named, self._ids_of = named, defaultdict[str, set[int]](set)
        self.written: dict[int, float] = {}
        self._ids = itertools.count(1)

    def add(self, row: dict[str, Any]) -> dict[str, Any]:
        id, now = next(self._ids), when()
        self.rows[id] = {"id": id, "add_time": now, "update_time": now, "is_deleted": False, **row}
        self._written(self.rows[id])
        return self.rows[id]

    def change(self, row: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
        custom = {**row.get("custom_fields", {}), **given.get("custom_fields", {})}
        row.update(given, update_time=when())
        if custom:
            row["custom_fields"] = custom
        self._written(row)
        return row

    def once_named(self, text: str) -> list[dict[str, Any]]:
        """Those that are, or were, called so: what they are called now is for the caller to see."""
        return [self.rows[id] for id in sorted(self._ids_of.get(text.casefold(), ()))]

    def _written(self, row: dict[str, Any]) -> None:
        self.written[row["id"]] = time.monotonic()
        for text in self._named(row):
            self._ids_of[text.casefold()].add(row["id"])

    def get(self, id: int) -> dict[str, Any] | None:
        return self.rows.get(id)

    def alive(self, id: int) -> dict[str, Any]:
        """Raises Refused for one that is gone."""
        row = self.rows.get(id)
        if row is None or row["is_deleted"]:
            raise Refused("Item not found", status=404)
        return row

    def alive_rows(self) -> list[dict[str, Any]]:
        return [row for row in self.rows.values() if not row["is_deleted"]]


def when() -> str:
    """Now, as Pipedrive writes it."""
    return clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")


def number(text: str) -> int:
    """An id of a path. Raises Refused."""
    if not text.isdecimal():
        raise invalid("id: Parameter 'id' must be an integer")
    return int(text)


def found(row: dict[str, Any] | None) -> Answer:
    if row is None:
        raise Refused("Item not found", status=404)
    return Answer(200, {"success": True, "data": row})


def listed(request: Request, rows: Iterable[dict[str, Any]]) -> Answer:
    """A page of a v2 list: filters, order, `limit` and `cursor`."""
    asked = request.query
    limit = _limit(asked)
    kept = _fitting(rows, asked)
    by, is_newest_first = asked.get("sort_by", "id"), asked.get("sort_direction") == "desc"
    # Twice, and not by pairs: a hundred thousand rows that are in order already cost next to nothing.
    kept.sort(key=itemgetter("id"), reverse=is_newest_first)
    kept.sort(key=itemgetter(by), reverse=is_newest_first)
    begin = _opened(asked["cursor"]) if asked.get("cursor") else 0
    page = kept[begin : begin + limit]
    more = {"next_cursor": _closed(begin + limit)} if begin + limit < len(kept) else {}
    return Answer(200, {"success": True, "data": page, "additional_data": more})


def start_list(request: Request, rows: Collection[dict[str, Any]]) -> Answer:
    """A page of a v1 list, newest first."""
    start, limit = int(request.query.get("start", "0")), _limit(request.query)
    newest = sorted(rows, key=lambda row: -row["id"])
    more = start + limit < len(newest)
    pages = {"start": start, "limit": limit, "more_items_in_collection": more}
    pagination = {**pages, "next_start": start + limit} if more else pages
    data = newest[start : start + limit]
    return Answer(200, {"success": True, "data": data, "additional_data": {"pagination": pagination}})


def _fitting(rows: Iterable[dict[str, Any]], asked: dict[str, str]) -> list[dict[str, Any]]:
    kept = list(rows)
    if (ids := asked.get("ids")) is not None:
        wanted = set(ids.split(",")[:100])
        kept = [row for row in kept if str(row["id"]) in wanted]
    for name in ("person_id", "org_id", "owner_id", "pipeline_id", "stage_id"):
        if name in asked:
            kept = [row for row in kept if str(row.get(name)) == asked[name]]
    if (since := asked.get("updated_since")) is not None:
        if not _MOMENT.fullmatch(since):
            raise invalid(f"updated_since: '{since}' is not a valid datetime")
        kept = [row for row in kept if row["update_time"] >= since]
    return kept


def _limit(asked: dict[str, str]) -> int:
    text = asked.get("limit", "100")
    if not text.isdecimal() or not 1 <= int(text) <= MOST_ROWS:
        raise invalid(f"limit: Parameter 'limit' must be between 1 and {MOST_ROWS}")
    return int(text)


def _closed(begin: int) -> str:
    return base64.urlsafe_b64encode(json.dumps({"begin": begin}).encode()).decode()


def _opened(cursor: str) -> int:
    try:
        return int(json.loads(base64.urlsafe_b64decode(cursor))["begin"])
    except (ValueError, KeyError, TypeError) as error:
        raise invalid("cursor: Parameter 'cursor' is invalid") from error
