"""The records at the start: brought up to this version's schema, or waited for while forms and links go on.

A node that restarts while its PostgreSQL is away answers forms and links from what it has kept (`core.snapshot`); what
they take waits in the journal. Nothing else touches the database before its schema is known.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from site2crm.core import log, migrate, snapshot, tasks
from site2crm.core.db import Database
from site2crm.core.errors import DatabaseAway, DatabaseBusy, DatabaseRefused
from site2crm.core.migrations import SchemaTooNew

LOOK_AGAIN_S = 1.0
FIRST_START_S = 30.0
"""How long a node without anything to go on with waits: both may just have been switched on."""

_log = log.get("standby")


@asynccontextmanager
async def opened(
    database: Database, data_dir: Path, *, copy_before: Callable[[str], object] | None = None
) -> AsyncIterator[None]:
    """Raises DatabaseAway when there is neither database nor snapshot, SchemaTooNew, DatabaseRefused."""
    until = asyncio.get_running_loop().time() + FIRST_START_S
    while True:
        try:
            await migrate.bring_up(database.place, data_dir, copy_before=copy_before)
            break
        except DatabaseRefused:
            raise
        except DatabaseAway:
            if snapshot.exists(data_dir):
                database.is_open = False
                break
            if asyncio.get_running_loop().time() > until:
                raise
            await asyncio.sleep(LOOK_AGAIN_S)
    if database.is_open:
        yield
        return
    _log.error("standby.without_database")
    async with tasks.running("standby", _come_back(database, data_dir)):
        yield


async def _come_back(database: Database, data_dir: Path) -> None:
    while not database.is_open:
        await asyncio.sleep(LOOK_AGAIN_S)
        try:
            await migrate.bring_up(database.place, data_dir)
        except DatabaseBusy:
            continue
        except SchemaTooNew as error:
            _log.error("standby.refused", error=str(error))
            continue
        database.is_open = True
    _log.warning("standby.database_is_back")
