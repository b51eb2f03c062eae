"""A stateful Salesforce on loopback: leads, contacts, accounts, opportunities, tasks; refuses what Salesforce refuses.

`crm = Salesforce(); await crm.start()`. Its sign-in is `salesforce_oauth`, its query language `salesforce_soql`.
Control: GET /_fake/people, /_fake/requests; POST|DELETE /_fake/faults; POST /_fake/settings.
"""

import itertools
import json
import re
from collections.abc import Iterable, Mapping, Set
from typing import Any
from urllib.parse import unquote

from site2crm.demo import salesforce_soql as soql
from site2crm.demo.salesforce_oauth import SignIn
from site2crm.demo.salesforce_objects import CHILDREN, problem, standard_objects
from site2crm.demo.salesforce_org import Org, Stop
from site2crm.demo.salesforce_records import Record, Records
from site2crm.demo.server import Answer, FakeServer, Fault, Request

VERSION = "v67.0"
INSTANCE_URL = "https://acme.my.salesforce.com"
_DATA = f"/services/data/{VERSION}"
_SOBJECTS = re.compile(rf"{_DATA}/sobjects/(\w+)(?:/([^/]+))?(?:/([^/]+))?")
_COLLECTION = f"{_DATA}/composite/sobjects"
_MOST_IN_A_COLLECTION = 200
_MOST_OF_AN_ADDRESS = 16_384
_BATCH = 2_000
_SETTABLE = ("daily_limit", "daily_used", "duplicate_rule", "page_size")


class Salesforce(FakeServer, Org):
    """One org and the API in front of it."""

    def __init__(self) -> None:
        super().__init__()
        Org.__init__(self)
        self.sign_in = SignIn(self.records.organization_id, self.records.user_id, INSTANCE_URL)
        self.api_enabled = True
        self.daily_limit, self.daily_used = 100_000, 0
        self.page_size = _BATCH
        self.unknown_fails_all = False  # an unknown field fails a whole collection, not one record of it
        self._locators: dict[str, list[Record]] = {}
        self._numbers = itertools.count(1)

    # what tests look at and set

    def forget_locators(self) -> None:
        self._locators.clear()

    def reset(self) -> None:
        """An empty org with the standard fields, the same sign-ins, and nothing that goes wrong."""
        ids = self.records.organization_id, self.records.user_id
        self.records, self.objects = Records(), standard_objects()
        assert ids == (self.records.organization_id, self.records.user_id)
        self.daily_used = 0
        self.faults.clear()
        self.requests.clear()

    # the server

    def answer(self, request: Request) -> Answer:
        if len(request.target) > _MOST_OF_AN_ADDRESS:
            return Answer(
                414, b"<h1>Bad Message 414</h1><pre>reason: URI Too Long</pre>", {"Content-Type": "text/html"}
            )
        if request.raw_path.startswith("/services/oauth2/") and request.raw_path != "/services/oauth2/userinfo":
            return self.sign_in.answer(request) or Answer(404, {"error": "not_found"})
        if request.raw_path == "/services/data":
            return Answer(200, [{"label": "Summer '26", "url": _DATA, "version": VERSION[1:]}])
        if not self.sign_in.is_good(request.headers.get("authorization", "").removeprefix("Bearer ")):
            return self._stranger(request)
        if request.raw_path == "/services/oauth2/userinfo":
            return Answer(200, self._user())
        return self._counted(request)

    def fault_answer(self, fault: Fault) -> Answer:
        if fault.body is not None or fault.kind != "status":
            return super().fault_answer(fault)
        return Answer(fault.status, [problem("UNKNOWN_EXCEPTION", f"scripted fault {fault.status}")], fault.headers)

    def control(self, request: Request) -> Answer:
        match request.method, request.path.removeprefix("/_fake/"):
            case "GET", "people":
                wanted = request.query.get("email")
                found = [it for it in self.people if not wanted or it.get("Email") == wanted]
                return Answer(200, found, {"X-Total": str(len(found))})
            case "POST", "settings":
                for name in _SETTABLE:
                    setattr(self, name, request.json().get(name, getattr(self, name)))
                return Answer(200, {})
        return super().control(request)

    def _stranger(self, request: Request) -> Answer:
        if request.raw_path == "/services/oauth2/userinfo":
            return Answer(403, b"Bad_OAuth_Token", {"Content-Type": "text/plain"})
        return Answer(401, [problem("INVALID_SESSION_ID", "Session expired or invalid")])

    def _user(self) -> dict[str, Any]:
        user = self.records.tables["User"][self.records.user_id]
        return {
            "sub": f"https://login.salesforce.com/id/{self.records.organization_id}/{self.records.user_id}",
            "user_id": self.records.user_id, "organization_id": self.records.organization_id,
            "preferred_username": user["Email"], "name": user["Name"], "email": user["Email"],
            "zoneinfo": user["TimeZoneSidKey"], "active": True,
        }  # fmt: skip

    def _counted(self, request: Request) -> Answer:
        if not self.api_enabled:
            return Answer(403, [problem("API_DISABLED_FOR_ORG", "API is not enabled for this Organization or Partner")])
        usage = {"Sforce-Limit-Info": f"api-usage={self.daily_used}/{self.daily_limit}"}
        if self.daily_used >= self.daily_limit:
            return Answer(403, [problem("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")], usage)
        self.daily_used += 1
        try:
            answer = self._route(request)
        except Stop as stop:
            answer = Answer(stop.status, [stop.said])
        except soql.Refused as refused:
            answer = Answer(400, [problem(refused.code, str(refused))])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            answer = Answer(400, [problem("JSON_PARSER_ERROR", f"Unexpected character: {error}")])
        usage["Sforce-Limit-Info"] = f"api-usage={self.daily_used}/{self.daily_limit}"
        return Answer(answer.status, answer.body, {**answer.headers, **usage})

    def _route(self, request: Request) -> Answer:
        path, sobject = request.raw_path, _SOBJECTS.fullmatch(request.raw_path)
        match request.method:
            case "GET" if path == f"{_DATA}/limits":
                left = self.daily_limit - self.daily_used
                return Answer(200, {"DailyApiRequests": {"Max": self.daily_limit, "Remaining": left}})
            case "GET" if path in (f"{_DATA}/query", f"{_DATA}/queryAll"):
                return self._query(request.query.get("q", ""), deleted_too=path.endswith("All"))
            case "GET" if path.startswith(f"{_DATA}/query/"):
                return self._more(path.rpartition("/")[2])
            case "POST" if path == f"{_DATA}/composite":
                return self._composite(request.json())
            case "POST" | "PATCH" if path == _COLLECTION:
                return self._collection(request)
            case _ if sobject is not None:
                parts = [unquote(part) for part in sobject.groups() if part is not None]
                return self._sobject(request, parts)
        raise Stop(problem("NOT_FOUND", "The requested resource does not exist"), status=404)

    def _sobject(self, request: Request, parts: list[str]) -> Answer:
        table, *rest = parts
        if table not in self.objects:
            raise Stop(problem("NOT_FOUND", "The requested resource does not exist"), status=404)
        match request.method, rest:
            case "GET", ["describe"]:
                return self._describe(table)
            case "POST", []:
                id = self.create(table, request.json(), allow=_allows(request), single=True)
                return Answer(201, {"id": id, "success": True, "errors": []})
            case "PATCH", [id]:
                self.update(table, id, request.json())
                return Answer(204)
            case "DELETE", [id]:
                self.records.delete(self.live(table, id)["Id"])
                return Answer(204)
        raise Stop(problem("METHOD_NOT_ALLOWED", f"HTTP Method '{request.method}' not allowed."), status=405)

    def _describe(self, table: str) -> Answer:
        may_write = table not in self.forbidden
        fields = [item for name, item in self.objects[table].items() if self.type_of(table, name)]
        body = {"name": table, "label": table, "createable": may_write, "updateable": may_write, "queryable": True}
        return Answer(200, {**body, "fields": fields})

    def _collection(self, request: Request) -> Answer:
        said, results = request.json(), []
        if len(said["records"]) > _MOST_IN_A_COLLECTION:
            raise Stop(problem("INVALID_INPUT", f"records limit: {_MOST_IN_A_COLLECTION}"))
        ids = [values.get("id") for values in said["records"]]
        for values in said["records"]:
            table = values.pop("attributes")["type"]
            id = values.pop("id", None) or values.pop("Id", None)
            try:
                if id and ids.count(id) > 1:
                    raise Stop(problem("DUPLICATE_VALUE", f"duplicate id specified: {id}"))
                if request.method == "PATCH":
                    self.update(table, str(id), values)
                else:
                    id = self.create(table, values, allow=_allows(request), single=False)
                results.append({"id": id, "success": True, "errors": []})
            except Stop as stop:
                unread = stop.said["errorCode"] == "JSON_PARSER_ERROR"
                if unread or (stop.said["errorCode"] == "INVALID_FIELD" and self.unknown_fails_all):
                    self._undo(result["id"] for result in results if request.method == "POST" and result["success"])
                    raise
                results.append({"success": False, "errors": [_item_error(stop.said)]})
        return Answer(200, results)

    def _composite(self, said: dict[str, Any]) -> Answer:
        """Creations only. With `allOrNone` one refusal undoes what stands before it."""
        done: dict[str, str] = {}
        parts: list[dict[str, Any]] = []
        for part in said["compositeRequest"]:
            table = part["url"].rpartition("/")[2]
            body = {name: _referred(value, done) for name, value in part["body"].items()}
            try:
                id = self.create(table, body, allow=False, single=True)
            except Stop as stop:
                self._undo(done.values())
                return Answer(200, {"compositeResponse": _halted(said["compositeRequest"], part, stop)})
            done[part["referenceId"]] = id
            parts.append(_part(part, 201, {"id": id, "success": True, "errors": []}))
        return Answer(200, {"compositeResponse": parts})

    def _undo(self, ids: Iterable[str]) -> None:
        """What is refused as a whole was not begun."""
        for id in ids:
            del self.records.tables[self.records.table_of(id)][id]

    def _query(self, text: str, *, deleted_too: bool) -> Answer:
        def rows_of(table: str) -> list[Record]:
            return list(self.records.tables[table].values()) if deleted_too else self.records.live(table)

        def child_of(parent: str, relation: str) -> str | None:
            return CHILDREN.get((parent, relation), (None, ""))[0]

        query = soql.parse(text, soql.Tables(self.type_of, rows_of, child_of))
        found = query.run(rows_of(query.table))
        if query.counts:
            return Answer(200, {"totalSize": len(found), "done": True, "records": []})
        ids = {row["Id"] for row in found}
        children = {
            relation: self._grouped(query.table, relation, child, ids) for relation, child in query.children.items()
        }
        shown = [self._shown(query, row, children) for row in found]
        return self._page(shown, len(shown))

    def _grouped(self, table: str, relation: str, child: soql.Query, ids: Set[str]) -> dict[str, list[Record]]:
        """By the record that they belong to, one of `ids`."""
        other, key = CHILDREN[table, relation]
        found: dict[str, list[Record]] = {}
        for row in child.run([row for row in self.records.live(other) if row[key] in ids]):
            found.setdefault(row[key], []).append(self._shown(child, row, {}))
        return found

    def _shown(
        self, query: soql.Query, row: Mapping[str, Any], children: Mapping[str, Mapping[str, list[Record]]]
    ) -> Record:
        url = f"{_DATA}/sobjects/{query.table}/{row['Id']}"
        record = {"attributes": {"type": query.table, "url": url}, **{name: row.get(name) for name in query.fields}}
        for relation, groups in children.items():
            shown = groups.get(row["Id"], [])
            record[relation] = {"totalSize": len(shown), "done": True, "records": shown} if shown else None
        return record

    def _page(self, rows: list[Record], total: int) -> Answer:
        page, rest = rows[: self.page_size], rows[self.page_size :]
        body: dict[str, Any] = {"totalSize": total, "done": not rest, "records": page}
        if rest:
            locator = f"01g5G00000{next(self._numbers):05}-{self.page_size}"
            self._locators[locator] = rest
            body["nextRecordsUrl"] = f"{_DATA}/query/{locator}"
        return Answer(200, body)

    def _more(self, locator: str) -> Answer:
        rows = self._locators.pop(locator, None)
        if rows is None:
            raise Stop(problem("INVALID_QUERY_LOCATOR", "invalid query locator"))
        return self._page(rows, len(rows))


def _allows(request: Request) -> bool:
    """Whether rules that only warn are passed over."""
    return "allowsave=true" in request.headers.get("sforce-duplicate-rule-header", "").lower().replace(" ", "")


def _referred(value: Any, done: Mapping[str, str]) -> Any:
    found = re.fullmatch(r"@\{(\w+)\.id\}", value) if isinstance(value, str) else None
    return done[found[1]] if found else value


def _halted(parts: list[dict[str, Any]], refused: dict[str, Any], stop: Stop) -> list[dict[str, Any]]:
    text = "The transaction was rolled back since another operation in the same transaction failed."
    halted = [problem("PROCESSING_HALTED", text)]
    return [_part(part, stop.status, [stop.said]) if part is refused else _part(part, 400, halted) for part in parts]


def _part(part: Mapping[str, Any], status: int, body: Any) -> dict[str, Any]:
    return {"body": body, "httpHeaders": {}, "httpStatusCode": status, "referenceId": part["referenceId"]}


def _item_error(said: Mapping[str, Any]) -> dict[str, Any]:
    """In a collection the code has another name, and a record that is gone another code."""
    code = "INVALID_CROSS_REFERENCE_KEY" if said["errorCode"] == "NOT_FOUND" else said["errorCode"]
    return {"statusCode": code, "message": said["message"], "fields": json.loads(json.dumps(said.get("fields", [])))}
