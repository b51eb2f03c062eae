"""The data folder: where things lie, and the lock that makes one process its owner."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DATABASE = "site2crm.db"
JOURNAL = "journal"
LOCK = "lock"
BACKUPS = "backups"
SNAPSHOT = "snapshot"


class FolderHeld(Exception):
    """Another process serves this folder."""


def prepare(folder: Path) -> None:
    """Make the folder, readable by its owner only."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Own the folder until the block ends or the process dies. Raises FolderHeld, naming the process that has it."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            raise FolderHeld(f"{folder} is already being served by process {owner or 'unknown'}") from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
