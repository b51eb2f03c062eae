"""Backups of the running instance: made when due or asked for, verified, copied elsewhere; alarms when they fail."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from site2crm.core import alarms, folder, log, resources, tasks
from site2crm.core.backup import create, event_file, shelf, upkeep
from site2crm.core.backup.create import Made
from site2crm.core.backup.errors import BackupFailed, Stopped
from site2crm.core.bell import Bell
from site2crm.core.config_sources import PREFIX
from site2crm.core.config_types import Secret
from site2crm.core.errors import AppError
from site2crm.core.eventstore import file
from site2crm.core.eventstore.duckdb import DuckStore
from site2crm.core.eventstore.file import Connection
from site2crm.core.machine import Machine
from site2crm.core.queue import Cron, JobContext, job
from site2crm.kit import clock

JOB = "ops.backup"
DUE_S = 600.0
LONGEST_S = 6 * 3600.0
FAILED, BAD, NOT_SENT = "backup.failed", "backup.bad", "backup.not_sent"

_log = log.get("backup")


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. `verified` is empty where it was not asked for, else the seconds it took."""

    backup: str
    bytes: int
    seconds: float
    encrypted: bool
    has_events: bool
    verified: bool
    sent: bool
    pruned: list[str]


class Backups:
    """One at a time. In the machine, by its type."""

    def __init__(self, machine: Machine, bell: Bell) -> None:
        self._machine = machine
        self._bell = bell
        self._lock = asyncio.Lock()
        self._is_wanted = True

    @property
    def is_busy(self) -> bool:
        return self._lock.locked()

    async def make(self, *, reason: str = "", verify: bool = True) -> Done:
        """Make one, verify it, send it, prune. Raises BackupFailed; whoever can mend it is told by an alarm, too."""
        if self.is_busy:
            raise BackupFailed("A backup is being made at this moment.")
        async with self._lock:
            made = await self._made(reason)
            if verify:
                await self._verified(made)
            sent = await self._sent(made)
            pruned = await asyncio.to_thread(self._pruned)
        return Done(
            backup=made.name,
            bytes=made.bytes,
            seconds=made.seconds,
            encrypted=made.encrypted,
            has_events=made.has_events,
            verified=verify,
            sent=sent,
            pruned=pruned,
        )

    def stop(self) -> None:
        """Give up what is being made: a thread would keep the process until it is done."""
        self._is_wanted = False

    async def _made(self, reason: str) -> Made:
        settings, loop = self._machine.settings, asyncio.get_running_loop()

        def copy_events(source: Path, target: Path, check: Callable[[], None]) -> int:
            def work(connection: Connection | None) -> int:
                event_file.copy(source, target, check=check)
                return file.count(connection) if connection is not None else 0

            engine = self._machine.get(DuckStore).engine
            return asyncio.run_coroutine_threadsafe(engine.at_rest(work), loop).result()

        try:
            made = await asyncio.to_thread(
                create.create, settings, reason=reason, copy_events=copy_events, is_wanted=lambda: self._is_wanted
            )
        except Stopped:
            raise
        except Exception as error:  # whatever it was, who relies on backups must hear of it
            self._bell.ring(FAILED, f"No backup could be made. {error}")
            if isinstance(error, BackupFailed):
                raise
            raise BackupFailed(repr(error)) from error
        await self._clear(FAILED)
        return made

    async def _verified(self, made: Made) -> None:
        """By another process: it restores and boots a second instance, which two cores and our memory would feel."""
        fault = await _fault(self._machine, made.path)
        shelf.checked(made.path.parent, made.name, at=clock.now(), fault=fault)
        if fault:
            self._bell.ring(BAD, f"The backup {made.name} cannot be restored. {fault}")
            raise BackupFailed(f"It was made as {made.name}, but its verification failed. {fault}")
        await self._clear(BAD)

    async def _sent(self, made: Made) -> bool:
        try:
            sent = await asyncio.to_thread(upkeep.send, self._machine.settings, made.name)
        except BackupFailed as error:
            self._bell.ring(NOT_SENT, f"The backup {made.name} is on this machine only. {error}")
            return False
        if sent:
            await self._clear(NOT_SENT)
        return sent

    def _pruned(self) -> list[str]:
        try:
            return upkeep.prune(self._machine.settings)
        except BackupFailed as error:
            _log.warning("backup.not_pruned", error=str(error))
            return []

    async def _clear(self, code: str) -> None:
        try:
            async with self._machine.session() as session:
                await alarms.clear(session, alarms.INSTANCE, code=code)
        except AppError as error:
            _log.warning("alarm.stays", code=code, error=str(error))


@asynccontextmanager
async def kept(machine: Machine) -> AsyncIterator[None]:
    """Put Backups into the machine."""
    bell = Bell()
    folder.identity(machine.data_dir)
    backups = Backups(machine, bell)
    machine.put(backups)
    async with tasks.running("backup.bell", bell.answer(machine.database)):
        yield
        backups.stop()


@job(JOB, timeout_s=LONGEST_S, retries=0)
async def back_up_now(ctx: JobContext) -> None:
    """What the button of the page starts."""
    await _make_or_ring(ctx.machine)


async def _when_due(ctx: JobContext) -> None:
    machine: Machine = ctx.machine
    since = (machine.data_dir / folder.IDENTITY).stat().st_mtime
    if await asyncio.to_thread(upkeep.is_due, machine.settings, since=since):
        await _make_or_ring(machine)


CRON = Cron("ops.backup_due", function=_when_due, every_s=DUE_S, timeout_s=LONGEST_S)


async def create_control(machine: Machine, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """`site2crm backup create`, while the server runs."""
    done = await machine.get(Backups).make(verify=bool(arguments.get("verify", True)))
    answer: dict[str, Any] = msgspec.to_builtins(done)
    return answer


async def _make_or_ring(machine: Machine) -> None:
    """A failure has rung its alarm; as a failed job it would only be told twice."""
    try:
        await machine.get(Backups).make()
    except BackupFailed as error:
        _log.warning("backup.failed", error=str(error))


async def _fault(machine: Machine, path: Path) -> str:
    """Why it cannot be restored; empty if it can."""
    child = await asyncio.create_subprocess_exec(
        *resources.command(), "backup", "verify", str(path), "--json", "--gently",
        cwd=machine.data_dir, env=_environment(machine), stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        out, err = await child.communicate()
    except asyncio.CancelledError:
        child.kill()
        raise
    if child.returncode == 0 and json.loads(out.splitlines()[-1])["ok"]:
        return ""
    return err.decode("utf-8", "replace").strip()[-500:] or f"The verification ended with {child.returncode}."


def _environment(machine: Machine) -> dict[str, str]:
    """The settings that the other process needs, and no others: it has no file to read them from."""
    settings = machine.settings
    mine = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    key = settings.secrets.key
    told = {
        "DATA__DIR": str(settings.data.dir),
        "DATA__MIN_FREE": f"{settings.data.min_free}B",
        "BACKUP__FOLDER": str(settings.backup.folder),
        "BACKUP__KEY": settings.backup.key.reveal(),
        "SECRETS__KEY": (key if isinstance(key, Secret) else Secret(key.read_text("ascii").strip())).reveal(),
    }
    return {**mine, **{PREFIX + name: value for name, value in told.items()}}
