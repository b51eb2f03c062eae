"""Clicks counted = redirects served, whatever happens to the server and to the event store."""

import asyncio
import random
import time
from pathlib import Path

import httpx
import pytest

from tests.clicks import Tally, click
from tests.server import Server

REQUESTS = 50_000
KILLS = 3
SETTLE_S = 60


def test_every_redirect_that_was_served_is_counted_across_three_kills(tmp_path: Path) -> None:
    server = Server(tmp_path).start()
    try:
        with server.an_org() as api:
            link = a_link(api)
            tally = asyncio.run(clicks_and_kills(server, link["slug"]))
            assert tally.served.total() >= REQUESTS
            people = counted(api, link["id"], "exclude", at_least=tally.bounds("person")[0])
            machines = counted(api, link["id"], "only", at_least=tally.bounds("head", "bot", "prefetch")[0])
    finally:
        server.stop()
    assert within(people, tally.bounds("person"))
    assert within(machines, tally.bounds("head", "bot", "prefetch"))


@pytest.mark.parametrize("harm", ["deleted", "corrupted"])
def test_without_its_event_store_the_server_starts_says_so_and_counts_on(tmp_path: Path, harm: str) -> None:
    server = Server(tmp_path).start()
    try:
        with server.an_org() as api:
            link = a_link(api)
            form = api.post("/api/v1/forms", json={"name": "Contact"}).json()
            api.post(f"/f/{form['key']}", data={"email": "ada@example.com"})
            before = Tally()
            asyncio.run(click(server.port, link["slug"], before, until=200))
            counted(api, link["id"], "all", at_least=200)
            server.stop()
            damage(tmp_path / "data" / "events.duckdb", harm)
            server.start()
            assert [lead["email"] for lead in api.get("/api/v1/leads").json()["data"]] == ["ada@example.com"]
            after = Tally()
            asyncio.run(click(server.port, link["slug"], after, until=300))
            total = counted(api, link["id"], "all", at_least=after.served.total())
    finally:
        server.stop()
    assert after.served.total() <= total <= before.served.total() + after.served.total()
    assert "events" in server.log()


def a_link(api: httpx.Client) -> dict[str, str]:
    answer = api.post("/api/v1/links", json={"url": "https://www.example.com/landing"})
    assert answer.status_code == 201, answer.text
    made: dict[str, str] = answer.json()
    return made


async def clicks_and_kills(server: Server, slug: str) -> Tally:
    chance, tally = random.Random(3), Tally()
    for number in range(KILLS):
        clicking = asyncio.create_task(click(server.port, slug, tally, until=REQUESTS))
        at = (number + chance.uniform(0.5, 1)) * REQUESTS / (KILLS + 1)
        while tally.served.total() < at:
            await asyncio.sleep(0.002)
        server.kill()
        await clicking
        await asyncio.to_thread(server.start)
    await click(server.port, slug, tally, until=REQUESTS)
    return tally


def counted(api: httpx.Client, link_id: str, bots: str, *, at_least: int) -> int:
    """What the API says once it has caught up."""
    until = time.monotonic() + SETTLE_S
    while True:
        answer = api.get("/api/v1/analytics/totals", params={"metric": "clicks", "link": link_id, "bots": bots})
        assert answer.status_code == 200, answer.text
        value: int = answer.json()["value"]
        if value >= at_least or time.monotonic() > until:
            return value
        time.sleep(0.2)


def within(value: int, bounds: tuple[int, int]) -> bool:
    fewest, most = bounds
    assert fewest <= value <= most, f"{value} counted, {fewest} to {most} served"
    return True


def damage(path: Path, harm: str) -> None:
    assert path.exists()
    if harm == "deleted":
        path.unlink()
        path.with_name(path.name + ".wal").unlink(missing_ok=True)
        return
    with path.open("r+b") as file:
        file.write(b"\xff" * 20_000)
