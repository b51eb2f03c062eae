"""The event store on a ClickHouse server: the same questions, for more events than one machine counts."""

import contextlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from site2crm.core.config_types import ClickHouse
from site2crm.core.eventstore import asking, buckets, clickhouse_asking, columns
from site2crm.core.eventstore.clickhouse_asking import MOMENT, Where, figures
from site2crm.core.eventstore.clickhouse_engine import Engine
from site2crm.core.eventstore.clickhouse_line import Value
from site2crm.core.eventstore.clickhouse_schema import COLUMNS, TABLE
from site2crm.core.eventstore.clickhouse_writing import Writing
from site2crm.core.eventstore.contract import Event, Interval, Point, Question, Seen, Share, Totals
from site2crm.core.eventstore.errors import EventsUnavailable
from site2crm.core.eventstore.schema import SLOT_S
from site2crm.core.journal.contract import Position

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING = Totals(0, 0)
_READ = {name: "toUnixTimestamp64Micro(ts)" if name == "ts" else name for name in COLUMNS}


class ClickStore:
    """Implements `contract.EventStore`.

    Nothing is remembered of an answer: other nodes write to the same table.
    """

    batch = 2_500
    gather_s = 1.0
    """ClickHouse wants few and large inserts; whoever looks at a live page does not notice this second."""
    prune_s = 86_400.0
    """A deletion writes the parts anew of which it takes something."""

    def __init__(
        self, place: ClickHouse, data_dir: Path, *, ring: Callable[[str, str], None], calm: Callable[[str], None]
    ) -> None:
        self.engine = Engine(place, ring=ring, calm=calm)
        self._writing = Writing(self.engine, data_dir)

    @property
    def is_new(self) -> bool:
        """Never: that the server cannot be reached is told at the start, not at the first click."""
        return False

    @property
    def is_away(self) -> bool:
        return self.engine.is_away

    async def load(self, consumer: str) -> tuple[str, Position] | None:
        await self.engine.prepare()
        return await self._writing.load(consumer)

    async def begun(self, consumer: str, epoch: str) -> Position | None:
        return await self._writing.begun(consumer, epoch)

    async def append(self, consumer: str, rows: Sequence[Event], *, epoch: str, position: Position) -> None:
        await self._writing.append(consumer, rows, epoch=epoch, end=position)

    async def totals(self, question: Question) -> Totals:
        rows = await self._rows(question, figures(question))
        return Totals(*rows[0]) if rows else _NOTHING

    async def timeseries(self, question: Question, *, interval: Interval, zone: str) -> list[Point]:
        """The beginnings of the intervals go along: where clocks change, our time zones decide, not the server's."""
        starts = buckets.starts(question.start, question.end, interval, zone)
        slots = [int(at.timestamp()) // SLOT_S for at in starts]
        key = f"roundDown(slot, [{', '.join(map(str, slots))}]) AS key, {figures(question)}"
        rows = await self._rows(question, key, "GROUP BY key") if starts else []
        found = {slot: (events, people) for slot, events, people in rows}
        return [Point(at, *found.get(slot, (0, 0))) for at, slot in zip(starts, slots, strict=True)]

    async def breakdown(self, question: Question, *, dimension: str, limit: int) -> list[Share]:
        key = f"{asking.column(dimension)} AS key, {figures(question)}"
        rest = f"GROUP BY key ORDER BY events DESC, key LIMIT {int(limit)}"
        return [Share(*row) for row in await self._rows(question, key, rest)]

    async def counts(self, question: Question, *, dimension: str, keys: Sequence[str]) -> dict[str, Totals]:
        wanted, where = list(dict.fromkeys(keys)), clickhouse_asking.where(question)
        asking.column(dimension)
        if where is not None:
            where = clickhouse_asking.only(where, dimension, wanted, parameter="keys")
        if where is None:
            return dict.fromkeys(wanted, _NOTHING)
        sql = f"SELECT {dimension} AS key, {figures(question)} FROM {where.events} GROUP BY key"  # noqa: S608 - own
        found = {key: Totals(*numbers) for key, *numbers in await self.engine.ask(sql, where.values)}
        return {key: found.get(key, _NOTHING) for key in wanted}

    async def recent(self, question: Question, *, limit: int) -> list[Event]:
        where = clickhouse_asking.where(question)
        if where is None:
            return []
        # By `ts` alone the table is read from its end; with the id beside it all of the span would be
        since = f"SELECT min(ts) FROM (SELECT ts FROM {where.events} ORDER BY ts DESC LIMIT {int(limit)})"  # noqa: S608
        newest = where.also(f"ts >= ({since})")
        rest = f"ORDER BY ts DESC, id DESC LIMIT {int(limit)}"
        sql = f"SELECT {', '.join(_READ.values())} FROM {newest.events} {rest}"  # noqa: S608 - own names
        return [_event(row) for row in await self.engine.ask(sql, where.values)]

    async def seen(self, *, org: str, event: str) -> Seen | None:
        if not (asking.is_text(org) and asking.is_text(event)):
            return None
        values: dict[str, Value] = {"org": org, "event": event}
        mine = f"SELECT visitor FROM {TABLE} WHERE org = {{org:String}} AND id = {{event:String}} LIMIT 1"  # noqa: S608
        rows = await self.engine.ask(mine, values)
        if not rows:
            return None
        number: int = rows[0][0]
        theirs = Where("org = {org:String} AND visitor = {visitor:UInt64}", {"org": org, "visitor": number})
        return Seen(columns.visitor_text(number), await self._count(theirs) if number else 1)

    async def erase(self, *, org: str, visitor: str = "", event: str = "", before: datetime | None = None) -> int:
        if not (asking.is_text(org) and asking.is_text(event)):
            return 0
        where = Where("org = {org:String}", {"org": org})
        if visitor:
            where = where.also("visitor = {visitor:UInt64}", visitor=columns.visitor_number(visitor))
        if event:
            where = where.also("id = {event:String}", event=event)
        return await self._delete(where.also(f"ts < {{before:{MOMENT}}}", before=before) if before else where)

    async def prune(self, before: datetime) -> int:
        return await self._delete(Where(f"ts < {{before:{MOMENT}}}", {"before": before}))

    def forget_answers(self) -> None:
        """There are none."""

    async def check(self) -> None:
        """Whether it answers, before somebody asks in vain; if not, an alarm says so."""
        with contextlib.suppress(EventsUnavailable):
            await self.engine.ask("SELECT 1", {})

    async def close(self) -> None:
        await self.engine.close()

    async def _rows(self, question: Question, what: str, rest: str = "") -> list[Any]:
        where = clickhouse_asking.where(question)
        if where is None:
            return []
        return await self.engine.ask(f"SELECT {what} FROM {where.events} {rest}", where.values)  # noqa: S608 - own names

    async def _count(self, where: Where) -> int:
        number: int = (await self.engine.ask(f"SELECT count() FROM {where.events}", where.values))[0][0]  # noqa: S608
        return number

    async def _delete(self, where: Where) -> int:
        """How many events that were. From the disk, not only from sight; done when it returns."""
        found = await self._count(where)
        if found:
            await self.engine.tell(f"ALTER TABLE {TABLE} DELETE WHERE {where.sql}", where.values, mutations_sync="2")
        return found


def _event(row: Sequence[Any]) -> Event:
    values = dict(zip(COLUMNS, row, strict=True))
    values["ts"] = _EPOCH + timedelta(microseconds=values["ts"])
    values["visitor"] = columns.visitor_text(values["visitor"])
    return Event(**values)
