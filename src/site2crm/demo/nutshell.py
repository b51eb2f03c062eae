"""A stateful Nutshell on loopback: contacts, accounts, leads, notes, activities and the feed of events.

It refuses what Nutshell refuses: a patch that is not JSON-Patch, two records in a request, a page before 0.
`crm = Nutshell(); await crm.start()`. Control: GET /_fake/contacts, /_fake/leads; POST /_fake/keys, /_fake/settings.
"""

import base64
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from site2crm.demo import nutshell_people as people
from site2crm.demo import nutshell_sales as sales
from site2crm.demo.nutshell_records import Record, Records, Refused, number, page_of
from site2crm.demo.server import Answer, FakeServer, Fault, Request
from site2crm.kit import clock

EMAIL, KEY = "olive@client.example", "4f1c9a7be02d55aa8c3e"
API, FORMS_ONLY = "api", "forms"
PATCH_TYPE = "application/json-patch+json"
_ONE = re.compile(r"/(contacts|accounts|leads|activities|users)/(\d+-\w+)")
_LEAD_ACT = re.compile(r"/leads/(\d+-leads)/(status|stageset|reopen)")
_ATTRIBUTES = re.compile(r"/(contacts|accounts|leads)/(customfields/attributes|list/fields)")
_LISTED = {"contacts", "accounts", "leads", "users", "stages", "stagesets", "outcomes"}


class Nutshell(FakeServer):
    """One company's account. Its address stands for https://app.nutshell.com."""

    def __init__(self, *, email: str = EMAIL, key: str = KEY) -> None:
        super().__init__()
        self.email = email
        self.keys = {key: API}
        self.records = Records()
        self.fields = people.Fields()
        self.bare = False  # lists without an envelope and leads alone, as the vendor's document has them
        self.most_activities = 10_000  # in an answer, whatever is asked for
        sales.furnish(self.records, email=email)

    # what tests look at and set

    @property
    def contacts(self) -> dict[str, Record]:
        return {id: item for id, item in self.records.tables["contacts"].items() if not item["deletedTime"]}

    @property
    def accounts(self) -> dict[str, Record]:
        return self.records.tables["accounts"]

    @property
    def leads(self) -> dict[str, Record]:
        return self.records.tables["leads"]

    @property
    def notes(self) -> dict[str, Record]:
        return self.records.tables["notes"]

    def add_contact(self, *, email: str = "", phone: str = "", **given: Any) -> str:
        """A contact that is there already, in lists too, and long enough not to be in the latest events."""
        listed = {"emails": [{"value": email}] if email else [], "phones": [{"value": phone}] if phone else []}
        record = people.made("contacts", {**listed, **given}, self.fields)
        return self._add_old("contacts", record)

    def add_account(self, name: str) -> str:
        return self._add_old("accounts", people.made("accounts", {"name": name}, self.fields))

    def add_lead(self, name: str, *, at: float | None = None, **changes: Any) -> str:
        """A lead made at `at` (Unix seconds; now); `changes` replace parts of the record."""
        lead = {**sales.made_lead(self.records, {"description": name}, self.fields), **changes}
        return str(self._add_lead(lead, at=at)["id"])

    def add_user(self, name: str, *, active: bool) -> str:
        id = f"{10 + len(self.records.tables['users'])}-users"
        self.records.tables["users"][id] = sales.user(id, name, f"{id}@client.example", active=active)
        return id

    def add_activity(self, *, at: int, kind: str = "1-activityTypes", seconds: int = 600, **changes: Any) -> str:
        given = {"name": "Talk", "startTime": at, "endTime": at + seconds, "isLogged": True, "activityType": kind}
        record = sales.made_activity({**given, "links": {"participants": ["3-contacts", "2-users"]}})
        return str(self.records.add("activities", {**record, **changes})["id"])

    def delete(self, table: str, id: str) -> None:
        record = self.records.tables[table][id]
        record["deletedTime"] = int(clock.unix())
        self.records.happened("delete", record)

    def throttle(self, *, retry_after: str | None = None, count: int = 1, status: int = 429) -> None:
        headers = {"Retry-After": retry_after} if retry_after else {}
        self.faults.append(Fault("status", status=status, count=count, headers=headers, body=b"Too many requests"))

    # the server

    def answer(self, request: Request) -> Answer:
        permission = self._permission(request)
        if permission is None:
            return _text(401, "Unauthorized")
        if permission != API:
            return _text(403, "This API key does not have permission to access the API.")
        try:
            return self._route(request)
        except Refused as refusal:
            return _refusal(refusal)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            return Answer(500, {"code": 500, "message": "Internal Error"})  # as it says to malformed bodies

    def fault_answer(self, fault: Fault) -> Answer:
        if fault.body is not None:
            return super().fault_answer(fault)
        return Answer(fault.status, {"code": fault.status, "message": "Internal Error"}, fault.headers)

    def control(self, request: Request) -> Answer:
        match request.method, request.path.removeprefix("/_fake/"):
            case "GET", ("contacts" | "accounts" | "leads" | "notes" | "activities") as table:
                return Answer(200, list(self.records.tables[table].values()))
            case "POST", "keys":
                said = request.json()
                self.keys.pop(said["key"], None)
                if not said.get("revoked"):
                    self.keys[said["key"]] = said.get("permission", API)
                return Answer(201, {"keys": len(self.keys)})
            case "POST", "settings":
                self.records.list_lag_s = float(request.json().get("list_lag_s", self.records.list_lag_s))
                return Answer(200, {})
        return super().control(request)

    def _permission(self, request: Request) -> str | None:
        scheme, _, said = request.headers.get("authorization", "").partition(" ")
        try:
            email, _, key = base64.b64decode(said, validate=True).decode().partition(":")
        except ValueError:
            return None
        if scheme.lower() != "basic" or email.lower() != self.email:
            return None
        return self.keys.get(key)

    def _route(self, request: Request) -> Answer:
        method, path = request.method, request.path.removeprefix("/rest")
        if method == "GET" and (about := _ATTRIBUTES.fullmatch(path)):
            return self._attributes(about[1]) if about[2].startswith("custom") else self._properties(about[1])
        if method == "POST" and (act := _LEAD_ACT.fullmatch(path)):
            return self._act(request, act[1], act[2])
        if found := _ONE.fullmatch(path):
            return self._single(request, found[1], found[2])
        match method, path[1:]:
            case "GET", "activitytypes":
                return Answer(200, {"meta": {}, "links": {}, "activityTypes": sales.ACTIVITY_TYPES})
            case "GET", "activities":
                listed = sales.activities(self.records.listed("activities"), _pairs(request))
                return self._list("activities", listed[: self.most_activities], request)
            case "GET", "events":
                return self._events(request)
            case "GET", table if table in _LISTED:
                return self._list(table, self._wanted(table, request), request)
            case "POST", ("contacts" | "accounts" | "leads" | "notes" | "activities") as table:
                return self._create(table, request)
        return Answer(404, b"<html><body><h1>Not found</h1></body></html>", {"Content-Type": "text/html"})

    def _wanted(self, table: str, request: Request) -> list[Record]:
        if table in ("users", "stages", "stagesets", "outcomes"):
            return list(self.records.tables[table].values())
        found, query = self.records.listed(table), request.query
        if wanted := query.get("email", "").lower():
            found = [r for r in found if wanted in (item["value"].lower() for item in r.get("emails", ()))]
        if words := query.get("q"):
            found = [record for record in found if people.matches(record, words)]
        return sales.sorted_leads(found, query.get("sort", "")) if table == "leads" else found

    def _list(self, table: str, found: list[Record], request: Request) -> Answer:
        page = page_of(found, request.query)
        if self.bare and table in ("stages", "stagesets", "outcomes"):
            return Answer(200, page)
        meta = {"instanceId": "77001", "siteId": "88002", "count": len(page), "total": len(found)}
        return Answer(200, {"meta": meta, "links": {}, table: page})

    def _events(self, request: Request) -> Answer:
        pairs = _pairs(request)
        found = self.records.feed(pairs)
        page = found[: int(request.query.get("limit", "50"))]
        kept = [pair for pair in pairs if pair[0] not in ("since_id", "since_time", "max_id", "max_time")]
        meta: Record = {"count": len(page), "next": None, "previous": None}
        if page:
            older = [*kept, ("max_id", page[-1]["id"]), ("max_time", page[-1]["createdTime"])]
            meta["next"] = f"https://app.nutshell.com/rest/events?{urlencode([*kept, ('since_id', page[0]['id'])])}"
            meta["previous"] = f"https://app.nutshell.com/rest/events?{urlencode(older)}"
        return Answer(200, {"meta": meta, "links": {}, "events": page, "payloads": self.records.payloads(page)})

    def _create(self, table: str, request: Request) -> Answer:
        given = request.json()
        if table == "notes":  # the one table whose wrapper is not its name
            return self._noted(given["data"])
        [*items] = given[table]
        if len(items) != 1:
            raise Refused(f"You may only create one {table} resource per request")
        if table == "leads":
            return _enveloped(201, table, self._add_lead(sales.made_lead(self.records, items[0], self.fields)))
        if table == "activities":
            return _enveloped(201, table, self.records.add(table, sales.made_activity(items[0])))
        return _enveloped(200, table, self.records.add(table, people.made(table, items[0], self.fields)))

    def _noted(self, given: Mapping[str, Any]) -> Answer:
        parent = str(given["links"]["parent"])
        if self.records.get(parent.partition("-")[2], parent) is None:
            raise Refused(f"There is no {parent}", field="links")
        note = {"body": given["body"], "bodyHtml": given["body"], "parentType": parent.partition("-")[2],
                "createdTime": int(clock.unix()), "links": {"parent": parent}}  # fmt: skip
        return _enveloped(201, "notes", self.records.add("notes", note))

    def _single(self, request: Request, table: str, id: str) -> Answer:
        record = self.records.get(table, id)
        if record is None:
            raise Refused(f"There is no {id}", status=404)
        match request.method:
            case "GET":
                return Answer(200, record) if self.bare and table == "leads" else _enveloped(200, table, record)
            case "PATCH" if request.headers.get("content-type", "").partition(";")[0] != PATCH_TYPE:
                return _text(415, f"Content-Type must be {PATCH_TYPE}")
            case "PATCH":
                people.patched(table, record, request.json(), fields=self.fields, records=self.records)
                if table == "leads" and "manualValue" in record:
                    record["value"] = sales.money(record.pop("manualValue"))
                return Answer(204)
            case "DELETE":
                self.delete(table, id)
                return _enveloped(200, table, record) if table == "leads" else Answer(204)
        return _text(405, "Method Not Allowed")

    def _act(self, request: Request, id: str, act: str) -> Answer:
        lead = self.records.get("leads", id)
        if lead is None:
            raise Refused(f"There is no {id}", status=404)
        match act:
            case "status":
                sales.close_lead(self.records, lead, request.json()["outcomeId"])
            case "stageset":
                sales.move_lead(self.records, lead, request.json()["stageset"])
            case "reopen":
                sales.reopen_lead(self.records, lead)
        return Answer(200, lead) if self.bare else _enveloped(200, "leads", lead)

    def _attributes(self, table: str) -> Answer:
        listed = list(self.fields.custom[table].values())
        return Answer(200, listed if self.bare else {"customFields": listed})

    def _properties(self, table: str) -> Answer:
        names = [*sorted(people.WRITABLE[table] - {"customFields", "links"}), *self.fields.custom[table]]
        listed = {name: {"type": "string", "title": name.capitalize(), "isAddable": True} for name in names}
        return Answer(200, {"properties": listed})

    def _add_lead(self, lead: Record, *, at: float | None = None) -> Record:
        added = self.records.add("leads", lead, at=at)
        added["number"] = number(added)
        for id in added["links"]["contacts"]:
            self.records.tables["contacts"][id]["links"]["leads"].append(added["id"])
        return added

    def _add_old(self, table: str, record: Record) -> str:
        long_ago = clock.unix() - 86_400
        added = self.records.add(table, {**record, "createdTime": int(long_ago)}, at=long_ago)
        self.records.settle(added["id"])
        return str(added["id"])


def _pairs(request: Request) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(request.target).query, keep_blank_values=True)


def _enveloped(status: int, table: str, record: Record) -> Answer:
    return Answer(status, {"meta": {}, "links": {}, table: [record]})


def _refusal(refusal: Refused) -> Answer:
    error = {"id": None, "type": "errors", "code": None, "status": str(refusal.status), "title": refusal.title,
             "detail": refusal.title, "field": refusal.field}  # fmt: skip
    return Answer(refusal.status, {"meta": {}, "links": {}, "errors": [error]})


def _text(status: int, words: str) -> Answer:
    return Answer(status, words.encode(), {"Content-Type": "text/plain"})
