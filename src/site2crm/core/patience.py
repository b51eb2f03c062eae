"""What a start has to do with the records: at once, or while a shared database is away, as soon as it answers again.

Forms and links are answered meanwhile, so the start itself waits for nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from site2crm.core import tasks
from site2crm.core.errors import Unavailable

AGAIN_S = 1.0


@asynccontextmanager
async def done(name: str, work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """`work` may be called again: it does nothing that would not be right some time after the start, too."""
    if await _tried(work):
        yield
        return
    async with tasks.running(name, _until_done(work)):
        yield


async def _tried(work: Callable[[], Awaitable[None]]) -> bool:
    try:
        await work()
    except Unavailable:
        return False
    return True


async def _until_done(work: Callable[[], Awaitable[None]]) -> None:
    while not await _tried(work):  # noqa: ASYNC110 - the database tells nobody that it is back
        await asyncio.sleep(AGAIN_S)
    await asyncio.Event().wait()  # a task that had ended would count as dead
