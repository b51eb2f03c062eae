"""Which crons are due. The moments are kept in memory, so that an idle second costs no transaction.

SAQ enqueues each cron every second, under a key made of the function's name: two features with a `sweep` collide.
"""

from collections.abc import Collection, Mapping

from saq.job import Status
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core.queue.enqueue import enqueue
from site2crm.core.queue.model import crons as cron_table
from site2crm.core.queue.model import is_status, jobs
from site2crm.core.queue.spec import Cron
from site2crm.core.sql import insert
from site2crm.kit import clock

_SKEW_S = clock.SKEW.total_seconds()
"""A last tick further ahead was written before somebody put the clock back; it must not silence the cron until then."""


class CronBook:
    """The crons, and when each is due next."""

    def __init__(self, crons: Collection[Cron]) -> None:
        self._crons = {cron.name: cron for cron in crons}
        self._next: dict[str, float] = {}
        self._looked_at = 0.0

    async def load(self, session: AsyncSession) -> None:
        """Read the last ticks. A new cron waits for its next one; one that was missed is due at once, once."""
        now = clock.unix()
        stored = {row.name: row.last_tick for row in await session.execute(select(*cron_table.c))}
        for cron in self._crons.values():
            last = stored.get(cron.name)
            if last is None or last > now + _SKEW_S:
                last = cron.latest(now)
                fresh = insert(cron_table).values(name=cron.name, last_tick=last)
                await session.execute(
                    fresh.on_conflict_do_update(index_elements=[cron_table.c.name], set_={"last_tick": last})
                )
            self._next[cron.name] = cron.following(last)

    def next_due(self) -> float:
        """In unix seconds; infinity without crons."""
        self._look()
        return min(self._next.values(), default=float("inf"))

    def due(self) -> dict[str, float]:
        """Name -> the newest tick, of the crons whose moment has come."""
        now = self._look()
        return {name: self._crons[name].latest(now) for name, moment in self._next.items() if moment <= now}

    async def enqueue(self, session: AsyncSession, ticks: Mapping[str, float]) -> None:
        """Each tick is taken by whoever moves the row forward, once. A cron that still runs skips it."""
        for name, tick in ticks.items():
            cron = self._crons[name]
            is_news = (cron_table.c.last_tick < tick) | (cron_table.c.last_tick > clock.unix() + _SKEW_S)
            moved = await session.execute(
                update(cron_table)
                .where(cron_table.c.name == name, is_news)
                .values(last_tick=tick)
                .returning(cron_table.c.name)
            )
            if moved.first() is not None and not await _is_running(session, cron):
                await enqueue(session, name, key=cron.key)

    def passed(self, ticks: Mapping[str, float]) -> None:
        """The transaction with these ticks is on disk."""
        for name, tick in ticks.items():
            self._next[name] = self._crons[name].following(tick)

    def _look(self) -> float:
        """The time. Since somebody put the clock back, what is due next is counted from there."""
        now = clock.unix()
        if now < self._looked_at - _SKEW_S:
            self._next = {name: self._crons[name].following(self._crons[name].latest(now)) for name in self._next}
        self._looked_at = now
        return now


async def _is_running(session: AsyncSession, cron: Cron) -> bool:
    running = select(jobs.c.id).where(is_status(Status.ACTIVE), jobs.c.key == cron.key).limit(1)
    return await session.scalar(running) is not None
