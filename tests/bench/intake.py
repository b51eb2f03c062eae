"""Forms: durable submissions beside the bare 302, and how soon and how fast they become leads."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from site2crm.core import sqlite
from tests.bench import process, wrk
from tests.bench.table import Row
from tests.bench.wrk import Result
from tests.server import Server, environment, free_port

ROUNDS = 3
SECONDS = 4
CLIENTS = 32
FLOOD = "[intake]\nper_address_per_minute = 1000000\n"


def measure(folder: Path) -> Iterator[Row]:
    """Durable submissions beside the bare 302, in turns; then how fast they become leads."""
    server = Server(folder, FLOOD).start()
    port = free_port()
    words = [sys.executable, "-m", "tests.bench.yardstick", str(port)]
    bare = subprocess.Popen(words, env=environment())
    try:
        with server.an_org() as api:
            path = f"/f/{api.post('/api/v1/forms', json={'name': 'Bench'}).json()['key']}"
            _wait_for(f"http://127.0.0.1:{port}/")
            seen = _visible(server, api, path)
            posts, yards, accepted = _rounds(server, path, f"http://127.0.0.1:{port}/", folder)
            drained = _drain_rate(folder, accepted + 20)
            loaded = process.resident_mb(server)
    finally:
        server.stop()
        bare.kill()
        bare.wait()
    best = statistics.median(post.rate for post in posts)
    p99 = statistics.median(post.p99 for post in posts)
    yard = statistics.median(one.rate for one in yards)
    errors = sum(post.errors for post in posts)
    yield "durable submissions", f"{best:,.0f}/s", ">= 2,000/s", f"{best / yard:.2f} of bare {yard:,.0f}/s"
    yield "  p99 at 32 clients", f"{p99:.1f} ms", "<= 60 ms", f"{errors} errors"
    yield "  drained", f"{drained:,.0f} leads/s", ">= 1,500/s", "after the last answer, backlog only"
    yield "submission to visible lead", f"{seen:.0f} ms", "<= 150 ms", "median of 20, through the API"
    yield "memory, under load", f"{loaded:.0f} MB", "<= 400 MB", "resident"


def _rounds(server: Server, path: str, bare: str, folder: Path) -> tuple[list[Result], list[Result], int]:
    posts, yards = [], []
    for number in range(ROUNDS):
        yards.append(wrk.get(bare, seconds=SECONDS, connections=CLIENTS))
        prefix = f"r{number}x"
        posts.append(wrk.post_leads(server.url, path, seconds=SECONDS, connections=CLIENTS, prefix=prefix))
        if number < ROUNDS - 1:
            _drained_to(folder, sum(post.requests for post in posts))
    return posts, yards, sum(post.requests for post in posts)


def _visible(server: Server, api: httpx.Client, path: str) -> float:
    """Milliseconds from the answer of a form to the lead in the API's list."""
    times = []
    for number in range(20):
        email = f"visible{number}@example.com"
        httpx.post(server.url + path, data={"email": email})
        started = time.perf_counter()
        while not api.get("/api/v1/leads", params={"email": email}).json()["data"]:
            time.sleep(0.002)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def _drain_rate(folder: Path, total: int) -> float:
    before, started = _count(folder), time.perf_counter()
    _drained_to(folder, total)
    return (_count(folder) - before) / max(time.perf_counter() - started, 0.001)


def _drained_to(folder: Path, total: int) -> None:
    """Wait until nothing comes any more: wrk cuts its last requests off, so the total is an upper bound."""
    last, still = -1, 0
    while still < 5 and last < total:
        now = _count(folder)
        still = still + 1 if now == last else 0
        last = now
        time.sleep(0.1)


def _count(folder: Path) -> int:
    records = sqlite.connect(f"file:{folder / 'data' / 'site2crm.db'}?mode=ro", timeout_s=10)
    try:
        return int(records.execute("SELECT count(*) FROM submission").fetchone()[0])
    finally:
        records.close()


def _wait_for(url: str) -> None:
    for _ in range(200):
        try:
            httpx.get(url, timeout=1)
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
