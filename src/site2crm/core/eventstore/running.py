"""The event store while the server runs: opened, fed, kept clean. `app.py` enters `lifespan`."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import NoReturn

from site2crm.core import agents, alarms, log, tasks
from site2crm.core.bell import Bell
from site2crm.core.errors import AppError
from site2crm.core.eventstore import access
from site2crm.core.eventstore.clickhouse import ClickStore
from site2crm.core.eventstore.contract import EventStore
from site2crm.core.eventstore.duckdb import DuckStore
from site2crm.core.eventstore.pump import Pump
from site2crm.core.geo import Geo
from site2crm.core.journal.contract import EVENTS
from site2crm.core.journal.leftover import Leftover
from site2crm.core.machine import Machine
from site2crm.core.visitors import Visitors
from site2crm.kit import clock

READY_POLL_S = 0.05
CHECK_AFTER_S = 5.0
KEEP_HOUSE_S = 30.0

_log = log.get("events")


def listen(machine: Machine, callback: Callable[[set[str]], None]) -> Callable[[], None]:
    """Call it on the event loop with the orgs that have new events, a few times a second at most.

    Returns what ends that.
    """
    return machine.get(Pump).listen(callback)


@asynccontextmanager
async def recognising(machine: Machine) -> AsyncIterator[None]:
    """Put Geo and Visitors into the machine: what a click is recorded with. A standby has them too."""
    settings = machine.settings
    city = settings.links.city_database
    machine.put(Geo(machine.data_dir, city_database=machine.data_dir / city if city else None))
    machine.put(Visitors(machine.data_dir, window_s=settings.privacy.visitor_window))
    yield


@asynccontextmanager
async def lifespan(machine: Machine) -> AsyncIterator[None]:
    """Put the store and Pump into the machine. Nothing large is loaded before the server is ready."""
    loop, bell = asyncio.get_running_loop(), Bell()

    def calm(code: str) -> None:
        asyncio.run_coroutine_threadsafe(_clear(machine, code), loop)

    store = _store(machine, ring=bell.ring, calm=calm)
    pump = Pump(machine.journal, store, data_dir=machine.data_dir, ring=bell.ring)
    for part in (store, access.Chosen(store), pump):
        machine.put(part)
    machine.inheritance.drains.append(partial(_drain, machine, pump))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(tasks.running("events.bell", bell.answer(machine.database)))
        stack.push_async_callback(store.close)
        await stack.enter_async_context(tasks.running("events.house", _keep_house(machine, store)))
        await stack.enter_async_context(tasks.running("events.pump", _pump(machine, store, pump)))
        yield


def _store(machine: Machine, *, ring: Callable[[str, str], None], calm: Callable[[str], None]) -> EventStore:
    if (place := machine.settings.clickhouse) is not None:
        return ClickStore(place, machine.data_dir, ring=ring, calm=calm)
    return DuckStore(machine.data_dir, memory_bytes=machine.settings.events.memory, ring=ring, calm=calm)


async def _pump(machine: Machine, store: EventStore, pump: Pump) -> None:
    """On a new installation the engine is loaded by the first click, else as soon as the server answers."""
    await _ready(machine)
    if store.is_new:
        await machine.journal.wait(EVENTS, None)
    await asyncio.to_thread(agents.warm)
    await pump.run()


async def _drain(machine: Machine, pump: Pump, left: Leftover) -> None:
    """Where nobody has clicked, nothing is loaded for it."""
    await _ready(machine)
    if await left.wait(EVENTS, None):
        await asyncio.to_thread(agents.warm)
        await pump.drain(left)


async def _ready(machine: Machine) -> None:
    while not machine.ready:  # noqa: ASYNC110 - a flag that is set once
        await asyncio.sleep(READY_POLL_S)


async def _keep_house(machine: Machine, store: EventStore) -> NoReturn:
    """Take up a refreshed country file, write the salt down, look after the store, delete what is too old."""
    geo, people = machine.get(Geo), machine.get(Visitors)
    await asyncio.sleep(CHECK_AFTER_S)
    pruned_at = -store.prune_s
    while True:
        await _safely(store.check)
        await asyncio.to_thread(geo.reload)
        await asyncio.to_thread(people.keep)
        retention = machine.settings.privacy.event_retention
        is_due = retention and time.monotonic() - pruned_at >= store.prune_s and not store.is_new
        if is_due and await _safely(partial(prune, store, retention)):
            pruned_at = time.monotonic()
        await asyncio.sleep(KEEP_HOUSE_S)


async def prune(store: EventStore, retention_s: float) -> None:
    """Delete what is older than the retention."""
    if removed := await store.prune(clock.now() - timedelta(seconds=retention_s)):
        _log.info("events.pruned", rows=removed)


async def _safely(work: Callable[[], Awaitable[None]]) -> bool:
    """What fails now is tried again the next time: the store is away or being mended, or the disk is full."""
    try:
        await work()
        return True
    except Exception as error:  # noqa: BLE001 - the house is kept on
        _log.warning("events.house_work_failed", error=repr(error))
        return False


async def _clear(machine: Machine, code: str) -> None:
    try:
        async with machine.session() as session:
            await alarms.clear(session, alarms.INSTANCE, code=code)
    except AppError as error:
        _log.warning("alarm.stays", code=code, error=str(error))
