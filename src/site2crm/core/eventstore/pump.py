"""Carries the journal's events into the event store: 500 a step, exactly once, never in the redirect's way.

In DuckDB the position is stored in the transaction of the rows, so a kill between any two instructions neither loses
nor doubles one; how that is with ClickHouse stands in `clickhouse_writing`. While clicks come in quickly the pump rests
up to two and a half times as long as it worked (core/consumer.py); alone it carries more than 15,000 rows a second.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec

from site2crm.core import log
from site2crm.core.consumer import consume
from site2crm.core.eventstore import enrich, frame
from site2crm.core.eventstore.contract import Event, EventStore
from site2crm.core.journal.contract import EVENTS, Position, Readable, Record
from site2crm.core.journal.journal import NAMES, Journal

CONSUMER = "clicks"
TELL_EVERY_S = 0.3
AT_A_TIME = 32
"""Rows after which the interpreter is offered to others: unasked it changes hands every 5 ms, and redirects wait."""
QUARANTINE = "events.quarantine"
QUARANTINE_MAX_BYTES = 16 * 1024 * 1024
POISON_ALARM = "events.poison"

_DATA_ERRORS = (msgspec.MsgspecError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
_BAD_ROWS = ("ConversionException", "InvalidInputException", "ConstraintException", "OutOfRangeException")
_log = log.get("events")


class Pump:
    """`appended` is awaited with the orgs whose figures changed, at most a few times a second."""

    def __init__(
        self, journal: Journal, store: EventStore, *, data_dir: Path, ring: Callable[[str, str], None]
    ) -> None:
        self._journal = journal
        self._store = store
        self._quarantine = data_dir / QUARANTINE
        self._ring = ring
        self._listeners: list[Callable[[set[str]], None]] = []
        self._changed: set[str] = set()
        self._told_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._begun: dict[str, Position | None] = {}

    def listen(self, callback: Callable[[set[str]], None]) -> Callable[[], None]:
        """Call it on the event loop with the orgs that have new events; returns what ends that."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    async def run(self) -> None:
        """Carry our own journal's, for ever."""
        try:
            await self.drain(self._journal)
        finally:
            if self._timer:
                self._timer.cancel()

    async def drain(self, journal: Readable) -> None:
        """Carry what a journal holds; to its end, where somebody has left it."""
        await consume(
            journal,
            EVENTS,
            load=partial(self._load, journal),
            apply=partial(self._apply, journal),
            poison=partial(self._poison, journal),
            is_data_error=is_data_error,
            batch=self._store.batch,
        )

    async def _load(self, journal: Readable) -> Position | None:
        known = await self._store.load(_name(journal))
        self._begun[_name(journal)] = await self._store.begun(_name(journal), journal.epoch)
        if known is None or known[0] != journal.epoch:
            return None
        return known[1]

    async def _apply(self, journal: Readable, records: Sequence[Record]) -> None:
        for some in _cut(records, self._begun.get(_name(journal))):
            rows = await asyncio.to_thread(_rows, some)
            await self._store.append(_name(journal), rows, epoch=journal.epoch, position=some[-1].next)
            self._tell({row.org for row in rows if row.org})
        if len(records) < self._store.batch:
            await asyncio.sleep(self._store.gather_s)

    async def _poison(self, journal: Readable, record: Record, error: Exception) -> None:
        """Keep its bytes in a file, say so, go on behind it."""
        place = f"{record.position.segment}:{record.position.offset}"
        await asyncio.to_thread(self._set_aside, record.data)
        self._ring(POISON_ALARM, f"An event could not be read and was set aside ({place}): {error!r:.200}.")
        await self._store.append(_name(journal), [], epoch=journal.epoch, position=record.next)

    def _set_aside(self, data: bytes) -> None:
        """One line of hex each; a flood of them must not fill the disk."""
        if self._quarantine.exists() and self._quarantine.stat().st_size > QUARANTINE_MAX_BYTES:
            return
        with self._quarantine.open("a") as file:
            self._quarantine.chmod(0o600)
            file.write(data.hex() + "\n")

    def _tell(self, orgs: set[str]) -> None:
        self._changed |= orgs
        if not self._changed or self._timer:
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(max(loop.time(), self._told_at + TELL_EVERY_S), self._tell_now)

    def _tell_now(self) -> None:
        self._timer = None
        self._told_at = asyncio.get_running_loop().time()
        changed, self._changed = self._changed, set()
        for listener in list(self._listeners):
            try:
                listener(changed)
            except Exception:  # noqa: BLE001 - one page's failure is not the next one's
                _log.exception("events.listener_failed")


def _name(journal: Readable) -> str:
    """What its position is stored under: the first journal of a folder is the only one in most."""
    return CONSUMER if journal.instance == NAMES[0] else f"{CONSUMER}:{journal.instance}"


def is_data_error(error: Exception) -> bool:
    """The record is to blame, not the disk or the database."""
    return isinstance(error, _DATA_ERRORS) or type(error).__name__ in _BAD_ROWS


def _cut(records: Sequence[Record], begun: Position | None) -> list[Sequence[Record]]:
    """In two behind this position: what was begun as one batch is one batch again."""
    first = sum(record.next <= begun for record in records) if begun else 0
    return [some for some in (records[:first], records[first:]) if some]


def _rows(records: Sequence[Record]) -> list[Event]:
    rows = []
    for number, record in enumerate(records, 1):
        rows.append(enrich.event(_decoded(record.data)))
        if number % AT_A_TIME == 0:
            time.sleep(0)
    return rows


def _decoded(data: bytes) -> frame.EventFrame:
    found: frame.EventFrame = frame.decode(data)
    if found.version > frame.VERSION:
        raise ValueError(f"written by a newer version ({found.version})")
    return found
