"""Calls to one org: at the instance that the sign-in named, with a fresh token, within the org's daily limit."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from site2crm.connectors.contract import Context, CrmError, ErrorClass, Exchange
from site2crm.connectors.grants import Grant
from site2crm.connectors.pacing import Budget, Limit, Ticket
from site2crm.connectors.salesforce import answers, soql
from site2crm.connectors.salesforce.answers import SalesforceError
from site2crm.connectors.salesforce.login import HOSTS
from site2crm.connectors.turning import Turning
from site2crm.connectors.wire import Call, counted, masked, network_error, send_granted, whole
from site2crm.core.http import OutboundError, Response

SALESFORCE_API_VERSION = "v67.0"
DATA = f"/services/data/{SALESFORCE_API_VERSION}"
USER_INFO = "/services/oauth2/userinfo"
POLLING = Limit(20, 1.0)
"""Reading of deals and activities: leads are sent beside it, and others use the org too."""
BYTES = 16_000_000

_SLOW_AT, _STOP_AT = 0.80, 0.95
"""Shares of the daily limit at which reading slows down and stops; leads go on (crm/salesforce.md 9)."""
_SLOWED, _STOPPED = timedelta(minutes=1), timedelta(minutes=15)
_MOVED = {301, 302, 303, 307, 308}
_JSON = msgspec.json.Encoder(decimal_format="number")
_UNKNOWN_INSTANCE = "https://example.my.salesforce.com"
_LONGEST_QUERY = 12_000
"""As it stands in the address; address and headers together may have 16 KB (crm/salesforce.md 9)."""

Row = Mapping[str, object]


class Rows(NamedTuple):
    """One page of a query. `next`: the path of the following one."""

    items: list[Row]
    next: str | None
    total: int


class Client:
    """One connection. Every method raises CrmError."""

    def __init__(self, context: Context, *, polls: bool = False) -> None:
        self._context = context
        self._polls = polls
        self._hidden: set[tuple[str, str]] = set()

    def record_url(self, id: str) -> str | None:
        """Leads to the page of the record."""
        account = self._context.account
        return f"{account.url}/{id}" if account and account.url else None

    async def get(self, path: str) -> object:
        return await self._exchange("GET", path)

    async def send(self, method: str, path: str, body: object, *, headers: Mapping[str, str] | None = None) -> object:
        return await self._exchange(method, path, body, headers=headers or {})

    async def page(self, query: str, *, deleted_too: bool = False) -> Rows:
        return _rows(await self.get(query_path(query, deleted_too=deleted_too)))

    async def query(self, query: str, *, deleted_too: bool = False) -> list[Row]:
        """All rows, page after page. An expired locator raises RETRY: all of it is asked again."""
        rows = await self.page(query, deleted_too=deleted_too)
        found, pages = list(rows.items), Turning("Salesforce", "records")
        while rows.next is not None:
            pages.to(rows.next)
            rows = _rows(await self.get(rows.next))
            found += rows.items
        return found

    async def select(
        self,
        columns: Sequence[str],
        table: str,
        *,
        rest: str,
        optional: Collection[str] = (),
        deleted_too: bool = False,
    ) -> Rows:
        """One page; `optional` columns that this org or user does not have are left out, and remembered."""
        while True:
            asked = [name for name in columns if (table, name) not in self._hidden]
            try:
                return await self.page(soql.select(asked, table, rest), deleted_too=deleted_too)
            except SalesforceError as error:
                missing = {(table, name) for name in error.unwritable if name in optional} - self._hidden
                if not missing:
                    raise
                self._hidden |= missing

    def preview(
        self, method: str, path: str, body: object = None, *, note: str = "", headers: Mapping[str, str] | None = None
    ) -> Exchange:
        account = self._context.account
        base = self._context.base_url or (account.url if account else None) or _UNKNOWN_INSTANCE
        return masked(
            self._context, _call(base.rstrip("/"), "••••", method, path, body, headers or {})._replace(note=note)
        )

    async def grant(self) -> Grant:
        if self._context.grants is None:
            raise CrmError(ErrorClass.REAUTH, "Nobody has signed in for this connection yet.", code="NO_GRANT")
        return await self._context.grants.current()

    async def _exchange(
        self, method: str, path: str, body: object = None, *, headers: Mapping[str, str] | None = None
    ) -> object:
        if self._polls:
            self._stay_in_share()

        def made(grant: Grant) -> Call:
            base = self._context.base_url or grant.extra.get("instance_url", "")
            return _call(base.rstrip("/"), grant.access, method, path, body, headers or {})

        def is_stale(answer: Response) -> bool:
            # userinfo says 403 where everything else says 401; who moved is named by the next refresh.
            return answer.status in {401, *_MOVED} or (answer.status == 403 and path == USER_INFO)

        try:
            answer = await send_granted(
                self._context, made, is_stale=is_stale, hosts=HOSTS, max_bytes=BYTES, answered=self._heed
            )
        except OutboundError as error:
            raise network_error(error) from error
        if path == USER_INFO and answer.status == 403:
            raise SalesforceError(ErrorClass.REAUTH, "Salesforce does not take this sign-in.", code="Bad_OAuth_Token")
        try:
            said = answers.read(answer)
        except SalesforceError as error:
            if error.kind is ErrorClass.THROTTLE and error.retry_after is not None:
                error.retry_after = self._pause(error.retry_after)
            if error.code == "NOT_FOUND" and method == "GET":  # no record is read by its id
                error.kind = ErrorClass.CONFIG
                error.text = f"This org does not serve {path.partition('?')[0]}. Salesforce says: {error.text}"
            raise
        self._context.budget.accepted()
        return said

    def _pause(self, first: timedelta) -> timedelta:
        """No answer says when there is room again: each refusal doubles the wait (crm/salesforce.md 9)."""
        return self._context.budget.refused(first, max(first, answers.longest(first)), asked=None)

    @property
    def _share(self) -> Budget:
        return self._context.budget.part("polling", POLLING)

    def _stay_in_share(self) -> None:
        if wait := self._share.closed_for:
            text = "Most of the org's API calls of this day are used: reading waits, leads go on."
            raise CrmError(ErrorClass.THROTTLE, text, code="SHARE", retry_after=wait)

    def _heed(self, answer: Response, _: Ticket) -> None:
        """`api-usage=18/5000`: of all who use the org."""
        info = answer.headers.get("sforce-limit-info", "").partition("api-usage=")[2].split(";")[0].split(",")[0]
        used, most = (counted(part.strip()) for part in info.partition("/")[::2])
        if used is not None and most:
            share = used / most
            if share >= _STOP_AT:
                self._share.close(_STOPPED)
            elif share >= _SLOW_AT:
                self._share.close(_SLOWED)


def query_path(query: str, *, deleted_too: bool = False) -> str:
    return f"{DATA}/query{'All' if deleted_too else ''}?q={quote(query, safe='')}"


def fits(query: str) -> bool:
    return len(query_path(query)) <= _LONGEST_QUERY


def dictionary(answer: object) -> Row:
    if not isinstance(answer, dict):
        raise answers.not_answered()
    return answer


def _rows(answer: object) -> Rows:
    body = dictionary(answer)
    records, next, total = body.get("records"), body.get("nextRecordsUrl"), body.get("totalSize")
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise answers.not_answered()
    # A path on the same host and nothing else: what is put behind the host must not change it.
    path = next if isinstance(next, str) and next.startswith("/services/data/") and body.get("done") is False else None
    return Rows(records, path, whole(total) or len(records))


def _call(base: str, token: str, method: str, path: str, body: object, headers: Mapping[str, str]) -> Call:
    said = {"Authorization": f"Bearer {token}", "Accept": "application/json", **headers}
    if body is None:
        return Call(method, base + path, said)
    return Call(method, base + path, {**said, "Content-Type": "application/json"}, _JSON.encode(body))
