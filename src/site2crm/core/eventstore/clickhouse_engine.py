"""The ClickHouse server as pages and the pump meet it: there, or away.

While it is away pages are told so at once, and one question every two seconds tries again; the pump tries at its own
pace (core/consumer.py). An alarm stands as long as it lasts. What is refused is never the fault of a row, which has
only texts and numbers in their ranges, but of the server or its table: so nothing is set aside, all of it waits.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum, auto
from typing import Any, TypeVar

from site2crm.core import log
from site2crm.core.config_types import ClickHouse
from site2crm.core.eventstore import clickhouse_schema
from site2crm.core.eventstore.clickhouse_line import ASK_S, PROBE_S, Away, Line, Refused, Value
from site2crm.core.eventstore.errors import BLOCKED, EventsUnavailable

T = TypeVar("T")
REST_S = 2.0

_WITHOUT_TABLE = frozenset({16, 47, 60, 81})
"""Unknown column, name, table or database: somebody dropped it, or it is an older one."""

_AWAY = "The ClickHouse server does not answer. No click is lost: ask again in a few seconds."
_GOES_ON = "Clicks wait in the journal and are counted once it works; forms and links go on."

_log = log.get("events")


class Trouble(Enum):
    NO_ANSWER = auto()
    WRITES_REFUSED = auto()


class Engine:
    """`ring(code, text)` and `calm(code)` raise and clear alarms."""

    def __init__(self, place: ClickHouse, *, ring: Callable[[str, str], None], calm: Callable[[str], None]) -> None:
        self.line = Line(place)
        self._ring = ring
        self._calm = calm
        self._lock = asyncio.Lock()
        self._is_prepared = False
        self._troubles: set[Trouble] = set()
        self._next_try = 0.0

    @property
    def is_away(self) -> bool:
        """Whether something failed that has not succeeded since."""
        return bool(self._troubles)

    async def ask(self, sql: str, values: Mapping[str, Value]) -> list[Any]:
        """Rows. Raises EventsUnavailable, at once while it is known not to answer."""
        if Trouble.NO_ANSWER not in self._troubles:
            return await self.ask_again(sql, values)
        if time.monotonic() < self._next_try:
            raise EventsUnavailable(_AWAY)
        self._next_try = time.monotonic() + REST_S
        return await self.ask_again(sql, values, timeout_s=PROBE_S)

    async def ask_again(self, sql: str, values: Mapping[str, Value], *, timeout_s: float = ASK_S) -> list[Any]:
        """Rows, for who tries at a pace of its own. Raises EventsUnavailable."""
        await self.prepare()
        try:
            return await self._answered(self.line.ask(sql, values, timeout_s=timeout_s))
        except Refused as error:
            _log.warning("events.question_failed", code=error.code, error=str(error))
            raise EventsUnavailable from error

    async def tell(self, sql: str, values: Mapping[str, Value], **settings: str) -> None:
        """Raises EventsUnavailable."""
        await self.prepare()
        await self._written(self.line.tell(sql, values, **settings))

    async def insert(self, rows: bytes, *, token: str) -> None:
        """Raises EventsUnavailable: then they may be stored or not."""
        await self.prepare()
        columns = clickhouse_schema.COLUMNS
        await self._written(self.line.insert(clickhouse_schema.TABLE, columns, rows, token=token))

    async def prepare(self) -> None:
        """The table is there, and as this version wants it. Raises EventsUnavailable."""
        async with self._lock:
            if not self._is_prepared:
                await self._written(clickhouse_schema.prepare(self.line))
                self._calm(BLOCKED)  # the alarm may be from before our start
                self._is_prepared = True

    async def close(self) -> None:
        await self.line.close()

    async def _written(self, call: Awaitable[None]) -> None:
        try:
            await self._answered(call)
        except Refused as error:
            raise self._failed(Trouble.WRITES_REFUSED, str(error)) from error
        self._is_over(Trouble.WRITES_REFUSED)

    async def _answered(self, call: Awaitable[T]) -> T:
        try:
            answer = await call
        except Away as error:
            raise self._failed(Trouble.NO_ANSWER, str(error)) from error
        except Refused as error:
            self._is_prepared = self._is_prepared and error.code not in _WITHOUT_TABLE
            raise
        self._is_over(Trouble.NO_ANSWER)
        return answer

    def _failed(self, trouble: Trouble, why: str) -> EventsUnavailable:
        if not self._troubles:
            self._ring(BLOCKED, f"ClickHouse at {self.line.place} ([events] url) fails: {why} {_GOES_ON}")
        self._troubles.add(trouble)
        self._next_try = time.monotonic() + REST_S
        return EventsUnavailable(_AWAY)

    def _is_over(self, trouble: Trouble) -> None:
        if self._troubles == {trouble}:
            self._calm(BLOCKED)
        self._troubles.discard(trouble)
