"""A stateful HubSpot on loopback: contacts, properties, tokens with scopes; refuses what HubSpot refuses.

`crm = HubSpot(); await crm.start()`.
Control: GET /_fake/contacts, /_fake/requests; POST|DELETE /_fake/faults; POST /_fake/tokens,
/_fake/properties, /_fake/owners, /_fake/settings, /_fake/uninstall, /_fake/expire.
"""

import itertools
import json
import re
import time
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from site2crm.demo.hubspot_limits import Limits, refusal_of
from site2crm.demo.hubspot_oauth import SignIn
from site2crm.demo.hubspot_properties import problem_with, standard_properties
from site2crm.demo.hubspot_sales import SALES_SCOPES, SalesSide
from site2crm.demo.server import Answer, FakeServer, Fault, Request

TOKEN = "pat-na1-fake-0000-1111"
READ, WRITE = "crm.objects.contacts.read", "crm.objects.contacts.write"
SCOPES = (READ, WRITE, *SALES_SCOPES, "oauth")
_CONTACT = re.compile(r"/crm/objects/2026-09/contacts/([^/]+)")


class HubSpot(FakeServer):
    """One portal."""

    def __init__(self, *, token: str = TOKEN) -> None:
        super().__init__()
        self.portal = 62515
        self.contacts: dict[str, dict[str, Any]] = {}
        self.merged: dict[str, str] = {}
        """Contacts that went into another: reading one answers with the other."""
        self.sales = SalesSide(self.contacts, self.merged)
        self.properties = standard_properties()
        self.tokens: dict[str, set[str]] = {token: set(SCOPES)}
        self.service_keys: set[str] = set()  # tokens that the token-info call does not serve
        self.sign_in = SignIn()
        self.search_lag_s = 0.0
        self.limits = Limits()
        self.required: set[str] = set()  # what the portal's admin wants of every new contact
        self.errors_in_message_only = False  # the older form of a 400
        self.content_type = "application/json"
        self._by_email: dict[str, str] = {}
        self._written: dict[str, float] = {}
        self._ids = itertools.count(33451)

    # what tests look at and set

    def by_email(self, email: str) -> dict[str, Any] | None:
        id = self._by_email.get(email.lower())
        return self.contacts[id] if id else None

    def add_contact(self, **properties: str) -> str:
        """A contact that is there already, visible to search at once."""
        id = self._store(properties)
        self._written[id] = 0.0
        return id

    def merge(self, lost: str, kept: str) -> None:
        """Somebody merges two people: what is linked with the one is with the other, and no deal counts as changed."""
        email = self.contacts.pop(lost)["properties"].get("email", "")
        self._by_email[email.lower()] = kept
        self.merged[lost] = kept
        self.sales.moved(lost, kept)

    def reset(self) -> None:
        """An empty account with the standard properties, and nothing that goes wrong."""
        self.contacts.clear()
        self._by_email.clear()
        self._written.clear()
        self.merged.clear()
        self.sales.reset()
        self.properties = standard_properties()
        self.content_type = "application/json"
        self.limits, self.required = Limits(), set()
        self.faults.clear()
        self.requests.clear()

    def throttle(self, *, policy: str = "TEN_SECONDLY_ROLLING", retry_after: str | None = None, count: int = 1) -> None:
        headers = {"Retry-After": retry_after} if retry_after else {}
        self.faults.append(Fault("status", count=count, status=429, headers=headers, body=refusal_of(policy)))

    # the server

    def answer(self, request: Request) -> Answer:
        if (signed := self.sign_in.answer(request, self.portal)) is not None:
            return signed
        scopes = self._scopes(request)
        if scopes is None:
            return _error(401, "INVALID_AUTHENTICATION", "Authentication credentials not found or expired.")
        if (refusal := self.limits.take()) is not None:
            return refusal
        answer = self._route(request, scopes)
        answer.headers["Content-Type"] = self.content_type
        for name, value in self.limits.headers(request, by_oauth=not self._is_static(request)).items():
            answer.headers.setdefault(name, value)
        return answer

    def fault_answer(self, fault: Fault) -> Answer:
        if fault.body is not None:
            return super().fault_answer(fault)
        if fault.status == 429:
            return Answer(429, refusal_of("TEN_SECONDLY_ROLLING"), fault.headers)
        answer = _error(fault.status, "INTERNAL_ERROR", f"scripted fault {fault.status}")
        return Answer(answer.status, answer.body, fault.headers)

    def control(self, request: Request) -> Answer:
        match request.method, request.path.removeprefix("/_fake/"):
            case "GET", "contacts":
                wanted = request.query.get("email")
                found = [c for c in self.contacts.values() if not wanted or c["properties"].get("email") == wanted]
                return Answer(200, found, {"X-Total": str(len(found))})
            case "POST", "tokens":
                said = request.json()
                self.tokens.pop(said["token"], None)
                if not said.get("revoked"):
                    self.tokens[said["token"]] = set(said.get("scopes", SCOPES))
                return Answer(201, {"tokens": len(self.tokens)})
            case "POST", "uninstall":
                self.sign_in.uninstall()
                return Answer(204)
            case "POST", "expire":
                self.sign_in.expire()
                return Answer(204)
            case "POST", "properties":
                said = request.json()
                self.properties.pop(said["name"], None)
                if not said.get("removed"):
                    self.properties[said["name"]] = {**_blank_property(), **said}
                return Answer(201, {"properties": len(self.properties)})
            case "POST", "owners":
                said = request.json()
                return Answer(201, {"id": self.sales.add_owner(said["first"], said["last"])})
            case "POST", "settings":
                said = request.json()
                self.search_lag_s = said.get("search_lag_s", self.search_lag_s)
                self.limits.remaining = said.get("rate_remaining", self.limits.remaining)
                self.limits.burst, self.limits.daily = said.get("burst"), said.get("daily")
                return Answer(200, {})
        return super().control(request)

    def _scopes(self, request: Request) -> set[str] | None:
        return self.tokens.get(_bearer(request)) or self.sign_in.scopes_of(_bearer(request))

    def _is_static(self, request: Request) -> bool:
        return _bearer(request) in self.tokens

    def _route(self, request: Request, scopes: set[str]) -> Answer:
        contact = _CONTACT.fullmatch(request.raw_path)
        match request.method, request.raw_path:
            case "GET", "/account-info/2026-09/details":
                return Answer(200, self._details())
            case "POST", "/oauth/v2/private-apps/get/access-token-info":
                return self._token_info(request)
            case "GET", "/crm/properties/2026-09/contacts":
                return self._allowed(READ, scopes, lambda: Answer(200, {"results": list(self.properties.values())}))
            case "GET", "/crm/objects/2026-09/contacts":
                return self._allowed(READ, scopes, lambda: self._list(request))
            case "POST", "/crm/objects/2026-09/contacts/search":
                return self._allowed(READ, scopes, lambda: self._search(request))
            case "POST", "/crm/objects/2026-09/contacts":
                return self._allowed(WRITE, scopes, lambda: self._create(request))
            case "GET", _ if contact:
                return self._allowed(READ, scopes, lambda: self._get(request, unquote(contact[1])))
            case "PATCH", _ if contact:
                return self._allowed(WRITE, scopes, lambda: self._update(request, unquote(contact[1])))
            case "DELETE", _ if contact:
                return self._allowed(WRITE, scopes, lambda: self._archive(unquote(contact[1])))
        unknown = _error(404, "OBJECT_NOT_FOUND", "Unable to infer object type from: " + request.path)
        right = self.sales.right_for(request)
        return self._allowed(right, scopes, lambda: self.sales.answer(request) or unknown) if right else unknown

    def _allowed(self, scope: str, scopes: set[str], then: Callable[[], Answer]) -> Answer:
        if scope in scopes:
            return then()
        text = "This app hasn't been granted all required scopes to make this call."
        detail = {"message": "One or more of the following scopes are required.",
                  "context": {"requiredGranularScopes": [scope]}}  # fmt: skip
        return _error(403, "MISSING_SCOPES", text, errors=[detail])

    def _details(self) -> dict[str, Any]:
        return {
            "portalId": self.portal, "accountType": "DEVELOPER_TEST", "timeZone": "Europe/Berlin",
            "companyCurrency": "EUR", "additionalCurrencies": [], "utcOffset": "+01:00",
            "utcOffsetMilliseconds": 3_600_000, "uiDomain": "app-eu1.hubspot.com", "dataHostingLocation": "eu1",
        }  # fmt: skip

    def _token_info(self, request: Request) -> Answer:
        token = request.json().get("tokenKey", "")
        if token in self.service_keys or token not in self.tokens:
            return _error(404, "OBJECT_NOT_FOUND", "no private app has this token")
        return Answer(200, {"userId": 99, "hubId": self.portal, "appId": 7, "scopes": sorted(self.tokens[token])})

    def _list(self, request: Request) -> Answer:
        limit = int(request.query.get("limit", "10"))
        return Answer(200, {"results": list(itertools.islice(self.contacts.values(), limit))})

    def _search(self, request: Request) -> Answer:
        filters = [f for group in request.json().get("filterGroups", []) for f in group["filters"]]
        seen = time.monotonic() - self.search_lag_s
        found = [
            contact
            for id, contact in self.contacts.items()
            if self._written[id] <= seen
            and all(contact["properties"].get(f["propertyName"]) == f["value"] for f in filters)
        ]
        return Answer(200, {"total": len(found), "results": found[: request.json().get("limit", 10)]})

    def _create(self, request: Request) -> Answer:
        properties, refusal = self._read_properties(request)
        if refusal:
            return refusal
        if not any(properties.get(name) for name in ("email", "firstname", "lastname")):
            text = "At least one of email, firstname or lastname is needed to create a contact."
            return _error(400, "VALIDATION_ERROR", text)
        if existing := self._by_email.get(properties.get("email", "").lower()):
            return _conflict(existing)
        if missing := sorted(name for name in self.required if not properties.get(name)):
            text = f"Required properties are missing: {', '.join(missing)}"
            told = [{"message": f'Property "{name}" is required', "code": "MISSING_REQUIRED_PROPERTY",
                     "context": {"propertyName": [name]}} for name in missing]  # fmt: skip
            return _error(400, "VALIDATION_ERROR", text, errors=told)
        return Answer(201, self.contacts[self._store(properties)])

    def _get(self, request: Request, key: str) -> Answer:
        id = self._resolve(request, key)
        return Answer(200, self.contacts[id]) if id else _not_found()

    def _update(self, request: Request, key: str) -> Answer:
        id = self._resolve(request, key)
        if id is None:
            return _not_found()
        properties, refusal = self._read_properties(request)
        if refusal:
            return refusal
        holder = self._by_email.get(properties.get("email", "").lower())
        if holder not in (None, id):
            return _conflict(str(holder))
        contact = self.contacts[id]
        contact["properties"].update(properties, lastmodifieddate=_now())
        contact["updatedAt"] = _now()
        self._index(id)
        return Answer(200, contact)

    def _archive(self, id: str) -> Answer:
        contact = self.contacts.pop(id, None)
        if contact:
            self._by_email = {email: other for email, other in self._by_email.items() if other != id}
        return Answer(204)

    def _resolve(self, request: Request, key: str) -> str | None:
        if request.query.get("idProperty") == "email":
            return self._by_email.get(key.lower())
        key = self.merged.get(key, key)
        return key if key in self.contacts else None

    def _read_properties(self, request: Request) -> tuple[dict[str, str], Answer | None]:
        try:
            properties = request.json()["properties"]
        except (ValueError, KeyError, TypeError):
            return {}, _error(400, "VALIDATION_ERROR", "Invalid input JSON on line 1")
        if not properties:
            return {}, _error(400, "VALIDATION_ERROR", "No properties found to update, please provide at least one.")
        problems = [
            p for name, value in properties.items() if (p := problem_with(self.properties.get(name), name, value))
        ]
        if problems:
            return {}, self._invalid(problems)
        return {name: str(value) for name, value in properties.items()}, None

    def _invalid(self, problems: list[dict[str, Any]]) -> Answer:
        inner = [{"isValid": False, "message": p["message"], "error": p["code"], "name": p["name"],
                  "portalId": self.portal} for p in problems]  # fmt: skip
        text = f"Property values were not valid: {json.dumps(inner)}"
        if self.errors_in_message_only:
            return _error(400, "VALIDATION_ERROR", text)
        details = [
            {"message": p["message"], "code": p["code"], "context": {"propertyName": [p["name"]]}} for p in problems
        ]
        return _error(400, "VALIDATION_ERROR", text, errors=details)

    def _store(self, properties: dict[str, str]) -> str:
        id, now = str(next(self._ids)), _now()
        properties = {**properties, "createdate": now, "hs_object_id": id, "lastmodifieddate": now}
        self.contacts[id] = {"id": id, "properties": properties, "createdAt": now, "updatedAt": now, "archived": False}
        self._index(id)
        return id

    def _index(self, id: str) -> None:
        properties = self.contacts[id]["properties"]
        others = filter(None, properties.get("hs_additional_emails", "").split(";"))
        for email in filter(None, (properties.get("email", ""), *others)):
            self._by_email[email.lower()] = id
        self._written[id] = time.monotonic()


def _error(status: int, category: str, message: str, *, errors: Iterable[dict[str, Any]] = ()) -> Answer:
    body: dict[str, Any] = {"status": "error", "message": message, "category": category,
                            "correlationId": str(uuid.uuid4())}  # fmt: skip
    if errors:
        body["errors"] = list(errors)
    return Answer(status, body)


def _bearer(request: Request) -> str:
    return request.headers.get("authorization", "").removeprefix("Bearer ")


def _not_found() -> Answer:
    return _error(404, "OBJECT_NOT_FOUND", "resource not found")


def _conflict(id: str) -> Answer:
    return _error(409, "CONFLICT", f"Contact already exists. Existing ID: {id}")


def _blank_property() -> dict[str, Any]:
    return {"label": "Custom", "type": "string", "fieldType": "text", "groupName": "contactinformation",
            "description": "", "options": [], "hubspotDefined": False}  # fmt: skip


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
