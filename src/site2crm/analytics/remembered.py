"""Figures of leads that took long to count, kept until a lead of the org changes. The event store keeps its own.

At a hundred thousand leads the overview would else look through the same index at every visit, to find the same.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from site2crm.leads.events import LeadsChanged

T = TypeVar("T")

DEAR_S = 0.01
"""What costs less is asked anew."""
LONGEST_S = 10.0
"""Another process (the command line) may have changed leads, of which nothing is heard here."""
MOST = 500

_kept: OrderedDict[object, tuple[float, int, Any]] = OrderedDict()
_changes: dict[str, int] = {}


async def leads_changed(event: LeadsChanged) -> None:
    """Nothing that is kept of this org holds any more, nor what is being counted at this moment."""
    _changes[event.org_id] = _changes.get(event.org_id, 0) + 1


async def get(org_id: str, question: object, count: Callable[[], Awaitable[T]]) -> T:
    """The kept answer, or a new one."""
    clock, key = asyncio.get_running_loop().time, (org_id, question)
    began, asked_at = clock(), _changes.get(org_id, 0)
    until, at, answer = _kept.get(key, (0.0, -1, None))
    if began < until and at == asked_at:
        return answer  # type: ignore[no-any-return]
    found = await count()
    if clock() - began >= DEAR_S:
        _kept[key] = (clock() + LONGEST_S, asked_at, found)
        _kept.move_to_end(key)
        if len(_kept) > MOST:
            _kept.popitem(last=False)
    return found
