"""Calls to Zoho's API: the right host, the grant, the limits, and queries in Zoho's language (COQL)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import msgspec

from site2crm.connectors.contract import Context, CrmError, ErrorClass, Exchange
from site2crm.connectors.grants import Grant
from site2crm.connectors.pacing import Budget, Limit, Ticket
from site2crm.connectors.wire import Call, count, masked, network_error, send_granted
from site2crm.connectors.zoho import answers, centres
from site2crm.connectors.zoho.answers import Item, ZohoError
from site2crm.connectors.zoho.sharing import Share, item_share, rows_share, shared_out
from site2crm.core.http import OutboundError, Response
from site2crm.kit import clock

ZOHO_API_VERSION = "v8"
LIMIT = Limit(4, 0.0)
"""Three calls at once: the smallest plan allows five for all who use the app (crm/zoho.md 9)."""
CREDITS_LEFT = 500
"""Of the credits of 24 hours, for the customer's other integrations. Zoho tells what remains from half of them on."""
CREDITS_AT_ONCE = 25
"""Of those last ones, for leads, after each wait: a hundred leads with messages need no more. Without them a lead would
never arrive where others always leave less, for each takes several calls."""
_DAY = 5_000
"""Of the smallest edition; Zoho tells only what remains. At a fifth of them reading back stops."""
CREDITS_WAIT, LONGEST_CREDITS_WAIT = timedelta(minutes=15), timedelta(hours=2)
"""They come back 24 hours after each was used, which nobody tells: each time that it was asked in vain doubles the
wait, as after refusals (crm/zoho.md 9)."""
BATCH = 100
IDS_AT_ONCE = 50
"""In one call: the list of ids may have 1,024 characters, and a query 50 values."""
_ROWS = 200
T = TypeVar("T")
_NOBODY: Mapping[str, Any] = MappingProxyType({})
_LARGE_BYTES = 16_000_000

_refusals: WeakKeyDictionary[Budget, int] = WeakKeyDictionary()
"""How often in a row each connection was told 429: the wait grows with it, and connectors live for one call only."""
_floors: WeakKeyDictionary[Budget, int] = WeakKeyDictionary()
"""Down to which of the last credits each connection may go before it waits again."""


class Client:
    """One organisation."""

    def __init__(self, context: Context) -> None:
        self.context = context

    @property
    def place(self) -> centres.Centre:
        """Where the account is, as far as it is known without asking."""
        account = self.context.account
        known = centres.of_web(account.url) if account and account.url else None
        return known or centres.chosen(self.context.settings.get("data_centre", ""))

    async def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> dict[str, object]:
        return answers.read(await self._send("GET", path, headers=headers))

    async def send(
        self, method: str, path: str, body: object = None, *, shares: Sequence[Share] = ()
    ) -> dict[str, object]:
        return answers.read(await self._send(method, path, body, shares=shares))

    async def write(
        self,
        method: str,
        path: str,
        body: Mapping[str, object],
        *,
        key: str = "data",
        refs: Mapping[str, int] = _NOBODY,
    ) -> list[Item]:
        """One result for each record in the body, in order. `refs`: the number of each person's record."""
        rows = body[key]
        count = len(rows) if isinstance(rows, list) else 0
        shares = [item_share(ref, path, body, key=key, number=number) for ref, number in refs.items()]
        return answers.read_items(await self._send(method, path, body, shares=shares), count=count, key=key)

    async def query(self, text: str) -> tuple[list[Item], bool]:
        """The rows, and whether there are more."""
        body = await self.send("POST", "coql", {"select_query": text})
        info = body.get("info")
        return records_of(body), bool(isinstance(info, dict) and info.get("more_records"))

    async def of_values(
        self, columns: str, module: str, column: str, values: Sequence[str], *, refs: Mapping[str, str] = _NOBODY
    ) -> list[Item]:
        """The rows in which the column has one of the values, the oldest record first. `refs`: each person's value."""

        def query(wanted: Sequence[str]) -> object:
            return {"select_query": looking_for(columns, module, column, wanted)}

        found: list[Item] = []
        for some in chunks(values, IDS_AT_ONCE):
            theirs = {ref: value for ref, value in refs.items() if value in some}
            shares = [rows_share(ref, "coql", query([v]), column=column, value=v) for ref, v in theirs.items()]
            found += records_of(await self.send("POST", "coql", query(some), shares=shares))
        return found

    async def by_ids(
        self, module: str, ids: Sequence[str], fields: str, *, refs: Mapping[str, str] = _NOBODY
    ) -> list[Item]:
        """Those that are there, converted leads too. `refs`: each person's id."""
        found: list[Item] = []
        for some in chunks(ids, IDS_AT_ONCE):
            theirs = {ref: id for ref, id in refs.items() if id in some}
            shares = [
                rows_share(ref, by_ids_path(module, [id], fields), None, column="id", value=id)
                for ref, id in theirs.items()
            ]
            found += records_of(await self.send("GET", by_ids_path(module, some, fields), shares=shares))
        return found

    async def fields(self, module: str) -> list[Item]:
        return rows_of(await self.get(f"settings/fields?module={module}"), "fields")

    def call(self, method: str, path: str, body: object = None, *, grant: Grant | None = None, note: str = "") -> Call:
        headers = {
            "Authorization": f"Zoho-oauthtoken {grant.access if grant else '••••'}",
            "Accept": "application/json",
        }
        content = b""
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = msgspec.json.encode(body)
        url = f"{self._base(grant)}/crm/{ZOHO_API_VERSION}/{path}"
        return Call(method, url, headers, content, note=note)

    def shown(self, method: str, path: str, body: object = None, *, note: str = "") -> Exchange:
        """A call that is not made."""
        return masked(self.context, self.call(method, path, body, note=note))

    async def grant(self) -> Grant:
        if self.context.grants is None:
            raise CrmError(ErrorClass.REAUTH, "Nobody has signed in for this connection yet.", code="NO_GRANT")
        return await self.context.grants.current()

    def _base(self, grant: Grant | None) -> str:
        told = grant.extra.get("api_domain", "") if grant else ""
        return (self.context.base_url or told or self.place.api_url).rstrip("/")

    async def _send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        shares: Sequence[Share] = (),
    ) -> Response:
        """With `shares` the exchange is reported to each of them apart."""

        def make(grant: Grant) -> Call:
            call = self.call(method, path, body, grant=grant)
            return call._replace(headers={**call.headers, **(headers or {})})

        if not shares:
            return await self._made(make, self.context)
        exchanges: list[Exchange] = []
        answer: Response | None = None
        try:
            answer = await self._made(make, replace(self.context, on_exchange=exchanges.append))
        finally:
            for part in shared_out(exchanges, answer, shares, lambda one: self.shown(method, one.path, one.body)):
                self.context.on_exchange(part)
        return answer

    async def _made(self, make: Callable[[Grant], Call], context: Context) -> Response:
        try:
            answer = await send_granted(
                context,
                make,
                is_stale=answers.is_stale,
                hosts=centres.API_HOSTS,
                max_bytes=_LARGE_BYTES,
                answered=self._heed,
            )
        except OutboundError as error:
            raise network_error(error) from error
        self._count(answer)
        return answer

    def _count(self, answer: Response) -> None:
        """Raises ZohoError(THROTTLE) and closes the budget for longer each time."""
        budget = self.context.budget
        if answer.status != 429:
            _refusals.pop(budget, None)
            return
        _refusals[budget] = _refusals.get(budget, 0) + 1
        try:
            answers.read(answer)
        except ZohoError as error:
            error.kind = ErrorClass.THROTTLE
            error.retry_after = error.retry_after or answers.patience(_refusals[budget])
            budget.close(error.retry_after)
            raise

    def _heed(self, answer: Response, _ticket: Ticket) -> None:
        left, budget = count(answer.headers, "x-api-credits-remaining"), self.context.budget
        if left is not None:
            budget.told_of_day(left, _DAY, CREDITS_WAIT, most=LONGEST_CREDITS_WAIT)
            self._spare(left)
        elif answer.status < 300:
            budget.enough_of_day()
            self._enough()

    def _spare(self, left: int) -> None:
        """The last credits are for others, but for a few from time to time."""
        budget = self.context.budget
        if left > CREDITS_LEFT:
            self._enough()
            return
        floor = _floors.get(budget, left)
        if left <= floor:
            budget.refused(CREDITS_WAIT, LONGEST_CREDITS_WAIT, asked=None)
            floor = 0
        _floors[budget] = max(floor, left - CREDITS_AT_ONCE)

    def _enough(self) -> None:
        _floors.pop(self.context.budget, None)
        self.context.budget.accepted()


def chunks(items: Sequence[T], size: int) -> list[Sequence[T]]:
    return [items[at : at + size] for at in range(0, len(items), size)]


def looking_for(columns: str, module: str, column: str, values: Iterable[str]) -> str:
    listed = ", ".join(quoted(value) for value in values)
    where = f"where {column} in ({listed}) order by id asc limit 0, {_ROWS}"
    return f"select {columns} from {module} {where}"  # noqa: S608 - Zoho's language; the values are quoted


def by_ids_path(module: str, ids: Iterable[str], fields: str) -> str:
    converted = "&converted=both" if module == "Leads" else ""
    return f"{module}?ids={','.join(ids)}&fields={fields}{converted}"


def quoted(value: str) -> str:
    """A text in a query."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def rows_of(body: Mapping[str, object], key: str) -> list[Item]:
    listed = body.get(key)
    return [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []


def records_of(body: Mapping[str, object]) -> list[Item]:
    """Of a module: what has no id is none."""
    return [row for row in rows_of(body, "data") if row.get("id")]


def link_of(row: Item, name: str) -> str | None:
    """The id of the record that a property points to."""
    value: Any = row.get(name)
    return str(value["id"]) if isinstance(value, dict) and value.get("id") else None


def moment(value: object) -> datetime | None:
    """Zoho's times have the offset of the user who signed in."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return clock.as_utc(found) if found.tzinfo else None


def written_time(value: datetime) -> str:
    """With an offset and without fractions, else Zoho refuses it."""
    return value.astimezone(UTC).isoformat(timespec="seconds")
