"""A CRM's deals, all of them, into an instance: how fast, how much memory, and how forms and lists fare with them."""

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from site2crm.core import sqlite
from tests.bench import clients
from tests.bench.process import cpu_s, peak_mb
from tests.bench.salesrooms.stock import DEALS, DEALS_EACH
from tests.bench.table import Row
from tests.server import Server

PATIENCE_S = 600
PAUSE_S = 0.1
"""Between two forms, and two links."""
ALONE_S = 10.0
REPEATS = 20


@dataclass(frozen=True)
class Taken:
    """By reading everything once. `asked`: how many requests, and what they are at the vendor."""

    seconds: float
    cpu_s: float
    peak_mb: float
    asked: tuple[int, str]


def measure(kind: str, folder: Path, *, deals: int = DEALS) -> Iterator[Row]:
    with clients.played(kind, deals) as url:
        server = clients.server(kind, folder, url).start()
        try:
            with server.an_org() as api, closing(clients.signed_in(server)) as web:
                path = f"/f/{api.post('/api/v1/forms', json={'name': 'Bench'}).json()['key']}"
                alone, during = Forms(server, path, api), Forms(server, path, api)
                with alone.sent():
                    time.sleep(ALONE_S)
                with during.sent():
                    taken = _read(kind, server, api, web=web, url=url)
                yield from _rows(kind, taken, deals)
                yield "  a form meanwhile, p99", f"{during.p99(alone):.1f} x", "", during.told(alone)
                yield (
                    "  a link made meanwhile, p99",
                    f"{during.written_p99(alone):.1f} x",
                    "",
                    during.written_told(alone),
                )
                if clients.CRMS[kind].takes_leads:
                    waited = sent_after_s(server)
                    note = f"half of {len(waited):,} within {statistics.median(waited):.2f} s"
                    yield "  a lead in the CRM meanwhile, p99", f"{_p99(waited):.2f} s", "", note
                if kind == "hubspot":
                    yield from _pages(server, api, web)
        finally:
            server.stop()


def _read(kind: str, server: Server, api: httpx.Client, *, web: httpx.Client, url: str) -> Taken:
    httpx.delete(f"{url}/_fake/requests")
    busy, began = cpu_s(server), time.perf_counter()
    clients.connect(kind, api, web)
    api.post("/api/v1/deals/sync", json={}).raise_for_status()
    read_all(server)
    took, busy, most = time.perf_counter() - began, cpu_s(server) - busy, peak_mb(server)
    told = httpx.get(f"{url}/_fake/requests", params={"last": "50000"}, timeout=60).json()
    asked = clients.reading(kind, told)
    return Taken(took, busy, most, (len(asked), clients.CRMS[kind].price(asked)))


def _rows(kind: str, taken: Taken, deals: int) -> Iterator[Row]:
    asked, price = taken.asked
    note = f"{taken.seconds:.0f} s, {deals // DEALS_EACH:,} calls beside them"
    yield f"backfill, {deals:,} deals of {kind}", f"{deals / taken.seconds:,.0f} deals/s", "", note
    yield "  its requests", f"{asked:,}", "", price
    note = f"{taken.cpu_s:.0f} s in all, the forms with them: {1000 * taken.cpu_s / deals:.2f} ms a deal"
    yield "  CPU for a request", f"{1000 * taken.cpu_s / asked:.1f} ms", "", note
    yield "  memory, most of it", f"{taken.peak_mb:.0f} MB", "<= 350 MB", "resident, over the whole run"


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


def _pages(server: Server, api: httpx.Client, web: httpx.Client) -> Iterator[Row]:
    """The server's time for what is shown of them: lists as all lists, pages with their sums as the overview."""
    floor = typical_cpu_ms(server, partial(_shown, api, "/api/v1/me"))
    note = f"CPU; an answer without any: {floor:.1f} ms"
    for label, client, path in asked(api, web):
        took = typical_cpu_ms(server, partial(_shown, client, path))
        yield f"{label}, {DEALS:,} deals", f"{took:.1f} ms", "<= 25 ms" if client is api else "<= 100 ms", note


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
            assert time.monotonic() < until, f"not read after {PATIENCE_S} s\n{server.log()[-2000:]}"
            time.sleep(0.1)


def sent_after_s(server: Server) -> list[float]:
    """For how long each lead waited until the CRM had it, once all that can be sent are."""
    records = sqlite.connect(f"file:{server.folder / 'data' / 'site2crm.db'}?mode=ro", timeout_s=10)
    with closing(records):
        until = time.monotonic() + PATIENCE_S
        left = "SELECT count(*) FROM delivery WHERE state IN ('pending', 'sending', 'retrying')"
        while records.execute(left).fetchone() != (0,):
            assert time.monotonic() < until, f"not sent after {PATIENCE_S} s\n{server.log()[-2000:]}"
            time.sleep(0.1)
        took = (
            "SELECT (julianday(delivered_at) - julianday(created_at)) * 86400 FROM delivery WHERE state = 'delivered'"
        )
        return [seconds for (seconds,) in records.execute(took)]


def _ms(call: Callable[[], httpx.Response]) -> float:
    began = time.perf_counter()
    call().raise_for_status()
    return (time.perf_counter() - began) * 1000


def _p99(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[-1]
