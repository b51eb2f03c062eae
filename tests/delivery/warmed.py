"""Imported by the process that others are forked from: the product has started and delivered once, so that each of them
starts at once and has nothing left to load."""

import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from site2crm.accounts.permissions import Role
from tests import cast, records
from tests.cast import Cast
from tests.delivery import crms

KIND = "hubspot"


async def _deliver_once() -> None:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = await stack.enter_async_context(crms.played(KIND))
        flags = {**crms.flags({KIND: server}), "database__url": records.SQLITE}
        async with cast.an_instance(folder, **flags) as instance, AsyncExitStack() as people:
            alice = await Cast(instance, people).person("alice", Role.OWNER, "acme")
            office = await crms.open_office(instance, alice, KIND, server)
            await crms.make_deals(office, KIND, title="{name}")
            await office.submit(last_name="Lovelace", phone="+44 20 7946 0000")
            await office.work()
        async with cast.an_instance(folder, background=True, **flags):
            pass


asyncio.run(_deliver_once())
