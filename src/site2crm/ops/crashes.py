"""Ends that nobody asked for: a mark lies in the data folder while the server runs; who finds one, finds a crash.

The mark is touched now and then, so that its time tells when the process was last alive.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import msgspec

from site2crm import __version__
from site2crm.core import log, tasks
from site2crm.core.journal import disk
from site2crm.core.machine import Machine
from site2crm.kit import clock

MARK = "running"
LIST = "crashes.json"
KEPT = 20
TOUCH_S = 30.0

_log = log.get("serve")


class Crash(msgspec.Struct, frozen=True):
    """`seen_at`: when that process was last known to be alive, to half a minute."""

    started_at: datetime
    seen_at: datetime
    version: str


class Mark(msgspec.Struct, frozen=True):
    started_at: datetime
    version: str


@asynccontextmanager
async def watched(machine: Machine) -> AsyncIterator[None]:
    """Note how the last process ended, and leave a mark while this one runs."""
    mark = machine.data_dir / MARK
    found = _ended_by_itself(mark)
    if found is not None:
        _log.warning("serve.had_crashed", started_at=found.started_at, seen_at=found.seen_at)
        _remember(machine.data_dir, found)
    mark.write_bytes(msgspec.json.encode(Mark(clock.now(), __version__)))
    async with tasks.running("ops.mark", _touch(mark)):
        yield
    mark.unlink(missing_ok=True)


def crashes(data_dir: Path) -> list[Crash]:
    """The last ones, newest first. A damaged list is an empty one."""
    try:
        return msgspec.json.decode((data_dir / LIST).read_bytes(), type=list[Crash])
    except (OSError, msgspec.MsgspecError):
        return []


def _ended_by_itself(mark: Path) -> Crash | None:
    try:
        seen_at = datetime.fromtimestamp(mark.stat().st_mtime, UTC)
        written = msgspec.json.decode(mark.read_bytes(), type=Mark)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError):  # torn by the end of the power: that it is there says enough
        return Crash(seen_at, seen_at, "unknown")
    return Crash(written.started_at, seen_at, written.version)


def _remember(data_dir: Path, crash: Crash) -> None:
    try:
        disk.write_file(data_dir / LIST, msgspec.json.encode([crash, *crashes(data_dir)][:KEPT]))
    except OSError as error:  # a full disk must not keep the server from starting
        _log.warning("serve.crash_not_noted", error=str(error))


async def _touch(mark: Path) -> NoReturn:
    while True:
        await asyncio.sleep(TOUCH_S)
        await asyncio.to_thread(os.utime, mark)
