"""Reading one connection: owners and pipelines, deals, activities; page by page, each stored with its cursor.

A page is asked for outside any transaction, and stored together with where the next one begins: whoever is killed in
between loses a page at most, which is read again. A large one is stored in parts, between which others write.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import service as connections
from site2crm.connectors.contract import Act, CrmError, ErrorClass
from site2crm.connectors.errors import ConnectionNotFound
from site2crm.connectors.sales import Directory, Sales
from site2crm.core import alarms, log
from site2crm.core.errors import DatabaseBusy
from site2crm.core.machine import Machine
from site2crm.deals import feeds, storing
from site2crm.deals.feeds import DEAL, DIRECTORY, Lease, Lost, Place
from site2crm.deals.progress import Paces
from site2crm.kit import clock

SLICE_S = 120.0
"""So long one connection may read before others get their turn."""
BUSY_PAUSE_S = 2.0
LAST_MOMENT_S = 0.5
REFUSED_AGAIN = timedelta(hours=1)
"""What the CRM does not let us read is asked for so often."""
SHORTEST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)
TELL_AFTER = 5
"""Failures in a row, about half an hour, after which a person is told."""
STOPPED, PARTLY = "deals_stopped", "deals_part"
_ENDS = (ErrorClass.THROTTLE, ErrorClass.RETRY, ErrorClass.REFRESH, ErrorClass.CONFLICT, ErrorClass.REAUTH)
"""Of these every other call would die as well."""

_log = log.get("deals")

T = TypeVar("T")


AT_ONCE = 100
"""Rows in one transaction, which holds the write lock: some CRMs give two thousand in a page."""
_Store = Callable[[AsyncSession], Awaitable[None]]


class _PlaceLost(Exception):
    """The CRM does not know any more where the last reading ended."""


class _Read(NamedTuple):
    """One page, and how to store it: each part in a transaction of its own, at least one."""

    parts: Sequence[_Store]
    cursor: str | None
    more: bool
    rows: int
    total: int | None


async def read(machine: Machine, org_id: str, connection_id: str) -> bool:
    """Everything that is new, or as much as the time slice holds: then True. Nothing while somebody else reads it."""
    lease: Lease | None = None
    try:
        async with machine.session() as session:
            lease = await feeds.claim(session, org_id, connection_id, node=machine.node)
        return lease is not None and await _read(machine, lease)
    except DatabaseBusy:
        if lease is None:
            raise
        _log.info("deals.waits_for_database", connection=connection_id)
        await _let_go_patiently(machine, lease)  # also if it is not known whether it was taken
    except asyncio.CancelledError:
        if lease is not None:
            await _let_go_quickly(machine, lease)
        raise
    return False


async def _read(machine: Machine, lease: Lease) -> bool:
    try:
        is_done = await _all_streams(machine, lease, time.monotonic() + SLICE_S)
    except Lost:
        await _let_go(machine, lease)
    except CrmError as error:
        await _failed(machine, lease, error)
    except DatabaseBusy:
        raise
    except Exception as error:  # noqa: BLE001 - a bug in a connector must not read the same page in a tight loop
        _log.exception("deals.unexpected", connection=lease.source.connection_id)
        text = f"An error on our side: {type(error).__name__}. It is in the log."
        await _failed(machine, lease, CrmError(ErrorClass.RETRY, text))
    else:
        return await _ended(machine, lease, is_done=is_done)
    return False


async def _all_streams(machine: Machine, lease: Lease, until: float) -> bool:
    """Whether all is read. Raises CrmError for what stops every stream."""
    async with machine.session() as session:
        connection = await connections.get(session, lease.source.org_id, lease.source.connection_id)
    sales = connections.open_sales(machine, connection)
    is_done = True
    for name in feeds.streams(lease.kind):
        try:
            if not await _stream(machine, lease, sales, name=name, until=until):
                return False
        except _PlaceLost as error:
            _log.warning("deals.place_lost", connection=lease.source.connection_id, stream=name, error=str(error))
            is_done = False
        except CrmError as error:
            if error.kind in _ENDS:
                raise
            await _refused(machine, lease, name, error)
    return is_done


async def _stream(machine: Machine, lease: Lease, sales: Sales, *, name: str, until: float) -> bool:
    connection_id = lease.source.connection_id
    async with machine.session() as session:
        place = await feeds.place_of(session, connection_id, name)
    begins, seen = place, set[str | None]()
    while place is not None:
        try:
            page = await _page(lease, sales, name, place)
        except CrmError as error:
            if error.kind is not ErrorClass.PERMANENT or place is not begins or place.cursor is None:
                raise  # what it has said this minute it knows still: begun anew, it would only end here again
            async with machine.session() as session:
                await feeds.hold(session, lease)
                await feeds.forget_cursor(session, lease, name)
            raise _PlaceLost(error.text) from error
        seen.add(place.cursor)
        if page.more and page.cursor in seen:
            raise CrmError(ErrorClass.RETRY, f"The CRM gives the same pages of {feeds.WORDS[name]} again and again.")
        *first, last = page.parts
        for store in first:
            async with machine.session() as session:
                await feeds.hold(session, lease)
                await store(session)
        async with machine.session() as session:
            feed = await feeds.hold(session, lease)
            feed.failures = 0 if place.is_first and page.rows else feed.failures  # it goes on, however often it stops
            await last(session)
            await feeds.note_page(
                session, lease, name, cursor=page.cursor, count=page.rows, total=page.total, more=page.more
            )
            await alarms.clear(session, lease.source.org_id, code=PARTLY, subject=_subject(connection_id, name))
        if not page.more:
            machine.get(Paces).forget(connection_id, name)
            return True
        if place.is_first:
            machine.get(Paces).note(connection_id, name, page.rows)
        if time.monotonic() >= until:
            return False
        place = Place(page.cursor, None, is_first=place.is_first)
    return True


async def _page(lease: Lease, sales: Sales, name: str, place: Place) -> _Read:
    source = lease.source
    if name == DIRECTORY:
        found: Directory = await sales.directory()
        return _Read([lambda session: storing.directory(session, source, found)], None, False, len(found.owners), None)
    if name == DEAL:
        deals = await sales.deals(place.since, place.cursor)
        parts = [partial(storing.deals, source=source, found=some) for some in _parts(deals.items)]
        return _Read(parts, deals.cursor, deals.more, len(deals.items), deals.total)
    acts = await sales.activities(Act(name), place.since, place.cursor)
    parts = [partial(storing.activities, source=source, found=some) for some in _parts(acts.items)]
    return _Read(parts, acts.cursor, acts.more, len(acts.items), acts.total)


def _parts(items: Sequence[T]) -> list[Sequence[T]]:
    return [items[at : at + AT_ONCE] for at in range(0, max(1, len(items)), AT_ONCE)]


async def _refused(machine: Machine, lease: Lease, name: str, error: CrmError) -> None:
    """The others are read all the same."""
    retry_at = clock.now() + REFUSED_AGAIN
    async with machine.session() as session:
        await feeds.hold(session, lease)
        await feeds.note_refusal(session, lease, name, text=error.text, retry_at=retry_at)
        told = f"“{lease.name}” does not let us read {feeds.WORDS[name]}: {error.text}"
        subject = _subject(lease.source.connection_id, name)
        await alarms.ring(session, lease.source.org_id, code=PARTLY, subject=subject, text=told)


async def _failed(machine: Machine, lease: Lease, error: CrmError) -> None:
    """Nothing more can be read now. A limit that is reached is no failure: it passes by itself."""
    is_limit = error.kind is ErrorClass.THROTTLE
    async with machine.session() as session:
        feed = await feeds.release(session, lease, due_at=clock.now() + LONGEST_WAIT)
        if feed is None:
            return
        feed.failures += 0 if is_limit else 1
        feeds.let_rest(feed, until=_later(error, feed.failures))
        feed.error = "" if is_limit else error.text
        failures = feed.failures
    _log.info("deals.stopped", connection=lease.source.connection_id, error=error.text, kind=error.kind)
    with suppress(ConnectionNotFound):  # removed meanwhile: that ends its access
        if error.kind is ErrorClass.REAUTH:
            await connections.look(machine, lease.source.org_id, lease.source.connection_id)
        if error.kind is ErrorClass.REAUTH or failures >= TELL_AFTER:
            await _tell(machine, lease, error)


async def _tell(machine: Machine, lease: Lease, error: CrmError) -> None:
    """Unless the whole connection has stopped, which is told by itself. Raises ConnectionNotFound."""
    org_id, connection_id = lease.source.org_id, lease.source.connection_id
    async with machine.session() as session:
        if (await connections.get(session, org_id, connection_id)).state == feeds.ACTIVE:
            told = f"The deals of “{lease.name}” are no longer read: {error.text}"
            await alarms.ring(session, org_id, code=STOPPED, subject=connection_id, text=told)


def _later(error: CrmError, failures: int) -> datetime:
    if error.kind is ErrorClass.REAUTH:
        return clock.now() + LONGEST_WAIT
    if error.retry_after is not None:
        return clock.now() + max(error.retry_after, timedelta(seconds=1))
    doubled: timedelta = SHORTEST_WAIT * 2 ** min(max(failures - 1, 0), 10)
    return clock.now() + min(doubled, LONGEST_WAIT)


async def _ended(machine: Machine, lease: Lease, *, is_done: bool) -> bool:
    """Whether it is to go on at once."""
    async with machine.session() as session:
        feed = await feeds.release(session, lease, due_at=feeds.next_time() if is_done else clock.now())
        if feed is None:
            return False
        feed.failures, feed.error = 0, ""
        if is_done:
            feed.read_at = clock.now()
            if feeds.was_told(feed, lease):
                await feeds.heed(session, feed)  # what it told of may be on a page that was read before
        await alarms.clear(session, lease.source.org_id, code=STOPPED, subject=feed.connection_id)
        return feed.due_at <= clock.now()


async def _let_go(machine: Machine, lease: Lease) -> None:
    async with machine.session() as session:
        await feeds.release(session, lease, due_at=clock.now())


async def _let_rest(machine: Machine, lease: Lease) -> None:
    async with machine.session() as session:
        feed = await feeds.release(session, lease, due_at=clock.now())
        if feed is not None:
            feeds.let_rest(feed, until=clock.now() + SHORTEST_WAIT)


async def _let_go_quickly(machine: Machine, lease: Lease) -> None:
    """This process stops: another node may go on at once."""
    with suppress(TimeoutError, DatabaseBusy):
        async with asyncio.timeout(LAST_MOMENT_S):
            await _let_go(machine, lease)


async def _let_go_patiently(machine: Machine, lease: Lease) -> None:
    """Locked, full or away: nobody reads this connection until its lease is given back, or has lapsed."""
    until = time.monotonic() + feeds.LEASE.total_seconds()
    while time.monotonic() < until:
        try:
            await _let_rest(machine, lease)
            return
        except DatabaseBusy:
            await asyncio.sleep(BUSY_PAUSE_S)


async def hush(session: AsyncSession, org_id: str, connection_id: str) -> None:
    """Nothing is told any more of a connection that was removed."""
    await alarms.clear(session, org_id, code=STOPPED, subject=connection_id)
    for name in feeds.STREAMS:
        await alarms.clear(session, org_id, code=PARTLY, subject=_subject(connection_id, name))


def _subject(connection_id: str, name: str) -> str:
    return f"{connection_id}:{name}"
