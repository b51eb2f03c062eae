"""Caches that notice what another process wrote (the command line, a second node) within a second.

`PRAGMA data_version` is one number that changes when somebody else commits; only then is the revision table read.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import db, log, sqlite
from site2crm.core.db import Database
from site2crm.core.errors import AppError
from site2crm.core.sql import upsert
from site2crm.core.tables import Revision

POLL_S = 0.5
UNKNOWN = -1

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


class Revisions:
    def __init__(self, database: Database) -> None:
        self._database = database
        database.on_bump = self.refresh
        self._reloads: dict[str, Reload] = {}
        self._seen: dict[str, int] = {}
        self._lock = asyncio.Lock()

    async def watch(self, name: str, reload: Reload) -> None:
        """Load now, and again whenever somebody bumps `name`."""
        self._reloads[name] = reload
        self._seen |= await self._read()
        await reload()

    async def run(self) -> None:
        """Poll for ever; cancelled at shutdown."""
        connection = sqlite.connect(f"file:{self._database.path}?mode=ro", timeout_s=0)
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
            _log.warning("revisions.unread", error=str(error))

    async def refresh(self) -> None:
        """Reload what was bumped since the last look.

        One after the other: whoever has just written something must not go on while another look, which has noticed it
        too, is still reloading it; a form would be unknown that was made a moment before.
        """
        async with self._lock:
            current = await self._read()
            for name, value in current.items():
                if name in self._reloads and self._seen.get(name) != value:
                    self._seen[name] = value
                    await self._reloads[name]()

    async def _read(self) -> dict[str, int]:
        async with self._database.session() as session:
            return {row.name: row.value for row in await session.execute(select(Revision.name, Revision.value))}


def _data_version(connection: Any) -> int:
    """A number that changes when another connection commits. Microseconds: no disk, no lock."""
    try:
        return int(connection.execute("PRAGMA data_version").fetchone()[0])
    except sqlite.OperationalError:
        return UNKNOWN
