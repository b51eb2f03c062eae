"""The stream of an open page of figures: it says only that it is time to look again, a few times a second at most."""

import asyncio
from collections.abc import AsyncIterator, Iterable

from site2crm.leads.events import LeadsChanged

PING_S = 20
"""Proxies cut streams that stay silent."""
PAUSE_S = 0.4
"""Between two looks, however fast leads and clicks come."""
LONGEST_S = 600
"""Then the browser connects again, which asks once more whether it still may."""

CHANGED = b"event: message\ndata: figures\n\n"
PING = b": ping\n\n"

_listeners: dict[str, set[asyncio.Event]] = {}


async def leads_changed(event: LeadsChanged) -> None:
    wake([event.org_id])


def wake(org_ids: Iterable[str]) -> None:
    """Every open page of these orgs looks again."""
    for org_id in org_ids:
        for listener in _listeners.get(org_id, ()):
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
