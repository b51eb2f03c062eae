"""What was posted in the last minutes, so that a double click and an impatient retry are one submission."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from site2crm.kit import clock

MOST = 50_000


class Recent:
    """Bounded: the oldest are forgotten first, and the consumer still recognises them in the database."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._entries: OrderedDict[str, tuple[float, asyncio.Future[str]]] = OrderedDict()

    def find(self, key: str) -> asyncio.Future[str] | None:
        """A future of the first submission's id: done once that is on the disk, failed if it was not written."""
        entry = self._entries.get(key)
        if entry is None or entry[0] < clock.unix() - self._window_s:
            return None
        return entry[1]

    def remember(self, keys: Sequence[str], submission_id: str, written: asyncio.Future[Any]) -> None:
        first: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def settle(done: asyncio.Future[Any]) -> None:
            if first.done():
                return
            error = done.exception() if not done.cancelled() else None
            if error is not None:
                first.set_exception(error)
                first.exception()  # seen: nobody may be waiting for it
            else:
                first.set_result(submission_id)

        written.add_done_callback(settle)
        now = clock.unix()
        for key in keys:
            self._entries[key] = (now, first)
        while len(self._entries) > MOST:
            self._entries.popitem(last=False)

    def forget(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._entries.pop(key, None)
