"""The disk calls that can fail, in one place: counted, and replaceable by failing ones in tests."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Disk:
    """Syncs, allocations and alarms of one journal."""

    def __init__(
        self,
        *,
        fsync: Callable[[int], None],
        allocate: Callable[[int, int, int], None],
        alarm: Callable[[str, str], None],
    ) -> None:
        self._fsync = fsync
        self.allocate = allocate
        self.alarm = alarm
        self.syncs = 0
        self.sync_errors = 0

    def sync(self, fd: int) -> None:
        """fdatasync; also writes out what was changed through a mapping of the file."""
        try:
            self._fsync(fd)
        except OSError:
            self.sync_errors += 1
            raise
        self.syncs += 1


def is_full(error: OSError) -> bool:
    """Whether space (or a quota) is what is missing."""
    return error.errno in _FULL


def sync_folder(folder: Path) -> None:
    """Make created, renamed and removed names durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_file(fd: int) -> None:
    """Make a file's content and size durable."""
    os.fsync(fd)


def write_file(path: Path, data: bytes) -> None:
    """Write a small file whole or not at all, durably."""
    draft = path.with_name(path.name + ".tmp")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        write_all(fd, data, offset=0)
        os.fsync(fd)
    finally:
        os.close(fd)
    draft.replace(path)
    sync_folder(path.parent)


def write_all(fd: int, data: bytes, *, offset: int) -> None:
    """pwrite until nothing is left: a single call may write less."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written


def free_bytes(folder: Path) -> int:
    """Space that this process may still use on the file system of the folder."""
    info = os.statvfs(folder)
    return info.f_bavail * info.f_frsize
