"""ClickHouse by its HTTP interface: one request a statement, and the server itself binds the values.

Without a driver: the official one is an HTTP client of its own with two compressors and compiled parts, for what is
here a page of code. core/http.py calls, as everywhere: loaded at the first call, capped in time and size, refused
inside an open write transaction. The address is the operator's own configuration, so it may be anywhere; no other may.
"""

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import msgspec

from site2crm.core.config_types import ClickHouse
from site2crm.core.http import Outbound, OutboundError, Response

ASK_S = 10.0
WORK_S = 110.0
"""For what writes: a deletion rewrites every part that has one of the rows."""
PROBE_S = 3.0
MOST_BYTES = 64 * 1024 * 1024

_FORMAT = "FORMAT JSONCompactEachRow"
_CODE = re.compile(r"Code: (\d+)")
_SPECIAL = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0", "'": "\\'"})
_ALWAYS = {"wait_end_of_query": "1"}
"""The status tells how the whole statement ended, not only its beginning."""
_ASKING = {"output_format_json_quote_64bit_integers": "0", "max_execution_time": str(ASK_S - 1)}
_INSERTING = {
    "async_insert": "0",  # gathered by the server, rows would be acknowledged before they are there
    "insert_deduplicate": "1",
    "input_format_parallel_parsing": "0",  # one block, so that it is stored whole or not at all
    "input_format_null_as_default": "0",
}

Value = str | int | datetime | Sequence[str]


class Away(Exception):
    """No answer: nobody knows whether the statement was carried out."""


class Refused(Exception):
    """ClickHouse's own error, by its number; 0 where something else answered."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Line:
    """Raises Away and Refused; neither has the password in it."""

    def __init__(self, place: ClickHouse) -> None:
        self.place = place
        self._out = Outbound(ASK_S, MOST_BYTES, allow_private=[str(place).lower()], own=())
        token = base64.b64encode(f"{place.user}:{place.password.reveal()}".encode()).decode()
        self._headers = {"Authorization": f"Basic {token}", "Content-Type": "text/plain; charset=utf-8"}

    async def ask(self, sql: str, values: Mapping[str, Value] | None = None, *, timeout_s: float = ASK_S) -> list[Any]:
        """The rows, each a list. `{name:Type}` in the statement is replaced by the value, by the server."""
        answer = await self._send(
            f"{sql} {_FORMAT}".encode(), _ASKING | _bound(values or {}), timeout_s=timeout_s, database=True
        )
        try:
            return msgspec.json.decode(b"[" + b",".join(answer.splitlines()) + b"]", type=list[list[Any]])
        except msgspec.MsgspecError:
            raise Refused(0, f"What answers at {self.place} is no ClickHouse.") from None

    async def tell(self, sql: str, values: Mapping[str, Value] | None = None, **settings: str) -> None:
        """A statement that answers nothing, in the database of the address."""
        await self._send(sql.encode(), settings | _bound(values or {}), timeout_s=WORK_S, database=True)

    async def tell_server(self, sql: str, *, timeout_s: float = WORK_S) -> None:
        """The same in no database."""
        await self._send(sql.encode(), {}, timeout_s=timeout_s, database=False)

    async def insert(self, table: str, columns: Iterable[str], rows: bytes, *, token: str) -> None:
        """Rows as lines of JSON arrays; with a token that was there before, nothing happens."""
        into = f"INSERT INTO {table} ({', '.join(columns)}) {_FORMAT}"
        settings = _INSERTING | {"query": into, "insert_deduplication_token": token}
        await self._send(rows, settings, timeout_s=WORK_S, database=True)

    async def close(self) -> None:
        await self._out.aclose()

    async def _send(self, content: bytes, settings: Mapping[str, str], *, timeout_s: float, database: bool) -> bytes:
        query = {**_ALWAYS, **settings, **({"database": self.place.database} if database else {})}
        try:
            answer = await self._out.request(
                "POST",
                f"{self.place.root}/?{urlencode(query)}",
                headers=self._headers,
                content=content,
                timeout_s=timeout_s,
            )
        except OutboundError as error:
            raise Away(str(error)) from error
        if (error_code := _error_code(answer)) is not None:
            raise Refused(error_code, _first_line(answer))
        return answer.content


def _bound(values: Mapping[str, Value]) -> dict[str, str]:
    return {f"param_{name}": _written(value) for name, value in values.items()}


def _written(value: Value) -> str:
    """As the server reads a parameter: escaped like a field of tab-separated values, the items of a list in quotes."""
    match value:
        case str():
            return value.translate(_SPECIAL)
        case datetime():
            return moment(value)
        case int():
            return str(value)
        case _:
            return "[" + ",".join(f"'{item.translate(_SPECIAL)}'" for item in value) + "]"


def moment(at: datetime) -> str:
    """As a DateTime64 in UTC is written."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"


def _error_code(answer: Response) -> int | None:
    told = answer.headers.get("x-clickhouse-exception-code", "")
    if answer.status == 200 and not told:
        return None
    found = _CODE.search(answer.content[:2000].decode("utf-8", "replace"))
    return int(told) if told.isdecimal() else int(found[1]) if found else 0


def _first_line(answer: Response) -> str:
    text = answer.content[:2000].decode("utf-8", "replace").strip().partition("\n")[0][:300]
    return text or f"status {answer.status} without a word"
