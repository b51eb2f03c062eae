"""Open pages look again when something came of a try."""

import asyncio
from contextlib import aclosing

from site2crm.core.live import CHANGED
from site2crm.leads import live
from tests.delivery.conftest import Office


async def looks(office: Office, seen: list[bytes]) -> None:
    async with aclosing(live.stream(office.org.id)) as stream:
        async for sent in stream:
            seen.append(sent)


async def test_a_settled_delivery_wakes_the_open_pages(office: Office) -> None:
    await office.submit()
    seen: list[bytes] = []
    page = asyncio.create_task(looks(office, seen))
    await asyncio.sleep(0)
    await office.work()
    async with asyncio.timeout(5):
        while CHANGED not in seen:
            await asyncio.sleep(0.01)
    page.cancel()
    await asyncio.wait({page})


async def test_many_settled_deliveries_are_told_a_few_times_only(office: Office) -> None:
    inbox = await office.connect(kind="inbox", mapping={"email": "email"})
    for number in range(150):
        await office.submit(f"p{number}@example.com")
    seen: list[bytes] = []
    page = asyncio.create_task(looks(office, seen))
    await asyncio.sleep(0)
    await office.work()
    await asyncio.sleep(2 * live.PAUSE_S)
    page.cancel()
    await asyncio.wait({page})
    assert {delivery.state for delivery in await office.deliveries(connection=inbox)} == {"delivered"}
    assert 1 <= seen.count(CHANGED) < 50
