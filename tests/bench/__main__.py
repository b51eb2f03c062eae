"""`make bench`: the budgets as a table, each beside what a bare server does in the same minute.

Absolute numbers belong to one machine and one minute; the ratios are what to compare between versions.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from site2crm.core import sqlite
from tests.bench import backfill, crms, events, many, overview, redirects, wrk
from tests.bench.wrk import Result
from tests.server import Server, environment, free_port

ROUNDS = 3
SECONDS = 4
CLIENTS = 32
MANY_LEADS = 100_000
REPEATS = 30
INSTALLED = Path(__file__).parent / "installed"
FLOOD = "[intake]\nper_address_per_minute = 1000000\n"

Row = tuple[str, str, str, str]


def main() -> None:
    wrk.needed()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        rows += ready(Path(folder) / "ready")
        rows += intake(Path(folder) / "intake")
        rows += lists(Path(folder) / "lists")
        rows += crms.measure(Path(folder) / "crms")
        rows += backfill.measure(Path(folder) / "backfill")
        rows += redirects.measure(Path(folder) / "redirects")
        rows += events.measure(Path(folder) / "events")
        rows += overview.measure(Path(folder) / "events", Path(folder) / "overview")
    show(rows)


def ready(folder: Path) -> list[Row]:
    """From the command to the first `readyz`, on a folder that has its schema already."""
    Server(folder, path=[INSTALLED]).start().stop()
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        server = Server(folder, path=[INSTALLED]).start()
        times.append(time.perf_counter() - started)
        idle = resident_mb(server)
        server.stop()
    return [
        ("serve to ready", f"{statistics.median(times):.2f} s", "<= 2 s", f"{ROUNDS} starts, median"),
        ("memory, idle", f"{idle:.0f} MB", "<= 250 MB", "resident"),
    ]


def intake(folder: Path) -> list[Row]:
    """Durable submissions beside the bare 302, in turns; then how fast they become leads."""
    server = Server(folder, FLOOD).start()
    port = free_port()
    words = [sys.executable, "-m", "tests.bench.yardstick", str(port)]
    bare = subprocess.Popen(words, env=environment())
    try:
        with server.an_org() as api:
            path = f"/f/{api.post('/api/v1/forms', json={'name': 'Bench'}).json()['key']}"
            wait_for(f"http://127.0.0.1:{port}/")
            seen = visible(server, api, path)
            posts, yards, accepted = rounds(server, path, f"http://127.0.0.1:{port}/", folder)
            drained = drain_rate(folder, accepted + 20)
            loaded = resident_mb(server)
    finally:
        server.stop()
        bare.kill()
        bare.wait()
    best = statistics.median(post.rate for post in posts)
    p99 = statistics.median(post.p99 for post in posts)
    yard = statistics.median(one.rate for one in yards)
    errors = sum(post.errors for post in posts)
    return [
        ("durable submissions", f"{best:,.0f}/s", ">= 2,000/s", f"{best / yard:.2f} of bare {yard:,.0f}/s"),
        ("  p99 at 32 clients", f"{p99:.1f} ms", "<= 60 ms", f"{errors} errors"),
        ("  drained", f"{drained:,.0f} leads/s", ">= 1,500/s", "after the last answer, backlog only"),
        ("submission to visible lead", f"{seen:.0f} ms", "<= 150 ms", "median of 20, through the API"),
        ("memory, under load", f"{loaded:.0f} MB", "<= 400 MB", "resident"),
    ]


def rounds(server: Server, path: str, bare: str, folder: Path) -> tuple[list[Result], list[Result], int]:
    posts, yards = [], []
    for number in range(ROUNDS):
        yards.append(wrk.get(bare, seconds=SECONDS, connections=CLIENTS))
        prefix = f"r{number}x"
        posts.append(wrk.post_leads(server.url, path, seconds=SECONDS, connections=CLIENTS, prefix=prefix))
        if number < ROUNDS - 1:
            drained_to(folder, sum(post.requests for post in posts))
    return posts, yards, sum(post.requests for post in posts)


def visible(server: Server, api: httpx.Client, path: str) -> float:
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


def drain_rate(folder: Path, total: int) -> float:
    before, started = count(folder), time.perf_counter()
    drained_to(folder, total)
    return (count(folder) - before) / max(time.perf_counter() - started, 0.001)


def drained_to(folder: Path, total: int) -> None:
    """Wait until nothing comes any more: wrk cuts its last requests off, so the total is an upper bound."""
    last, still = -1, 0
    while still < 5 and last < total:
        now = count(folder)
        still = still + 1 if now == last else 0
        last = now
        time.sleep(0.1)


def count(folder: Path) -> int:
    records = sqlite.connect(f"file:{folder / 'data' / 'site2crm.db'}?mode=ro", timeout_s=10)
    try:
        return int(records.execute("SELECT count(*) FROM submission").fetchone()[0])
    finally:
        records.close()


def lists(folder: Path) -> list[Row]:
    """Server time of lists and searches over 100,000 leads of one org."""
    server = Server(folder, FLOOD).start()
    try:
        with server.an_org() as api:
            form = api.post("/api/v1/forms", json={"name": "Bench"}).json()
            server.stop()
            many.insert(folder / "data" / "site2crm.db", form_id=form["id"], leads=MANY_LEADS)
            server.start()
            rows = []
            for label, query in [
                ("leads list", {}),
                ("leads of a form", {"form": form["id"]}),
                ("search, one person", {"q": "sample77777"}),
                ("search, a word of many", {"q": "berlin"}),
                ("search, one letter", {"q": "a"}),
                ("search, no match", {"q": "zzzzzz"}),
            ]:
                took = typical(lambda query=query: api.get("/api/v1/leads", params=query).raise_for_status())
                floor = typical(lambda: api.get("/api/v1/me").raise_for_status())
                note = f"median of {REPEATS}; an answer without a list: {floor:.1f} ms"
                rows.append((f"{label}, {MANY_LEADS:,} leads", f"{took:.1f} ms", "<= 25 ms", note))
            return rows
    finally:
        server.stop()


def typical(call: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        call()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def resident_mb(server: Server) -> float:
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def wait_for(url: str) -> None:
    for _ in range(200):
        try:
            httpx.get(url, timeout=1)
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return


def show(rows: list[Row]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in [("what", "measured", "budget", "how"), *rows]:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)))


if __name__ == "__main__":
    main()
