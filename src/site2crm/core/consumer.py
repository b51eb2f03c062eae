"""The loop that carries a journal stream into a database, exactly once where the position is stored with the effect."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from site2crm.core import log
from site2crm.core.journal.contract import Position, Readable, Record

T = TypeVar("T")
_log = log.get("consumer")
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0

MOST_YIELDED = 2.5
LEAST_YIELDED = 0.5
LONGEST_YIELD_S = 0.25
"""Who posts is answered first: while records come in faster than half of what is applied, the consumer rests after each
batch, up to two and a half times as long as it worked. What waits is safe, and applied once it is calmer."""

CALM_FACTOR = 4
"""A backlog is applied in larger transactions while few records come in: half the time a record, and nobody is kept."""


async def consume(
    journal: Readable,
    stream: str,
    *,
    load: Callable[[], Awaitable[Position | None]],
    apply: Callable[[list[Record]], Awaitable[None]],
    poison: Callable[[Record, Exception], Awaitable[None]],
    is_data_error: Callable[[Exception], bool],
    batch: int = 100,
) -> None:
    """Apply records in order: for ever, until cancelled, or to the end of a journal that somebody has left.

    `load` returns the stored position (None: from the beginning, also when the stored epoch is not the journal's).
    `apply` and `poison` store `record.next` of the last record in the transaction of their effect. A commit whose
    answer was lost is applied again, so effects are idempotent. Only a record that fails alone, for its data, is
    handed to `poison`; locks and lost connections are waited out.
    """
    handlers = _Handlers(stream, apply, poison, is_data_error)
    position = await _persist(stream, load)
    limit = batch
    while True:
        if position is not None:
            journal.release(stream, position)
        if not await journal.wait(stream, position):
            return
        read = partial(asyncio.to_thread, journal.read, stream, position, limit=limit)
        records = await _persist(stream, read)
        if records:
            begun, before = time.monotonic(), journal.appended[stream]
            await handlers.settle(records)
            position = records[-1].next
            busy = min(MOST_YIELDED, (journal.appended[stream] - before) / len(records))
            limit = batch if busy >= LEAST_YIELDED else CALM_FACTOR * batch
            if busy >= LEAST_YIELDED:
                await asyncio.sleep(min(LONGEST_YIELD_S, (time.monotonic() - begun) * busy))


@dataclass(frozen=True)
class _Handlers:
    stream: str
    apply: Callable[[list[Record]], Awaitable[None]]
    poison: Callable[[Record, Exception], Awaitable[None]]
    is_data_error: Callable[[Exception], bool]

    async def settle(self, records: list[Record]) -> None:
        """Apply all; on a data error halve, until the record that is to blame stands alone."""
        error = await _persist(self.stream, lambda: self._attempt(records))
        if error is None:
            return
        if len(records) == 1:
            _log.error("consumer.poisoned", stream=self.stream, error=repr(error))
            await _persist(self.stream, lambda: self.poison(records[0], error))
            return
        middle = len(records) // 2
        await self.settle(records[:middle])
        await self.settle(records[middle:])

    async def _attempt(self, records: list[Record]) -> Exception | None:
        """The data error, if that is what kept the records from being applied."""
        try:
            await self.apply(records)
        except Exception as error:
            if not self.is_data_error(error):
                raise
            return error
        return None


async def _persist(stream: str, step: Callable[[], Awaitable[T]]) -> T:
    """Repeat until it works: what fails here is the world, not the record."""
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            return await step()
        except Exception as error:  # noqa: BLE001 - whatever it is, skipping a record would lose it
            _log.warning("consumer.waiting", stream=stream, error=repr(error), pause_s=pause_s)
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
