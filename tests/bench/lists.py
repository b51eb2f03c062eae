"""Lists and searches of leads, of which an org has very many."""

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench import many
from tests.bench.table import Row
from tests.server import Server

MANY_LEADS = 100_000
REPEATS = 30


def measure(folder: Path) -> Iterator[Row]:
    """Server time of lists and searches over 100,000 leads of one org."""
    server = Server(folder).start()
    try:
        with server.an_org() as api:
            form = api.post("/api/v1/forms", json={"name": "Bench"}).json()
            server.stop()
            many.insert(folder / "data" / "site2crm.db", form_id=form["id"], leads=MANY_LEADS)
            server.start()
            for label, query in [
                ("leads list", {}),
                ("leads of a form", {"form": form["id"]}),
                ("search, one person", {"q": "sample77777"}),
                ("search, a word of many", {"q": "berlin"}),
                ("search, one letter", {"q": "a"}),
                ("search, no match", {"q": "zzzzzz"}),
            ]:
                took = _typical(lambda query=query: api.get("/api/v1/leads", params=query).raise_for_status())
                floor = _typical(lambda: api.get("/api/v1/me").raise_for_status())
                note = f"median of {REPEATS}; an answer without a list: {floor:.1f} ms"
                yield f"{label}, {MANY_LEADS:,} leads", f"{took:.1f} ms", "<= 25 ms", note
    finally:
        server.stop()


def _typical(call: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        call()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)
