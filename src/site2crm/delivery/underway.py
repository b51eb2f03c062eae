"""Calls that have begun at one connection and not ended: who is in them, and how long the next one has to wait."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from site2crm.delivery.calling import Caller, Claim, Result
from site2crm.delivery.way import Way

PATIENCE_S = 3.0
"""In single file, a call that takes longer than this no longer holds up the next one."""


class _Call(NamedTuple):
    claims: list[Claim]
    began: float
    """On the loop's clock."""


class UnderWay:
    """The calls of one drain."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._calls: dict[asyncio.Task[list[Result]], _Call] = {}
        self._now = asyncio.get_running_loop().time

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def claims(self) -> Iterator[Claim]:
        return (claim for call in self._calls.values() for claim in call.claims)

    def begin(self, way: Way, claims: list[Claim], *, soon: Sequence[Claim]) -> None:
        """`soon`: who is next."""
        call = self._caller.call(way, claims, soon=soon)
        task = asyncio.create_task(call, name=f"deliver {claims[0].id}")
        self._calls[task] = _Call(claims, self._now())

    def held_up_s(self, claim: Claim, *, active_since: datetime) -> float:
        """How long `claim` waits for the ones before it: what was due before the connection was active goes alone."""
        now = self._now()
        fresh = [call for call in self._calls.values() if now - call.began < PATIENCE_S]
        ahead = [one for call in fresh for one in call.claims]
        if not fresh or all(one.due_at >= active_since for one in (claim, *ahead)):
            return 0
        return max(call.began for call in fresh) + PATIENCE_S - now

    async def ended(self, *, woken: asyncio.Event, at_most_s: float | None) -> list[Result]:
        """Of the calls that have ended, as soon as one does, somebody wakes us or the time is up."""
        waking = asyncio.create_task(woken.wait())
        try:
            await asyncio.wait({*self._calls, waking}, timeout=at_most_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waking.cancel()
        done = [call for call in self._calls if call.done()]
        for call in done:
            del self._calls[call]
        return [result for call in done for result in call.result()]

    def cancel(self) -> None:
        for call in self._calls:
            call.cancel()
