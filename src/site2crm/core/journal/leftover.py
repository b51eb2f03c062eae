"""A journal that its writer has left: read to its end by whoever serves the folder, then emptied.

A process that was replaced leaves one, and so does a standby that died. Opening it takes its lock, so nobody takes it
up for writing meanwhile.
"""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Self

from site2crm.core.journal import disk
from site2crm.core.journal.contract import EVENTS, SUBMISSIONS, Position, Record, StreamStats
from site2crm.core.journal.disk import Disk
from site2crm.core.journal.journal import EPOCH, epoch_of, locked
from site2crm.core.journal.recovery import recover
from site2crm.core.journal.stream import Stream


class Leftover:
    """`core.consumer` reads it as it reads a `Journal`, but comes to an end."""

    def __init__(self, home: Path, *, lock: int, epoch: str, streams: dict[str, Stream]) -> None:
        self.instance = home.name
        self.epoch = epoch
        self.appended = dict.fromkeys(streams, 0)
        self._home = home
        self._lock = lock
        self._streams = streams

    @classmethod
    def open(cls, home: Path, *, on_alarm: Callable[[str, str], None]) -> Self:
        """Recover what is there. Reads the disk: call it in a thread. Raises JournalInUse when somebody writes it."""
        with contextlib.ExitStack() as undo:
            lock = locked(home / "lock")
            undo.callback(os.close, lock)
            target = Disk(fsync=os.fdatasync, allocate=os.posix_fallocate, alarm=on_alarm)
            epoch = epoch_of(home, target=target)
            streams = {}
            for name in (SUBMISSIONS, EVENTS):
                (home / name).mkdir(mode=0o700, exist_ok=True)
                found = recover(home / name, target=target)
                streams[name] = Stream(home / name, found, epoch=epoch, segment_bytes=0, target=target)
            opened = cls(home, lock=lock, epoch=epoch, streams=streams)
            undo.pop_all()
        return opened

    def read(
        self, stream: str, start: Position | None, *, limit: int, max_bytes: int = 4 * 1024 * 1024
    ) -> list[Record]:
        """As `Journal.read`."""
        return self._streams[stream].read(start, limit=limit, max_bytes=max_bytes)

    async def wait(self, stream: str, after: Position | None) -> bool:
        """Whether there is something to read from `after` on; there will never be more."""
        return self._streams[stream].has(after)

    def release(self, stream: str, position: Position) -> None:
        """Remember it for the figures; the files go all at once, in `clear`."""
        self._streams[stream].advance(position)

    def stats(self) -> dict[str, StreamStats]:
        return {name: stream.stats() for name, stream in self._streams.items()}

    def clear(self) -> bool:
        """Remove what was read, and give it free; what was set aside as damaged stays. In a thread.

        False: some file could not be read. The epoch goes too: whoever writes here next must not have his first records
        taken for those of before, should the clock have been set back.
        """
        try:
            for stream in self._streams.values():
                stream.discard(stream.segments)
            is_empty = not _segments(self._home)
            if is_empty:
                (self._home / EPOCH).unlink(missing_ok=True)
                disk.sync_folder(self._home)
            return is_empty
        finally:
            self.close()

    def close(self) -> None:
        """Give it free."""
        if self._lock >= 0:
            os.close(self._lock)
        self._lock = -1


def left(folder: Path, *, own: str) -> list[Path]:
    """Journals of the folder, beside our own, that hold anything at all; some may be written by others."""
    return [home for home in sorted(folder.iterdir()) if home.name != own and _segments(home)]


def _segments(home: Path) -> list[Path]:
    return list(home.glob("*/*.seg"))
