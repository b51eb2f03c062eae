"""How soon a server is ready, and what it takes while nobody asks it anything."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench import process
from tests.bench.table import Row
from tests.server import Server, environment

ROUNDS = 5
INSTALLED = Path(__file__).parent / "installed"
BARE = "import granian.server.embed, jinja2, litestar, msgspec, sqlalchemy.orm, uvloop"
"""What no start goes without: how fast this machine loads Python in this minute."""


def measure(folder: Path) -> Iterator[Row]:
    """From the command to the first `readyz`, on a folder that has its schema already; libraries alone in turns."""
    Server(folder, path=[INSTALLED]).start().stop()
    times, bare = [], []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", BARE], env=environment(INSTALLED), check=True)
        bare.append(time.perf_counter() - started)
        started = time.perf_counter()
        server = Server(folder, path=[INSTALLED]).start()
        times.append(time.perf_counter() - started)
        idle = process.resident_mb(server)
        server.stop()
    ready, floor = statistics.median(times), statistics.median(bare)
    note = f"{ready / floor:.1f} x loading its libraries alone, {floor:.2f} s; medians of {ROUNDS}"
    yield "serve to ready", f"{ready:.2f} s", "<= 2 s", note
    yield "memory, idle", f"{idle:.0f} MB", "<= 250 MB", "resident"
