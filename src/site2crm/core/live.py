"""Streams for open pages: they say only that it is time to look again, never what is new."""

import asyncio
from collections.abc import AsyncIterator, Iterable

PING_S = 20
"""Proxies cut streams that stay silent."""
LONGEST_S = 600
"""Then the browser connects again, which asks once more whether it still may."""

CHANGED = b"event: message\ndata: changed\n\n"
PING = b": ping\n\n"


class OpenPages:
    """The open pages of one kind, by org. `pause_s`: between two looks, however much happens."""

    def __init__(self, *, pause_s: float) -> None:
        self._pause_s = pause_s
        self._listeners: dict[str, set[asyncio.Event]] = {}

    def wake(self, org_ids: Iterable[str]) -> None:
        """Every open page of these orgs looks again."""
        for org_id in org_ids:
            for listener in self._listeners.get(org_id, ()):
                listener.set()

    async def stream(self, org_id: str) -> AsyncIterator[bytes]:
        """Server-sent events for one page. Holds no session."""
        listener = asyncio.Event()
        self._listeners.setdefault(org_id, set()).add(listener)
        until = asyncio.get_running_loop().time() + LONGEST_S
        try:
            yield PING
            while asyncio.get_running_loop().time() < until:
                yield await self._next(listener)
        finally:
            self._listeners[org_id].discard(listener)
            if not self._listeners[org_id]:
                del self._listeners[org_id]

    async def _next(self, listener: asyncio.Event) -> bytes:
        try:
            async with asyncio.timeout(PING_S):
                await listener.wait()
        except TimeoutError:
            return PING
        await asyncio.sleep(self._pause_s)
        listener.clear()
        return CHANGED
