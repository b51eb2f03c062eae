"""Calls to one Nutshell account: who we are there, at which pace, and what its refusals do to the pace."""

import base64
from collections.abc import Mapping, Sequence
from datetime import timedelta
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import msgspec

from site2crm.connectors.contract import Context, CrmError, ErrorClass
from site2crm.connectors.nutshell import answers
from site2crm.connectors.nutshell.answers import NutshellError, Record
from site2crm.connectors.pacing import Limit
from site2crm.connectors.turning import Turning
from site2crm.connectors.wire import Call, network_error, send
from site2crm.core.http import OutboundError

HOSTS = ("app.nutshell.com",)
LIMIT = Limit(4, 1.0)
"""Three calls a second. Nutshell publishes no limit, which does not mean that there is none (contract, 9)."""
PATCH_TYPE = "application/json-patch+json"
LIST_BYTES = 16_000_000

_AT_ONCE = Limit(3, 0.0)  # two calls under way at once
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=5), timedelta(minutes=5)

Query = Sequence[tuple[str, str]]


class Access:
    """Raises CrmError(CONFIG) for settings that cannot work."""

    def __init__(self, context: Context) -> None:
        email, key = context.settings.get("email", "").strip(), context.secrets.get("api_key", "").strip()
        if "@" not in email or ":" in email or not email.isprintable():
            text = "Enter the e-mail with which a person signs in to Nutshell."
            raise CrmError(ErrorClass.CONFIG, text, field="email")
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise CrmError(
                ErrorClass.CONFIG,
                "This is not an API key of Nutshell: copy it again from Setup, API keys.",
                field="api_key",
            )
        self.context = context
        self.email = email
        self._basic = base64.b64encode(f"{email}:{key}".encode()).decode()
        self._base = (context.base_url or f"https://{HOSTS[0]}").rstrip("/") + "/rest"

    def call(self, method: str, path: str, body: object = None, *, query: Query = (), note: str = "") -> Call:
        """`path` begins with a slash; its parts are quoted already."""
        url = f"{self._base}{path}?{urlencode(query, quote_via=quote)}" if query else self._base + path
        headers = {"Authorization": f"Basic {self._basic}", "Accept": "application/json"}
        if body is None:
            return Call(method, url, headers, note=note, secret=self._basic)
        headers["Content-Type"] = PATCH_TYPE if method == "PATCH" else "application/json"
        return Call(method, url, headers, msgspec.json.encode(body), note=note, secret=self._basic)

    async def send(self, call: Call, *, max_bytes: int | None = None) -> Record | list[object]:
        """What was answered. Raises NutshellError, or CrmError for what went wrong on the way."""
        budget = self.context.budget
        try:
            async with budget.gate("at once", _AT_ONCE).call():
                answer = await send(self.context, call, hosts=HOSTS, max_bytes=max_bytes)
        except OutboundError as error:
            raise network_error(error) from error
        try:
            body = answers.read(answer)
        except NutshellError as error:
            if error.kind is ErrorClass.THROTTLE:
                error.retry_after = budget.refused(_FIRST_WAIT, _LONGEST_WAIT, asked=error.retry_after)
            raise
        budget.accepted()
        return body

    async def get(self, path: str, *, query: Query = (), max_bytes: int | None = None) -> Record | list[object]:
        return await self.send(self.call("GET", path, query=query), max_bytes=max_bytes)

    async def record(self, table: str, id: str) -> Record | None:
        """None if it is not there, or deleted."""
        try:
            found = answers.one(await self.get(f"/{table}/{quote(id, safe='')}"), table)
        except NutshellError as error:
            if error.kind is ErrorClass.NOT_FOUND:
                return None
            raise
        return None if found.get("deletedTime") else found

    async def users(self) -> tuple[list[Record], Mapping[str, object]]:
        """All, page by page, and what the first page tells of the account."""
        body = await self.get("/users", max_bytes=LIST_BYTES)
        found, told = answers.listed(body, "users"), answers.meta(body)
        pages = Turning("Nutshell", "users")
        while query := _next(answers.meta(body)):
            pages.to(urlencode(query))
            body = await self.get("/users", query=query, max_bytes=LIST_BYTES)
            new = answers.listed(body, "users")
            if not new or new[0] in found:
                break
            found += new
        return found, told


def _next(meta: Mapping[str, object]) -> Query:
    """Of the address that Nutshell names only the query is taken: the host stays ours."""
    url = meta.get("next")
    return parse_qsl(urlsplit(url).query) if isinstance(url, str) else ()
