"""The instance from within, for its administrator: figures that no tenant and no stranger is shown."""

import asyncio
import platform
import shutil
from datetime import datetime

from msgspec import Struct
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm import __version__
from site2crm.core import alarms, folder, meter, migrate, sqlite
from site2crm.core.alarms import OpenAlarm
from site2crm.core.backup import shelf
from site2crm.core.journal.contract import JournalStats
from site2crm.core.machine import Machine
from site2crm.core.queue import store
from site2crm.core.queue.store import Failure, JobStats
from site2crm.core.tables import PoisonRecord
from site2crm.ops import condition, crashes
from site2crm.ops.condition import Condition
from site2crm.ops.crashes import Crash

FAILURES_SHOWN = 10


class Versions(Struct, frozen=True):
    site2crm: str
    python: str
    sqlite: str
    schema: str


class Space(Struct, frozen=True):
    """Bytes."""

    free: int
    total: int
    records: int
    events: int
    journal: int
    memory: int
    clickhouse: str
    """Where the events are instead; empty: in the data folder."""


class Trouble(Struct, frozen=True):
    at: datetime
    event: str
    what: str
    request_id: str


class FailedJob(Struct, frozen=True):
    name: str
    at: datetime
    attempts: int
    error: str
    """The last line of the traceback."""


class Inside(Struct, frozen=True, kw_only=True):
    condition: Condition
    started_at: datetime
    standby: str
    """Who waits to follow this process; empty: nobody."""
    last_backup: datetime | None
    queue: JobStats
    journal: JournalStats
    poisoned: int
    space: Space
    versions: Versions
    alarms: list[OpenAlarm]
    org_alarms: int
    troubles: list[Trouble]
    failed_jobs: list[FailedJob]
    crashes: list[Crash]


async def look(machine: Machine, session: AsyncSession) -> Inside:
    """Everything, now."""
    backup = await asyncio.to_thread(shelf.newest, shelf.folder_of(machine.settings))
    return Inside(
        condition=await condition.look(machine),
        started_at=machine.meter.started_at,
        standby=_standby(machine),
        last_backup=backup.made_at if backup else None,
        queue=await store.stats(session),
        journal=machine.inheritance.stats(),
        poisoned=await session.scalar(select(func.count()).select_from(PoisonRecord)) or 0,
        space=await asyncio.to_thread(_space, machine),
        versions=Versions(__version__, platform.python_version(), sqlite.VERSION, migrate.revisions()[-1]),
        alarms=list(await alarms.open_alarms(session, alarms.INSTANCE)),
        org_alarms=await alarms.open_elsewhere(session),
        troubles=[Trouble(*each) for each in reversed(meter.troubles)],
        failed_jobs=[_failed(each) for each in await store.failures(session, limit=FAILURES_SHOWN)],
        crashes=await asyncio.to_thread(crashes.crashes, machine.data_dir),
    )


def _standby(machine: Machine) -> str:
    waits = folder.waiting(machine.data_dir)
    return f"process {waits.pid} at {waits.listen} is standby, waiting for the lock" if waits else ""


def _space(machine: Machine) -> Space:
    home = machine.data_dir
    disk = shutil.disk_usage(home)
    return Space(
        free=disk.free,
        total=disk.total,
        records=sum(path.stat().st_size for path in home.glob(f"{folder.DATABASE}*")),
        events=sum(path.stat().st_size for path in home.glob("events.duckdb*")),
        journal=sum(path.stat().st_size for path in (home / folder.JOURNAL).rglob("*.seg")),
        memory=condition.memory_bytes(),
        clickhouse=str(machine.settings.clickhouse or ""),
    )


def _failed(failure: Failure) -> FailedJob:
    last = failure.error.strip().rpartition("\n")[2]
    return FailedJob(failure.name, failure.at, failure.attempts, last[:200])
