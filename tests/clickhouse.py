"""Which store the tests' events are in, and the ClickHouse that they start for it.

`pytest --events clickhouse` (or SITE2CRM_TEST_EVENTS=clickhouse) runs what asks the event store on ClickHouse's own
engine, behind a server of `tests/clickhouse_server.py`. Each folder of a test has a database of its own there.
"""

import asyncio
import atexit
import contextlib
import importlib.util
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.server import environment

DUCKDB, CLICKHOUSE = "duckdb", "clickhouse"
VARIABLE = "SITE2CRM_TEST_EVENTS"
USER, PASSWORD = "site2crm", "s3cret:ß"

_numbers = itertools.count(1)
_made: dict[Path, str] = {}


def on_clickhouse() -> bool:
    return os.environ.get(VARIABLE) == CLICKHOUSE


def url_of(folder: Path) -> str:
    """What `[events] url` says for an instance in this folder; the same for the same folder."""
    if not on_clickhouse():
        return DUCKDB
    if folder not in _made:
        _made[folder] = new_database()
    return server().url(_made[folder])


def new_database() -> str:
    """A name; the product makes it."""
    return f"t{os.getpid()}_{next(_numbers)}"


@lru_cache(maxsize=1)
def server() -> "ClickHouse":
    """The one of this test process."""
    made = new_server()
    atexit.register(made.remove)
    return made


def new_server() -> "ClickHouse":
    if importlib.util.find_spec("chdb") is None:
        assert not os.environ.get("CI"), "CI has to have ClickHouse's engine: make clickhouse"
        pytest.skip("ClickHouse's engine is not installed: make clickhouse")
    made = ClickHouse(Path(tempfile.mkdtemp(prefix="s2c-ch-")))
    made.start()
    return made


@dataclass
class ClickHouse:
    """A server on a folder, started again on the same port."""

    folder: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def url(self, database: str) -> str:
        return f"http://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        # However the tests end: a server that outlives them keeps its folder and its memory.
        words = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "tests.clickhouse_server"]
        self.process = subprocess.Popen(
            [*words, str(self.folder / "store"), str(self.port)],
            cwd=Path(__file__).parents[1], env=environment(), stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self.process.stdout is not None
        told = self.process.stdout.readline()
        if not told:
            self.remove()
            raise AssertionError("ClickHouse's engine did not start; what it said stands above")
        self.port = int(told)

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=30)
            assert self.process.stdout is not None
            self.process.stdout.close()
        self.process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Proxy:
    """In front of a server: passes requests on, until it is told to lose or to hold back what inserts rows.

    The counts are of such requests.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self.loses_answers = False
        self.released: asyncio.Event | None = None
        """Held back until it is set, also when the client is gone meanwhile."""
        self.lost = self.passed = self.held = 0
        self.port = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Proxy"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    def in_front(self, url: str) -> str:
        return url.replace(f":{self._target}/", f":{self.port}/")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request a connection."""
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError, OSError):
            head = await reader.readuntil(b"\r\n\r\n")
            inserts = b"INSERT" in head.partition(b"\r\n")[0]
            found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            body = await reader.readexactly(int(found[1]) if found else 0)
            if inserts and self.released:
                self.held += 1
                await self.released.wait()
            answer = await self._asked(head, body)
            if inserts and self.loses_answers:
                self.lost += 1
                return
            self.passed += inserts
            if writer.is_closing():
                return
            writer.write(answer)
            await writer.drain()

    async def _asked(self, head: bytes, body: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._target)
        with contextlib.closing(writer):
            writer.write(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + body)
            return (await reader.read(-1)).replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
