"""How Pipedrive is called: which version serves what, by token or by sign-in, within the limits that it tells.

Beside the burst limit there is one of the day, shared by everybody who uses the customer's account; reading deals
stops before it is used up, so that leads and other people's integrations go on (crm/pipedrive.md 9).
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import quote, urlencode
from weakref import WeakKeyDictionary

import msgspec

from site2crm.connectors.contract import Context, CrmError, ErrorClass, Exchange
from site2crm.connectors.grants import Grant
from site2crm.connectors.pacing import Budget, Limit, Ticket
from site2crm.connectors.pipedrive import answers
from site2crm.connectors.pipedrive.answers import PipedriveError
from site2crm.connectors.turning import Turning
from site2crm.connectors.wire import Call, count, is_host_of, masked, network_error, send, send_granted, stay_in
from site2crm.core.http import OutboundError, Response
from site2crm.kit import clock

HOSTS = (".pipedrive.com",)
LIMIT = Limit(20, 2.0)
"""By API token in the smallest plan (crm/pipedrive.md 9); the answers tell the larger ones."""
SEARCH_LIMIT = Limit(10, 2.0)
"""In every plan, beside the other one (crm/pipedrive.md 9)."""
LIST_BYTES = 16_000_000

_VERSIONS = {
    "persons": "v2", "organizations": "v2", "deals": "v2", "activities": "v2", "pipelines": "v2", "stages": "v2",
    "personFields": "v2", "organizationFields": "v2", "dealFields": "v2",
    "notes": "v1", "users": "v1", "webhooks": "v1",
}  # fmt: skip
_SCOPES = {
    "persons": "contacts:full", "organizations": "contacts:full", "notes": "contacts:full", "deals": "deals:full",
    "personFields": "contacts:full", "organizationFields": "contacts:full", "dealFields": "deals:full",
    "pipelines": "deals:full", "stages": "deals:full", "activities": "activities:read", "users": "users:read",
    "webhooks": "admin",
}  # fmt: skip
_GENERIC = "https://api.pipedrive.com"
_COMPANY = re.compile(r"(?:https?://)?([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:\.pipedrive\.com)?/?", re.IGNORECASE)
_LEFT_OF_DAY = "x-daily-ratelimit-token-remaining"
_DAY_IS_USED_UP = (timedelta(minutes=30), timedelta(hours=1))
_DEAREST = 40
"""Tokens of the day that a call takes at most (crm/pipedrive.md 9): a refusal while less are left is the day's."""
_PATIENCE = 3
_waits: WeakKeyDictionary[Budget, tuple[int, datetime]] = WeakKeyDictionary()
"""How many times in a row a connection has waited in vain, and until when: it may be the day's limit."""


class Ask(NamedTuple):
    """One request. `about`: the resource and what follows it in the path, such as `persons/5`."""

    method: str
    about: str
    body: Mapping[str, object] | None = None
    query: Mapping[str, str] | None = None
    note: str = ""

    @property
    def resource(self) -> str:
        return self.about.partition("/")[0]

    @property
    def searches(self) -> bool:
        return self.about.endswith("/search")


class Client:
    """One connection's calls. Raises CrmError(CONFIG, field=...) for settings that cannot work."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._token = "" if context.grants else _token(context)
        self._company = _company(context)

    async def ask(self, ask: Ask, *, max_bytes: int | None = None) -> dict[str, object]:
        """What Pipedrive answers. Raises CrmError."""
        try:
            answer = await self._sent(ask, max_bytes=max_bytes)
        except OutboundError as error:
            raise network_error(error) from error
        try:
            told = answers.read(answer)
        except PipedriveError as error:
            raise self._considered(error, ask, answer) from None
        _waits.pop(self.context.budget, None)
        return told

    async def record(self, ask: Ask) -> dict[str, object]:
        """The one record in an answer. Raises CrmError."""
        data = (await self.ask(ask)).get("data")
        if not isinstance(data, dict) or id_of(data) is None:
            raise PipedriveError(ErrorClass.RETRY, "Pipedrive answered without the record's id.", code="not_json")
        return data

    async def records(self, ask: Ask) -> list[dict[str, object]]:
        """One page of a list. Raises CrmError."""
        return rows_of((await self.ask(ask, max_bytes=LIST_BYTES)).get("data"))

    async def all(self, about: str) -> list[dict[str, object]]:
        """Every page of a short v2 list: fields, pipelines, stages. Raises CrmError."""
        found: list[dict[str, object]] = []
        query, pages = {"limit": "500"}, Turning("Pipedrive", about)
        while True:
            told = await self.ask(Ask("GET", about, query=query), max_bytes=LIST_BYTES)
            found += rows_of(told.get("data"))
            cursor = next_cursor(told)
            if cursor is None:
                return found
            pages.to(cursor)
            query = {**query, "cursor": cursor}

    def shown(self, ask: Ask) -> Exchange:
        """The call as it would be sent."""
        grant = Grant("") if self.context.grants else None
        return masked(self.context, self._call(ask, grant))

    def record_url(self, kind: str, id: str) -> str | None:
        account = self.context.account
        return f"{account.url}/{kind}/{id}" if account and account.url else None

    @property
    def company(self) -> str | None:
        """The address that was entered, if one was."""
        return self._company

    @property
    def currency(self) -> str | None:
        return self.context.account.currency if self.context.account else None

    async def _sent(self, ask: Ask, *, max_bytes: int | None) -> Response:
        """Searches have a limit of their own, and take nothing of the other one."""
        context = self.context
        if ask.searches:
            stay_in(context.budget)
            context = replace(context, budget=context.budget.part("search", SEARCH_LIMIT))

        def answered(answer: Response, ticket: Ticket) -> None:
            self._heed(answer.headers, context.budget, ticket)

        if context.grants is None:
            call = self._call(ask, None)
            return await send(context, call, hosts=HOSTS, max_bytes=max_bytes, answered=answered)
        return await send_granted(
            context,
            lambda grant: self._call(ask, grant),
            is_stale=lambda answer: answer.status == 401,
            hosts=HOSTS,
            max_bytes=max_bytes,
            answered=answered,
        )

    def _call(self, ask: Ask, grant: Grant | None) -> Call:
        query = f"?{urlencode(ask.query, quote_via=quote)}" if ask.query else ""
        url = f"{self._base(grant)}/api/{_VERSIONS[ask.resource]}/{ask.about}{query}"
        headers = {"Accept": "application/json"}
        if grant is None:
            headers["x-api-token"] = self._token  # as a bearer it is refused
        else:
            headers["Authorization"] = f"Bearer {grant.access or '••••'}"
        if ask.body is None:
            return Call(ask.method, url, headers, note=ask.note)
        headers["Content-Type"] = "application/json"
        return Call(ask.method, url, headers, msgspec.json.encode(ask.body), ask.note)

    def _base(self, grant: Grant | None) -> str:
        told = grant.extra.get("api_domain") if grant else None
        account = self.context.account.url if self.context.account else None
        return (self.context.base_url or told or self._company or account or _GENERIC).rstrip("/")

    def _heed(self, headers: Mapping[str, str], budget: Budget, ticket: Ticket) -> None:
        """What Pipedrive says of our limits, in the answer to this call."""
        remaining, calls = count(headers, "x-ratelimit-remaining"), count(headers, "x-ratelimit-limit")
        if remaining is not None and calls is not None:
            budget.told(remaining, Limit(calls, LIMIT.window_s), ticket)
        left, whole = count(headers, _LEFT_OF_DAY), count(headers, "x-daily-ratelimit-token-limit")
        if 0 in (left, count(headers, "x-daily-requests-left")):
            self.context.budget.close(_DAY_IS_USED_UP[0])
        elif left is not None and whole is not None:
            self.context.budget.told_of_day(left, whole, _DAY_IS_USED_UP[0])

    def _considered(self, error: PipedriveError, ask: Ask, answer: Response) -> PipedriveError:
        """With what only we know: how often we have waited, and which right the call needs."""
        if error.kind is ErrorClass.THROTTLE:
            left = count(answer.headers, _LEFT_OF_DAY)
            in_vain = _PATIENCE if left is not None and left < _DEAREST else 0
            error.retry_after = self._wait(error.retry_after or answers.BURST, in_vain=in_vain)
        elif error.kind is ErrorClass.CONFIG and "scope" in error.text.lower():
            error.code = "MISSING_SCOPES"
            error.text = f"The sign-in lacks the right {_SCOPES[ask.resource]}. Pipedrive says: {error.text}"
        return error

    def _wait(self, asked: timedelta, *, in_vain: int) -> timedelta:
        """`in_vain`: as if it had waited so often already."""
        budget = self.context.budget
        waited, until = _waits.get(budget, (0, clock.now()))
        if clock.now() >= until:  # else it is an answer to a call that was on its way already
            waited = max(waited, in_vain) + 1
            if waited > _PATIENCE:
                asked = max(asked, _DAY_IS_USED_UP[waited > _PATIENCE + 1])
            _waits[budget] = waited, clock.now() + asked
        budget.close(asked)
        return budget.closed_for


def rows_of(value: object) -> list[dict[str, object]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def hits_of(told: Mapping[str, object]) -> list[dict[str, object]]:
    """The records that a search found."""
    data = told.get("data")
    items = data.get("items") if isinstance(data, dict) else None
    found = [each.get("item") for each in items if isinstance(each, dict)] if isinstance(items, list) else []
    return [item for item in found if isinstance(item, dict)]


def id_of(record: Mapping[str, object]) -> str | None:
    """An answer with anything else in its place is not Pipedrive's."""
    id = record.get("id")
    return str(id) if isinstance(id, int) and not isinstance(id, bool) else None


def next_cursor(told: Mapping[str, object]) -> str | None:
    """Where a v2 list goes on; None at its end."""
    more = told.get("additional_data")
    cursor = more.get("next_cursor") if isinstance(more, dict) else None
    return cursor if isinstance(cursor, str) and cursor else None


def address_of(company: str) -> str | None:
    """`acme`, `acme.pipedrive.com` or the address of its first page, as the address of its API."""
    found = _COMPANY.fullmatch(company.strip())
    return f"https://{found[1].lower()}.pipedrive.com" if found else None


def _token(context: Context) -> str:
    token = context.secrets.get("token", "").strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise CrmError(
            ErrorClass.CONFIG,
            "This is not an API token: one has letters and digits only. Copy it again.",
            field="token",
        )
    return token


def _company(context: Context) -> str | None:
    """Of a connection by API token, if it was entered; else the first answer tells it."""
    entered = context.settings.get("company", "").strip()
    if context.grants or not entered:
        return None
    address = address_of(entered.partition(".pipedrive.com/")[0])
    if address is None or not is_host_of(address, HOSTS):
        text = "Enter the first part of your Pipedrive address: acme, if it is acme.pipedrive.com."
        raise CrmError(ErrorClass.CONFIG, text, field="company")
    return address
