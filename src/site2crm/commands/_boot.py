"""A restored folder, booted as `serve` would, but without a port and without a word to anybody outside.

No job and no cron runs, and every outgoing call is refused: the real instance delivers, this one only shows that it
could go on.
"""

import asyncio
import time
from pathlib import Path

import httpx
import msgspec

from site2crm.app import Instance, running
from site2crm.core import alarms, http
from site2crm.core.backup import create, records, restore
from site2crm.core.backup.errors import CorruptArchive
from site2crm.core.backup.manifest import Manifest
from site2crm.core.config import Settings
from site2crm.core.eventstore.duckdb import DuckStore
from site2crm.core.folder import DATABASE
from site2crm.core.http import OutboundError
from site2crm.core.journal.contract import StreamStats
from site2crm.core.machine import Machine

STUCK_S = 60.0
_DAMAGE = ("journal.damaged", "journal.missing", "journal.unreadable", "events.damaged", "events.missing")


class Booted(msgspec.Struct, frozen=True):
    """Rows after all that waited in the journal was applied. `set_aside`: what of it could not be."""

    submissions: int
    leads: int
    events: int
    set_aside: int


def check(settings: Settings, path: Path, work: Path) -> tuple[Manifest, Booted]:
    """Restore a backup into an empty folder and boot it. Raises BackupFailed."""
    unpacked, data_dir = work / "unpacked", work / "data"
    unpacked.mkdir()
    manifest = restore.unpack(path, unpacked, key=create.key_of(settings), min_free=settings.data.min_free)
    restore.examine(unpacked, manifest)
    waiting = restore.settle(unpacked, data_dir, manifest=manifest, old_journal=None)
    before = records.counts(data_dir / DATABASE).get("poison_record", 0)
    booted = asyncio.run(_boot(restore.on(settings, data_dir), poisoned=before))
    least = manifest.counts.events
    if booted.events < least or booted.submissions < manifest.counts.tables.get("submission", 0):
        raise CorruptArchive("After the start, fewer submissions or events are there than the backup has.")
    if not waiting["events"] and booted.events != least:
        raise CorruptArchive(f"After the start, {booted.events:,} events are there instead of {least:,}.")
    return manifest, booted


async def _boot(settings: Settings, *, poisoned: int) -> Booted:
    http.guards.append(_say_nothing)
    try:
        async with running(settings, background=False) as instance:
            await _expect_answers(instance)
            await _applied(instance.machine)
            return await _counted(instance.machine, poisoned)
    finally:
        http.guards.remove(_say_nothing)


def _say_nothing() -> None:
    raise OutboundError("A backup that is being verified calls nobody.")


async def _expect_answers(instance: Instance) -> None:
    transport = httpx.ASGITransport(app=instance.app)
    async with httpx.AsyncClient(transport=transport, base_url=instance.machine.settings.base_url) as client:
        answer = await client.get("/login")
    if answer.status_code != 200:
        raise CorruptArchive(f"The start succeeded, but the first page answers {answer.status_code}.")


async def _applied(machine: Machine) -> None:
    """Wait until the consumers have taken all that the journal holds, as long as they move."""
    until, fewest = time.monotonic() + STUCK_S, -1
    while True:
        stats = await asyncio.to_thread(machine.inheritance.stats)
        left = _left(stats.submissions) + _left(stats.events)
        if not left:
            return
        if fewest < 0 or left < fewest:
            until, fewest = time.monotonic() + STUCK_S, left
        if time.monotonic() > until:
            raise CorruptArchive(f"After the start, {left:,} records of the journal are not taken up.")
        await asyncio.sleep(0.05)


def _left(stream: StreamStats) -> int:
    return stream.lag_records


async def _counted(machine: Machine, poisoned: int) -> Booted:
    tables = await asyncio.to_thread(records.counts, machine.database.path)
    async with machine.session() as session:
        rung = [alarm for alarm in await alarms.open_alarms(session, alarms.INSTANCE) if alarm.code in _DAMAGE]
    if rung:
        raise CorruptArchive(rung[0].text)
    store = machine.get(DuckStore)
    await store.engine.open()  # however long it takes: a page would give up after seconds
    events = await store.engine.read(lambda connection: connection.execute("SELECT count(*) FROM events").fetchall())
    return Booted(
        submissions=tables.get("submission", 0),
        leads=tables.get("lead", 0),
        events=int(events[0][0]),
        set_aside=tables.get("poison_record", 0) - poisoned,
    )
