"""Caches that notice what another process wrote (the command line, a second node) within a second.

On SQLite `PRAGMA data_version` is one number that changes when somebody else commits; only then is the revision table
read. On PostgreSQL whoever writes also says so (`NOTIFY`), and the table is read twice a second in case nobody heard.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import db, log, postgresql, sqlite
from site2crm.core.db import Database
from site2crm.core.errors import AppError, DatabaseAway
from site2crm.core.sql import upsert
from site2crm.core.tables import Revision

POLL_S = 0.5
UNKNOWN = -1
CHANGED = "revisions"
"""What is said to other nodes."""

_log = log.get("revisions")

Reload = Callable[[], Awaitable[None]]


async def bump(session: AsyncSession, name: str) -> None:
    """What the cache `name` holds has changed; in the transaction that changes it."""
    reload: Reload | None = session.info.get("on_bump")
    if reload is not None and not session.info.get("bumped"):
        session.info["bumped"] = True
        db.after_commit(session, reload)
    await session.execute(
        upsert(Revision, [{"name": name, "value": 1}], on=["name"], set_={"value": Revision.value + 1})
    )
    if db.is_postgresql(session):
        await session.execute(select(func.pg_notify(postgresql.CHANNEL, CHANGED)))


class Revisions:
    def __init__(self, database: Database) -> None:
        self._database = database
        database.on_bump = self._refresh_or_wait  # what was written stands, though nobody can read it now
        self._reloads: dict[str, Reload] = {}
        self._forgets: list[Callable[[], None]] = []
        self._seen: dict[str, int] = {}
        self._waits = False
        self._lock = asyncio.Lock()

    async def watch(
        self,
        name: str,
        reload: Reload,
        *,
        recall: Callable[[], bool] | None = None,
        forget: Callable[[], None] | None = None,
    ) -> None:
        """Load now, and again whenever somebody bumps `name`.

        While the database is away `recall` puts what was kept of an earlier time in its place; False: nothing was.
        `forget`, for what is read by its changes only: the next reload reads it whole.
        """
        self._reloads[name] = reload
        if forget is not None:
            self._forgets.append(forget)
        try:
            current = await self._read()
            await reload()
            self._seen[name] = current.get(name, 0)
        except DatabaseAway:
            if recall is None or not recall():
                raise

    async def read_anew(self) -> None:
        """Reload everything: the schema has changed under what was read."""
        async with self._lock:
            self._seen.clear()
            for forget in self._forgets:
                forget()
        await self.refresh()

    async def run(self) -> None:
        """Look for ever; cancelled at shutdown."""
        if isinstance(self._database.place, Path):
            await self._run_on_file(self._database.place)
        elif self._database.line is not None:
            await self._run_on_line(self._database.line)

    async def _run_on_line(self, line: postgresql.Line) -> None:
        called = asyncio.Event()
        line.hear(CHANGED, called.set)
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await called.wait()
            called.clear()
            await self._refresh_or_wait()

    async def _run_on_file(self, path: Path) -> None:
        connection = sqlite.connect(f"file:{path}?mode=ro", timeout_s=0)
        version = -1
        try:
            while True:
                await asyncio.sleep(POLL_S)
                current = _data_version(connection)
                if current not in (version, UNKNOWN):
                    version = current
                    await self._refresh_or_wait()
        finally:
            connection.close()

    async def _refresh_or_wait(self) -> None:
        try:
            await self.refresh()
        except AppError as error:  # locked or gone for a moment: the next look will do
            if not self._waits:
                _log.warning("revisions.unread", error=str(error))
            self._waits = True
        else:
            self._waits = False

    async def refresh(self) -> None:
        """Reload what was bumped since the last look.

        One after the other: whoever has just written something must not go on while another look, which has noticed it
        too, is still reloading it; a form would be unknown that was made a moment before.
        """
        async with self._lock:
            current = await self._read()
            for name, reload in self._reloads.items():
                value = current.get(name, 0)
                if self._seen.get(name) != value:
                    await reload()
                    self._seen[name] = value  # not before: a reload that breaks off is done again

    async def _read(self) -> dict[str, int]:
        async with self._database.reading() as session:
            return {row.name: row.value for row in await session.execute(select(Revision.name, Revision.value))}


def _data_version(connection: Any) -> int:
    """A number that changes when another connection commits. Microseconds: no disk, no lock."""
    try:
        return int(connection.execute("PRAGMA data_version").fetchone()[0])
    except sqlite.OperationalError:
        return UNKNOWN
