"""Live pages: a stream of events for each open list, saying only that it is time to look again."""

import asyncio
from collections.abc import AsyncIterator

from site2crm.leads.events import LeadsChanged

PING_S = 20
"""Proxies cut streams that stay silent."""
PAUSE_S = 0.15
"""At most a few looks a second, however many leads come."""
LONGEST_S = 600
"""Then the browser connects again, which asks once more whether it still may."""

CHANGED = b"event: message\ndata: leads\n\n"
PING = b": ping\n\n"

_listeners: dict[str, set[asyncio.Event]] = {}


async def changed(event: LeadsChanged) -> None:
    """Wake every open page of the org."""
    for listener in _listeners.get(event.org_id, ()):
        listener.set()


async def stream(org_id: str) -> AsyncIterator[bytes]:
    """Server-sent events for one page. Holds no session."""
    listener = asyncio.Event()
    _listeners.setdefault(org_id, set()).add(listener)
    until = asyncio.get_running_loop().time() + LONGEST_S
    try:
        yield PING
        while asyncio.get_running_loop().time() < until:
            yield await _next(listener)
    finally:
        _listeners[org_id].discard(listener)
        if not _listeners[org_id]:
            del _listeners[org_id]


async def _next(listener: asyncio.Event) -> bytes:
    try:
        async with asyncio.timeout(PING_S):
            await listener.wait()
    except TimeoutError:
        return PING
    await asyncio.sleep(PAUSE_S)
    listener.clear()
    return CHANGED
