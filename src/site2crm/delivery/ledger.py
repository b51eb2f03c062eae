"""The books of delivery before the call: who is claimed is written down, and taken back when nothing came of it.

What came of it: `recording.py`. Each function runs in the caller's transaction, which holds the write lock.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    Table,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from site2crm.delivery.calling import Claim
from site2crm.delivery.models import Attempt, Delivery, RemoteRecord
from site2crm.delivery.states import DEAL, INTERRUPTED, PERSON, STARTABLE, WAITING, State
from site2crm.kit import clock, ids

INTERRUPTED_TEXT = "The process ended during the call. It was sent again; the CRM keeps one record."
SETTLES_S = 10.0
"""A CRM still carries out what a process asked for that has ended meanwhile. Who looks earlier finds nothing, and has
it done again."""

_Known = dict[tuple[str, str], str]
"""(lead id, kind of record) -> the CRM's id."""
_DELIVERY = cast("Table", Delivery.__table__)
_ATTEMPT = cast("Table", Attempt.__table__)
_CLAIMED = (
    Delivery.id, Delivery.org_id, Delivery.connection_id, Delivery.lead_id, Delivery.submission_id, Delivery.form_id,
    Delivery.failures, Delivery.overrides, Delivery.attempts, Delivery.due_at, Delivery.person_at, Delivery.remote_id,
    Delivery.warnings, Delivery.owner, Delivery.deal_id,
)  # fmt: skip


_OF_TRY = and_(_DELIVERY.c.id == bindparam("of_id"), _DELIVERY.c.attempts == bindparam("of_number"))
OF_MINE = and_(_OF_TRY, _DELIVERY.c.state == State.SENDING)
"""A claim that nobody has taken over since: what came of one that has lapsed is no news."""


def claimable(now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    """Due, and first of its lead at its connection: one at a time, the oldest first."""
    other = aliased(Delivery)
    is_older = or_(
        other.created_at < Delivery.created_at, and_(other.created_at == Delivery.created_at, other.id < Delivery.id)
    )
    goes_first = exists().where(
        other.lead_id == Delivery.lead_id,
        other.connection_id == Delivery.connection_id,
        other.id != Delivery.id,
        or_(other.state == State.SENDING, and_(other.state.in_(WAITING), is_older)),
    )
    return and_(Delivery.due_at <= now, ~goes_first)


_DUE = (
    select(*_CLAIMED)
    .where(
        Delivery.connection_id == bindparam("connection"),
        Delivery.state == bindparam("state"),
        claimable(bindparam("now", type_=Delivery.due_at.type)),
    )
    .order_by(Delivery.due_at, Delivery.id)
    .limit(bindparam("most", type_=Integer))
)
"""Made once: it is asked several times for each lead, and to put it together costs more than to run it."""


async def claim(
    session: AsyncSession, connection_id: str, *, limit: int, lease_until: datetime, node: str
) -> list[Claim]:
    """Take up to `limit` deliveries, longest due first, and write down the intent to call."""
    rows = await _due(session, connection_id, limit=limit)
    if not rows:
        return []
    now = clock.now()
    await session.execute(
        update(_DELIVERY)
        .where(_DELIVERY.c.id.in_([row.id for row in rows]))
        .values(
            state=State.SENDING,
            lease_until=lease_until,
            node=node,
            attempts=_DELIVERY.c.attempts + 1,
            updated_at=now,
        )
    )
    known = await _known_ids(session, connection_id, [row.lead_id for row in rows])
    claims = [_claim(row, known) for row in rows]
    intents: list[dict[str, Any]] = [
        {
            "id": claim.attempt_id,
            "org_id": claim.org_id,
            "delivery_id": claim.id,
            "number": claim.number,
            "step": claim.step,
            "started_at": now,
            "finished_at": None,
            "outcome": "",
            "error": "",
            "exchanges": [],
        }
        for claim in claims
    ]
    await session.execute(insert(_ATTEMPT), intents)
    return claims


async def release(session: AsyncSession, claims: Sequence[Claim]) -> None:
    """Claimed, but not called: as if it had not been claimed."""
    if claims:
        before = case((_DELIVERY.c.failures > 0, State.RETRYING.value), else_=State.PENDING.value)
        released = update(_DELIVERY).where(OF_MINE).values(state=before, lease_until=None)
        await session.execute(released, [of_mine(claim) for claim in claims])
        await forget_intents(session, claims)


async def forget_intents(session: AsyncSession, unsent: Sequence[Claim]) -> None:
    """No call was made, so there was no try."""
    await session.execute(delete(_ATTEMPT).where(_ATTEMPT.c.id.in_([claim.attempt_id for claim in unsent])))
    uncounted = update(_DELIVERY).where(_OF_TRY).values(attempts=_DELIVERY.c.attempts - 1)
    await session.execute(uncounted, [of_mine(claim) for claim in unsent])


def of_mine(claim: Claim) -> dict[str, Any]:
    """What `OF_MINE` asks for."""
    return {"of_id": claim.id, "of_number": claim.number}


def lapsed(now: datetime) -> ColumnElement[bool]:
    """Nobody waits for its call any more, wherever it began."""
    return Delivery.lease_until < now


def of_node(node: str) -> ColumnElement[bool]:
    return Delivery.node == node


def claimed_before(moment: datetime) -> ColumnElement[bool]:
    """What was claimed at a time that is to come was claimed before somebody put the clock back."""
    return or_(Delivery.updated_at <= moment, Delivery.updated_at > clock.now())


async def take_back(
    session: AsyncSession, *lost: ColumnElement[bool], spared: Collection[str], pause_s: float = 0
) -> list[str]:
    """Of the deliveries that are being sent, the `lost` ones are due again after `pause_s`: all, where nothing is said
    of them. Returns their ids.
    """
    rows = await session.scalars(select(Delivery.id).where(Delivery.state == State.SENDING, *lost))
    found = [id for id in rows.all() if id not in spared]
    if found:
        now = clock.now()
        due = {"due_at": clock.after(pause_s)} if pause_s else {}
        await session.execute(
            update(_DELIVERY)
            .where(_DELIVERY.c.id.in_(found))
            .values(state=State.PENDING, lease_until=None, updated_at=now, **due)
        )
        await session.execute(
            update(_ATTEMPT)
            .where(_ATTEMPT.c.delivery_id.in_(found), _ATTEMPT.c.finished_at.is_(None))
            .values(finished_at=now, outcome=INTERRUPTED, error=INTERRUPTED_TEXT)
        )
    return found


async def bring_forward(session: AsyncSession, *, lease_until: datetime) -> None:
    """What was to be sent later, by a clock that somebody has put back since, is due now; what is being sent by it is
    waited for no longer than `lease_until`."""
    now = clock.now()
    wrong = update(_DELIVERY).where(_DELIVERY.c.updated_at > now + clock.SKEW)
    waiting = wrong.where(_DELIVERY.c.state.in_(STARTABLE), _DELIVERY.c.due_at > now)
    await session.execute(waiting.values(due_at=now, updated_at=now))
    under_way = wrong.where(_DELIVERY.c.state == State.SENDING, _DELIVERY.c.lease_until > lease_until)
    await session.execute(under_way.values(lease_until=lease_until, updated_at=now))


async def next_due(session: AsyncSession, connection_id: str) -> datetime | None:
    """When the next try of this connection has its time; what waits for an older one of its lead is not asked."""
    found: datetime | None = await session.scalar(
        select(func.min(Delivery.due_at)).where(
            Delivery.connection_id == connection_id,
            Delivery.state.in_(STARTABLE),
            Delivery.due_at > clock.now(),
        )
    )
    return found


async def anything_due(session: AsyncSession, connection_id: str) -> bool:
    return bool(await _due(session, connection_id, limit=1))


async def _due(session: AsyncSession, connection_id: str, *, limit: int) -> list[Any]:
    """A walk along the index for each state, merged."""
    found: list[Any] = []
    for state in STARTABLE:
        wanted = {"connection": connection_id, "state": state, "now": clock.now(), "most": limit}
        found.extend(await session.execute(_DUE, wanted))
    return sorted(found, key=lambda row: (row.due_at, row.id))[:limit]


def _claim(row: Any, known: "_Known") -> Claim:
    return Claim(
        id=row.id,
        number=row.attempts + 1,
        attempt_id=ids.new("att"),
        org_id=row.org_id,
        connection_id=row.connection_id,
        lead_id=row.lead_id,
        submission_id=row.submission_id,
        form_id=row.form_id,
        failures=row.failures,
        due_at=row.due_at,
        known_id=known.get((row.lead_id, PERSON)),
        overrides=row.overrides,
        step=PERSON if row.person_at is None else DEAL,
        turn=row.owner,
        person_at=row.person_at,
        person_id=row.remote_id if row.person_at else None,
        deal_id=row.deal_id,
        lead_deal_id=known.get((row.lead_id, DEAL)),
        warnings=row.warnings if row.person_at else [],
    )


async def _known_ids(session: AsyncSession, connection_id: str, lead_ids: Sequence[str]) -> "_Known":
    """The CRM's own ids, of those that were sent there before."""
    rows = await session.execute(
        select(RemoteRecord.lead_id, RemoteRecord.kind, RemoteRecord.remote_id).where(
            RemoteRecord.lead_id.in_(lead_ids), RemoteRecord.connection_id == connection_id
        )
    )
    return {(row.lead_id, row.kind): row.remote_id for row in rows}
