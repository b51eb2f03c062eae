"""Caches follow what is written, also when two notice it at once."""

import asyncio

from site2crm.app import Instance
from site2crm.core import revisions
from site2crm.core.errors import DatabaseAway


async def test_who_writes_waits_for_a_reload_that_another_look_has_begun(instance: Instance) -> None:
    machine, gate, begun = instance.machine, asyncio.Event(), asyncio.Event()
    gate.set()

    async def reload() -> None:
        begun.set()
        await gate.wait()

    await machine.revisions.watch("slow", reload)
    gate.clear()
    begun.clear()

    async def write() -> None:
        async with machine.session() as session:
            await revisions.bump(session, "slow")

    writing = asyncio.create_task(write())
    await begun.wait()
    looking = asyncio.create_task(machine.revisions.refresh())
    await asyncio.wait({looking}, timeout=0.3)

    assert not looking.done()
    gate.set()
    await asyncio.gather(writing, looking)


async def test_what_was_written_stands_though_nobody_can_read_it_at_once(instance: Instance) -> None:
    away, machine, loads = asyncio.Event(), instance.machine, list[bool]()

    async def reload() -> None:
        if away.is_set():
            raise DatabaseAway
        loads.append(True)

    await machine.revisions.watch("away", reload)
    away.set()
    async with machine.session() as session:
        await revisions.bump(session, "away")
    away.clear()
    await machine.revisions.refresh()

    assert len(loads) == 2
