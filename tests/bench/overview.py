"""The overview page of an org with five million events, each time over days that nobody has asked for before."""

import asyncio
import shutil
import statistics
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import httpx

from site2crm.core import sqlite
from tests.bench import events
from tests.bench.events import DAYS, ORG, ROWS, START
from tests.bench.table import Row
from tests.server import Server

SPANS = (7, 30, 90)
REPEATS = 20


def measure(folder: Path) -> Iterator[Row]:
    """Over the events beside it, where they have been measured before."""
    filled = folder.with_name("events")
    if not (filled / events.FILLED).exists():
        filled = folder / "events"
        asyncio.run(events.only_fill(filled))
    server = Server(folder).start()
    try:
        server.an_org()
        server.stop()
        _take(filled, folder / "data")
        server.start()
        page = _signed_in(server)
        for days in SPANS:
            yield _row(page, days)
    finally:
        server.stop()


def _take(filled: Path, data: Path) -> None:
    """The same file, as if the org of this server had had all of it."""
    records = sqlite.connect(f"file:{data / 'site2crm.db'}?mode=ro", timeout_s=10)
    (org_id,) = records.execute("SELECT id FROM org").fetchone()
    records.close()
    for name in ("events.duckdb", "events.made"):
        shutil.copy(filled / name, data / name)
    with duckdb.connect(str(data / "events.duckdb")) as store:
        store.execute("UPDATE name SET txt = ? WHERE col = 'org' AND txt = ?", (org_id, ORG))


def _signed_in(server: Server) -> httpx.Client:
    client = httpx.Client(base_url=server.url, timeout=30)
    form = {"email": "owner@acme.example", "password": "correct horse battery"}
    client.post("/login", data=form, headers={"Sec-Fetch-Site": "same-origin"})
    return client


def _row(client: httpx.Client, days: int) -> Row:
    times = []
    for number in range(REPEATS):
        last = (START + timedelta(days=DAYS - 2 - number)).date()
        begun = time.perf_counter()
        answer = client.get("/o/acme/", params={"from": str(last - timedelta(days=days - 1)), "to": str(last)})
        times.append((time.perf_counter() - begun) * 1000)
        assert answer.status_code == 200, answer.text[:500]
        assert "Clicks" in answer.text
    p95 = statistics.quantiles(times, n=20)[-1]
    label = f"overview page, {days} days of {ROWS:,} events"
    return label, f"{statistics.median(times):.0f} ms", "<= 100 ms", f"median of {REPEATS}, p95 {p95:.0f}"
