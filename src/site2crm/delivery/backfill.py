"""Leads that came before their connection, sent to it when a person asks for it.

The rows are the progress: what is left is what the forms have accepted and the connection has not been given. So a
run that is cut off goes on where it was, and one that is asked for twice does nothing twice.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from msgspec import Struct
from saq.job import Status
from sqlalchemy import Table, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import service as connections
from site2crm.connectors.errors import ConnectionNotFound
from site2crm.core import db, log
from site2crm.core.events import emit
from site2crm.core.machine import Machine
from site2crm.core.queue import enqueue
from site2crm.core.queue.model import jobs as queued
from site2crm.delivery import outbox
from site2crm.delivery.events import DeliveriesSettled
from site2crm.delivery.models import Delivery
from site2crm.delivery.states import State
from site2crm.leads import queries as leads
from site2crm.leads.events import AcceptedSubmission
from site2crm.leads.queries import SubmissionItem

BACKFILL = "delivery.backfill"
ACCEPTED = "accepted"
"""The status of a submission that is to be delivered."""
PAGE = 200
BATCH = 200
MOST_IN_A_RUN = 100_000
"""Kept in memory at once; whatever is older can be asked for again."""
NEWER_TEXT = "Something newer from this person was sent there already: this would overwrite it."
NEWER = "newer"

_DELIVERY = cast("Table", Delivery.__table__)
_log = log.get("delivery")


class Progress(Struct, frozen=True):
    """`left`: what the connection has not been given. `total`: of the run that is under way, 0 if none is."""

    left: int
    total: int

    @property
    def is_running(self) -> bool:
        return self.total > 0

    @property
    def done(self) -> int:
        return max(0, self.total - self.left)


async def progress(session: AsyncSession, org_id: str, connection_id: str) -> Progress:
    """Raises ConnectionNotFound."""
    connection = await connections.get(session, org_id, connection_id)
    accepted = await leads.accepted(session, org_id, connection.form_ids)
    given = select(func.count()).select_from(Delivery).where(Delivery.connection_id == connection_id)
    if connection.form_ids:
        given = given.where(Delivery.form_id.in_(connection.form_ids))
    left = accepted - (await session.scalar(given) or 0)
    return Progress(max(0, left), await _total(session, connection_id))


async def start(session: AsyncSession, org_id: str, connection_id: str) -> Progress:
    """Give the connection all that it has not got; a run that is under way goes on. Raises ConnectionNotFound."""
    await db.lock(session)
    found = await progress(session, org_id, connection_id)
    if found.is_running or not found.left:
        return found
    key = _key(connection_id)
    await enqueue(session, BACKFILL, key=key, org_id=org_id, connection_id=connection_id, total=found.left)
    return Progress(found.left, found.left)


async def run(machine: Machine, org_id: str, connection_id: str) -> None:
    """Oldest first, in batches, so that forms and other deliveries get their turn in between."""
    try:
        missing = await _missing(machine, org_id, connection_id)
        for begin in range(0, len(missing), BATCH):
            async with machine.session() as session:
                await db.lock(session)
                await _give(session, org_id, connection_id, missing[begin : begin + BATCH])
    except ConnectionNotFound:
        return
    _log.info("delivery.backfilled", connection=connection_id, count=len(missing))


async def _missing(machine: Machine, org_id: str, connection_id: str) -> list[AcceptedSubmission]:
    """Oldest first."""
    async with machine.session() as session:
        form_ids = (await connections.get(session, org_id, connection_id)).form_ids
    found: list[AcceptedSubmission] = []
    for form_id in form_ids or [""]:
        cursor: str | None = None
        while len(found) < MOST_IN_A_RUN:
            async with machine.session() as session:
                page = await leads.submissions(
                    session, org_id, form=form_id, status=ACCEPTED, limit=PAGE, cursor=cursor
                )
                there = await outbox.there(session, [item.id for item in page.data])
            found += [_accepted(item) for item in page.data if item.lead and (item.id, connection_id) not in there]
            cursor = page.page.next_cursor
            if cursor is None:
                break
    return sorted(found, key=lambda item: (item.received_at, item.submission_id))


async def _give(session: AsyncSession, org_id: str, connection_id: str, batch: Sequence[AcceptedSubmission]) -> None:
    connection = await connections.get(session, org_id, connection_id)
    there = await outbox.there(session, [item.submission_id for item in batch])
    newest = await _newest(session, connection_id, [item.lead_id for item in batch])
    rows = [
        _row(org_id, connection_id, connection.state, item, newest.get(item.lead_id))
        for item in batch
        if (item.submission_id, connection_id) not in there
    ]
    if not rows:
        return
    await session.execute(insert(_DELIVERY), rows)
    if connection.state == outbox.ACTIVE:
        await outbox.wake(session, org_id, [connection_id])
    await emit(session, DeliveriesSettled(org_id=org_id, connection_id=connection_id))


async def _newest(session: AsyncSession, connection_id: str, lead_ids: Sequence[str]) -> dict[str, datetime]:
    """Lead id -> when its newest delivery there was made."""
    rows = await session.execute(
        select(Delivery.lead_id, func.max(Delivery.created_at).label("newest"))
        .where(Delivery.lead_id.in_(lead_ids), Delivery.connection_id == connection_id, Delivery.state != State.SKIPPED)
        .group_by(Delivery.lead_id)
    )
    return {row.lead_id: row.newest for row in rows}


def _row(
    org_id: str, connection_id: str, state: str, item: AcceptedSubmission, newest: datetime | None
) -> dict[str, Any]:
    """As old as its submission, so that it goes before what came after it."""
    row = outbox.row(org_id, item, connection_id, is_active=state == outbox.ACTIVE, at=item.received_at)
    if newest is not None and newest > item.received_at:
        return {**row, "state": State.SKIPPED, "due_at": None, "error": NEWER_TEXT, "error_code": NEWER}
    return {**row, "error": "", "error_code": ""}


async def _total(session: AsyncSession, connection_id: str) -> int:
    alive = queued.c.status.in_([Status.QUEUED.value, Status.ACTIVE.value])
    kwargs = await session.scalar(select(queued.c.kwargs).where(queued.c.key == _key(connection_id), alive).limit(1))
    return int(kwargs["total"]) if kwargs else 0


def _accepted(item: SubmissionItem) -> AcceptedSubmission:
    assert item.lead is not None
    return AcceptedSubmission(item.id, item.lead, item.form, item.released_at or item.received_at)


def _key(connection_id: str) -> str:
    return f"backfill:{connection_id}"
