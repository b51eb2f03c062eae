"""What salespeople have in the demo's HubSpot: owners, pipelines, deals, calls, e-mails, meetings, tasks.

In a test: `portal.sales.add("deals", dealname="Big one", amount="10.00")`, `.archive("deals", id)`,
`.change("deals", id, dealstage="closedwon")`, `.add_owner("Ada", "Lovelace")`.
"""

import itertools
import re
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from site2crm.demo.hubspot_properties import activity_properties, deal_properties, problem_with
from site2crm.demo.server import Answer, Request

SALES_SCOPES = (
    "crm.objects.owners.read",
    "crm.objects.deals.read",
    "crm.objects.deals.write",
    "sales-email-read",
)
SEARCH_ROWS = 10_000
OBJECTS = ("deals", "calls", "emails", "meetings", "tasks")
_PATH = re.compile(r"/crm/objects/2026-09/(contacts|deals|calls|emails|meetings|tasks)(?:/(.+))?")
_TESTS: dict[str, Callable[[int, int], bool]] = {
    "EQ": lambda is_, wanted: is_ == wanted,
    "GT": lambda is_, wanted: is_ > wanted,
    "GTE": lambda is_, wanted: is_ >= wanted,
    "LT": lambda is_, wanted: is_ < wanted,
    "LTE": lambda is_, wanted: is_ <= wanted,
}
Record = dict[str, Any]


class SalesSide:
    """Beside the contacts of one portal, which it only reads."""

    def __init__(self, contacts: dict[str, Record], merged: dict[str, str]) -> None:
        self.searches_per_s: int | None = None
        self._contacts, self._merged = contacts, merged
        self._searched: list[float] = []
        self._ids = itertools.count(70_000_001)
        self.reset()

    def reset(self) -> None:
        self.records: dict[str, dict[str, Record]] = {name: {} for name in OBJECTS}
        self.archived: dict[str, dict[str, Record]] = {name: {} for name in OBJECTS}
        self.links: dict[tuple[str, str], list[str]] = {}
        """(object, id) -> the contacts it is about, in order."""
        self.owners: list[Record] = []
        self.pipelines = [_pipeline("default", "Sales Pipeline"), _pipeline("partners", "Partners")]
        self.properties = {"deals": deal_properties()} | {name: activity_properties(name) for name in OBJECTS[1:]}
        self._ordered: dict[tuple[str, str], list[Record]] = {}

    # what tests look at and set

    def add_owner(self, first: str, last: str, *, active: bool = True) -> str:
        id = str(len(self.owners) + 501)
        email = f"{first}.{last}@agency.example".lower()
        self.owners.append({
            "id": id, "type": "PERSON", "email": email, "firstName": first, "lastName": last,
            "userId": 9_000 + len(self.owners), "createdAt": _iso(), "updatedAt": _iso(), "archived": not active,
        })  # fmt: skip
        return id

    def add(self, of: str, *, contacts: Iterable[str] = (), at: datetime | None = None, **properties: str) -> str:
        """A record of before, changed at that moment."""
        id, stamp = str(next(self._ids)), _iso(at)
        given = {"pipeline": "default", "dealstage": "appointmentscheduled"} if of == "deals" else {}
        said = {"createdate": stamp, **given, **properties, "hs_object_id": id}
        self.records[of][id] = {
            "id": id, "properties": said, "createdAt": stamp, "updatedAt": stamp, "archived": False,
        }  # fmt: skip
        self.links[of, id] = list(contacts)
        self._touched(of, id, stamp)
        return id

    def change(self, of: str, id: str, *, at: datetime | None = None, **properties: str) -> None:
        self.records[of][id]["properties"].update(properties)
        self._touched(of, id, _iso(at))

    def archive(self, of: str, id: str) -> None:
        record = self.records[of].pop(id)
        self.archived[of][id] = {**record, "archived": True, "archivedAt": _iso()}
        self._ordered.clear()

    def moved(self, lost: str, kept: str) -> None:
        """What is about one contact is about another from now on."""
        for about, contacts in self.links.items():
            self.links[about] = list(dict.fromkeys(kept if id == lost else id for id in contacts))

    def _touched(self, of: str, id: str, stamp: str) -> None:
        record = self.records[of][id]
        record["properties"]["hs_lastmodifieddate"] = record["updatedAt"] = stamp
        if of == "deals":
            record["properties"].update(self._closed(record["properties"]))
        self._ordered.clear()

    def _closed(self, properties: dict[str, str]) -> dict[str, str]:
        stage = self._stages(properties["pipeline"]).get(properties["dealstage"], {})
        metadata = stage.get("metadata", {"isClosed": "false", "probability": "0.2"})
        closed, won = metadata["isClosed"] == "true", metadata["probability"] == "1.0"
        return {"hs_is_closed": _word(closed), "hs_is_closed_won": _word(closed and won),
                "hs_is_closed_lost": _word(closed and not won)}  # fmt: skip

    def _stages(self, pipeline: str) -> dict[str, Record]:
        return {stage["id"]: stage for one in self.pipelines if one["id"] == pipeline for stage in one["stages"]}

    # the server

    def right_for(self, request: Request) -> str | None:
        """The scope that a call needs; None for a call that nobody here answers."""
        path = request.raw_path
        if path == "/crm/owners/2026-09":
            return "crm.objects.owners.read"
        if path in ("/crm/pipelines/2026-09/deals", "/crm/properties/2026-09/deals"):
            return "crm.objects.deals.read"
        found = _PATH.fullmatch(path)
        if found is None:
            return None
        writes = request.method in ("PATCH", "DELETE") or (request.method == "POST" and found[2] is None)
        kept = "deals" if found[1] == "deals" else "contacts"
        return f"crm.objects.{kept}.{'write' if writes else 'read'}"

    def answer(self, request: Request) -> Answer | None:
        match request.method, request.raw_path:
            case "GET", "/crm/owners/2026-09":
                return self._list_owners(request)
            case "GET", "/crm/pipelines/2026-09/deals":
                return Answer(200, {"results": self.pipelines})
            case "GET", "/crm/properties/2026-09/deals":
                return Answer(200, {"results": list(self.properties["deals"].values())})
        found = _PATH.fullmatch(request.raw_path)
        return self._of_objects(request, found[1], (found[2] or "").split("/")) if found else None

    def _of_objects(self, request: Request, of: str, rest: list[str]) -> Answer | None:
        match request.method, rest:
            case "POST", ["batch", "read"]:
                return self._batch_read(request, of)
            case "GET", [id, "associations", to]:
                return self._associations(of, id, to)
        if of == "contacts":
            return None
        match request.method, rest:
            case "GET", [""]:
                return self._list(request, of)
            case "POST", ["search"]:
                return self._search(request, of)
            case "POST", [""]:
                return self._create(request, of)
            case "GET", [id]:
                return Answer(200, self.records[of][id]) if id in self.records[of] else _gone()
            case "PATCH", [id]:
                return self._update(request, of, id)
            case "DELETE", [id]:
                if id in self.records[of]:
                    self.archive(of, id)
                return Answer(204)
        return None

    def _list_owners(self, request: Request) -> Answer:
        archived = request.query.get("archived") == "true"
        wanted = [owner for owner in self.owners if owner["archived"] is archived]
        return _page(wanted, int(request.query.get("after", "0")), int(request.query.get("limit", "100")))

    def _list(self, request: Request, of: str) -> Answer:
        kept = self.archived if request.query.get("archived") == "true" else self.records
        answer = _page(
            self._in_order(of, "archived" if kept is self.archived else "id", kept[of]),
            int(request.query.get("after", "0")),
            int(request.query.get("limit", "10")),
        )
        if request.query.get("associations") == "contacts":
            answer.body["results"] = [self._with_contacts(of, record) for record in answer.body["results"]]
        return answer

    def _with_contacts(self, of: str, record: Record) -> Record:
        linked = [{"id": id, "type": f"{of[:-1]}_to_contact"} for id in self.links[of, record["id"]]]
        return {**record, "associations": {"contacts": {"results": linked}}} if linked else record

    def _search(self, request: Request, of: str) -> Answer:
        if self._too_many_searches():
            text = "You have reached your secondly limit."
            body = {"status": "error", "message": text, "errorType": "RATE_LIMIT", "policyName": "SECONDLY"}
            return Answer(429, body)
        asked = request.json()
        start, limit = int(asked.get("after", 0)), asked.get("limit", 10)
        if start >= SEARCH_ROWS:
            return _error(400, "VALIDATION_ERROR", "Paging through more than 10,000 results is not supported.")
        filters = [one for group in asked.get("filterGroups", []) for one in group["filters"]]
        order = (asked.get("sorts") or [{"propertyName": "id"}])[0]["propertyName"]
        found = [
            record for record in self._in_order(of, order, self.records[of]) if all(_fits(record, f) for f in filters)
        ]
        answer = _page(found, start, limit)
        return Answer(200, {"total": len(found), **answer.body})

    def _too_many_searches(self) -> bool:
        now = time.monotonic()
        self._searched = [at for at in self._searched if at > now - 1]
        self._searched.append(now)
        return self.searches_per_s is not None and len(self._searched) > self.searches_per_s

    def _in_order(self, of: str, order: str, kept: dict[str, Record]) -> list[Record]:
        known = self._ordered.get((of, order))
        if known is None:
            values = list(kept.values())
            known = values if order in ("id", "archived") else sorted(values, key=lambda one: _stamp(one, order))
            self._ordered[of, order] = known
        return known

    def _batch_read(self, request: Request, of: str) -> Answer:
        kept = self._contacts if of == "contacts" else self.records[of]
        asked = [str(one["id"]) for one in request.json()["inputs"]]
        found = [kept[there] for id in asked if (there := self._merged.get(id, id)) in kept]
        body = {"status": "COMPLETE", "results": found, "startedAt": _iso(), "completedAt": _iso()}
        lost = [id for id in asked if self._merged.get(id, id) not in kept]
        if not lost:
            return Answer(200, body)
        problem = {"status": "error", "category": "OBJECT_NOT_FOUND", "context": {"ids": lost},
                   "message": "Could not get some objects, they may be deleted or not exist."}  # fmt: skip
        return Answer(207, {**body, "numErrors": 1, "errors": [problem]})

    def _associations(self, of: str, id: str, to: str) -> Answer:
        if of == "contacts":
            if id not in self._contacts:
                return _gone()
            linked = [other for (kind, other), ids in self.links.items() if kind == to and id in ids]
        elif id not in self.records[of]:
            return _gone()
        else:
            linked = self.links[of, id]
        types = [{"category": "HUBSPOT_DEFINED", "typeId": 3, "label": None}]
        return Answer(200, {"results": [{"toObjectId": one, "associationTypes": types} for one in linked]})

    def _create(self, request: Request, of: str) -> Answer:
        said = request.json()
        properties = {str(name): str(value) for name, value in said["properties"].items()}
        if of == "deals" and not all(properties.get(name) for name in ("dealname", "pipeline", "dealstage")):
            return _error(400, "VALIDATION_ERROR", "dealname, pipeline and dealstage are needed to create a deal.")
        if refusal := self._refusal(of, properties):
            return refusal
        contacts = [str(one["to"]["id"]) for one in said.get("associations", [])]
        if lost := [id for id in contacts if id not in self._contacts]:
            return _error(404, "OBJECT_NOT_FOUND", f"One or more associations are not valid: contact {lost[0]}")
        return Answer(201, self.records[of][self.add(of, contacts=contacts, at=None, **properties)])

    def _update(self, request: Request, of: str, id: str) -> Answer:
        if id not in self.records[of]:
            return _gone()
        properties = {name: str(value) for name, value in request.json()["properties"].items()}
        if refusal := self._refusal(of, {**self.records[of][id]["properties"], **properties}, written=properties):
            return refusal
        self.change(of, id, at=None, **properties)
        return Answer(200, self.records[of][id])

    def _refusal(self, of: str, whole: dict[str, str], *, written: dict[str, str] | None = None) -> Answer | None:
        known = self.properties[of]
        given = whole if written is None else written
        problems = [p for name, value in given.items() if (p := problem_with(known.get(name), name, value))]
        if of == "deals" and whole["dealstage"] not in self._stages(whole["pipeline"]):
            text = f"{whole['dealstage']} was not one of the allowed options of this pipeline"
            problems.append({"code": "INVALID_OPTION", "name": "dealstage", "message": text})
        if not problems:
            return None
        told = [
            {"message": p["message"], "code": p["code"], "context": {"propertyName": [p["name"]]}} for p in problems
        ]
        return _error(400, "VALIDATION_ERROR", "Property values were not valid", errors=told)


def _page(rows: list[Record], start: int, limit: int) -> Answer:
    body: dict[str, Any] = {"results": rows[start : start + limit]}
    if start + limit < len(rows):
        body["paging"] = {"next": {"after": str(start + limit)}}
    return Answer(200, body)


def _fits(record: Record, wanted: dict[str, str]) -> bool:
    return _TESTS[wanted["operator"]](_stamp(record, wanted["propertyName"]), int(wanted["value"]))


def _stamp(record: Record, name: str) -> int:
    """Times are compared as milliseconds, ids as numbers."""
    value = record["properties"].get(name) or record["id"]
    return int(value) if value.isdecimal() else round(datetime.fromisoformat(value).timestamp() * 1000)


def _pipeline(id: str, label: str) -> Record:
    listed = (("appointmentscheduled", "Appointment scheduled", "0.2"), ("contractsent", "Contract sent", "0.9"),
              ("closedwon", "Closed won", "1.0"), ("closedlost", "Closed lost", "0.0"))  # fmt: skip
    dates = {"archived": False, "createdAt": _iso(), "updatedAt": _iso()}
    prefix = "" if id == "default" else f"{id}_"
    stages = [
        {"id": f"{prefix}{name}", "label": words, "displayOrder": order, **dates,
         "metadata": {"isClosed": _word(chance in ("1.0", "0.0")), "probability": chance}}
        for order, (name, words, chance) in enumerate(listed)
    ]  # fmt: skip
    return {"id": id, "label": label, "displayOrder": 0 if id == "default" else 1, "stages": stages, **dates}


def _error(status: int, category: str, message: str, *, errors: Iterable[Record] = ()) -> Answer:
    body: Record = {"status": "error", "message": message, "category": category, "correlationId": "fake"}
    return Answer(status, {**body, "errors": list(errors)} if errors else body)


def _gone() -> Answer:
    return _error(404, "OBJECT_NOT_FOUND", "resource not found")


def _word(value: bool) -> str:
    return "true" if value else "false"


def _iso(at: datetime | None = None) -> str:
    return (at or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
