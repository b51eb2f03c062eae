"""A stateful Pipedrive on loopback: persons, organisations, notes, deals, activities; refuses what Pipedrive refuses.

`crm = Pipedrive(); await crm.start()`. API version 1 for what has no second one, 2 for the rest, as at the vendor.
Control: GET /_fake/persons, /_fake/requests; POST|DELETE /_fake/faults; POST /_fake/settings.
"""

import time
from collections.abc import Callable
from typing import Any

from site2crm.demo import pipedrive_sales as sales
from site2crm.demo.pipedrive_fields import (
    Refused,
    check_body,
    check_custom,
    check_entries,
    deal_fields,
    invalid,
    organization_fields,
    person_fields,
)
from site2crm.demo.pipedrive_limits import Limits
from site2crm.demo.pipedrive_oauth import OAuth
from site2crm.demo.pipedrive_store import Records, found, listed, number, start_list, when
from site2crm.demo.server import Answer, FakeServer, Fault, Request

TOKEN = "pd0123456789abcdef0123456789abcdef012345"
COMPANY = {"company_id": 9, "company_name": "Acme Ltd", "company_domain": "acme"}
_INFO = "Please check developers.pipedrive.com for more information about Pipedrive API."
_PERSON = {"name": str, "owner_id": int, "org_id": int, "add_time": str, "update_time": str, "emails": list,
           "phones": list, "visible_to": int, "label_ids": list, "marketing_status": str,
           "custom_fields": dict}  # fmt: skip
_ORGANIZATION = {"name": str, "owner_id": int, "add_time": str, "visible_to": int, "label_ids": list,
                 "address": dict, "custom_fields": dict}  # fmt: skip
_RIGHTS = {
    "persons": "contacts", "organizations": "contacts", "personFields": "contacts", "organizationFields": "contacts",
    "notes": "contacts", "deals": "deals", "dealFields": "deals", "pipelines": "deals", "stages": "deals",
    "activities": "activities", "activityTypes": "activities", "webhooks": "admin",
}  # fmt: skip


class Pipedrive(FakeServer):
    """One company's account."""

    def __init__(self, *, token: str = TOKEN) -> None:
        super().__init__()
        self.tokens: dict[str, int] = {token: 1}
        """API token -> the user whose rights it has."""
        self.users = sales.standard_users()
        self.persons = Records(_texts_of_person)
        self.organizations = Records(lambda row: [row["name"]])
        self.notes = Records()
        self.deals = Records()
        self.activities = Records()
        self.webhooks = Records()
        self.fields = {"persons": person_fields(), "organizations": organization_fields(), "deals": deal_fields()}
        self.pipelines, self.stages = sales.standard_pipelines(), sales.standard_stages()
        self.limits = Limits()
        self.oauth = OAuth(f"https://{COMPANY['company_domain']}.pipedrive.com")
        self.search_lag_s = 0.0

    # what tests look at and set

    @property
    def people(self) -> list[dict[str, Any]]:
        return [person for person in self.persons.rows.values() if not person["is_deleted"]]

    def add_person(self, **given: Any) -> int:
        """One that is there already, visible to search at once."""
        id = self._store_person(given)["id"]
        self.persons.written[id] = 0.0
        return int(id)

    def add_organization(self, **given: Any) -> int:
        id = self._store_organization(given)["id"]
        self.organizations.written[id] = 0.0
        return int(id)

    def add_user(self, name: str) -> int:
        """Somebody who sells."""
        self.users.append(sales.user(len(self.users) + 1, name))
        return len(self.users)

    def add_deal(self, **given: Any) -> int:
        return int(sales.store_deal(self.deals, self.stages, given)["id"])

    def add_activity(self, **given: Any) -> int:
        return int(sales.store_activity(self.activities, given)["id"])

    # the server

    def answer(self, request: Request) -> Answer:
        if request.path.startswith("/oauth/"):
            return self.oauth.answer(request)
        scopes = self._scopes(request)
        if isinstance(scopes, Answer):
            return scopes
        by_oauth = "x-api-token" not in request.headers
        try:
            answer = self.limits.take(request, by_oauth=by_oauth) or self._route(request, scopes)
        except Refused as refused:
            answer = _error(refused.status, refused.text)
        for name, value in self.limits.headers(request, by_oauth=by_oauth).items():
            answer.headers.setdefault(name, value)
        return answer

    def fault_answer(self, fault: Fault) -> Answer:
        if fault.body is not None or fault.kind == "page":
            return super().fault_answer(fault)
        return Answer(fault.status, _error(fault.status, f"scripted fault {fault.status}").body, fault.headers)

    def control(self, request: Request) -> Answer:
        match request.method, request.path.removeprefix("/_fake/"):
            case "GET", "persons":
                return Answer(200, self.people, {"X-Total": str(len(self.people))})
            case "POST", "settings":
                said = request.json()
                self.search_lag_s = said.get("search_lag_s", self.search_lag_s)
                self.limits.plan = said.get("plan", self.limits.plan)
                self.limits.on = said.get("limits", self.limits.on)
                return Answer(200, {})
        return super().control(request)

    def _scopes(self, request: Request) -> frozenset[str] | Answer:
        """What the caller may do; "*" for an API token, which has the rights of its user."""
        if (token := request.headers.get("x-api-token")) is not None:
            return frozenset("*") if token in self.tokens else _unauthorized()
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind and kind != "Bearer":
            return _error(400, "Malformed authorization header")
        granted = self.oauth.granted(token)
        return granted.scopes if granted else _unauthorized()

    def _route(self, request: Request, scopes: frozenset[str]) -> Answer:
        _, api, version, resource, *rest = [*request.path.split("/"), "", ""]
        names = [part for part in rest if part]
        if api != "api" or (version, resource) not in _SERVED:
            return _error(404, "unknown method")
        self._check_right(request.method, resource, scopes)
        match resource:
            case "persons":
                return self._persons(request, names)
            case "organizations":
                return self._organizations(request, names)
            case "notes":
                return self._notes(request, names)
            case "deals":
                return sales.answer_deals(self, request, names)
            case "activities":
                return listed(request, self.activities.rows.values())
            case "webhooks":
                return sales.answer_webhooks(self, request, names)
            case "personFields" | "organizationFields" | "dealFields":
                kind = resource.removesuffix("Fields") + "s"
                return Answer(200, {"success": True, "data": self.fields[kind], "additional_data": {}})
            case "users":
                return self._users(request, names)
            case "pipelines":
                return listed(request, self.pipelines)
            case "stages":
                return listed(request, sales.stages_of(self.stages, request.query.get("pipeline_id")))
            case "activityTypes":
                return Answer(200, {"success": True, "data": sales.ACTIVITY_TYPES})
        return Answer(200, {"success": True, "data": sales.CURRENCIES})

    def _check_right(self, method: str, resource: str, scopes: frozenset[str]) -> None:
        right = _RIGHTS.get(resource)
        if right is None or "*" in scopes:
            return
        enough = {right, f"{right}:full"} | ({f"{right}:read"} if method == "GET" else set())
        if not enough & scopes:
            raise Refused("Scope and URL mismatch", status=403)

    def _users(self, request: Request, names: list[str]) -> Answer:
        if names != ["me"]:
            return Answer(200, {"success": True, "data": self.users})
        id = self.tokens.get(request.headers.get("x-api-token", ""), 1)
        user = next(user for user in self.users if user["id"] == id)
        language = {"language_code": "en", "country_code": "GB"}
        return Answer(200, {"success": True, "data": {**user, **COMPANY, "language": language}})

    def _persons(self, request: Request, names: list[str]) -> Answer:
        match request.method, names:
            case "GET", []:
                return listed(request, self.people)
            case "GET", ["search"]:
                return self._search(request, self.persons, _person_hit)
            case "GET", [id]:
                return found(self.persons.get(number(id)))
            case "POST", []:
                return _written(self._store_person(self._person_body(request, {"name"})))
            case "PATCH", [id]:
                row, body = self.persons.alive(number(id)), self._person_body(request, set())
                return _written(self.persons.change(row, body))
            case "DELETE", [id]:
                self.persons.change(self.persons.alive(number(id)), {"is_deleted": True})
                return Answer(200, {"success": True, "data": {"id": number(id)}})
        return _error(405, "Method not allowed")

    def _organizations(self, request: Request, names: list[str]) -> Answer:
        match request.method, names:
            case "GET", []:
                return listed(request, self.organizations.alive_rows())
            case "GET", ["search"]:
                return self._search(request, self.organizations, _organization_hit)
            case "GET", [id]:
                return found(self.organizations.get(number(id)))
            case "POST", []:
                body = request.json()
                check_body(body, _ORGANIZATION)
                if not body.get("name"):
                    raise invalid("name: Parameter 'name' is required")
                return _written(self._store_organization(body))
        return _error(405, "Method not allowed")

    def _notes(self, request: Request, names: list[str]) -> Answer:
        match request.method, names:
            case "GET", []:
                about = {name: int(request.query[name]) for name in ("person_id", "deal_id") if name in request.query}
                rows = [note for note in self.notes.rows.values() if about.items() <= note.items()]
                return start_list(request, rows)
            case "POST", []:
                body = request.json()
                if not body.get("content"):
                    raise Refused("Content is required.")
                if not body.keys() & {"person_id", "deal_id", "org_id", "lead_id"}:
                    raise Refused("One of person_id, deal_id, org_id or lead_id is required.")
                now = when().replace("T", " ").rstrip("Z")
                row = {"active_flag": True, "user_id": 1, "add_time": now, **body, "update_time": now}
                return Answer(200, {"success": True, "data": self.notes.add(row)})
        return _error(405, "Method not allowed")

    def _search(self, request: Request, records: Records, hit: Callable[..., dict[str, Any] | None]) -> Answer:
        asked = request.query
        term, exact, field = asked.get("term", ""), asked.get("exact_match") == "true", asked.get("fields", "")
        if len(term) < (1 if exact else 2):
            raise invalid("term: Search term must be at least 2 characters long")
        seen = time.monotonic() - self.search_lag_s
        hits = [
            item
            for row in (records.once_named(term) if exact else records.rows.values())
            if not row["is_deleted"] and records.written[row["id"]] <= seen
            and (item := hit(row, field, term.casefold(), exact))
        ]  # fmt: skip
        items = [{"result_score": 1.2, "item": item} for item in hits[: int(asked.get("limit", "100"))]]
        return Answer(200, {"success": True, "data": {"items": items}, "additional_data": {}})

    def _person_body(self, request: Request, needed: set[str]) -> dict[str, Any]:
        body = request.json()
        check_body(body, _PERSON)
        if missing := sorted(needed - {name for name, value in body.items() if value}):
            raise invalid(*(f"{name}: Parameter '{name}' is required" for name in missing))
        for name in ("emails", "phones"):
            check_entries(name, body.get(name, []))
        check_custom(body.get("custom_fields", {}), self.fields["persons"], about="person")
        if "owner_id" in body and body["owner_id"] not in {user["id"] for user in self.users}:
            raise invalid(f"owner_id: User {body['owner_id']} was not found")
        if "org_id" in body and self.organizations.get(body["org_id"]) is None:
            raise invalid(f"org_id: Organization {body['org_id']} was not found")
        return dict(body)

    def _store_person(self, given: dict[str, Any]) -> dict[str, Any]:
        custom = {field["field_code"]: None for field in self.fields["persons"] if field["is_custom_field"]}
        row = {"owner_id": 1, "emails": [], "phones": [], "visible_to": 3, "label_ids": [], **given}
        return self.persons.add({**row, "custom_fields": {**custom, **given.get("custom_fields", {})}})

    def _store_organization(self, given: dict[str, Any]) -> dict[str, Any]:
        return self.organizations.add({"owner_id": 1, "visible_to": 3, "label_ids": [], "custom_fields": {}, **given})


_SERVED = {("v2", name) for name in ("persons", "organizations", "deals", "activities", "pipelines", "stages",
                                     "personFields", "organizationFields", "dealFields")}  # fmt: skip
_SERVED |= {("v1", name) for name in ("notes", "users", "activityTypes", "currencies", "webhooks")}


def _texts_of_person(row: dict[str, Any]) -> list[str]:
    return [row["name"], *(entry["value"] for name in ("emails", "phones") for entry in row[name])]


def _person_hit(row: dict[str, Any], field: str, term: str, exact: bool) -> dict[str, Any] | None:
    emails, phones = ([entry["value"] for entry in row[name]] for name in ("emails", "phones"))
    looked_at = {"email": emails, "phone": phones, "name": [row["name"]]}.get(field, [*emails, *phones, row["name"]])
    if not any(term == text.casefold() if exact else term in text.casefold() for text in looked_at):
        return None
    return {"id": row["id"], "type": "person", "name": row["name"], "emails": emails, "phones": phones,
            "visible_to": 3, "owner": {"id": row["owner_id"]}, "custom_fields": [], "notes": []}  # fmt: skip


def _organization_hit(row: dict[str, Any], field: str, term: str, exact: bool) -> dict[str, Any] | None:
    name = row["name"].casefold()
    if not (term == name if exact else term in name):
        return None
    return {"id": row["id"], "type": "organization", "name": row["name"], "visible_to": 3,
            "owner": {"id": row["owner_id"]}, "custom_fields": [], "notes": []}  # fmt: skip


def _written(row: dict[str, Any]) -> Answer:
    if "emails" in row:
        first, _, last = row["name"].partition(" ")
        row["first_name"], row["last_name"] = first, last
    return Answer(200, {"success": True, "data": row})


def _error(status: int, text: str) -> Answer:
    code = {"code": "ERR_SCHEMA_VALIDATION_FAILED"} if text.startswith("Validation failed") else {}
    return Answer(status, {"success": False, "error": text, "error_info": _INFO, "data": None,
                           "additional_data": None, **code})  # fmt: skip


def _unauthorized() -> Answer:
    body = {"success": False, "error": "unauthorized access", "errorCode": 401,
            "error_info": "Please check developers.pipedrive.com"}  # fmt: skip
    return Answer(401, body)
