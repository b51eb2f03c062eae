"""Streams for open pages: they say only that it is time to look again, never what is new."""

import asyncio
from collections.abc import AsyncIterator, Iterable

from litestar.response import Stream

PING_S = 20
"""Proxies cut streams that stay silent."""
LONGEST_S = 600
"""Then the browser connects again, which asks once more whether it still may."""

CHANGED = b"event: message\ndata: changed\n\n"
PING = b": ping\n\n"


_open: set["_Listener"] = set()


def end() -> None:
    """The server stops: it would wait for ever for pages that are looked at. They connect again to the next one."""
    for listener in _open:
        listener.is_over = True
        listener.event.set()


class _Listener:
    """One open page."""

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.is_over = False


class OpenPages:
    """The open pages of one kind, by org. `pause_s`: between two looks, however much happens."""

    def __init__(self, *, pause_s: float) -> None:
        self._pause_s = pause_s
        self._listeners: dict[str, set[_Listener]] = {}

    def wake(self, org_ids: Iterable[str]) -> None:
        """Every open page of these orgs looks again."""
        for org_id in org_ids:
            for listener in self._listeners.get(org_id, ()):
                listener.event.set()

    def answer(self, org_id: str) -> Stream:
        """To a page that listens: server-sent events."""
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return Stream(self.stream(org_id), media_type="text/event-stream", headers=headers)

    async def stream(self, org_id: str) -> AsyncIterator[bytes]:
        """The events for one page. Holds no session."""
        listener = _Listener()
        self._listeners.setdefault(org_id, set()).add(listener)
        _open.add(listener)
        until = asyncio.get_running_loop().time() + LONGEST_S
        try:
            yield PING
            while asyncio.get_running_loop().time() < until and not listener.is_over:
                yield await self._next(listener)
        finally:
            _open.discard(listener)
            self._listeners[org_id].discard(listener)
            if not self._listeners[org_id]:
                del self._listeners[org_id]

    async def _next(self, listener: _Listener) -> bytes:
        try:
            async with asyncio.timeout(PING_S):
                await listener.event.wait()
        except TimeoutError:
            return PING
        await asyncio.sleep(self._pause_s)
        listener.event.clear()
        return CHANGED
