"""Alarms of the machine's own threads, carried to the records database when that can be written.

The journal finds a damaged segment or a failing disk in a thread that has no session, perhaps while the database is
locked: it only rings; a task beside the server writes, and tries again until it could.
"""

import asyncio

from site2crm.core import alarms, log
from site2crm.core.db import Database
from site2crm.core.errors import AppError

RETRY_S = 5

_log = log.get("alarm")


class Bell:
    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._rung: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    def ring(self, code: str, text: str) -> None:
        """From any thread; never raises, never waits."""
        _log.error(code, text=text)
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._rung.put_nowait, (code, text))

    async def answer(self, database: Database) -> None:
        """Write what was rung, for ever."""
        while True:
            code, text = await self._rung.get()
            while not await _written(database, code, text):  # noqa: ASYNC110 - a locked database tells nobody
                await asyncio.sleep(RETRY_S)


async def _written(database: Database, code: str, text: str) -> bool:
    try:
        async with database.session() as session:
            await alarms.ring(session, alarms.INSTANCE, code=code, text=text)
    except AppError as error:
        _log.warning("alarm.waits", code=code, error=str(error))
        return False
    return True
