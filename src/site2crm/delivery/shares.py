"""Job slots for drains: a slow CRM may take long, but not the workers that others need.

A drain that is given a slot keeps it to its end only while there is room. When more want one, the drain that has had
its slot for longest goes on beside the queue, and its job is done.
"""

import asyncio
from collections.abc import Coroutine

from site2crm.core import log

_log = log.get("delivery")


class Shares:
    """At most `most` slots are held; how many drains run is not limited by it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: list[asyncio.Event] = []
        self._beside: set[asyncio.Task[None]] = set()

    async def run(self, name: str, work: Coroutine[object, object, None]) -> None:
        """Until `work` ends or another one needs the slot. Who cancels this cancels the work."""
        task, leave = asyncio.create_task(work, name=name), asyncio.Event()
        left = asyncio.create_task(leave.wait())
        self._held.append(leave)
        if len(self._held) > self._most:
            self._held.pop(0).set()
        try:
            await asyncio.wait({task, left}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task})
            raise
        finally:
            left.cancel()
            if leave in self._held:
                self._held.remove(leave)
        if task.done():
            task.result()
        else:
            self._beside.add(task)
            task.add_done_callback(self._ended)

    async def close(self, grace_s: float) -> None:
        """At the end of the process: calls under way may finish, then they are cut off."""
        if not self._beside:
            return
        _, late = await asyncio.wait(self._beside, timeout=grace_s)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._beside.discard(task)
        if task.cancelled():
            return
        try:
            task.result()
        except Exception:  # noqa: BLE001 - nobody awaits it who could tell; the sweep finds what is due there
            _log.exception("delivery.drain_failed", drain=task.get_name())
