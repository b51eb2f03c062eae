"""How far the reading of connections is: for pages, the API and the command line."""

import time
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import queries as connections
from site2crm.connectors.queries import ConnectionRef
from site2crm.core.machine import Machine
from site2crm.deals import feeds
from site2crm.deals.models import Feed, Stream
from site2crm.kit import clock

PACE_S = 60.0
"""Of so long the pace is taken; what was read before says little of when it ends."""


class Stand(StrEnum):
    """What is done about a connection now."""

    WAITING = "waiting"
    """Its turn comes in some seconds."""
    READING = "reading"
    RESTING = "resting"
    """Until `next_at`: the CRM's limit is reached, or something failed (`error`)."""
    CURRENT = "current"
    """All is there; what is new is read at `next_at`."""
    STOPPED = "stopped"
    """The connection is paused or parked."""


class Part(Struct, frozen=True):
    """One kind of record. `total` None: the CRM does not say how many there are. `is_first`: not all are there yet.

    `per_s`: records read in a second; null while this server reads none of them. `error`: why they cannot be read.
    """

    name: str
    done: int
    total: int | None
    is_first: bool
    per_s: float | None
    error: str

    @property
    def label(self) -> str:
        return feeds.WORDS[self.name].capitalize()

    @property
    def left_s(self) -> float | None:
        """Until all are there, if it goes on like this."""
        if not self.per_s or not self.total:
            return None
        return max(0, self.total - self.done) / self.per_s


class Reading(Struct, frozen=True, kw_only=True):
    """How a connection is being read. `is_first`: not everything is there yet. `read_at`: when all last was."""

    connection: str
    name: str
    state: Stand
    connection_state: str
    is_first: bool
    read_at: datetime | None
    next_at: datetime | None
    error: str
    parts: list[Part]

    @property
    def refused(self) -> list[Part]:
        return [part for part in self.parts if part.error]

    @property
    def is_stopped(self) -> bool:
        return self.state is Stand.STOPPED

    @property
    def fails(self) -> bool:
        """While it is tried again, what it failed of before may have passed."""
        return bool(self.error) and self.state in (Stand.RESTING, Stand.WAITING)

    @property
    def grows(self) -> bool:
        """Whether its figures may be others in a few seconds."""
        return self.state is Stand.READING or (self.is_first and not self.is_stopped)


class Paces:
    """How fast this process reads."""

    def __init__(self) -> None:
        self._pages: dict[tuple[str, str], deque[tuple[float, int]]] = defaultdict(deque)

    def note(self, connection_id: str, name: str, rows: int) -> None:
        pages = self._pages[connection_id, name]
        pages.append((time.monotonic(), rows))
        self._drop_old(pages)

    def per_s(self, connection_id: str, name: str) -> float | None:
        """Rows in a second; None where too few pages have been read of late."""
        pages = self._pages.get((connection_id, name), deque())
        self._drop_old(pages)
        if len(pages) < 2:
            return None
        (began, _), *later = pages
        return sum(rows for _, rows in later) / max(time.monotonic() - began, 0.001)

    def forget(self, connection_id: str, name: str) -> None:
        """All of it has been read."""
        self._pages.pop((connection_id, name), None)

    def _drop_old(self, pages: deque[tuple[float, int]]) -> None:
        while pages and pages[0][0] < time.monotonic() - PACE_S:
            pages.popleft()


async def of_org(session: AsyncSession, machine: Machine, org_id: str) -> list[Reading]:
    """Of the connections that are read: others send their deals by themselves."""
    return await of(session, machine, await connections.of_org(session, org_id))


async def of(session: AsyncSession, machine: Machine, refs: Iterable[ConnectionRef]) -> list[Reading]:
    """As many queries for a hundred connections as for one."""
    read = [ref for ref in refs if feeds.streams(ref.kind)]
    ids, orgs = [ref.id for ref in read], {ref.org_id for ref in read}
    feeds_of = await _feeds(session, ids, orgs)
    streams_of = await _streams(session, ids, orgs)
    paces = machine.get(Paces)
    return [_reading(ref, feeds_of.get(ref.id), streams_of[ref.id], paces) for ref in read]


async def _feeds(session: AsyncSession, ids: Collection[str], orgs: Collection[str]) -> Mapping[str, Feed]:
    rows = await session.scalars(select(Feed).where(Feed.connection_id.in_(ids), Feed.org_id.in_(orgs)))
    return {row.connection_id: row for row in rows}


async def _streams(
    session: AsyncSession, ids: Collection[str], orgs: Collection[str]
) -> Mapping[str, Mapping[str, Stream]]:
    rows = await session.scalars(select(Stream).where(Stream.connection_id.in_(ids), Stream.org_id.in_(orgs)))
    found: dict[str, dict[str, Stream]] = defaultdict(dict)
    for row in rows:
        found[row.connection_id][row.name] = row
    return found


def _reading(ref: ConnectionRef, feed: Feed | None, streams: Mapping[str, Stream], paces: Paces) -> Reading:
    stand = _stand(ref, feed)
    parts = [_part(name, streams.get(name)) for name in feeds.streams(ref.kind)]
    if stand is Stand.READING:
        parts = [replace(part, per_s=paces.per_s(ref.id, part.name)) for part in parts]
    is_first = any(part.is_first and not part.error for part in parts)
    return Reading(
        connection=ref.id,
        name=ref.name,
        state=Stand.WAITING if stand is Stand.CURRENT and is_first else stand,
        connection_state=ref.state,
        is_first=is_first,
        read_at=feed.read_at if feed else None,
        next_at=max(feed.due_at, clock.now()) if feed and stand is not Stand.STOPPED else None,
        error=feed.error if feed else "",
        parts=parts,
    )


def _stand(ref: ConnectionRef, feed: Feed | None) -> Stand:
    now = clock.now()
    if ref.state != feeds.ACTIVE:
        return Stand.STOPPED
    if feed is None:
        return Stand.WAITING
    holds = feed.lease_until is not None and feed.lease_until > now
    if feed.lease and holds:
        return Stand.READING
    if feed.due_at <= now:
        return Stand.WAITING
    return Stand.RESTING if holds else Stand.CURRENT


def _part(name: str, row: Stream | None) -> Part:
    if row is None:
        return Part(name, 0, None, is_first=True, per_s=None, error="")
    return Part(name, row.done, row.total, is_first=row.full_at is None, per_s=None, error=row.error)
