"""The data folder: where things lie, the lock that makes one process its owner, the exchange of its content."""

import fcntl
import json
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from site2crm.core.journal import disk

DATABASE = "site2crm.db"
JOURNAL = "journal"
LOCK = "lock"
BACKUPS = "backups"
SNAPSHOT = "snapshot"
IDENTITY = "instance"
SWAP = "swap.json"

_IDENTITY = re.compile(r"[0-9a-f]{16}")


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
        _finish_swap(folder)
        yield
    finally:
        os.close(descriptor)


def identity(folder: Path) -> str:
    """Which installation this is; made at the first call, kept by backups, so that a restore knows its own folder."""
    path = folder / IDENTITY
    found = known_identity(folder)
    if not found:
        found = secrets.token_hex(8)
        disk.write_file(path, f"{found}\n".encode())
    return found


def known_identity(folder: Path) -> str:
    """As `identity`; empty where none was made."""
    path = folder / IDENTITY
    text = path.read_text("ascii", "replace").strip() if path.exists() else ""
    return text if _IDENTITY.fullmatch(text) else ""


def swap(folder: Path, moves: Sequence[tuple[str, str]]) -> None:
    """Rename all, in order (paths inside the folder). The caller holds it.

    What is to be done is written down first: after a power cut, whoever takes the folder next does the rest.
    """
    disk.write_file(folder / SWAP, json.dumps(moves).encode())
    _finish_swap(folder)


def _finish_swap(folder: Path) -> None:
    plan = folder / SWAP
    if not plan.exists():
        return
    for source, target in json.loads(plan.read_bytes()):
        if (folder / source).exists() and not (folder / target).exists():
            (folder / target).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            (folder / source).rename(folder / target)
            disk.sync_folder((folder / target).parent)
    disk.sync_folder(folder)
    plan.unlink()
    disk.sync_folder(folder)
