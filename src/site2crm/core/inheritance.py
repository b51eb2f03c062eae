"""Journals that other processes have left in the folder: whoever serves it reads them to their end.

The process that we have followed leaves one, and so does a standby that was killed after it had taken submissions. They
are looked for at the start and every few seconds. What they hold is read beside our own journal, not before it: a
backlog of clicks must not keep new leads waiting.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NoReturn

from site2crm.core import folder, log
from site2crm.core.journal.contract import EVENTS, SUBMISSIONS, JournalInUse, JournalStats, StreamStats
from site2crm.core.journal.journal import Journal
from site2crm.core.journal.leftover import Leftover, left

LOOK_S = 3.0

_log = log.get("inheritance")

Drain = Callable[[Leftover], Awaitable[None]]
"""Applies all that one stream of it holds; returns at its end."""


class Inheritance:
    """Each consumer of the own journal adds its `Drain` while the server starts."""

    def __init__(self, data_dir: Path, journal: Journal, *, on_alarm: Callable[[str, str], None]) -> None:
        self._home = data_dir / folder.JOURNAL
        self._journal = journal
        self._on_alarm = on_alarm
        self._open: list[Leftover] = []
        self._unreadable: set[str] = set()
        self.drains: list[Drain] = []

    async def look(self) -> None:
        """Open what nobody writes any more."""
        known = {self._journal.instance, *self._unreadable, *(one.instance for one in self._open)}
        for home in await asyncio.to_thread(left, self._home, own=self._journal.instance):
            if home.name in known:
                continue
            try:
                self._open.append(await asyncio.to_thread(Leftover.open, home, on_alarm=self._on_alarm))
            except JournalInUse:  # of a standby that lives
                continue
            except OSError as error:
                self._unreadable.add(home.name)
                self._on_alarm("journal.unreadable", f"{home} was left alone until the next start: {error}")
            else:
                _log.info("journal.inherited", name=home.name)

    async def run(self) -> NoReturn:
        """Look and read, for ever."""
        while True:
            for one in list(self._open):
                await asyncio.gather(*(drain(one) for drain in self.drains))
                self._open.remove(one)  # before: should we be cancelled, the thread goes on, and gives it free itself
                if not await asyncio.to_thread(one.clear):
                    self._unreadable.add(one.instance)
                _log.info("journal.read_to_its_end", name=one.instance)
            await asyncio.sleep(LOOK_S)
            await self.look()

    def stats(self) -> JournalStats:
        """Of our own journal, with what waits in the others."""
        own, others = self._journal.stats(), [one.stats() for one in self._open]
        return JournalStats(
            submissions=_together(own.submissions, [one[SUBMISSIONS] for one in others]),
            events=_together(own.events, [one[EVENTS] for one in others]),
            dropped_events=own.dropped_events,
            syncs=own.syncs,
            sync_errors=own.sync_errors,
        )

    def close(self) -> None:
        """The rest is for the next start."""
        for one in self._open:
            one.close()
        self._open.clear()


def _together(own: StreamStats, others: list[StreamStats]) -> StreamStats:
    every = [own, *others]
    return StreamStats(
        bytes=sum(one.bytes for one in every),
        segments=sum(one.segments for one in every),
        lag_records=sum(one.lag_records for one in every),
        lag_bytes=sum(one.lag_bytes for one in every),
        oldest_unread_s=max(one.oldest_unread_s for one in every),
        quarantined_files=sum(one.quarantined_files for one in every),
    )
