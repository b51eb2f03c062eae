"""How HubSpot is called: the token, the limits that its answers tell, and its refusals as CrmErrors."""

from collections.abc import Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Literal

import msgspec

from site2crm.connectors.contract import Context, CrmError, ErrorClass, Exchange
from site2crm.connectors.hubspot import answers
from site2crm.connectors.hubspot.answers import HubSpotError
from site2crm.connectors.pacing import Limit, Ticket
from site2crm.connectors.wire import Call, count, json_object, masked, network_error, send, send_granted
from site2crm.core.http import OutboundError, Response
from site2crm.kit import clock

HUBSPOT_API_VERSION = "2026-09"
API_HOST = "api.hubapi.com"
HOSTS = (API_HOST,)
LIMIT = Limit(100, 10.0)
"""A token of a Free or Starter account (crm/hubspot.md 9); the answers tell the larger ones."""
SEARCH_LIMIT = Limit(5, 1.0)
"""For each account, beside the other one (crm/hubspot.md 9)."""

BATCH = 100
"""Records of one batch call (crm/hubspot.md 8)."""

_HIDDEN = "••••"

Object = Literal["contacts", "deals", "calls", "emails", "meetings", "tasks"]
_TYPE_IDS: dict[Object, str] = {"contacts": "0-1", "deals": "0-3"}


def objects(name: Object) -> str:
    """The path of a kind of records."""
    return f"/crm/objects/{HUBSPOT_API_VERSION}/{name}"


class Portal:
    """One HubSpot account behind a static token, or behind the grant of who signed in. Raises CrmError."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.grants = context.grants
        self.token = "" if self.grants else _token_of(context)
        self._base = (context.base_url or f"https://{HOSTS[0]}").rstrip("/")
        self.tz = context.account.tz if context.account else None
        self._now: datetime | None = None

    @property
    def now(self) -> datetime:
        """By the clock of HubSpot's last answer; by ours if it told none."""
        return self._now or clock.now()

    def json_call(self, method: str, path: str, body: object = None) -> Call:
        """Without the token."""
        headers = {"Accept": "application/json"}
        if body is None:
            return Call(method, self._base + path, headers)
        headers["Content-Type"] = "application/json"
        return Call(method, self._base + path, headers, msgspec.json.encode(body))

    async def call(
        self, method: str, path: str, body: object = None, *, max_bytes: int | None = None
    ) -> dict[str, object]:
        """The record or list in the answer."""
        return await self.exchange(self.json_call(method, path, body), max_bytes=max_bytes)

    async def exchange(self, call: Call, *, max_bytes: int | None = None) -> dict[str, object]:
        return self._read(await self._send(call, max_bytes=max_bytes))

    async def search(self, of: Object, body: object) -> dict[str, object]:
        """Within search's own limit."""
        async with self._context.budget.gate("search", SEARCH_LIMIT).call():
            return await self.call("POST", f"{objects(of)}/search", body)

    async def batch_read(self, of: Object, ids: Sequence[str], properties: Sequence[str]) -> list[dict[str, object]]:
        """Those that are there; of a contact that was merged the one that it went into. 207: some are not."""
        found: list[dict[str, object]] = []
        for start in range(0, len(ids), BATCH):
            inputs = [{"id": id} for id in ids[start : start + BATCH]]
            body = {"inputs": inputs, "properties": list(properties)}
            answer = await self._send(self.json_call("POST", f"{objects(of)}/batch/read", body), max_bytes=None)
            told = json_object(answer.content) if answer.status == 207 else None
            found += results(self._read(answer) if told is None else told)
        return found

    def shown(self, calls: Sequence[Call]) -> list[Exchange]:
        """As a preview."""
        return [masked(self._context, _authorized(call, self.token or _HIDDEN)) for call in calls]

    def record_url(self, of: Object, id: str) -> str | None:
        account = self._context.account
        return f"{account.url}/record/{_TYPE_IDS[of]}/{id}" if account and account.url else None

    def _read(self, answer: Response) -> dict[str, object]:
        try:
            return answers.read(answer, tz=self.tz)
        except HubSpotError as error:
            if error.kind is ErrorClass.THROTTLE and error.retry_after is not None:
                self._context.budget.close(error.retry_after)
            raise

    async def _send(self, call: Call, *, max_bytes: int | None) -> Response:
        try:
            if self.grants is None:
                signed = _authorized(call, self.token)
                return await send(self._context, signed, hosts=HOSTS, max_bytes=max_bytes, answered=self._heed)
            return await send_granted(
                self._context,
                lambda grant: _authorized(call, grant.access),
                is_stale=lambda answer: answer.status == 401,
                hosts=HOSTS,
                max_bytes=max_bytes,
                answered=self._heed,
            )
        except OutboundError as error:
            raise network_error(error) from error

    def _heed(self, answer: Response, ticket: Ticket) -> None:
        """What HubSpot says of our limit. Search answers carry no such headers; then the last word stands."""
        headers = answer.headers
        self._now = _date(headers.get("date", "")) or self._now
        if (left := count(headers, "x-hubspot-ratelimit-daily-remaining")) is not None:
            wait = answers.midnight(self.tz)
            if left == 0:
                self._context.budget.close(wait)
                return
            self._context.budget.told_of_day(left, count(headers, "x-hubspot-ratelimit-daily") or 0, wait)
        if (remaining := count(headers, "x-hubspot-ratelimit-remaining")) is not None:
            calls = count(headers, "x-hubspot-ratelimit-max")
            interval_ms = count(headers, "x-hubspot-ratelimit-interval-milliseconds")
            limit = Limit(
                LIMIT.calls if calls is None else calls, interval_ms / 1000 if interval_ms else LIMIT.window_s
            )
            self._context.budget.told(remaining, limit, ticket)


def _token_of(context: Context) -> str:
    token = context.secrets.get("token", "").strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        text = "This is not an access token: one has letters, digits and hyphens. Copy it again in HubSpot."
        raise CrmError(ErrorClass.CONFIG, text, field="token")
    return token


def _authorized(call: Call, token: str) -> Call:
    return call._replace(headers={"Authorization": f"Bearer {token}", **call.headers})


def _date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None


def id_of(record: object) -> str | None:
    """An answer with anything else in its place is not HubSpot's, and says nothing about the record."""
    id = record.get("id") if isinstance(record, dict) else None
    return str(id) if isinstance(id, str | int) and not isinstance(id, bool) and id != "" else None


def results(answer: dict[str, object]) -> list[dict[str, object]]:
    """The records of a list."""
    listed = answer.get("results")
    return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []


def after(answer: dict[str, object]) -> str | None:
    """Where the next page begins."""
    paging = answer.get("paging")
    following = paging.get("next") if isinstance(paging, dict) else None
    found = following.get("after") if isinstance(following, dict) else None
    return str(found) if found else None


def text(value: object) -> str | None:
    return str(value) if value not in (None, "") else None
