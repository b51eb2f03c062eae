"""A second process on the same folder, for upgrades: it waits beside the one that serves it, then takes its place.

Until then it answers forms and links (their submissions and clicks go into a journal of its own) and reads what they
need from the database that the other one writes. When the other one is told to stop it says so in its lock, goes on for
a moment and ends; or it dies. Whoever has the lock then brings the schema up to its own version, beside which forms and
links go on, reads all journals of the folder, and answers everything, on the port that it has had all the time.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from site2crm.core import log, migrate, past_schema, snapshot
from site2crm.core.backup.errors import BackupFailed
from site2crm.core.db import Base, Database, is_passing
from site2crm.core.errors import AppError, DatabaseAway, DatabaseBusy
from site2crm.core.folder import Place
from site2crm.core.machine import Machine, Phase
from site2crm.core.migrations import SchemaTooNew, revisions
from site2crm.core.visitors import Visitors

LOOK_S = 0.1
SCHEMA_LOOKS = 10
"""Looks at the lock between two at the schema, which the other process may change too: both start at boot."""
AGAIN_S = 1.0

CopyBefore = Callable[[str], object]

_log = log.get("succession")


class CannotFollow(Exception):
    """This version cannot answer forms and links beside the one that serves the folder."""


class Succession:
    """`lock` is somebody else's, or free; it becomes ours in the end. `standby` is ours while we wait."""

    def __init__(self, lock: Place, standby: Place, *, listen: str, copy_before: CopyBefore | None = None) -> None:
        self._lock = lock
        self._standby = standby
        self._listen = listen
        self._copy_before = copy_before
        self._revision: str | None = None
        self.failed = asyncio.Event()
        """It cannot go on; a new start may."""

    @property
    def predecessor(self) -> int | None:
        """The process that serves the folder, 0 where it does not say; None: we do."""
        return None if self._lock.is_mine else self._lock.told().pid

    async def read_along(self, database: Database, data_dir: Path) -> None:
        """Open it for caches only. Waits for a database that is just being made.

        Raises SchemaTooNew, CannotFollow.
        """
        database.is_open = False
        if not isinstance(database.place, Path):
            await self._read_along_on_server(database, data_dir)
            return
        while past_schema.revision(database.place) is None:
            if self._take():
                await self._migrate(database, data_dir)
            await asyncio.sleep(LOOK_S)
        try:
            await self._follow_schema(database)
        except past_schema.Unreadable as error:
            await self._migrate_first(database, data_dir, f"it has no {error}")
            await self._follow_schema(database)
        database.is_readable = True

    async def run(self, machine: Machine, serving: Callable[[], AbstractAsyncContextManager[None]]) -> None:
        """Wait, take over, and go on until cancelled."""
        try:
            await self._wait(machine)
            await self._take_over(machine)
            self._standby.close()  # another may wait from now on
            async with serving():
                _log.info("succession.done")
                await asyncio.Event().wait()
        except (migrate.MigrationFailed, BackupFailed) as error:
            machine.trouble = str(error)
            self._standby.close()  # the version before may follow us
            _log.error("succession.captures_only", error=machine.trouble)
            await asyncio.Event().wait()
        except Exception:
            self.failed.set()
            raise

    async def _wait(self, machine: Machine) -> None:
        looks = 0
        while not self._take():
            if machine.phase is not Phase.CAPTURING:
                machine.phase = Phase.STANDBY
                if self._lock.told().leaves:
                    self._capture(machine)
            looks += 1
            if looks % SCHEMA_LOOKS == 0 and await self._follow_schema(machine.database):
                await _read_anew(machine)
            await asyncio.sleep(LOOK_S)

    def _take(self) -> bool:
        return self._lock.is_mine or self._lock.take(listen=self._listen)

    async def _take_over(self, machine: Machine) -> None:
        database = machine.database
        self._capture(machine)
        with suppress(AppError):
            await machine.revisions.refresh()  # what was written last
        await self._migrate(database, machine.data_dir)
        await database.look_through(())
        database.is_open, database.is_readable = True, False
        machine.get(Visitors).load()
        await _read_anew(machine)

    def _capture(self, machine: Machine) -> None:
        if machine.phase is not Phase.CAPTURING:
            _log.info("succession.captures")
            machine.phase = Phase.CAPTURING
            machine.get(Visitors).load()

    async def _migrate(self, database: Database, data_dir: Path) -> None:
        while True:
            try:
                await migrate.bring_up(database.place, data_dir, copy_before=self._copy_before)
            except (DatabaseBusy, DBAPIError) as error:
                if not is_passing(error):
                    raise
                _log.warning("succession.waits", error=str(error))
                await asyncio.sleep(AGAIN_S)
            else:
                return

    async def _follow_schema(self, database: Database) -> bool:
        """Read through what the database lacks; whether that has changed."""
        if not isinstance(database.place, Path):
            return False
        revision = past_schema.revision(database.place)
        if revision in (None, self._revision):
            return False
        if revision not in revisions():
            raise SchemaTooNew(f"The database has schema {revision}, unknown to this version: upgrade Site2CRM.")
        await database.look_through(past_schema.views(database.place, Base.metadata))
        self._revision = revision
        return True

    async def _read_along_on_server(self, database: Database, data_dir: Path) -> None:
        """Where the schema is another, or the server is away: from what is kept beside it."""
        try:
            current, wanted = await migrate.status(database.place)
        except DatabaseAway:
            current, wanted = None, revisions()[-1]
        if current is not None and current not in revisions():
            raise SchemaTooNew(f"The database has schema {current}, unknown to this version: upgrade Site2CRM.")
        database.is_readable = current == wanted
        if not database.is_readable and not snapshot.exists(data_dir):
            await self._migrate_first(database, data_dir, f"it is {current}, and no snapshot is there")
            database.is_readable = True

    async def _migrate_first(self, database: Database, data_dir: Path, why: str) -> None:
        """Where the schema cannot be read as it is."""
        if not self._take():
            raise CannotFollow(
                f"The schema of the running version is too old to answer forms and links from beside it: {why}. "
                "Stop that one, then start this one."
            )
        await self._migrate(database, data_dir)


async def _read_anew(machine: Machine) -> None:
    while True:
        try:
            await machine.revisions.read_anew()
        except AppError as error:  # locked, or away: nobody waits for it but us
            _log.warning("succession.waits", error=str(error))
            await asyncio.sleep(AGAIN_S)
        else:
            return
