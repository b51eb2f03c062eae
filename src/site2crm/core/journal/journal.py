"""The API of the journal. The event loop never waits for a disk: `sync_thread` does."""

import asyncio
import contextlib
import fcntl
import os
import re
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from site2crm.core.journal import disk
from site2crm.core.journal.contract import (
    EVENTS,
    SUBMISSIONS,
    JournalBroken,
    JournalInUse,
    JournalStats,
    Position,
    Record,
)
from site2crm.core.journal.disk import Disk
from site2crm.core.journal.durable import DurableWriter, Outcome
from site2crm.core.journal.mapped import MappedWriter
from site2crm.core.journal.recovery import recover
from site2crm.core.journal.segment import NAME
from site2crm.core.journal.stream import Stream
from site2crm.core.journal.sync_thread import Append, SyncThread

EPOCH = "epoch"
NAMES = ("main", "main-2", "main-3", "main-4", "main-5")
"""A process takes the first that nobody writes; one that starts beside another, the next."""

_EPOCH = re.compile(r"[0-9a-f]{16}")


class Journal:
    """Both streams of one instance. `append_durable`, `append`, `wait` and `release` are called on the event loop."""

    def __init__(
        self,
        *,
        instance: str,
        epoch: str,
        lock: int,
        target: Disk,
        streams: dict[str, Stream],
        events_cap_bytes: int,
    ) -> None:
        self.instance = instance
        self.epoch = epoch
        self._lock = lock
        self._disk = target
        self._streams = streams
        self._waiters: dict[str, set[asyncio.Future[None]]] = {name: set() for name in streams}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False
        self.appended = {SUBMISSIONS: 0, EVENTS: 0}
        """Records taken since the opening, by stream: by how much it grows, consumers see how busy we are."""
        self._thread = SyncThread(
            list(streams.values()), target=target, on_commit=self._on_commit, on_events=self._on_events
        )
        self._mapped = MappedWriter(streams[EVENTS], cap_bytes=events_cap_bytes, target=target, wake=self._thread.wake)
        self._thread.start(DurableWriter(streams[SUBMISSIONS], target=target), self._mapped)

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        instance: str,
        segment_bytes: int = 16 * 1024 * 1024,
        events_cap_bytes: int = 512 * 1024 * 1024,
        on_alarm: Callable[[str, str], None],
        fsync: Callable[[int], None] = os.fdatasync,
        allocate: Callable[[int, int, int], None] = os.posix_fallocate,
    ) -> Self:
        """Recover what is there and start writing into new segments.

        A full disk does not keep it from opening. `on_alarm(code, text)` is called from any thread, and must not raise.
        """
        home = folder / instance
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.ExitStack() as undo:
            lock = locked(home / "lock")
            undo.callback(os.close, lock)
            target = Disk(fsync=fsync, allocate=allocate, alarm=on_alarm)
            epoch = epoch_of(home, target=target)
            streams = {}
            for name in (SUBMISSIONS, EVENTS):
                (home / name).mkdir(mode=0o700, exist_ok=True)
                found = recover(home / name, target=target)
                streams[name] = Stream(home / name, found, epoch=epoch, segment_bytes=segment_bytes, target=target)
            disk.sync_folder(home)
            journal = cls(
                instance=instance,
                epoch=epoch,
                lock=lock,
                target=target,
                streams=streams,
                events_cap_bytes=events_cap_bytes,
            )
            undo.pop_all()
        return journal

    @classmethod
    def open_free(cls, folder: Path, *, on_alarm: Callable[[str, str], None]) -> Self:
        """The first journal of the folder that nobody writes. Raises JournalInUse when there are too many."""
        for name in NAMES:
            with contextlib.suppress(JournalInUse):
                return cls.open(folder, instance=name, on_alarm=on_alarm)
        raise JournalInUse(f"{len(NAMES)} processes write journals in {folder}; stop those that are too many")

    def append_durable(self, data: bytes) -> asyncio.Future[Position]:
        """Add to `submissions`; resolved once it is on the disk, fails with JournalFull or JournalBroken."""
        self._streams[SUBMISSIONS].check(data)
        loop = self._loop = asyncio.get_running_loop()
        future: asyncio.Future[Position] = loop.create_future()
        if self._is_closed:
            future.set_exception(JournalBroken("the journal is closed"))
        else:
            self.appended[SUBMISSIONS] += 1
            self._thread.submit(Append(data, future))
        return future

    def append(self, data: bytes) -> bool:
        """Add to `events`, without waiting; False when it was dropped."""
        if self._is_closed or not self._mapped.append(data):
            return False
        self.appended[EVENTS] += 1
        return True

    def read(
        self, stream: str, start: Position | None, *, limit: int, max_bytes: int = 4 * 1024 * 1024
    ) -> list[Record]:
        """Records from `start` on, None for all that are left. Reads the disk: call it in a thread.

        Of `submissions` only what is synced. `max_bytes` counts frames; a single larger record is returned alone.
        """
        return self._streams[stream].read(start, limit=limit, max_bytes=max_bytes)

    async def wait(self, stream: str, after: Position | None) -> bool:
        """Return when there is something to read from `after` on: always true, sooner or later."""
        loop = self._loop = asyncio.get_running_loop()
        while not self._streams[stream].has(after):
            waiter = loop.create_future()
            self._waiters[stream].add(waiter)
            try:
                await waiter
            finally:
                self._waiters[stream].discard(waiter)
        return True

    def release(self, stream: str, position: Position) -> None:
        """Everything before `position` is stored elsewhere: segments wholly before it are removed."""
        self._streams[stream].advance(position)
        if self._streams[stream].passed_segments():
            self._thread.wake()

    def stats(self) -> JournalStats:
        """Figures for health and metrics; reads one frame per stream from the disk."""
        return JournalStats(
            submissions=self._streams[SUBMISSIONS].stats(),
            events=self._streams[EVENTS].stats(),
            dropped_events=self._mapped.dropped,
            syncs=self._disk.syncs,
            sync_errors=self._disk.sync_errors,
        )

    @property
    def is_alive(self) -> bool:
        """Whether the thread that writes still runs."""
        return self._thread.is_alive

    async def close(self) -> None:
        """Write and sync what is pending, stop the thread, give the folder free."""
        if self._is_closed:
            return
        self._is_closed = True
        await asyncio.to_thread(self._thread.stop)
        os.close(self._lock)

    def _on_commit(self, group: Sequence[Append], outcomes: Sequence[Outcome]) -> None:
        """In the sync thread: one crossing into the loop for the whole group."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            group[0].future.get_loop().call_soon_threadsafe(self._settle, group, outcomes)

    def _on_events(self) -> None:
        """In the sync thread, after every sync of events."""
        if self._loop is not None and self._waiters[EVENTS]:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._wake_readers, EVENTS)

    def _settle(self, group: Sequence[Append], outcomes: Sequence[Outcome]) -> None:
        for append, outcome in zip(group, outcomes, strict=True):
            if append.future.done():  # cancelled: the visitor has left, the record stays
                continue
            if isinstance(outcome, Position):
                append.future.set_result(outcome)
            else:
                append.future.set_exception(outcome)
        self._wake_readers(SUBMISSIONS)

    def _wake_readers(self, stream: str) -> None:
        for waiter in self._waiters[stream]:
            if not waiter.done():
                waiter.set_result(None)


def locked(path: Path) -> int:
    """The descriptor that holds the lock of a journal. Raises JournalInUse."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise JournalInUse(f"{path.parent} is written by another process") from None
    return fd


def epoch_of(home: Path, *, target: Disk) -> str:
    """The epoch of this folder; a lost one is taken from the newest segment, which carries it in its name."""
    path = home / EPOCH
    stored = path.read_text("ascii", "replace").strip() if path.exists() else ""
    if _EPOCH.fullmatch(stored):
        return stored
    names = sorted(filter(None, (NAME.fullmatch(file.name) for file in home.glob("*/*.seg"))), key=lambda name: name[1])
    epoch = names[-1][2] if names else secrets.token_hex(8)
    if stored or names:
        target.alarm("journal.damaged", f"{path} was unreadable, its segments say {epoch}")
    disk.write_file(path, epoch.encode())
    return epoch
