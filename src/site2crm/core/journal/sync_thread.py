"""The one thread of a journal: groups appends, syncs, allocates ahead, removes what was passed."""

import asyncio
import enum
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from site2crm.core.journal.contract import JournalBroken, Position
from site2crm.core.journal.disk import Disk
from site2crm.core.journal.durable import DurableWriter, Outcome
from site2crm.core.journal.mapped import MappedWriter
from site2crm.core.journal.stream import Stream

_EVENTS_SYNC_S = 0.05
_SPACE_RETRY_S = 1.0
_GROUP_RECORDS = 512
_GROUP_BYTES = 4 * 1024 * 1024


class Append(NamedTuple):
    """A record on its way to the disk, and who waits for it."""

    data: bytes
    future: asyncio.Future[Position]


class _Signal(enum.Enum):
    WAKE = enum.auto()
    STOP = enum.auto()


class SyncThread:
    """`submit`, `wake` and `stop` may be called from any thread; the callbacks run in this one."""

    def __init__(
        self,
        streams: Sequence[Stream],
        *,
        target: Disk,
        on_commit: Callable[[Sequence[Append], Sequence[Outcome]], None],
        on_events: Callable[[], None],
    ) -> None:
        self._streams = streams
        self._disk = target
        self._on_commit = on_commit
        self._on_events = on_events
        self._inbox: queue.SimpleQueue[Append | _Signal] = queue.SimpleQueue()
        self._is_stopping = False
        self._events_synced_at = 0.0
        self._thread: threading.Thread | None = None

    def start(self, durable: DurableWriter, mapped: MappedWriter) -> None:
        """Allocate what is missing and begin."""
        self._allocate(durable, mapped)
        self._thread = threading.Thread(target=self._run, args=(durable, mapped), name="journal-sync", daemon=True)
        self._thread.start()

    def submit(self, append: Append) -> None:
        self._inbox.put(append)

    def wake(self) -> None:
        self._inbox.put(_Signal.WAKE)

    @property
    def is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        """Finish what was submitted, seal, and wait for the end."""
        self._inbox.put(_Signal.STOP)
        if self._thread is not None:
            self._thread.join()

    def _run(self, durable: DurableWriter, mapped: MappedWriter) -> None:
        while not self._is_stopping or not self._inbox.empty():
            group = self._collect(self._patience(durable, mapped))
            if group:
                self._commit(group, durable)
            self._guarded(self._keep_house, durable, mapped)
        self._guarded(durable.close)
        self._guarded(mapped.close)

    def _patience(self, durable: DurableWriter, mapped: MappedWriter) -> float | None:
        """How long to sleep if nobody calls."""
        if mapped.is_dirty:
            return max(0.0, self._events_synced_at + _EVENTS_SYNC_S - time.monotonic())
        return _SPACE_RETRY_S if durable.needs_space or mapped.needs_space else None

    def _collect(self, timeout: float | None) -> list[Append]:
        """Everything that is waiting: whoever came during the last sync shares the next one."""
        group: list[Append] = []
        size = 0
        try:
            item = self._inbox.get(timeout=timeout)
            while True:
                if isinstance(item, Append):
                    group.append(item)
                    size += len(item.data)
                elif item is _Signal.STOP:
                    self._is_stopping = True
                if len(group) >= _GROUP_RECORDS or size >= _GROUP_BYTES:
                    return group
                item = self._inbox.get_nowait()
        except queue.Empty:
            return group

    def _commit(self, group: list[Append], durable: DurableWriter) -> None:
        outcomes: Sequence[Outcome]
        try:
            outcomes = durable.commit([append.data for append in group])
        except Exception as error:  # noqa: BLE001 - a dead thread would leave every visitor waiting
            self._disk.alarm("journal.failed", repr(error))
            outcomes = [JournalBroken(repr(error)) for _ in group]
        self._on_commit(group, outcomes)

    def _guarded(self, step: Callable[..., None], *arguments: object) -> None:
        try:
            step(*arguments)
        except Exception as error:  # noqa: BLE001 - as above
            self._disk.alarm("journal.failed", repr(error))

    def _keep_house(self, durable: DurableWriter, mapped: MappedWriter) -> None:
        for stream in self._streams:
            if passed := stream.passed_segments():
                stream.discard(passed)
        self._allocate(durable, mapped)
        now = time.monotonic()
        if mapped.is_dirty and now - self._events_synced_at >= _EVENTS_SYNC_S:
            self._events_synced_at = now
            mapped.sync()
            self._on_events()

    def _allocate(self, durable: DurableWriter, mapped: MappedWriter) -> None:
        """The stream that must not lose anything comes first."""
        durable.prepare()
        mapped.prepare()
