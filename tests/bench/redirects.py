"""The redirect, with its click recorded and the consumer running, in turns with a bare 302."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.bench import many_links, wrk
from tests.bench.table import Row
from tests.bench.wrk import Result
from tests.server import Server, environment, free_port

ROUNDS = 7
SECONDS = 3
CONNECTIONS = 64
MANY_LINKS = 100_000


def measure(folder: Path) -> Iterator[Row]:
    server = Server(folder).start()
    port = free_port()
    words = [sys.executable, "-m", "tests.bench.yardstick", str(port)]
    bare = subprocess.Popen(words, env=environment())
    try:
        with server.an_org() as api:
            api.post("/api/v1/links", json={"url": "https://www.example.com/", "slug": "bench"}).raise_for_status()
            few, rows = _rounds(server, port, ROUNDS, "redirect, click recorded")
            yield from rows
            yield _edit(server, api)
            server.stop()
            many_links.insert(folder / "data" / "site2crm.db", links=MANY_LINKS)
            server.start()
            full, _ = _rounds(server, port, ROUNDS, "")
            yield f"  at {MANY_LINKS:,} links", f"{full:.2f} of bare", ">= 85 % of the above", f"{full / few:.0%} of it"
            _caught_up(api)
            yield from _lists(api)
    finally:
        server.stop()
        bare.kill()
        bare.wait()


def _rounds(server: Server, port: int, rounds: int, label: str) -> tuple[float, list[Row]]:
    ours: list[Result] = []
    ratios: list[float] = []
    for _ in range(rounds):
        yard = wrk.get(f"http://127.0.0.1:{port}/", seconds=SECONDS, connections=CONNECTIONS)
        one = wrk.get(f"{server.url}/bench", seconds=SECONDS, connections=CONNECTIONS)
        ours.append(one)
        ratios.append(one.rate / yard.rate)
    rate = statistics.median(one.rate for one in ours)
    p99 = statistics.median(one.p99 for one in ours)
    ratio = statistics.median(ratios)
    errors = sum(one.errors for one in ours)
    return ratio, [
        (
            label,
            f"{ratio:.2f} of bare",
            ">= 0.50 of bare",
            f"{rate:,.0f}/s, median of {rounds} rounds, {errors} errors",
        ),
        ("  p99 at 64 connections", f"{p99:.1f} ms", "<= 15 ms", "median of the rounds"),
    ]


def _edit(server: Server, api: httpx.Client) -> Row:
    """From the change to the first redirect that knows it: through the API, and by the command line."""
    link = api.get("/api/v1/links", params={"q": "bench"}).json()["data"][0]
    api.patch(f"/api/v1/links/{link['id']}", json={"url": "https://www.example.com/api"}).raise_for_status()
    through_api = _until(server, "https://www.example.com/api")
    server.cli("link", "edit", link["id"], "--url", "https://www.example.com/cli")
    by_cli = _until(server, "https://www.example.com/cli")
    took, note = max(through_api, by_cli), f"API {through_api:.2f}, CLI {by_cli:.2f}"
    return "edit of a link live", f"{took:.2f} s", "<= 1 s", note


def _until(server: Server, url: str) -> float:
    started = time.perf_counter()
    while httpx.get(f"{server.url}/bench").headers["location"] != url:
        time.sleep(0.01)
    return time.perf_counter() - started


def _caught_up(api: httpx.Client) -> None:
    """Until the clicks of the rounds are in the event store: carrying them there takes the core that lists need."""
    before = -1
    for _ in range(120):
        now = api.get("/api/v1/analytics/totals", params={"metric": "clicks", "bots": "all"}).json()["value"]
        if now == before:
            return
        before = now
        time.sleep(1)


def _lists(api: httpx.Client) -> list[Row]:
    return [
        (f"{label}, {MANY_LINKS:,} links", f"{_typical(api, asked):.1f} ms", "<= 25 ms", "median of 30")
        for label, asked in (
            ("links list", {}),
            ("search, one link", {"q": "landing 77777"}),
            ("search, a word of many", {"q": "campaign 77"}),
            ("search, five frequent words", {"q": " ".join(many_links.FREQUENT)}),
            ("search, no match", {"q": "zzzzzz"}),
        )
    ]


def _typical(api: httpx.Client, asked: dict[str, str]) -> float:
    times = []
    for _ in range(30):
        started = time.perf_counter()
        api.get("/api/v1/links", params=asked).raise_for_status()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)
