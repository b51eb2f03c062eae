"""Batches into ClickHouse, each counted once whatever happens to us, to the server, or to the line between.

Three things see to that. A batch has a token made of its place in the journal, by which ClickHouse passes over what it
has already: an answer that was lost is asked for again. Where a batch ends is written down before it is sent
(`clickhouse_place`), so that a process that died sends the very same one. And what that cannot cover (the window of
tokens is over, the file was lost, the journal is one that was restored) is looked for by the ids of its events.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from datetime import UTC
from itertools import groupby
from pathlib import Path

import msgspec

from site2crm.core.eventstore import columns
from site2crm.core.eventstore.clickhouse_asking import MOMENT
from site2crm.core.eventstore.clickhouse_engine import Engine
from site2crm.core.eventstore.clickhouse_line import Value, moment
from site2crm.core.eventstore.clickhouse_place import Place, Places, position
from site2crm.core.eventstore.clickhouse_schema import COLUMNS, TABLE
from site2crm.core.eventstore.contract import Event
from site2crm.core.journal.contract import Position
from site2crm.kit import clock

IDS_AT_ONCE = 500
"""They travel in the address of a request."""
AT_A_TIME = 32
"""Rows after which the interpreter is offered to others, as in the pump."""

_encoder = msgspec.json.Encoder()
_THERE = (
    f"SELECT org, id FROM {TABLE} WHERE org IN {{orgs:Array(String)}} AND id IN {{ids:Array(String)}} "  # noqa: S608
    f"AND ts >= {{first:{MOMENT}}} AND ts <= {{last:{MOMENT}}}"
)


class Writing:
    def __init__(self, engine: Engine, data_dir: Path) -> None:
        self._engine = engine
        self._places = Places(data_dir)
        self._lock = asyncio.Lock()

    async def load(self, consumer: str) -> tuple[str, Position] | None:
        known = self._places.get(consumer)
        done = position(known.done) if known else None
        return (known.epoch, done) if known and done else None

    async def begun(self, consumer: str, epoch: str) -> Position | None:
        known = self._places.get(consumer)
        return position(known.begun) if known and known.epoch == epoch else None

    async def append(self, consumer: str, rows: Sequence[Event], *, epoch: str, end: Position) -> None:
        async with self._lock:
            known = self._places.get(consumer)
            if known is None or known.epoch != epoch:
                known = Place(epoch=epoch, unsure_before=clock.unix())
            done = position(known.done)
            if done is not None and end <= done:
                return
            here = (end.segment, end.offset)
            if rows:
                batches = await asyncio.to_thread(_batches, rows, f"{epoch}:{_text(done)}:{_text(end)}")
                rest = await self._missing(rows) if _is_unsure(known, rows, here) else None
                begun = msgspec.structs.replace(known, begun=here)
                await asyncio.to_thread(self._places.put, consumer, begun)
                for token, lines in batches:
                    wanted = lines if rest is None else {key: line for key, line in lines.items() if key in rest}
                    if wanted:
                        await self._engine.insert(b"\n".join(wanted.values()), token=token)
            ended = msgspec.structs.replace(known, done=here, begun=None)
            await asyncio.to_thread(self._places.put, consumer, ended)

    async def _missing(self, rows: Sequence[Event]) -> set[int]:
        """Numbers of the rows that are not stored yet."""
        there: set[tuple[str, str]] = set()
        for start in range(0, len(rows), IDS_AT_ONCE):
            some = rows[start : start + IDS_AT_ONCE]
            values: dict[str, Value] = {
                "orgs": sorted({row.org for row in some}),
                "ids": [row.id for row in some],
                "first": min(row.ts for row in some),
                "last": max(row.ts for row in some),
            }
            there |= {(org, id) for org, id in await self._engine.ask_again(_THERE, values)}
        return {number for number, row in enumerate(rows) if (row.org, row.id) not in there}


def _is_unsure(known: Place, rows: Sequence[Event], end: tuple[int, int]) -> bool:
    """Whether some may be stored: a process died while it sent this very batch, or nobody knows what it had sent."""
    return known.begun == end or min(row.ts for row in rows).timestamp() < known.unsure_before


def _batches(rows: Sequence[Event], place: str) -> list[tuple[str, dict[int, bytes]]]:
    """Token and lines, by the numbers of the rows: one batch for each month, as ClickHouse stores a month whole."""
    months = [row.ts.astimezone(UTC).strftime("%Y%m") for row in rows]
    numbers = sorted(range(len(rows)), key=months.__getitem__)
    found = []
    for month, of_month in groupby(numbers, key=months.__getitem__):
        lines = dict(_lines(rows, of_month))
        found.append((f"{place}:{month}:{rows[next(iter(lines))].id}", lines))
    return found


def _lines(rows: Sequence[Event], numbers: Iterator[int]) -> Iterator[tuple[int, bytes]]:
    for count, number in enumerate(numbers, 1):
        row = rows[number]
        values = {name: getattr(row, name) for name in COLUMNS}
        values |= {"ts": moment(row.ts), "visitor": columns.visitor_number(row.visitor)}
        yield number, _encoder.encode([*values.values()])
        if count % AT_A_TIME == 0:
            time.sleep(0)


def _text(place: Position | None) -> str:
    return f"{place.segment}.{place.offset}" if place else "0"
