"""The books of delivery: what is claimed is written down before the call, what came of it after it.

Each function runs in the caller's transaction, which holds the write lock.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, cast

import msgspec
from sqlalchemy import (
    ColumnElement,
    Table,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from site2crm.connectors.contract import ErrorClass
from site2crm.core.sql import upsert
from site2crm.delivery.calling import Claim, Result
from site2crm.delivery.judging import Verdict
from site2crm.delivery.models import Attempt, Delivery, RemoteRecord
from site2crm.delivery.states import DEAL, DELIVERED, INTERRUPTED, PERSON, STARTABLE, WAITING, State
from site2crm.kit import clock, ids

INTERRUPTED_TEXT = "The process ended during the call. It was sent again; the CRM keeps one record."
LONGEST_ERROR = 4_000

_Known = dict[tuple[str, str], str]
"""(lead id, kind of record) -> the CRM's id."""
_DELIVERY = cast("Table", Delivery.__table__)
_ATTEMPT = cast("Table", Attempt.__table__)
_CLAIMED = (
    Delivery.id, Delivery.org_id, Delivery.connection_id, Delivery.lead_id, Delivery.submission_id, Delivery.form_id,
    Delivery.failures, Delivery.overrides, Delivery.attempts, Delivery.due_at, Delivery.person_at, Delivery.remote_id,
    Delivery.warnings, Delivery.owner, Delivery.deal_id,
)  # fmt: skip


def claimable(now: datetime) -> ColumnElement[bool]:
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
    intents = [
        {
            "id": claim.attempt_id,
            "org_id": claim.org_id,
            "delivery_id": claim.id,
            "number": row.attempts + 1,
            "step": claim.step,
            "started_at": now,
            "finished_at": None,
            "outcome": "",
            "error": "",
            "exchanges": [],
        }
        for claim, row in zip(claims, rows, strict=True)
    ]
    await session.execute(insert(_ATTEMPT), intents)
    return claims


async def settle(session: AsyncSession, outcomes: Sequence[tuple[Result, Verdict | None]]) -> None:
    """Write down what came of each call; without a verdict it was delivered."""
    done = [result for result, verdict in outcomes if verdict is None]
    half_way = [(result, verdict) for result, verdict in outcomes if verdict is not None and result.error is None]
    failed = [(result, verdict) for result, verdict in outcomes if verdict is not None and result.error is not None]
    if people := [result for result in done if not result.is_of_deal]:
        await session.execute(_MARK_DELIVERED, [_delivered(result) for result in people])
    if deals := [result for result in done if result.is_of_deal]:
        await session.execute(_MARK_DEAL_MADE, [_deal_made(result) for result in deals])
    if half_way:
        await session.execute(_MARK_HALF_WAY, [_half_way(result, verdict) for result, verdict in half_way])
    await _remember(session, PERSON, [*people, *(result for result, _ in half_way)])
    await _remember(session, DEAL, deals)
    if failed:
        await session.execute(_MARK_FAILED, [_failed(result, verdict) for result, verdict in failed])
    unsent = [result.claim for result, _ in failed if _was_not_sent(result)]
    if unsent:
        await _forget_intents(session, unsent)
    sent = [result for result, _ in outcomes if not _was_not_sent(result)]
    if sent:
        await session.execute(_FINISH_ATTEMPT, [_finished(result) for result in sent])


async def release(session: AsyncSession, claims: Sequence[Claim]) -> None:
    """Claimed, but not called: as if it had not been claimed."""
    if claims:
        before = case((_DELIVERY.c.failures > 0, State.RETRYING.value), else_=State.PENDING.value)
        await session.execute(
            update(_DELIVERY)
            .where(_DELIVERY.c.id.in_([claim.id for claim in claims]), _DELIVERY.c.state == State.SENDING)
            .values(state=before, lease_until=None)
        )
        await _forget_intents(session, claims)


def lapsed(now: datetime) -> ColumnElement[bool]:
    """Nobody waits for its call any more, wherever it began."""
    return Delivery.lease_until < now


def of_node(node: str) -> ColumnElement[bool]:
    return Delivery.node == node


def claimed_by(moment: datetime) -> ColumnElement[bool]:
    return Delivery.updated_at <= moment


async def take_back(session: AsyncSession, *lost: ColumnElement[bool], spared: Collection[str]) -> list[str]:
    """Of the deliveries that are being sent, the `lost` ones are due again: all, where nothing is said of them.

    Returns their ids.
    """
    rows = await session.scalars(select(Delivery.id).where(Delivery.state == State.SENDING, *lost))
    found = [id for id in rows.all() if id not in spared]
    if found:
        now = clock.now()
        await session.execute(
            update(_DELIVERY)
            .where(_DELIVERY.c.id.in_(found))
            .values(state=State.PENDING, lease_until=None, updated_at=now)
        )
        await session.execute(
            update(_ATTEMPT)
            .where(_ATTEMPT.c.delivery_id.in_(found), _ATTEMPT.c.finished_at.is_(None))
            .values(finished_at=now, outcome=INTERRUPTED, error=INTERRUPTED_TEXT)
        )
    return found


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
        rows = await session.execute(
            select(*_CLAIMED)
            .where(Delivery.connection_id == connection_id, Delivery.state == state, claimable(clock.now()))
            .order_by(Delivery.due_at, Delivery.id)
            .limit(limit)
        )
        found.extend(rows)
    return sorted(found, key=lambda row: (row.due_at, row.id))[:limit]


def _claim(row: Any, known: "_Known") -> Claim:
    return Claim(
        id=row.id,
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


async def _remember(session: AsyncSession, kind: str, done: Sequence[Result]) -> None:
    """The CRM's id of each lead, and of its newest deal; a contact that was merged there has another one now."""
    was = "known_id" if kind == PERSON else "deal_id"
    new = [result for result in done if result.written.id not in (None, getattr(result.claim, was))]
    # A lead that was erased during its call has no delivery any more, and may leave no trace.
    ids_left = select(Delivery.id).where(Delivery.id.in_([result.claim.id for result in new]))
    left = set((await session.scalars(ids_left)).all()) if new else set[str]()
    rows = [
        {
            "id": ids.new("rmt"),
            "org_id": result.claim.org_id,
            "lead_id": result.claim.lead_id,
            "connection_id": result.claim.connection_id,
            "kind": kind,
            "remote_id": result.written.id,
            "url": result.written.url,
            "created_at": result.finished_at,
        }
        for result in new
        if result.claim.id in left
    ]
    if rows:
        theirs: dict[str, ColumnElement[str]] = {
            name: literal_column(f"excluded.{name}") for name in ("remote_id", "url")
        }
        await session.execute(upsert(RemoteRecord, rows, on=("lead_id", "connection_id", "kind"), set_=theirs))


async def _forget_intents(session: AsyncSession, unsent: Sequence[Claim]) -> None:
    """No call was made, so there was no try."""
    await session.execute(delete(_ATTEMPT).where(_ATTEMPT.c.id.in_([claim.attempt_id for claim in unsent])))
    await session.execute(
        update(_DELIVERY)
        .where(_DELIVERY.c.id.in_([claim.id for claim in unsent]))
        .values(attempts=_DELIVERY.c.attempts - 1)
    )


def _was_not_sent(result: Result) -> bool:
    return result.error is not None and result.error.kind is ErrorClass.THROTTLE and not result.exchanges


def _delivered(result: Result) -> dict[str, Any]:
    return {
        "of_id": result.claim.id,
        "to_remote_id": result.written.id,
        "to_remote_url": result.written.url,
        "to_warnings": _warnings(result),
        "at": result.finished_at,
    }


def _half_way(result: Result, verdict: Verdict) -> dict[str, Any]:
    return {
        **_delivered(result),
        "to_state": verdict.state,
        "to_due_at": result.claim.due_at if verdict.state in STARTABLE else None,
    }


def _deal_made(result: Result) -> dict[str, Any]:
    return {
        "of_id": result.claim.id,
        "to_warnings": _warnings(result),
        "to_deal_id": result.written.id,
        "to_deal_url": result.written.url,
        "at": result.finished_at,
    }


def _failed(result: Result, verdict: Verdict) -> dict[str, Any]:
    return {
        "of_id": result.claim.id,
        "to_state": verdict.state,
        "to_due_at": verdict.due_at or (result.claim.due_at if verdict.state in STARTABLE else None),
        "to_failures": verdict.failures,
        "to_error_code": verdict.code,
        "to_error": _clean(verdict.text),
        "to_error_field": verdict.field,
        "to_warnings": _warnings(result),
        "to_person_at": None if verdict.person_is_gone else result.claim.person_at,
        "at": result.finished_at,
    }


def _finished(result: Result) -> dict[str, Any]:
    return {
        "of_id": result.claim.attempt_id,
        "to_started_at": result.started_at,
        "to_finished_at": result.finished_at,
        "to_outcome": result.error.kind if result.error else DELIVERED,
        "to_error": _clean(result.error.text) if result.error else "",
        "to_exchanges": msgspec.to_builtins(result.exchanges),
    }


def _warnings(result: Result) -> list[dict[str, Any]]:
    """Those of the person stay beside those of its deal."""
    return [
        *result.claim.warnings,
        *({"property": each.property, "text": each.text} for each in result.written.warnings),
    ]


def _clean(text: str) -> str:
    """What every database can store: a CRM may answer with half a surrogate."""
    return text[:LONGEST_ERROR].encode("utf-8", "replace").decode().replace("\x00", "")


_OF_MINE = and_(_DELIVERY.c.id == bindparam("of_id"), _DELIVERY.c.state == State.SENDING)
_AT_REST: dict[str, Any] = {
    "lease_until": None,
    "error_code": "",
    "error": "",
    "error_field": "",
    "warnings": bindparam("to_warnings"),
    "updated_at": bindparam("at"),
}
_AT_ITS_END = {**_AT_REST, "state": State.DELIVERED, "due_at": None, "person_at": None, "delivered_at": bindparam("at")}
_AS_PERSON: dict[str, Any] = {"remote_id": bindparam("to_remote_id"), "remote_url": bindparam("to_remote_url")}
_MARK_DELIVERED = update(_DELIVERY).where(_OF_MINE).values(**_AT_ITS_END, **_AS_PERSON)
_MARK_HALF_WAY = (
    update(_DELIVERY)
    .where(_OF_MINE)
    .values(
        **_AT_REST,
        **_AS_PERSON,
        state=bindparam("to_state"),
        due_at=bindparam("to_due_at"),
        failures=0,
        person_at=bindparam("at"),
    )
)
_MARK_DEAL_MADE = (
    update(_DELIVERY)
    .where(_OF_MINE)
    .values(**_AT_ITS_END, deal_id=bindparam("to_deal_id"), deal_url=bindparam("to_deal_url"))
)
_MARK_FAILED = (
    update(_DELIVERY)
    .where(_OF_MINE)
    .values(
        state=bindparam("to_state"),
        due_at=bindparam("to_due_at"),
        lease_until=None,
        failures=bindparam("to_failures"),
        error_code=bindparam("to_error_code"),
        error=bindparam("to_error"),
        error_field=bindparam("to_error_field"),
        warnings=bindparam("to_warnings"),
        person_at=bindparam("to_person_at"),
        updated_at=bindparam("at"),
    )
)
_FINISH_ATTEMPT = (
    update(_ATTEMPT)
    .where(_ATTEMPT.c.id == bindparam("of_id"))
    .values(
        started_at=bindparam("to_started_at"),
        finished_at=bindparam("to_finished_at"),
        outcome=bindparam("to_outcome"),
        error=bindparam("to_error"),
        exchanges=bindparam("to_exchanges"),
    )
)
