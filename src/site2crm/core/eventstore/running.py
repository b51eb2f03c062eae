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
from site2crm.core.eventstore import file
from site2crm.core.eventstore.duckdb import DuckStore
from site2crm.core.eventstore.pump import Pump
from site2crm.core.geo import Geo
from site2crm.core.journal.contract import EVENTS
from site2crm.core.journal.leftover import Leftover
from site2crm.core.machine import Machine
from site2crm.core.visitors import Visitors
from site2crm.kit import clock

READY_POLL_S = 0.05
VERIFY_AFTER_S = 5.0
KEEP_HOUSE_S = 30.0
PRUNE_S = 3600.0

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
    """Put DuckStore and Pump into the machine. Nothing large is loaded before the server is ready."""
    settings, loop, bell = machine.settings, asyncio.get_running_loop(), Bell()

    def calm(code: str) -> None:
        asyncio.run_coroutine_threadsafe(_clear(machine, code), loop)

    store = DuckStore(machine.data_dir, memory_bytes=settings.events.memory, ring=bell.ring, calm=calm)
    pump = Pump(machine.journal, store, data_dir=machine.data_dir, ring=bell.ring)
    for part in (store, pump):
        machine.put(part)
    machine.inheritance.drains.append(partial(_drain, machine, pump))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(tasks.running("events.bell", bell.answer(machine.database)))
        stack.push_async_callback(store.close)
        await stack.enter_async_context(tasks.running("events.house", _keep_house(machine, store)))
        await stack.enter_async_context(tasks.running("events.pump", _pump(machine, pump)))
        yield


async def _pump(machine: Machine, pump: Pump) -> None:
    """On a new installation the engine is loaded by the first click, else as soon as the server answers."""
    await _ready(machine)
    if file.is_new(machine.data_dir):
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


async def _keep_house(machine: Machine, store: DuckStore) -> NoReturn:
    """Take up a refreshed country file, write the salt down, delete what is too old, read the store through once."""
    geo, people = machine.get(Geo), machine.get(Visitors)
    await asyncio.sleep(VERIFY_AFTER_S)
    if not file.is_new(machine.data_dir):
        await _safely(store.engine.verify)
    pruned_at = -PRUNE_S
    while True:
        await asyncio.to_thread(geo.reload)
        await asyncio.to_thread(people.keep)
        retention = machine.settings.privacy.event_retention
        if retention and time.monotonic() - pruned_at >= PRUNE_S and not file.is_new(machine.data_dir):
            pruned_at = time.monotonic()
            await _safely(partial(prune, store, retention))
        await asyncio.sleep(KEEP_HOUSE_S)


async def prune(store: DuckStore, retention_s: float) -> None:
    """Delete what is older than the retention."""
    if removed := await store.prune(clock.now() - timedelta(seconds=retention_s)):
        _log.info("events.pruned", rows=removed)


async def _safely(work: Callable[[], Awaitable[None]]) -> None:
    """What fails now is tried again the next time: the store is being mended, or the disk is full."""
    try:
        await work()
    except Exception as error:  # noqa: BLE001 - the house is kept on
        _log.warning("events.house_work_failed", error=repr(error))


async def _clear(machine: Machine, code: str) -> None:
    try:
        async with machine.session() as session:
            await alarms.clear(session, alarms.INSTANCE, code=code)
    except AppError as error:
        _log.warning("alarm.stays", code=code, error=str(error))
