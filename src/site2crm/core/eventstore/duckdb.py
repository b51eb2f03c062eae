"""The event store on DuckDB: any filter over millions of rows on one core, without roll-up tables."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from site2crm.core.eventstore import asking, buckets, columns, file, visitors
from site2crm.core.eventstore.answers import Answers
from site2crm.core.eventstore.asking import Where
from site2crm.core.eventstore.contract import Bots, Event, Interval, Point, Question, Seen, Share, Totals
from site2crm.core.eventstore.engine import Engine
from site2crm.core.eventstore.file import NAME, Connection
from site2crm.core.eventstore.schema import COLUMNS, PARTS
from site2crm.core.journal.contract import Position

T = TypeVar("T")
_NOTHING = Totals(0, 0)


class Stored(NamedTuple):
    epoch: str
    position: Position


class DuckStore:
    """Implements `contract.EventStore`. One instance per process: the file is locked."""

    batch = 500
    gather_s = 0.0
    prune_s = 3600.0

    def __init__(
        self, data_dir: Path, *, memory_bytes: int, ring: Callable[[str, str], None], calm: Callable[[str], None]
    ) -> None:
        self.engine = Engine(data_dir / NAME, memory_bytes=memory_bytes, ring=ring, calm=calm)
        self._data_dir = data_dir
        self._answers = Answers()
        self._is_verified = False
        self._opened = 0
        self._answered_at = 0
        self.engine.on_mended(self._count_opening)

    @property
    def is_new(self) -> bool:
        return file.is_new(self._data_dir)

    @property
    def is_away(self) -> bool:
        return self.engine.is_blocked

    async def load(self, consumer: str) -> tuple[str, Position] | None:
        found = await self.engine.write(lambda connection: _position(connection, consumer))
        return (found.epoch, found.position) if found else None

    async def begun(self, consumer: str, epoch: str) -> Position | None:
        """Never: rows and position are one transaction."""
        return None

    async def append(self, consumer: str, rows: Sequence[Event], *, epoch: str, position: Position) -> None:
        if await self.engine.write(
            lambda connection: self._append(connection, consumer, rows, Stored(epoch, position))
        ):
            self._answers.appended(rows)

    async def totals(self, question: Question) -> Totals:
        def work(connection: Connection, where: Where) -> Totals:
            rows = _number(connection, f"SELECT count(*) FROM {where.events}", where.values)  # noqa: S608
            people = self._visitors(connection, where, "0", {0: rows}, question)
            return Totals(rows, people.get(0, 0))

        return await self._ask(("totals",), question, work, _NOTHING)

    async def timeseries(self, question: Question, *, interval: Interval, zone: str) -> list[Point]:
        starts = buckets.starts(question.start, question.end, interval, zone)

        def work(connection: Connection, where: Where) -> list[Point]:
            rows = _in_time(connection, where, starts)
            has_people = question.with_visitors and any(rows)
            people = visitors.in_time(connection, where, starts, rows) if has_people else [0] * len(starts)
            return [Point(*each) for each in zip(starts, rows, people, strict=True)]

        nothing = [Point(at, 0, 0) for at in starts]
        return list(await self._ask(("timeseries", interval, zone), question, work, nothing))

    async def breakdown(self, question: Question, *, dimension: str, limit: int) -> list[Share]:
        key = asking.column(dimension)

        def work(connection: Connection, where: Where) -> list[Share]:
            rows = _counted(connection, where, key, f"ORDER BY 2 DESC, 1 LIMIT {int(limit)}")
            return self._shares(connection, where, dimension, rows, question)

        nothing: list[Share] = []
        return list(await self._ask(("breakdown", dimension, limit), question, work, nothing))

    async def counts(self, question: Question, *, dimension: str, keys: Sequence[str]) -> dict[str, Totals]:
        wanted = tuple(dict.fromkeys(keys))
        asking.column(dimension)

        def work(connection: Connection, where: Where) -> list[Share]:
            known = asking.stored(dimension, wanted, self.engine.names)
            if not known:
                return []
            rows = _counted(connection, where.also(*asking.among(dimension, known)), dimension)
            return self._shares(connection, where, dimension, rows, question)

        nothing: list[Share] = []
        found = await self._ask(("counts", dimension, wanted), question, work, nothing)
        totals = {share.key: Totals(share.value, share.visitors) for share in found}
        return {key: totals.get(key, _NOTHING) for key in wanted}

    async def recent(self, question: Question, *, limit: int) -> list[Event]:
        def work(connection: Connection, where: Where) -> list[Event]:
            newest = f"FROM {where.events} ORDER BY ts DESC, id DESC LIMIT {int(limit)}"
            sql = f"SELECT {', '.join(COLUMNS)} {newest}"
            rows = connection.execute(sql, where.values).fetchall()
            return [columns.event(row, self.engine.names) for row in rows]

        nothing: list[Event] = []
        return list(await self._ask(("recent", limit), question, work, nothing))

    async def seen(self, *, org: str, event: str) -> Seen | None:
        if not asking.is_text(event):
            return None

        def work(connection: Connection) -> Seen | None:
            code = self.engine.names.find("org", org)
            mine = connection.execute("SELECT visitor FROM events WHERE org = ? AND id = ?", (code, event)).fetchall()
            if not mine:
                return None
            number: int = mine[0][0]
            sql = "SELECT count(*) FROM events WHERE org = ? AND visitor = ?"
            return Seen(columns.visitor_text(number), _number(connection, sql, (code, number)) if number else 1)

        return await self.engine.read(work)

    async def erase(self, *, org: str, visitor: str = "", event: str = "", before: datetime | None = None) -> int:
        if not asking.is_text(event):
            return 0

        def work(connection: Connection) -> int:
            code = self.engine.names.find("org", org)
            if code is None:
                return 0
            where = Where(Bots.ALL, "org = ?", (code,))
            where = where.also("visitor = ?", columns.visitor_number(visitor)) if visitor else where
            where = where.also("id = ?", event) if event else where
            return _delete(connection, where.also("ts < ?", asking.naive(before)) if before else where)

        return await self._remove(work)

    async def prune(self, before: datetime) -> int:
        where = Where(Bots.ALL, "ts < ?", (asking.naive(before),))
        return await self._remove(lambda connection: _delete(connection, where))

    def forget_answers(self) -> None:
        self._answers.clear()

    async def check(self) -> None:
        """Read the file through, once."""
        if not self._is_verified and not self.is_new:
            await self.engine.verify()
            self._is_verified = True

    async def close(self) -> None:
        await self.engine.close()

    def _append(self, connection: Connection, consumer: str, rows: Sequence[Event], stored: Stored) -> bool:
        """False: it was stored before."""
        known = _position(connection, consumer)
        if known and known.epoch == stored.epoch and stored.position <= known.position:
            return False
        if rows:
            arrived = columns.of(rows, self.engine.names)
            connection.register("arrived", arrived)
            for part in columns.parts(arrived):
                connection.execute(f"INSERT INTO {part} SELECT * FROM arrived WHERE {PARTS[part]}")  # noqa: S608 - own
            connection.unregister("arrived")
            self.engine.names.store(connection)
        place = (stored.epoch, stored.position.segment, stored.position.offset, consumer)
        if known:
            connection.execute('UPDATE position SET epoch = ?, segment = ?, "offset" = ? WHERE consumer = ?', place)
        else:
            connection.execute('INSERT INTO position (epoch, segment, "offset", consumer) VALUES (?, ?, ?, ?)', place)
        return True

    async def _remove(self, work: Callable[[Connection], int]) -> int:
        removed = await self.engine.write(work)
        if removed:
            self._answers.clear()
            await self.engine.checkpoint()
        return removed

    async def _ask(
        self, what: tuple[Any, ...], question: Question, work: Callable[[Connection, Where], T], nothing: T
    ) -> T:
        if self._answered_at != self._opened:
            self._answers.clear()
            self._answered_at = self._opened
        key = (*what, _frozen(question))
        known: T | None = self._answers.get(key)
        if known is not None:
            return known

        def run(connection: Connection) -> T:
            where = asking.where(question, self.engine.names)
            return nothing if where is None else work(connection, where)

        asked_at = self._answers.changes
        answer = await self.engine.read(run)
        self._answers.put(key, question, answer, asked_at=asked_at)
        return answer

    def _shares(
        self, connection: Connection, where: Where, dimension: str, rows: dict[Any, int], question: Question
    ) -> list[Share]:
        people: dict[Any, int] = {}
        if rows and question.with_visitors:
            narrowed = where.also(*asking.among(dimension, list(rows)))
            people = self._visitors(connection, narrowed, dimension, rows, question)
        names = self.engine.names
        return [Share(asking.shown(dimension, key, names), value, people.get(key, 0)) for key, value in rows.items()]

    def _visitors(
        self, connection: Connection, where: Where, key: str, rows: dict[Any, int], question: Question
    ) -> dict[Any, int]:
        if not question.with_visitors or not any(rows.values()):
            return {}
        return visitors.by_key(connection, where, key, rows)

    def _count_opening(self) -> None:
        self._opened += 1


def _position(connection: Connection, consumer: str) -> Stored | None:
    sql = 'SELECT epoch, segment, "offset" FROM position WHERE consumer = ?'
    rows = connection.execute(sql, (consumer,)).fetchall()
    return Stored(rows[0][0], Position(rows[0][1], rows[0][2])) if rows else None


def _counted(connection: Connection, where: Where, key: str, rest: str = "") -> dict[Any, int]:
    """Events of each key, in the order that `rest` asks for."""
    sql = f"SELECT {key}, count(*) FROM {where.events} GROUP BY 1 {rest}"  # noqa: S608 - own names
    return dict(connection.execute(sql, where.values).fetchall())


def _in_time(connection: Connection, where: Where, starts: Sequence[datetime]) -> list[int]:
    """Events of each interval."""
    sql = f"SELECT slot, count(*) AS number FROM {where.events} GROUP BY 1"  # noqa: S608 - own names
    found = connection.execute(sql, where.values).fetchnumpy()
    return buckets.sums(starts, found["slot"], found["number"])


def _delete(connection: Connection, where: Where) -> int:
    """How many events that were."""
    found = _number(connection, f"SELECT count(*) FROM events WHERE {where.sql}", where.values)  # noqa: S608 - own names
    for part in PARTS:
        connection.execute(f"DELETE FROM {part} WHERE {where.sql}", where.values).fetchall()  # noqa: S608 - own names
    return found


def _number(connection: Connection, sql: str, values: Sequence[Any]) -> int:
    number: int = connection.execute(sql, values).fetchall()[0][0]  # all: a result that is not read to its end blocks
    return number


def _frozen(question: Question) -> tuple[Any, ...]:
    filters = tuple(sorted((name, tuple(values)) for name, values in question.where.items()))
    return (
        question.org, question.start, question.end, question.kind, question.bots, filters, question.with_visitors,
    )  # fmt: skip
