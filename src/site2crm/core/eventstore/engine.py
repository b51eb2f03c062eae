"""The open database: one thread that writes, two that read, and the mending of what broke.

All share one in-process database, so readers see each commit at once and wait for no append. Every method that is not
async runs in the thread that its name says.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from site2crm.core import log
from site2crm.core.eventstore import file
from site2crm.core.eventstore.errors import BLOCKED, EventsUnavailable
from site2crm.core.eventstore.file import Blocked, Connection
from site2crm.core.eventstore.names import Names

T = TypeVar("T")
READERS = 2
PATIENCE_S = 3.0
"""What asks waits so long for the file to be opened: one of an older version is rewritten first."""

_log = log.get("events")


class Engine:
    """`ring(code, text)` and `calm(code)` raise and clear alarms; they are called from any thread."""

    def __init__(
        self, path: Path, *, memory_bytes: int, ring: Callable[[str, str], None], calm: Callable[[str], None]
    ) -> None:
        self.names = Names()
        self._path = path
        self._memory_bytes = memory_bytes
        self._ring = ring
        self._calm = calm
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="events-write")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="events-read")
        self._local = threading.local()
        self._lock = threading.Lock()
        self._root: Connection | None = None
        self._generation = 0
        self._is_blocked = False
        self._is_closed = False
        self._on_mended: list[Callable[[], None]] = []

    @property
    def is_blocked(self) -> bool:
        """Whether the file could not be opened the last time."""
        return self._is_blocked

    def on_mended(self, callback: Callable[[], None]) -> None:
        """Called in the writer's thread after every opening: nothing remembered of the file holds any more."""
        self._on_mended.append(callback)

    async def open(self) -> None:
        """Done by the first call that needs it, too. Raises EventsUnavailable when the file cannot be opened."""
        await asyncio.get_running_loop().run_in_executor(self._writer, self._opened)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run it in the writer's thread, in one transaction."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._transaction, work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run it in a reader's thread. Raises EventsUnavailable while there is no database."""
        if self._root is None:
            try:
                await asyncio.wait_for(self.open(), PATIENCE_S)
            except TimeoutError as error:
                raise EventsUnavailable from error
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._ask, work)

    async def checkpoint(self) -> None:
        """Move what is deleted out of the file, as far as the engine can."""

        def work() -> None:
            if self._root is not None:
                with contextlib.suppress(self._errors()):  # somebody reads: the next automatic one does it
                    self._root.execute("CHECKPOINT")

        await asyncio.get_running_loop().run_in_executor(self._writer, work)

    async def at_rest(self, work: Callable[[Connection | None], T]) -> T:
        """Run it in the writer's thread while nothing is written, all that was written in the file as far as can be.

        It gets the database, or None where it was not opened yet.
        """

        def run() -> T:
            if self._root is not None:
                with contextlib.suppress(self._errors()):  # somebody reads: the rest stands in the log beside the file
                    self._root.execute("CHECKPOINT")
            return work(self._root)

        return await asyncio.get_running_loop().run_in_executor(self._writer, run)

    async def verify(self, *, rest: float = 2.0) -> None:
        """Read the whole file once, resting between the steps; a damaged one is put aside."""
        for step in await self.read(file.steps):
            begun = asyncio.get_running_loop().time()
            await self.read(lambda connection, step=step: file.verify(connection, step))  # type: ignore[misc]
            await asyncio.sleep((asyncio.get_running_loop().time() - begun) * rest)

    async def close(self) -> None:
        self._is_closed = True
        await asyncio.get_running_loop().run_in_executor(self._writer, self._close)
        self._readers.shutdown(wait=True)
        self._writer.shutdown(wait=True)

    def _transaction(self, work: Callable[[Connection], T]) -> T:
        connection = self._opened()
        try:
            connection.execute("BEGIN")
            result = work(connection)
            connection.execute("COMMIT")
        except Exception as error:
            self._undo(connection, error)
            raise
        self.names.stored()
        return result

    def _undo(self, connection: Connection, error: Exception) -> None:
        if file.is_breakage(error):
            self._mend(error)
            return
        try:
            connection.execute("ROLLBACK")
            self.names.load(connection)
        except self._errors() as worse:
            self._mend(worse)

    def _ask(self, work: Callable[[Connection], T]) -> T:
        cursor = self._cursor()
        try:
            return work(cursor)
        except self._errors() as error:
            if file.is_breakage(error):
                self._writer.submit(self._mend, error)
            _log.warning("events.question_failed", error=str(error))
            raise EventsUnavailable from error

    def _cursor(self) -> Connection:
        """This reader's own, made anew after each opening."""
        with self._lock:
            if self._root is None:  # being mended
                raise EventsUnavailable
            if getattr(self._local, "generation", 0) != self._generation:
                self._local.cursor, self._local.generation = self._root.cursor(), self._generation
            return self._local.cursor

    def _opened(self) -> Connection:
        """In the writer's thread."""
        if self._is_closed:
            raise EventsUnavailable
        if self._root is None:
            try:
                self._take(file.open_or_replace(self._path, memory_bytes=self._memory_bytes))
            except Blocked as error:
                if not self._is_blocked:
                    self._ring(BLOCKED, f"{error}. Clicks wait in the journal and are counted once it can be opened.")
                self._is_blocked = True
                raise EventsUnavailable(str(error)) from error
            if self._is_blocked:
                self._calm(BLOCKED)
            self._is_blocked = False
        return self._root

    def _mend(self, error: Exception) -> None:
        """Open it anew and read it whole; what cannot be read is put aside."""
        _log.error("events.mending", error=str(error))
        self._close()
        connection = self._opened()
        try:
            for step in file.steps(connection):
                file.verify(connection, step)
        except self._errors() as damage:
            if not file.is_breakage(damage):
                raise
            self._close()
            self._take(file.replace(self._path, memory_bytes=self._memory_bytes, reason=str(damage)[:300]))

    def _take(self, opened: file.Opened) -> None:
        self.names.load(opened.connection)
        with self._lock:
            self._root = opened.connection
            self._generation += 1
        for callback in self._on_mended:
            callback()
        if opened.complaint:
            self._ring(*opened.complaint)

    def _close(self) -> None:
        with self._lock:
            root, self._root = self._root, None
        if root is not None:
            with contextlib.suppress(self._errors()):  # an invalidated database cannot even be closed in peace
                root.close()

    def _errors(self) -> type[Exception]:
        return file.errors()
