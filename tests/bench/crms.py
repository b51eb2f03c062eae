"""Delivery to each CRM: how fast without limits, beside its connector alone; and what is reached of a published limit.

The CRMs play in this process, and the connector alone calls the same ones: so the ratio is what a delivery costs beside
the calls themselves (books, mapping, exchanges). At a limit waiting takes no time (`tests/connectors/virtual.py`).
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from site2crm.accounts.permissions import Role
from site2crm.connectors.opening import Budgets
from tests import cast
from tests.bench.table import Row
from tests.cast import Cast
from tests.connectors import paced
from tests.delivery import crms

LEADS, AT_A_LIMIT = 100, 200
TAKES_S = 0.02
_STATUS = Path("/proc/self/status")


def measure(folder: Path) -> Iterator[Row]:
    before = _resident_mb()
    for kind in crms.CRMS:
        yield asyncio.run(_free(kind, folder / kind))
    grown = _resident_mb() - before
    yield "memory, delivering", f"+{grown:.0f} MB", "", f"{LEADS} leads to each CRM, with the CRMs themselves"
    for name, each in paced.PACED.items():
        if each.limits:
            yield asyncio.run(_at_limit(name))


async def _free(kind: str, folder: Path) -> Row:
    alone = await _alone(kind)
    through = await _delivered(kind, folder)
    label, note = f"deliveries to {kind}, no limit", f"{through / alone:.2f} of its connector alone, {alone:,.0f}/s"
    return label, f"{through:,.0f}/s", "", note


async def _alone(kind: str) -> float:
    """Leads in a second of the connector, called as a drain calls it."""
    outcome = await paced.flood(kind, LEADS, takes_s=0.0, is_free=True)
    return outcome.leads / outcome.seconds


async def _delivered(kind: str, folder: Path) -> float:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(crms.played(kind))
        if kind == "pipedrive":
            server.limits = replace(server.limits, on=True, most=paced.NO_LIMIT, seats=paced.NO_LIMIT)
        instance = await stack.enter_async_context(cast.an_instance(folder, **crms.flags({kind: server})))
        owner = await Cast(instance, stack).person("alice", Role.OWNER, "acme")
        office = await crms.open_office(instance, owner, kind, server)
        budgets = instance.machine.get(Budgets)
        budgets.forget(office.connection_id)
        budgets.of(office.connection_id, None)
        for number in range(LEADS):
            await office.submit(f"p{number}@example.com", last_name="Lovelace", message=f"Message {number}")
        began = time.perf_counter()
        await office.work()
        took = time.perf_counter() - began
        assert len(list(crms.CRMS[kind].mails(server))) == LEADS
    return LEADS / took


async def _at_limit(name: str) -> Row:
    outcome = await paced.flood(name, AT_A_LIMIT, takes_s=TAKES_S)
    share = outcome.share(paced.PACED[name].limits)
    note = f"{AT_A_LIMIT} leads in {outcome.seconds:,.0f} s of the vendor's time, {outcome.refused} refused"
    return f"share of the limit, {name}", f"{share:.1%}", ">= 90 %", note


def _resident_mb() -> float:
    return int(_STATUS.read_text().split("VmRSS:")[1].split()[0]) / 1024
