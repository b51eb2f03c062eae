"""The data folder: where things lie, the lock that makes one process its owner, the exchange of its content.

There are two places for processes: who has `lock` serves the folder, who has `standby` waits to follow. Each says in
the file of its lock who it is; the kernel frees the lock when it dies, however it dies.
"""

import fcntl
import json
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, Self

from site2crm.core.journal import disk

DATABASE = "site2crm.db"
JOURNAL = "journal"
LOCK = "lock"
STANDBY = "standby"
BACKUPS = "backups"
SNAPSHOT = "snapshot"
IDENTITY = "instance"
SWAP = "swap.json"

_IDENTITY = re.compile(r"[0-9a-f]{16}")


_LEAVES = "leaves"


class FolderHeld(Exception):
    """Another process serves this folder, or waits to do so."""


class Holder(NamedTuple):
    """Who has a place, by what it says of itself; empty words and 0 for what it does not say."""

    pid: int = 0
    listen: str = ""
    leaves: bool = False


def prepare(folder: Path) -> None:
    """Make the folder, readable by its owner only."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)


class Place:
    """One of the two locks of a folder, for at most one process at a time."""

    def __init__(self, folder: Path, name: str) -> None:
        self._descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._listen = ""
        self.is_mine = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def take(self, *, listen: str = "") -> bool:
        """Whether it is ours now. Never waits."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self.is_mine, self._listen = True, listen
        self._say()
        return True

    def leave(self) -> None:
        """Say that we are about to give it up; who waits for it answers in our place from now on."""
        self._say(_LEAVES)

    def told(self) -> Holder:
        """What who has it says."""
        return _holder(os.pread(self._descriptor, 256, 0))

    def close(self) -> None:
        """Give it free, if it is ours."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self.is_mine = -1, False

    def _say(self, *words: str) -> None:
        line = " ".join([str(os.getpid()), self._listen or "-", *words]).encode() + b"\n"
        os.pwrite(self._descriptor, line, 0)
        os.ftruncate(self._descriptor, len(line))


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Own the folder alone until the block ends or the process dies. Raises FolderHeld, naming the process that has it.

    Nobody may stand by meanwhile: what is done to the folder could take away what a waiting process writes into it.
    """
    with ExitStack() as places:
        lock, standby = (places.enter_context(Place(folder, name)) for name in (LOCK, STANDBY))
        if not lock.take():
            raise FolderHeld(served(folder, lock.told()))
        if not standby.take():
            raise FolderHeld(f"Process {standby.told().pid or 'unknown'} stands by to serve {folder}. Stop it first.")
        finish_swap(folder)
        yield


def served(folder: Path, by: Holder) -> str:
    """The sentence for who finds it taken."""
    return f"{folder} is already being served by process {by.pid or 'unknown'}"


def holder(folder: Path, name: str) -> Holder | None:
    """Who has this place, by the kernel's list: to try to take it could keep a server from starting."""
    path = folder / name
    try:
        inode = f":{path.stat().st_ino} "
        lines = Path("/proc/locks").read_text().splitlines()
        is_held = any("FLOCK" in line and inode in line for line in lines)
        return _holder(path.read_bytes()) if is_held else None
    except OSError:
        return None


def waiting(folder: Path) -> Holder | None:
    """Who stands by to serve it, if anybody does. For the process that serves it: it alone may try the lock."""
    descriptor = os.open(folder / STANDBY, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(os.pread(descriptor, 256, 0))
    finally:
        os.close(descriptor)
    return None


def _holder(line: bytes) -> Holder:
    """An older version writes only its number."""
    words = line.decode("ascii", "replace").split()
    pid = int(words[0]) if words and words[0].isdigit() else 0
    listen = words[1] if len(words) > 1 and words[1] != "-" else ""
    return Holder(pid, listen, _LEAVES in words[2:])


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


def node(folder: Path) -> str:
    """The name of whoever serves this folder, among those who share a database: the same after a restart.

    Not the same for a copy of the folder, which may be served beside it: a file that is copied is another one.
    """
    return f"{identity(folder)}-{(folder / IDENTITY).stat().st_ino}"


def swap(folder: Path, moves: Sequence[tuple[str, str]]) -> None:
    """Rename all, in order (paths inside the folder). The caller holds it.

    What is to be done is written down first: after a power cut, whoever takes the folder next does the rest.
    """
    disk.write_file(folder / SWAP, json.dumps(moves).encode())
    finish_swap(folder)


def finish_swap(folder: Path) -> None:
    """Do the rest of a `swap` that was cut off. The caller holds the folder."""
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
