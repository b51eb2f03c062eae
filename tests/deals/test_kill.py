"""kill -9 in the middle of the first reading, again and again: it goes on where it was, and nothing is there twice."""

import asyncio
import time
from pathlib import Path

import httpx

from site2crm.demo.server import Fault
from tests import chaos
from tests.fakes.hubspot import TOKEN, HubSpotFake
from tests.server import Server

DEALS, PAGE, ROUNDS = 1500, 100, 3
PATIENCE_S = 60


def titles(api: httpx.Client) -> list[str]:
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = api.get("/api/v1/deals", params={"limit": 200, **({"cursor": cursor} if cursor else {})}).json()
        found += [deal["title"] for deal in page["data"]]
        cursor = page["page"]["next_cursor"]
    return found


def wait_for(api: httpx.Client, count: int) -> None:
    until = time.monotonic() + PATIENCE_S
    while len(titles(api)) < count:
        assert time.monotonic() < until, f"{len(titles(api))} of {count}"
        time.sleep(0.05)


async def test_a_killed_first_reading_goes_on_where_it_was(tmp_path: Path) -> None:
    fake = HubSpotFake(validate=False)
    await fake.start()
    for number in range(DEALS):
        fake.sales.add("deals", dealname=f"Deal {number}")
    fake.faults.append(Fault("slow", count=-1, seconds=0.1, path="/objects/2026-09/deals"))
    server = Server(tmp_path, chaos.config(fake.url))
    try:
        await asyncio.to_thread(server.start)
        api = await asyncio.to_thread(server.an_org)
        given = {"kind": "hubspot", "settings": {"token": TOKEN}}
        assert (await asyncio.to_thread(api.post, "/api/v1/connections", json=given)).status_code == 201
        for number in range(ROUNDS):
            await asyncio.to_thread(api.post, "/api/v1/deals/sync", json={})
            await asyncio.to_thread(wait_for, api, (number + 1) * 300)
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
        fake.faults.clear()
        await asyncio.to_thread(api.post, "/api/v1/deals/sync", json={})
        await asyncio.to_thread(wait_for, api, DEALS)
        found = await asyncio.to_thread(titles, api)
    finally:
        await asyncio.to_thread(server.stop)
        await fake.stop()
    assert sorted(found) == sorted(f"Deal {number}" for number in range(DEALS))
    pages = sum("objects/2026-09/deals?" in request.target for request in fake.requests)
    # Once, and once again: all of them were made in the minutes that the next reading looks back on.
    assert pages <= 2 * DEALS // PAGE + ROUNDS
