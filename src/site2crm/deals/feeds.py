"""Who reads a connection, and when it is read next.

One reader at a time holds a lease, on whichever node; each page is stored only while the lease is still the reader's.
A reader that was killed leaves its lease behind: whoever serves its folder next takes it back, else it ends by itself.
"""

import random
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import queries as connections
from site2crm.connectors.contract import Act
from site2crm.connectors.errors import ConnectionNotFound
from site2crm.connectors.queries import ConnectionRef
from site2crm.core import db
from site2crm.core.crypto import Unreadable, Vault
from site2crm.core.queue import enqueue
from site2crm.core.sql import insert_new
from site2crm.deals.models import About, Activity, Deal, DealCount, Feed, Owner, Stage, Stream
from site2crm.deals.storing import Source
from site2crm.kit import clock, money

SYNC = "deals.sync"
EVERY = timedelta(minutes=5)
JITTER = 0.2
"""Of the time between two readings, so that a hundred connections do not read in the same second."""
SOON = timedelta(seconds=5)
"""Changes come in bursts: one reading for all."""
REST = timedelta(seconds=30)
"""Between two readings of a CRM that speaks all the time: each takes calls of the customer's day."""
LONGEST_PAUSE, LONGEST_REST = EVERY * (1 + JITTER), timedelta(days=1)
"""Between two readings, and where something fails: what is due later was so before somebody put the clock back."""
DIRECTORY_EVERY = timedelta(hours=1)
"""Owners and pipelines change seldom."""
LEASE = timedelta(minutes=10)
"""Longer than any page takes, also one that waits for the vendor's limit."""
ACTIVE = "active"
DIRECTORY, DEAL = "directory", "deal"
STREAMS = (DIRECTORY, DEAL, *Act)
WORDS = {
    DIRECTORY: "owners and pipelines",
    DEAL: "deals",
    Act.CALL: "calls",
    Act.EMAIL: "e-mails",
    Act.MEETING: "meetings",
    Act.TASK: "tasks",
}


class Lost(Exception):
    """The connection was stopped, or somebody else reads it now: what was read is not stored."""


class Lease(Struct, frozen=True):
    """The right to read one connection."""

    token: str
    source: Source
    kind: str
    name: str
    began_at: datetime


class Place(Struct, frozen=True):
    """Where a stream goes on."""

    cursor: str | None
    since: datetime | None
    is_first: bool
    """Whether not everything was there yet."""


def streams(kind: str) -> list[str]:
    """What is read of such a CRM, in this order."""
    caps = connections.caps(kind)
    return [DIRECTORY, DEAL, *(act for act in Act if act in caps.activities)] if caps.deals else []


async def open_all(session: AsyncSession, vault: Vault, refs: Sequence[ConnectionRef]) -> None:
    """A feed for each connection that has none yet, due now."""
    known = set(await session.scalars(select(Feed.connection_id)))
    rows = [
        {
            "connection_id": ref.id,
            "org_id": ref.org_id,
            "due_at": clock.now(),
            "hook_secret": _new_secret(vault, ref.org_id, ref.id),
            "hook_due_at": clock.now(),
        }
        for ref in refs
        if ref.id not in known
    ]
    if rows:
        await session.execute(insert_new(Feed, rows))


async def renew_secrets(session: AsyncSession, vault: Vault) -> int:
    """Those that no key opens any more, as after a restore with a new key: the old address was lost with them."""
    rows = await session.execute(select(Feed.org_id, Feed.connection_id, Feed.hook_secret))
    lost = [(row.org_id, row.connection_id) for row in rows if not _opens(vault, *row)]
    for org_id, connection_id in lost:
        fresh = {"hook_secret": _new_secret(vault, org_id, connection_id), "hook_url": "", "hook_due_at": clock.now()}
        await session.execute(update(Feed).where(Feed.connection_id == connection_id).values(**fresh))
    return len(lost)


def _opens(vault: Vault, org_id: str, connection_id: str, sealed: str) -> bool:
    try:
        vault.open(sealed, aad=aad(org_id, connection_id))
    except Unreadable:
        return False
    return True


def _new_secret(vault: Vault, org_id: str, connection_id: str) -> str:
    return vault.seal(secrets.token_urlsafe(24).encode(), aad=aad(org_id, connection_id))


def aad(org_id: str, connection_id: str) -> str:
    return f"{org_id}|deal_feed|hook_secret|{connection_id}"


async def due(session: AsyncSession) -> list[tuple[str, str]]:
    """(org id, connection id) of those to read now, that nobody reads."""
    rows = await session.execute(select(Feed.org_id, Feed.connection_id).where(_is_due()))
    return [(row.org_id, row.connection_id) for row in rows]


def _is_due() -> ColumnElement[bool]:
    """To be read now, and nobody reads it. What is later than it can be was set before somebody put the clock back."""
    now = clock.now()
    latest = now + clock.SKEW
    free = (Feed.lease == "") | (Feed.lease_until <= now) | (Feed.lease_until > latest + LEASE)
    rests = (Feed.lease == "") & Feed.lease_until.is_not(None)
    is_wrong = (Feed.due_at > latest + LONGEST_REST) | (~rests & (Feed.due_at > latest + LONGEST_PAUSE))
    return free & ((Feed.due_at <= now) | is_wrong)


async def claim(session: AsyncSession, org_id: str, connection_id: str, *, node: str) -> Lease | None:
    """None: it is stopped or gone, somebody reads it, or has read it since it was due. `node`: who claims."""
    await db.lock(session)
    feed = await session.scalar(db.in_org(Feed, org_id).where(Feed.connection_id == connection_id, _is_due()))
    try:
        connection = await connections.get(session, org_id, connection_id)
    except ConnectionNotFound:
        return None
    if feed is None or connection.state != ACTIVE or not streams(connection.kind):
        return None
    now = clock.now()
    feed.lease, feed.lease_until = f"{node}/{secrets.token_hex(8)}", now + LEASE
    source = Source(org_id, connection_id, money.code(connection.account.get("currency")))
    return Lease(feed.lease, source, connection.kind, connection.name, now)


async def hold(session: AsyncSession, lease: Lease) -> Feed:
    """At the beginning of each write. Raises Lost."""
    await db.lock(session)
    feed = await session.get(Feed, lease.source.connection_id)
    if feed is None or feed.lease != lease.token:
        raise Lost
    try:
        connection = await connections.get(session, lease.source.org_id, lease.source.connection_id)
    except ConnectionNotFound as error:
        raise Lost from error
    if connection.state != ACTIVE:
        raise Lost
    feed.lease_until = clock.now() + LEASE
    return feed


async def release(session: AsyncSession, lease: Lease, *, due_at: datetime) -> Feed | None:
    """None: the lease was lost."""
    await db.lock(session)
    feed = await session.get(Feed, lease.source.connection_id)
    if feed is None or feed.lease != lease.token:
        return None
    feed.lease, feed.lease_until, feed.due_at = "", None, due_at
    return feed


def let_rest(feed: Feed, *, until: datetime) -> None:
    """Whatever is told meanwhile: something fails, or a limit is reached."""
    feed.due_at = feed.lease_until = min(until, clock.now() + LONGEST_REST)


async def heed(session: AsyncSession, feed: Feed) -> None:
    """Somebody has told of changes: soon, but not all the time."""
    earliest = [clock.now() + SOON]
    if feed.read_at and _is_past(feed.read_at):
        earliest.append(feed.read_at + REST)
    if feed.lease_until and not feed.lease and clock.is_ahead(feed.lease_until, most=LONGEST_REST):
        earliest.append(feed.lease_until)
    at, key = max(earliest), f"{SYNC}:{feed.connection_id}"
    feed.due_at = min(feed.due_at, at)
    await enqueue(session, SYNC, key=key, at=at, org_id=feed.org_id, connection_id=feed.connection_id)


def was_told(feed: Feed, lease: Lease) -> bool:
    """Whether somebody has told of changes since this reading began."""
    return feed.hinted_at is not None and feed.hinted_at >= lease.began_at and _is_past(feed.hinted_at)


def next_time() -> datetime:
    return clock.now() + EVERY * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret


async def place_of(session: AsyncSession, connection_id: str, name: str) -> Place | None:
    """None: it is not to be read now."""
    row = await session.get(Stream, (connection_id, name))
    if row is None:
        return Place(None, None, is_first=True)
    if clock.is_ahead(row.retry_at, most=LONGEST_REST):
        return None
    finished_at = row.finished_at if row.finished_at and _is_past(row.finished_at) else None
    if name == DIRECTORY and finished_at and finished_at > clock.now() - DIRECTORY_EVERY:
        return None
    # A cursor that was dropped: go on a little before the last time that all was read.
    since = finished_at - timedelta(days=1) if row.cursor is None and finished_at else None
    return Place(row.cursor, since, is_first=row.full_at is None)


async def note_page(
    session: AsyncSession, lease: Lease, name: str, *, cursor: str | None, count: int, total: int | None, more: bool
) -> None:
    """How far the stream is now: in the transaction of the page's rows."""
    row = await _stream(session, lease, name)
    row.cursor, row.error, row.retry_at = cursor, "", None
    if row.full_at is None:
        row.done += count
        row.total = total if total is not None and total >= 0 else row.total
    if not more:
        row.finished_at = clock.now()
        row.full_at = row.full_at or row.finished_at


async def note_refusal(session: AsyncSession, lease: Lease, name: str, *, text: str, retry_at: datetime) -> None:
    """The CRM does not give this; the others are read all the same."""
    row = await _stream(session, lease, name)
    row.error, row.retry_at = text, retry_at


async def forget_cursor(session: AsyncSession, lease: Lease, name: str) -> None:
    """The CRM no longer understands where we were: a first reading begins anew, and counts anew."""
    row = await _stream(session, lease, name)
    row.cursor = None
    if row.full_at is None:
        row.done = 0


async def _stream(session: AsyncSession, lease: Lease, name: str) -> Stream:
    row = await session.get(Stream, (lease.source.connection_id, name))
    if row is None:
        source = lease.source
        row = Stream(connection_id=source.connection_id, name=name, org_id=source.org_id, began_at=clock.now(), done=0)
        session.add(row)
    return row


def of_node(node: str) -> ColumnElement[bool]:
    return Feed.lease.startswith(f"{node}/", autoescape=True)


async def take_back(session: AsyncSession, *lost: ColumnElement[bool]) -> None:
    """At the start of a process: what was being read, or that of it for which `lost` is true, was cut off."""
    cut_off = update(Feed).where(Feed.lease != "", *lost).values(lease="", lease_until=None, due_at=clock.now())
    await session.execute(cut_off)


def _is_past(moment: datetime) -> bool:
    """Also by another node's clock, which may be ahead; not one from before somebody put the clock back."""
    return moment <= clock.now() + clock.SKEW


async def forget_counts(session: AsyncSession, connection_id: str) -> None:
    """At once: nothing of a connection that was removed is added up any more."""
    await session.execute(delete(DealCount).where(DealCount.connection_id == connection_id))


async def forget_some(session: AsyncSession, connection_id: str, *, most: int) -> bool:
    """A part of everything that was read there. Whether there is more."""
    for key in (About.subject_id, Activity.id, Deal.id):
        model = key.class_
        some = select(key).where(model.connection_id == connection_id).distinct().limit(most)
        gone = await session.execute(delete(model).where(key.in_(some)).returning(key))
        if gone.first() is not None:
            return True
    for model in (Stage, Owner, Stream, Feed, DealCount):
        await session.execute(delete(model).where(model.connection_id == connection_id))
    return False
