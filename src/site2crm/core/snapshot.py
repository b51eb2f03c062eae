"""What forms and links need, kept in the data folder: a node whose PostgreSQL is away starts from it.

Written whole after each reload of a registry, beside the old one and then in its place. Never read while the database
answers; on SQLite, whose file lies in the same folder, never written.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import msgspec

from site2crm.core import folder, log
from site2crm.core.machine import Machine

Kept = TypeVar("Kept")

AT_ONCE = 2_000
"""Encoded in one go: longer would keep requests waiting."""
RESTS = 20
"""A large one is written for a twentieth of the time at most, however often it changes."""

_log = log.get("snapshot")


class Snapshot:
    """One registry's file. `items` yields what is in the registry at this moment."""

    def __init__(self, machine: Machine, name: str, items: Callable[[], Iterable[object]]) -> None:
        self._path = machine.data_dir / folder.SNAPSHOT / f"{name}.msgpack"
        self._is_wanted = machine.database.is_shared
        self._items = items
        self._writing: asyncio.Task[None] | None = None
        self._again = False

    def keep(self) -> None:
        """Write it soon, beside everything else; changes that come meanwhile are written together."""
        if not self._is_wanted:
            return
        self._again = True
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name=f"snapshot {self._path.stem}")

    def recall(self, kind: type[Kept]) -> list[Kept] | None:
        """What was kept; None if there is nothing to start from."""
        if not self._is_wanted:
            return None
        try:
            data = self._path.read_bytes()
            return [item for some in _chunks(data) for item in msgspec.msgpack.decode(some, type=list[kind])]  # type: ignore[valid-type]
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, ValueError) as error:
            _log.error("snapshot.unreadable", path=str(self._path), error=str(error))
            return None

    async def close(self) -> None:
        """What is being written is written to its end."""
        if self._writing is not None:
            self._again = False
            await asyncio.wait({self._writing})

    async def _write(self) -> None:
        while self._again:
            self._again = False
            begun = time.monotonic()
            try:
                await asyncio.to_thread(_put, self._path, list(self._items()))
            except OSError as error:
                _log.warning("snapshot.unwritten", path=str(self._path), error=str(error))
            if self._again:
                await asyncio.sleep(RESTS * (time.monotonic() - begun))


def exists(data_dir: Path) -> bool:
    """Whether a node can start from what is kept."""
    return any((data_dir / folder.SNAPSHOT).glob("*.msgpack"))


def _put(path: Path, items: list[object]) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    draft = path.with_suffix(".draft")
    descriptor = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for start in range(0, len(items), AT_ONCE):
            some = msgspec.msgpack.encode(items[start : start + AT_ONCE])
            file.write(len(some).to_bytes(4, "big") + some)
            time.sleep(0)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _chunks(data: bytes) -> Iterable[bytes]:
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        at += 4 + size
        if at > len(data):
            raise ValueError("it ends in the middle")
        yield data[at - size : at]
