"""Comparing what we delivered with what the CRM has: every night, page by page, with what leads leave of its limit.

A page is asked for outside any transaction and written down together with where the next one begins: whoever is killed
in between asks for one page again. A lead that a person deleted there is told too. One that was merged into another
there is known under that one's id from then on, so that its deals go on being its own.
"""

import random
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, delete, exists, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from site2crm.accounts import queries as accounts
from site2crm.connectors import queries as connections
from site2crm.connectors import service as opening
from site2crm.connectors.contract import CrmError, ErrorClass
from site2crm.connectors.errors import ConnectionNotFound
from site2crm.connectors.sales import Known, Sales
from site2crm.core import alarms, db, log
from site2crm.core.db import in_org
from site2crm.core.events import emit
from site2crm.core.machine import Machine
from site2crm.core.queue import enqueue
from site2crm.core.sql import insert_new, upsert
from site2crm.delivery import service
from site2crm.delivery.errors import NotNow
from site2crm.delivery.events import GONE, PeopleMoved
from site2crm.delivery.models import Comparison, Delivery, Missing, RemoteRecord
from site2crm.delivery.outbox import ACTIVE
from site2crm.delivery.queries import Wanted
from site2crm.delivery.states import PERSON, State
from site2crm.kit import clock
from site2crm.leads import queries as leads

COMPARE = "delivery.compare"
WINDOW = timedelta(days=30)
MOST = 10_000
"""Newest leads that one comparison looks up: some CRMs take one call for each."""
SETTLED = timedelta(minutes=10)
"""What arrived only just may not be found everywhere in the CRM yet."""
AT_ONCE = 100
SLICE_S = 60.0
AGAIN = timedelta(minutes=10)
GIVES_UP = timedelta(hours=20)
NIGHT = (time_of_day(1), timedelta(hours=4))
"""From when, in the org's zone, and within what time it begins: not all orgs in the same second."""
FARTHEST = timedelta(days=2)
"""The next one is due by then."""
_PASSING = (ErrorClass.THROTTLE, ErrorClass.RETRY, ErrorClass.REFRESH, ErrorClass.CONFLICT)

_log = log.get("delivery")


class _Person(NamedTuple):
    lead_id: str
    remote_id: str
    delivery_id: str
    delivered_at: datetime


class _Part(NamedTuple):
    """What is asked for next. `end`: where the next part begins."""

    place: datetime
    end: datetime
    people: Sequence[_Person]


async def look(session: AsyncSession) -> None:
    """A cron: put those on the way whose night has come."""
    refs = {ref.id: ref for ref in await connections.everywhere(session) if can(ref.kind, ref.state)}
    rows = await session.execute(select(Comparison.connection_id, Comparison.due_at))
    known = {row.connection_id: row.due_at for row in rows}
    for ref in refs.values():
        if ref.id not in known:
            await session.execute(insert_new(Comparison, [await _row(session, ref.org_id, ref.id)]))
        elif not clock.is_ahead(known[ref.id], most=FARTHEST):
            await _enqueue(session, ref.org_id, ref.id)


async def compare_now(session: AsyncSession, org_id: str, connection_id: str) -> None:
    """Raises ConnectionNotFound; NotNow where nothing can be asked."""
    connection = await connections.get(session, org_id, connection_id)
    if not can(connection.kind, connection.state):
        raise NotNow("Only an active CRM that can be asked for its contacts is compared.")
    now = clock.now()
    rows = [{**await _row(session, org_id, connection_id), "due_at": now}]
    await session.execute(upsert(Comparison, rows, on=("connection_id",), set_={"due_at": now}))
    await _enqueue(session, org_id, connection_id)


async def resend(session: AsyncSession, org_id: str, connection_id: str, *, leads: Sequence[str] = ()) -> int:
    """Send those that are missing (these, or all) once more; they are no longer missing until the next comparison.

    Raises ConnectionNotFound.
    """
    await connections.get(session, org_id, connection_id)
    await db.lock(session)
    mine = in_org(Missing, org_id).where(Missing.connection_id == connection_id)
    found = (await session.scalars(mine.where(Missing.lead_id.in_(leads)) if leads else mine)).all()
    wanted, count = Wanted(connection=connection_id, state=State.DELIVERED), 0
    for start in range(0, len(found), AT_ONCE):
        some = found[start : start + AT_ONCE]
        ids = [row.delivery_id for row in some]
        count += (await service.replay_many(session, org_id, wanted, ids=ids)).count
        sent = Missing.lead_id.in_([row.lead_id for row in some])
        await session.execute(delete(Missing).where(Missing.connection_id == connection_id, sent))
    await _clear_if_none(session, org_id, connection_id)
    return count


async def run(machine: Machine, org_id: str, connection_id: str) -> timedelta | None:
    """When to go on; None: it is done, or stopped for this night."""
    until = time.monotonic() + SLICE_S
    try:
        async with machine.session() as session:
            connection = await connections.get(session, org_id, connection_id)
        if not can(connection.kind, connection.state):
            return None
        sales = opening.open_sales(machine, connection)
        while await _step(machine, org_id, connection_id, sales=sales):
            if time.monotonic() >= until:
                return timedelta()
    except ConnectionNotFound:
        return None
    except CrmError as error:
        return await _failed(machine, org_id, connection_id, error)
    return None


async def _step(machine: Machine, org_id: str, connection_id: str, *, sales: Sales) -> bool:
    """One page. False: there was none left."""
    async with machine.session() as session:
        part = await _next(session, org_id, connection_id)
    if part is None:
        return False
    if not part.people and part.end == part.place:
        await _finish(machine, org_id, connection_id)
        return False
    async with machine.session() as session:
        emails = await leads.emails(session, org_id, [person.lead_id for person in part.people])
    places: dict[str, str] = {}
    for start in range(0, len(part.people), AT_ONCE):
        some = part.people[start : start + AT_ONCE]
        places |= await sales.whereabouts([Known(person.remote_id, emails.get(person.lead_id, "")) for person in some])
    async with machine.session() as session:
        return await _note(session, org_id, connection_id, part=part, places=places)


async def _next(session: AsyncSession, org_id: str, connection_id: str) -> _Part | None:
    """Begins a comparison if none is under way."""
    await db.lock(session)
    row = await session.get(Comparison, connection_id)
    if row is None or row.org_id != org_id:
        return None
    if row.began_at is None:
        row.began_at, row.checked = clock.now(), 0
        row.place = await _first_place(session, connection_id, row.began_at)
    assert row.place is not None
    arrived = (
        Delivery.connection_id == connection_id,
        Delivery.delivered_at > row.place,
        Delivery.delivered_at <= row.began_at - SETTLED,
    )
    ends = select(Delivery.delivered_at).where(*arrived).order_by(Delivery.delivered_at)
    # Those of one call arrived in the same moment: a part ends between moments, however many share its last one.
    end = await session.scalar(ends.offset(AT_ONCE - 1).limit(1)) or await session.scalar(
        select(func.max(Delivery.delivered_at)).where(*arrived)
    )
    if end is None:
        return _Part(row.place, row.place, ())
    return _Part(row.place, end, await _people(session, connection_id, row.place, end))


async def _first_place(session: AsyncSession, connection_id: str, began_at: datetime) -> datetime:
    oldest = began_at - WINDOW
    arrived = select(Delivery.delivered_at).where(
        Delivery.connection_id == connection_id, Delivery.delivered_at > oldest
    )
    newest = await session.scalar(arrived.order_by(Delivery.delivered_at.desc()).offset(MOST).limit(1))
    return newest or oldest


async def _people(session: AsyncSession, connection_id: str, place: datetime, end: datetime) -> list[_Person]:
    """Who arrived then, each lead with its last delivery only."""
    later = aliased(Delivery)
    came_again = exists().where(
        later.lead_id == Delivery.lead_id,
        later.connection_id == connection_id,
        later.delivered_at > Delivery.delivered_at,
    )
    rows = await session.execute(
        select(Delivery.lead_id, RemoteRecord.remote_id, Delivery.id, Delivery.delivered_at)
        .join(RemoteRecord, RemoteRecord.lead_id == Delivery.lead_id)
        .where(
            Delivery.connection_id == connection_id,
            Delivery.delivered_at > place,
            Delivery.delivered_at <= end,
            Delivery.state == State.DELIVERED,
            RemoteRecord.connection_id == connection_id,
            RemoteRecord.kind == PERSON,
            ~came_again,
        )
    )
    found = {lead: _Person(lead, remote, id, at) for lead, remote, id, at in rows if at is not None}
    return list(found.values())


async def _note(
    session: AsyncSession, org_id: str, connection_id: str, *, part: _Part, places: Mapping[str, str]
) -> bool:
    """False: somebody else has gone on meanwhile."""
    await db.lock(session)
    row = await session.get(Comparison, connection_id)
    if row is None or row.began_at is None or row.place != part.place:
        return False
    await _move(session, org_id, connection_id, {old: new for old, new in places.items() if new != old})
    lost = [person for person in part.people if person.remote_id not in places]
    known = select(Missing.lead_id).where(
        Missing.connection_id == connection_id, Missing.lead_id.in_([person.lead_id for person in lost])
    )
    were_known = set((await session.scalars(known)).all())
    if lost:
        now = clock.now()
        rows = [{"org_id": org_id, "connection_id": connection_id, "found_at": now, **p._asdict()} for p in lost]
        fresh: dict[str, ColumnElement[Any]] = {
            name: literal_column(f"excluded.{name}") for name in (*_Person._fields[1:], "found_at")
        }
        await session.execute(upsert(Missing, rows, on=("connection_id", "lead_id"), set_=fresh))
    if any(person.lead_id not in were_known for person in lost):
        crm = (await connections.names(session, org_id))[connection_id]
        text = f"Leads that we delivered to “{crm}” are not there any more. See which, and send them again."
        await alarms.ring(session, org_id, code=GONE, subject=connection_id, text=text)
    row.place, row.checked = part.end, row.checked + len(part.people)
    return True


async def _move(session: AsyncSession, org_id: str, connection_id: str, moved: Mapping[str, str]) -> None:
    if not moved:
        return
    theirs = (RemoteRecord.connection_id == connection_id, RemoteRecord.kind == PERSON)
    rows = await session.scalars(in_org(RemoteRecord, org_id).where(*theirs, RemoteRecord.remote_id.in_(moved)))
    for row in rows:
        new = moved[row.remote_id]
        row.url, row.remote_id = row.url.replace(row.remote_id, new) if row.url else None, new
    await emit(session, PeopleMoved(org_id=org_id, connection_id=connection_id, ids=moved))
    _log.info("delivery.people_moved", connection=connection_id, count=len(moved))


async def _finish(machine: Machine, org_id: str, connection_id: str) -> None:
    async with machine.session() as session:
        await db.lock(session)
        row = await session.get(Comparison, connection_id)
        if row is None or row.began_at is None:
            return
        there_again = (Missing.connection_id == connection_id, Missing.found_at < row.began_at)
        await session.execute(delete(Missing).where(*there_again))
        row.finished_at, row.compared, row.error = clock.now(), row.checked, ""
        row.began_at, row.place, row.due_at = None, None, await _next_night(session, org_id)
        await _clear_if_none(session, org_id, connection_id)
        _log.info("delivery.compared", connection=connection_id, count=row.compared)


async def _failed(machine: Machine, org_id: str, connection_id: str, error: CrmError) -> timedelta | None:
    """What passes is tried again this night; all else in the next one."""
    _log.info("delivery.compare_stopped", connection=connection_id, kind=error.kind, error=error.text)
    async with machine.session() as session:
        await db.lock(session)
        row = await session.get(Comparison, connection_id)
        if row is None:
            return None
        is_early = row.began_at is not None and row.began_at > clock.now() - GIVES_UP
        if error.kind in _PASSING and is_early:
            wait = max(error.retry_after or AGAIN, timedelta(seconds=1))
            row.due_at = clock.now() + wait
            return wait
        row.began_at, row.place, row.error = None, None, error.text
        row.due_at = await _next_night(session, org_id)
    return None


async def _clear_if_none(session: AsyncSession, org_id: str, connection_id: str) -> None:
    some = select(Missing.lead_id).where(Missing.connection_id == connection_id).limit(1)
    if await session.scalar(some) is None:
        await alarms.clear(session, org_id, code=GONE, subject=connection_id)


async def _row(session: AsyncSession, org_id: str, connection_id: str) -> dict[str, object]:
    night = await _next_night(session, org_id)
    counts = {"checked": 0, "compared": 0, "error": ""}
    return {"connection_id": connection_id, "org_id": org_id, "due_at": night, **counts}


async def _next_night(session: AsyncSession, org_id: str) -> datetime:
    """Of the org's own zone, and not the one that it is now."""
    begins, within = NIGHT
    zone = ZoneInfo((await accounts.org(session, org_id)).time_zone)
    tomorrow = clock.now().astimezone(zone).date() + timedelta(days=1)
    night = datetime.combine(tomorrow, begins, zone).astimezone(UTC)
    return night + within * random.random()  # noqa: S311 - no secret


def can(kind: str, state: str) -> bool:
    """Whether such a CRM, in this state, is asked what it has."""
    return state == ACTIVE and connections.caps(kind).deals


async def _enqueue(session: AsyncSession, org_id: str, connection_id: str) -> None:
    await enqueue(session, COMPARE, key=f"{COMPARE}:{connection_id}", org_id=org_id, connection_id=connection_id)
