"""Journals on real files for the tests: small segments, collected alarms, disks that fail on demand."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from site2crm.core.journal.contract import Position
from site2crm.core.journal.journal import Journal

SEGMENT_BYTES = 64 * 1024


class Alarms(list[tuple[str, str]]):
    """What the journal complained about."""

    def hear(self, code: str, text: str) -> None:
        self.append((code, text))

    @property
    def codes(self) -> list[str]:
        return [code for code, _ in self]


class FailingDisk:
    """fdatasync and posix_fallocate that fail while told to; files are noted by inode, descriptors are reused."""

    def __init__(self) -> None:
        self.sync_failures = 0
        self.is_full = False
        self.synced: list[int] = []
        self.failed: list[int] = []

    def fsync(self, fd: int) -> None:
        if self.sync_failures:
            self.sync_failures -= 1
            self.failed.append(os.fstat(fd).st_ino)
            raise OSError(errno.EIO, "injected")
        self.synced.append(os.fstat(fd).st_ino)
        os.fdatasync(fd)

    def allocate(self, fd: int, offset: int, size: int) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, "injected")
        os.posix_fallocate(fd, offset, size)


@asynccontextmanager
async def opened(folder: Path, alarms: Alarms | None = None, **options: Any) -> AsyncIterator[Journal]:
    heard = Alarms() if alarms is None else alarms
    options = {"segment_bytes": SEGMENT_BYTES, **options}
    journal = Journal.open(folder, instance="a", on_alarm=heard.hear, **options)
    try:
        yield journal
    finally:
        await journal.close()


async def append_all(journal: Journal, payloads: list[bytes]) -> list[Position]:
    return await asyncio.gather(*(journal.append_durable(payload) for payload in payloads))


def payloads_of(journal: Journal, stream: str = "submissions", start: Position | None = None) -> list[bytes]:
    return [record.data for record in journal.read(stream, start, limit=1_000_000, max_bytes=1 << 30)]


def files(folder: Path, stream: str = "submissions", pattern: str = "*.seg") -> list[Path]:
    return sorted((folder / "a" / stream).glob(pattern))


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that another thread does."""
    while not condition():
        await asyncio.sleep(0.005)
