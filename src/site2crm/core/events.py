"""Upwards by events: a feature tells what happened, the features below it in the list react in the same transaction.

A listener writes rows and enqueues jobs; it never calls out. It may veto by raising, which rolls everything back.
`after_commit` listeners (live pages, caches) run once the transaction is on disk.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import db


class Event(Struct, frozen=True, kw_only=True):
    """Something that happened in an org. Named in the past tense."""

    org_id: str


Listener = Callable[[AsyncSession, Any], Awaitable[None]]
LateListener = Callable[[Any], Awaitable[None]]

_listeners: dict[type[Event], list[Listener]] = {}
_late: dict[type[Event], list[LateListener]] = {}


def connect(listens: Sequence[tuple[type[Event], Listener]], late: Sequence[tuple[type[Event], LateListener]]) -> None:
    """Replace all listeners; called once by the composition root, in the order of the features."""
    _listeners.clear()
    _late.clear()
    for kind, listener in listens:
        _listeners.setdefault(kind, []).append(listener)
    for kind, late_listener in late:
        _late.setdefault(kind, []).append(late_listener)


async def emit(session: AsyncSession, event: Event) -> None:
    """Call every listener now, in this transaction; an exception of one vetoes the whole."""
    for listener in _listeners.get(type(event), ()):
        await listener(session, event)
    for late in _late.get(type(event), ()):
        db.after_commit(session, partial(late, event))
