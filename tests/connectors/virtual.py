"""Time that a test controls: whoever waits, waits no longer than until nobody has anything to do.

Both ends of each connection have to be in this event loop. Computing takes no time; what a vendor is to take for an
answer, its server sleeps.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from unittest import mock

from site2crm.kit import clock

MIDNIGHT = datetime(2027, 1, 4, tzinfo=UTC)
"""When it begins."""

_ON_ITS_WAY_S = 0.001
"""Of real time: what was sent over loopback has arrived by then, on most machines at most times."""
_AT_MOST_S = 0.2
"""... and on a busy one by then."""


@contextmanager
def skipping(is_on_its_way: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Every wait of the running loop is skipped; `time.monotonic` and `clock` are as if it had been waited for.

    `is_on_its_way`: whether a call or its answer is between client and server: without it a call that a busy machine
    keeps for a moment takes as long as whoever waits next.
    """
    loop: Any = asyncio.get_running_loop()
    now, look = [time.monotonic()], loop._selector.select
    zero = MIDNIGHT.timestamp() - now[0]

    def select(timeout: float | None) -> Any:
        if timeout is None or timeout <= 0:
            return look(timeout)
        if found := look(_AT_MOST_S if is_on_its_way() else _ON_ITS_WAY_S):
            return found
        now[0] += timeout
        return look(0)

    with (
        mock.patch.object(loop._selector, "select", select),
        mock.patch.object(time, "monotonic", lambda: now[0]),
        mock.patch.object(clock, "_now", lambda: zero + now[0]),
    ):
        yield
