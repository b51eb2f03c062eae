"""Where the demo is played: the invented CRMs and a website, on loopback, in a thread that ends with the process."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, TypeVar

from site2crm.demo.server import FakeServer

T = TypeVar("T")


class Stage:
    """Their own event loop, so that a busy product and a busy CRM are two, as in life."""

    def __init__(self, servers: Mapping[str, FakeServer]) -> None:
        self.servers = dict(servers)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="demo", daemon=True)

    def __enter__(self) -> "Stage":
        self._thread.start()
        for server in self.servers.values():
            self._wait(server.start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self.servers.values():
            self._wait(server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def url(self, name: str) -> str:
        return self.servers[name].url

    def do(self, work: Callable[[], T]) -> T:
        """In the loop of the servers, between two of their answers."""

        async def one() -> T:
            return work()

        return self._wait(one())

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
