"""A stateful Zoho CRM on loopback: modules, COQL, OAuth, channels, credits; refuses what Zoho refuses.

`crm = Zoho(); await crm.start()`; `crm.token` is an access token with all rights that does
not end by itself.
Control: GET /_fake/leads, /_fake/contacts, /_fake/deals, /_fake/requests; POST|DELETE /_fake/faults; POST
/_fake/settings, /_fake/expire.
"""

import re
from collections.abc import Callable
from math import inf
from typing import Any

from site2crm.demo import zoho_coql
from site2crm.demo.server import Answer, Fault, Request
from site2crm.demo.zoho_office import Office
from site2crm.demo.zoho_records import Records, error, written_price
from site2crm.kit import clock

MODULES = "ZohoCRM.modules.ALL"
SEARCH = "ZohoSearch.securesearch.READ"
SCOPES = (
    MODULES, "ZohoCRM.users.READ", "ZohoCRM.org.READ", "ZohoCRM.settings.fields.READ",
    "ZohoCRM.settings.layouts.READ", "ZohoCRM.settings.pipeline.READ", "ZohoCRM.coql.READ",
    "ZohoCRM.notifications.ALL", SEARCH,
)  # fmt: skip
_API = "/crm/v8/"
DAY_S = 86_400.0
_RECORD = re.compile(r"(?P<module>\w+)/(?P<id>\d+)")
_CONVERT = re.compile(r"Leads/(?P<id>\d+)/actions/convert")
_MODULE = re.compile(r"(?P<module>[A-Z]\w+)(?:/(?P<part>upsert|search|deleted))?")


class Zoho(Records, Office):
    """One organisation with one user who signs in."""

    def __init__(self) -> None:
        Records.__init__(self)
        Office.__init__(self)
        self.credits = 50_000
        """Of any 24 hours."""
        self.credits_used = 0
        self.day_s: float = DAY_S
        """After so long all credits are there again, at once."""
        self._day_began = clock.unix()
        self.token, self.refresh_token = self.grant(set(SCOPES))
        self.access[self.token] = (set(SCOPES), inf)

    @property
    def people(self) -> list[dict[str, Any]]:
        """Leads that are not converted, and contacts."""
        leads = [lead for lead in self.records["Leads"].values() if not lead["Converted__s"]]
        return [*leads, *self.records["Contacts"].values()]

    def reset(self) -> None:
        """An empty organisation in which nothing goes wrong."""
        self.forget_records()
        self.channels.clear()
        self.credits_used = 0
        self.faults.clear()
        self.requests.clear()

    def answer(self, request: Request) -> Answer:
        told = self.accounts_answer(request)
        if told is not None:
            return told
        if not request.path.startswith(_API):
            return Answer(
                404, error("INVALID_URL_PATTERN", "Please check if the URL trying to access is a correct one")
            )
        scopes = self.scopes_of(request.headers.get("authorization", "").removeprefix("Zoho-oauthtoken "))
        if scopes is None:
            return Answer(401, error("INVALID_TOKEN", "invalid oauth token"))
        if self._day_began + self.day_s < clock.unix():
            self.credits_used, self._day_began = 0, clock.unix()
        if self.credits_used >= self.credits:
            return Answer(429, error("TOO_MANY_REQUESTS", "You have used all the API credits of the day"))
        answer, cost = self._route(request, request.path.removeprefix(_API), scopes)
        self.credits_used += cost
        left = self.credits - self.credits_used
        if left * 2 <= self.credits:
            answer.headers["X-API-CREDITS-REMAINING"] = str(max(left, 0))
        return answer

    def fault_answer(self, fault: Fault) -> Answer:
        if fault.body is not None:
            return super().fault_answer(fault)
        if fault.status == 429:
            body = error("TOO_MANY_REQUESTS", "Too many requests fired in concurrent manner")
            return Answer(429, body, fault.headers)
        return Answer(fault.status, error("INTERNAL_ERROR", f"scripted fault {fault.status}"), fault.headers)

    def control(self, request: Request) -> Answer:
        what = request.path.removeprefix("/_fake/")
        match request.method, what:
            case "GET", "leads" | "contacts" | "deals" | "accounts" | "notes":
                found = list(self.records[what.title()].values())
                return Answer(200, found, {"X-Total": str(len(found))})
            case "POST", "expire":
                self.access = {token: (scopes, clock.unix()) for token, (scopes, _) in self.access.items()}
                return Answer(204)
            case "POST", "settings":
                for name in ("search_lag_s", "credits", "credits_used", "access_lives_s"):
                    setattr(self, name, request.json().get(name, getattr(self, name)))
                return Answer(200, {"token": self.token, "refresh_token": self.refresh_token})
        return super().control(request)

    def _route(self, request: Request, path: str, scopes: set[str]) -> tuple[Answer, int]:
        """The answer and its price in credits."""
        needed, then, cost = self._handler(request, path)
        if missing := next((scope for scope in needed if scope not in scopes), None):
            body = error("OAUTH_SCOPE_MISMATCH", "invalid oauth scope to access this URL", scope=missing)
            return Answer(401, body), 1
        return then(), cost

    def _handler(self, request: Request, path: str) -> tuple[tuple[str, ...], Callable[[], Answer], int]:
        match request.method, path:
            case "GET", "users":
                return ("ZohoCRM.users.READ",), lambda: self.list_users(request), 1
            case "GET", "org":
                return ("ZohoCRM.org.READ",), self.org_answer, 1
            case "GET", "settings/fields":
                return ("ZohoCRM.settings.fields.READ",), lambda: self.list_fields(request, self.fields), 1
            case "GET", "settings/layouts":
                return ("ZohoCRM.settings.layouts.READ",), self.list_layouts, 1
            case "GET", "settings/pipeline":
                return ("ZohoCRM.settings.pipeline.READ",), lambda: self.list_pipelines(request), 1
            case "POST", "coql":
                return ("ZohoCRM.coql.READ", MODULES), lambda: self.coql(request), zoho_coql.price(request.body)
            case (("GET" | "POST" | "DELETE"), "actions/watch"):
                return ("ZohoCRM.notifications.ALL",), lambda: self.watch(request), 1
        return self._record_handler(request, path)

    def _record_handler(self, request: Request, path: str) -> tuple[tuple[str, ...], Callable[[], Answer], int]:
        convert, record, module = (
            _CONVERT.fullmatch(path), _RECORD.fullmatch(path), _MODULE.fullmatch(path))  # fmt: skip
        if request.method == "POST" and convert:
            return (MODULES,), lambda: self.convert(request, convert["id"]), 5
        if request.method == "DELETE" and record:
            return (MODULES,), lambda: self.delete(record["module"], record["id"]), 1
        if module is None or module["module"] not in self.fields:
            body = error("INVALID_URL_PATTERN", "Please check if the URL trying to access is a correct one")
            return (), lambda: Answer(404, body), 1
        name = module["module"]
        match request.method, module["part"]:
            case "GET", None:
                return (MODULES,), lambda: self.list_records(request, name), 1
            case "GET", "search":
                return (MODULES, SEARCH), lambda: self.search(request, name), 1
            case "GET", "deleted":
                return (MODULES,), lambda: self.list_deleted(request, name), 1
            case "POST" | "PUT", None | "upsert":
                how = module["part"] or request.method
                return (MODULES,), lambda: self.write(request, name, how=how), written_price(request)
        body = error("INVALID_REQUEST_METHOD", "The http request method type is not a valid one")
        return (), lambda: Answer(405, body), 1
