"""Background work that lives as long as the server: cancelled at the end, and loud when it dies before."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress

from site2crm.core import log

_log = log.get("tasks")

_running: set[asyncio.Task[None]] = set()


@asynccontextmanager
async def running(name: str, work: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Run `work` beside the block. If it ends by an error, that is logged; the block goes on."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_report)
    _running.add(task)
    try:
        yield
    finally:
        _running.discard(task)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait({task})


def dead() -> list[str]:
    """The names of those that have ended although their block goes on: what they carried stands still."""
    return sorted(task.get_name() for task in _running if task.done())


def _report(task: asyncio.Task[None]) -> None:
    if task.cancelled():
        return
    try:
        task.result()
    except Exception:  # noqa: BLE001 - whatever it was, the log must have it: nobody awaits this task
        _log.exception("task.died", task=task.get_name())
