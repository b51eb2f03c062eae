"""Where deliveries come from, and what happens to them when their connection stops, resumes or goes.

All of it listens: a delivery is made in the transaction that accepts its submission, so there is never one without
the other. A job only wakes; the row is the truth, and the sweep finds what nobody woke.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Table, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import service as connections
from site2crm.connectors.events import (
    ConnectionDraining,
    ConnectionParked,
    ConnectionPaused,
    ConnectionRemoved,
    ConnectionResumed,
)
from site2crm.core.events import emit
from site2crm.core.queue import enqueue_many
from site2crm.delivery.events import DeliveriesSettled
from site2crm.delivery.models import Delivery
from site2crm.delivery.states import STARTABLE, State
from site2crm.kit import clock, ids
from site2crm.leads.events import AcceptedSubmission, LeadsChanged, SubmissionsAccepted

DRAIN = "delivery.drain"
ACTIVE = "active"
"""The state of a connection that takes new leads."""
DRAINING = "draining"
SENDS = (ACTIVE, DRAINING)
"""... and those in which it is sent what is due."""
REMOVED_TEXT = "The connection was removed."
_AT_ONCE = 500

_DELIVERY = cast("Table", Delivery.__table__)


async def accepted(session: AsyncSession, event: SubmissionsAccepted) -> None:
    """One delivery for each submission and connection; where a connection is stopped it waits there."""
    forms = {item.form_id for item in event.items}
    targets = {form: await connections.active_for(session, event.org_id, form) for form in forms}
    wanted = [(item, target) for item in event.items for target in targets[item.form_id]]
    if not wanted:
        return
    known = await there(session, [item.submission_id for item, _ in wanted])
    now = clock.now()
    rows = [
        # A microsecond apart, so that the order in which they came is the order in which they are sent.
        row(event.org_id, item, target.id, is_active=target.state == ACTIVE, at=now + timedelta(microseconds=place))
        for place, (item, target) in enumerate(wanted)
        if (item.submission_id, target.id) not in known
    ]
    if rows:
        await session.execute(insert(_DELIVERY), rows)
    await wake(session, event.org_id, {target.id for _, target in wanted if target.state == ACTIVE})


async def stopped(session: AsyncSession, event: ConnectionParked | ConnectionPaused) -> None:
    """Its leads wait for a person."""
    await hold(session, event.connection_id, is_removed=False)


async def draining(session: AsyncSession, event: ConnectionDraining) -> None:
    """Where nothing waits there is nothing to wait for."""
    await finish(session, event.org_id, event.connection_id)


async def finish(session: AsyncSession, org_id: str, connection_id: str) -> None:
    """A draining connection is paused once nothing is left to be sent there."""
    if not await is_left(session, connection_id):
        await connections.pause(session, org_id, connection_id)


async def is_left(session: AsyncSession, connection_id: str) -> bool:
    """Something is to be sent there, or being sent."""
    left = select(Delivery.id).where(
        Delivery.connection_id == connection_id, Delivery.state.in_((*STARTABLE, State.SENDING))
    )
    return await session.scalar(left.limit(1)) is not None


async def resumed(session: AsyncSession, event: ConnectionResumed) -> None:
    """Its leads are due since they came: oldest first."""
    values = {"state": State.PENDING, "due_at": Delivery.created_at, "error": "", "error_code": "", "error_field": ""}
    await _move(session, event.connection_id, (State.PARKED,), values)
    await wake(session, event.org_id, [event.connection_id])


async def removed(session: AsyncSession, event: ConnectionRemoved) -> None:
    await hold(session, event.connection_id, is_removed=True)


async def settled(session: AsyncSession, event: DeliveriesSettled) -> None:
    """The pages of leads show where each lead has got to."""
    await emit(session, LeadsChanged(org_id=event.org_id))


async def hold(session: AsyncSession, connection_id: str, *, is_removed: bool) -> None:
    """Nothing more is sent there now; what a removed one had not got it never will, and that stays to be seen."""
    if is_removed:
        values = {"state": State.SKIPPED, "due_at": None, "error": REMOVED_TEXT, "error_code": "removed"}
        await _move(session, connection_id, (*STARTABLE, State.PARKED), values)
    else:
        await _move(session, connection_id, STARTABLE, {"state": State.PARKED, "due_at": None})


async def wake(
    session: AsyncSession, org_id: str, connection_ids: Iterable[str], *, at: datetime | None = None
) -> None:
    """Look for due deliveries once this is committed, or at `at`: one job for a connection, however many there are."""
    payloads = [(f"delivery:{id}", at, {"org_id": org_id, "connection_id": id}) for id in connection_ids]
    await enqueue_many(session, DRAIN, payloads)


async def there(session: AsyncSession, submission_ids: Sequence[str]) -> set[tuple[str, str]]:
    """(submission, connection) of the deliveries that exist: what is told twice makes no second one."""
    found: set[tuple[str, str]] = set()
    for start in range(0, len(submission_ids), _AT_ONCE):
        some = submission_ids[start : start + _AT_ONCE]
        rows = await session.execute(
            select(Delivery.submission_id, Delivery.connection_id).where(Delivery.submission_id.in_(some))
        )
        found.update((row.submission_id, row.connection_id) for row in rows)
    return found


def row(org_id: str, item: AcceptedSubmission, connection_id: str, *, is_active: bool, at: datetime) -> dict[str, Any]:
    """A delivery that is due, or waits for its connection."""
    return {
        "id": ids.new("dlv"),
        "org_id": org_id,
        "submission_id": item.submission_id,
        "lead_id": item.lead_id,
        "connection_id": connection_id,
        "form_id": item.form_id,
        "state": State.PENDING if is_active else State.PARKED,
        "due_at": at if is_active else None,
        "warnings": [],
        "overrides": {},
        "created_at": at,
        "updated_at": at,
    }


async def _move(session: AsyncSession, connection_id: str, states: Sequence[State], values: dict[str, Any]) -> None:
    await session.execute(
        update(Delivery)
        .where(Delivery.connection_id == connection_id, Delivery.state.in_(states))
        .values(**values, updated_at=clock.now())
        .execution_options(synchronize_session=False)
    )
