"""A CRM's deals, all of them, into an instance: how fast, how much memory, and how forms and lists fare with them."""

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import httpx

from site2crm.connectors.hubspot.portal import LIMIT as HUBSPOT
from site2crm.connectors.pacing import Limit
from site2crm.core import sqlite
from site2crm.demo.hubspot import TOKEN as HUBSPOT_TOKEN
from site2crm.demo.pipedrive import TOKEN as PIPEDRIVE_TOKEN
from tests.bench.events import Row
from tests.bench.salesroom import CALLS, CRMS, DEALS
from tests.server import ROOT, Server, environment, free_port

TOKENS = {"hubspot": HUBSPOT_TOKEN, "pipedrive": PIPEDRIVE_TOKEN}
LIMITS = {"hubspot": HUBSPOT, "pipedrive": Limit(20, 2.0)}
"""The smallest that each vendor publishes."""
READ = ("/deals", "/activities", "/calls", "/emails", "/meetings", "/tasks")
PATIENCE_S = 600
PAUSE_S = 0.1
"""Between two forms, and two links."""
ALONE_S = 10.0
REPEATS = 20
_TICKS = os.sysconf("SC_CLK_TCK")


def measure(folder: Path) -> list[Row]:
    rows: list[Row] = []
    for kind in CRMS:
        rows += _read(kind, folder / kind)
    return rows


def _read(kind: str, folder: Path) -> list[Row]:
    with _played(kind) as url:
        server = Server(folder, config(kind, url)).start()
        try:
            with server.an_org() as api:
                path = f"/f/{api.post('/api/v1/forms', json={'name': 'Bench'}).json()['key']}"
                rows = _backfill(server, api, path, kind=kind, url=url)
                return rows if kind != "hubspot" else [*rows, *_pages(server, api)]
        finally:
            server.stop()


def config(kind: str, url: str) -> str:
    return (
        f'[outbound]\nallow_private = ["127.0.0.1"]\n[connectors.{kind}]\nbase_url = "{url}"\n'
        "[intake]\nper_address_per_minute = 1000000\n"
    )


def _backfill(server: Server, api: httpx.Client, path: str, *, kind: str, url: str) -> list[Row]:
    alone = Forms(server, path, api)
    with alone.sent():
        time.sleep(ALONE_S)
    httpx.delete(f"{url}/_fake/requests")
    busy, during, began = cpu_s(server), Forms(server, path, api), time.perf_counter()
    body = {"kind": kind, "settings": {"token": TOKENS[kind]}}
    api.post("/api/v1/connections", json=body).raise_for_status()
    api.post("/api/v1/deals/sync", json={}).raise_for_status()
    with during.sent():
        read_all(server)
    took, busy = time.perf_counter() - began, cpu_s(server) - busy
    asked = httpx.get(f"{url}/_fake/requests", params={"last": "50000"}, timeout=60).json()
    calls = sum(any(word in request["path"] for word in READ) for request in asked)
    limit = LIMITS[kind]
    least = calls * limit.window_s / limit.calls
    label = f"{DEALS:,} deals of {kind}"
    return [
        (f"backfill, {label}", f"{DEALS / took:,.0f} deals/s", "", f"{took:.0f} s, {CALLS:,} calls beside them"),
        ("  its requests", f"{calls:,}", "", f"{least:.0f} s at the vendor's smallest limit, which is lifted here"),
        ("  CPU for a request", f"{1000 * busy / calls:.1f} ms", "", f"{busy:.0f} s in all, the forms with them"),
        ("  memory, most of it", f"{peak_mb(server):.0f} MB", "<= 350 MB", "resident, over the whole run"),
        ("  a form meanwhile, p99", f"{during.p99(alone):.1f} x", "", during.told(alone)),
        ("  a link made meanwhile, p99", f"{during.written_p99(alone):.1f} x", "", during.written_told(alone)),
    ]


class Forms:
    """Somebody sends a form, and somebody else makes a link, again and again: how long each waits for the answer."""

    def __init__(self, server: Server, path: str, api: httpx.Client) -> None:
        self._url, self._api = server.url + path, api
        self._headers = dict(api.headers)
        self.forms: list[float] = []
        self.links: list[float] = []
        self._over = threading.Event()

    @contextmanager
    def sent(self) -> Iterator[None]:
        threads = [threading.Thread(target=target) for target in (self._send, self._make)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def _send(self) -> None:
        with httpx.Client(timeout=60) as client:
            while not self._over.wait(PAUSE_S):
                form = {"email": f"f{time.monotonic_ns()}@example.com"}
                self.forms.append(_ms(partial(client.post, self._url, data=form)))

    def _make(self) -> None:
        with httpx.Client(base_url=self._api.base_url, headers=self._headers, timeout=60) as client:
            while not self._over.wait(PAUSE_S):
                link = {"url": "https://www.example.com/"}
                self.links.append(_ms(partial(client.post, "/api/v1/links", json=link)))

    def p99(self, alone: "Forms") -> float:
        return _p99(self.forms) / _p99(alone.forms)

    def written_p99(self, alone: "Forms") -> float:
        return _p99(self.links) / _p99(alone.links)

    def told(self, alone: "Forms") -> str:
        return f"{_p99(self.forms):.0f} ms, {_p99(alone.forms):.0f} before it; {len(self.forms):,} sent"

    def written_told(self, alone: "Forms") -> str:
        return f"{_p99(self.links):.0f} ms, {_p99(alone.links):.0f} before it; through the API"


def _pages(server: Server, api: httpx.Client) -> list[Row]:
    """The server's time for what is shown of them: lists as all lists, pages with their sums as the overview."""
    with closing(signed_in(server)) as web:
        floor = typical_cpu_ms(server, partial(_shown, api, "/api/v1/me"))
        rows = []
        for label, client, path in asked(api, web):
            took = typical_cpu_ms(server, partial(_shown, client, path))
            note = f"CPU; an answer without any: {floor:.1f} ms"
            budget = "<= 25 ms" if client is api else "<= 100 ms"
            rows.append((f"{label}, {DEALS:,} deals", f"{took:.1f} ms", budget, note))
        return rows


def asked(api: httpx.Client, web: httpx.Client) -> list[tuple[str, httpx.Client, str]]:
    deals = "/o/acme/deals"
    return [
        ("deals list", api, "/api/v1/deals"),
        ("search, one deal", api, "/api/v1/deals?search=77777"),
        ("search, a word of many", api, "/api/v1/deals?search=battery"),
        ("search, no match", api, "/api/v1/deals?search=zzzzzz"),
        ("deals page", web, deals),
        ("  won ones", web, f"{deals}?status=won"),
        ("  of a period", web, f"{deals}?from=2025-01-01&to=2025-03-31"),
        ("  search, one deal", web, f"{deals}?q=77777"),
        ("  search, a word of many", web, f"{deals}?q=battery"),
        ("  search, no match", web, f"{deals}?q=zzzzzz"),
        ("salespeople", web, f"{deals}/people?period=365d"),
        ("CRMs", web, "/o/acme/crms"),
        ("CRMs of all orgs", web, "/agency/crms"),
    ]


def _shown(client: httpx.Client, path: str) -> None:
    client.get(path).raise_for_status()


def signed_in(server: Server) -> httpx.Client:
    client = httpx.Client(base_url=server.url, timeout=60)
    form = {"email": "owner@acme.example", "password": "correct horse battery"}
    client.post("/login", data=form, headers={"Sec-Fetch-Site": "same-origin"})
    return client


def typical_cpu_ms(server: Server, call: Callable[[], object]) -> float:
    """Of the whole process, over several: its clock ticks in hundredths of a second."""
    call()
    before = cpu_s(server)
    for _ in range(REPEATS):
        call()
    return (cpu_s(server) - before) * 1000 / REPEATS


def read_all(server: Server) -> None:
    """Until everything has been read once."""
    records = sqlite.connect(f"file:{server.folder / 'data' / 'site2crm.db'}?mode=ro", timeout_s=10)
    with closing(records):
        until = time.monotonic() + PATIENCE_S
        while records.execute("SELECT count(*) FROM deal_feed WHERE read_at IS NOT NULL").fetchone() == (0,):
            assert time.monotonic() < until, server.log()[-2000:]
            time.sleep(0.1)


def cpu_s(server: Server) -> float:
    assert server.process is not None
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def peak_mb(server: Server) -> float:
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


@contextmanager
def _played(kind: str) -> Iterator[str]:
    """In a process of its own: its memory is not ours."""
    port = free_port()
    words = [sys.executable, "-m", "tests.bench.salesroom", kind, "--port", str(port)]
    process = subprocess.Popen(words, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def _ms(call: Callable[[], httpx.Response]) -> float:
    began = time.perf_counter()
    call().raise_for_status()
    return (time.perf_counter() - began) * 1000


def _p99(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[-1]
