"""The books of delivery after the call: what came of each one, and which record of the CRM is which lead.

In the caller's transaction, which holds the write lock.
"""

from collections.abc import Sequence
from typing import Any, cast

import msgspec
from sqlalchemy import ColumnElement, Table, bindparam, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors.contract import ErrorClass
from site2crm.core.events import emit
from site2crm.core.sql import upsert
from site2crm.delivery import ledger
from site2crm.delivery.calling import Result
from site2crm.delivery.events import PeopleMoved
from site2crm.delivery.judging import Verdict
from site2crm.delivery.models import Attempt, Delivery, RemoteRecord
from site2crm.delivery.states import DEAL, DELIVERED, PERSON, STARTABLE, State
from site2crm.kit import ids

LONGEST_ERROR = 4_000

_DELIVERY = cast("Table", Delivery.__table__)
_ATTEMPT = cast("Table", Attempt.__table__)


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
        await ledger.forget_intents(session, unsent)
    sent = [result for result, _ in outcomes if not _was_not_sent(result)]
    if sent:
        await session.execute(_FINISH_ATTEMPT, [_finished(result) for result in sent])


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
    for result in new:
        claim, now = result.claim, result.written.id
        if kind == PERSON and claim.known_id and now and claim.id in left:
            moved = PeopleMoved(org_id=claim.org_id, connection_id=claim.connection_id, ids={claim.known_id: now})
            await emit(session, moved)


def _was_not_sent(result: Result) -> bool:
    return result.error is not None and result.error.kind is ErrorClass.THROTTLE and not result.exchanges


def _delivered(result: Result) -> dict[str, Any]:
    return {
        **ledger.of_mine(result.claim),
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
        **ledger.of_mine(result.claim),
        "to_warnings": _warnings(result),
        "to_deal_id": result.written.id,
        "to_deal_url": result.written.url,
        "at": result.finished_at,
    }


def _failed(result: Result, verdict: Verdict) -> dict[str, Any]:
    return {
        **ledger.of_mine(result.claim),
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
_MARK_DELIVERED = update(_DELIVERY).where(ledger.OF_MINE).values(**_AT_ITS_END, **_AS_PERSON)
_MARK_HALF_WAY = (
    update(_DELIVERY)
    .where(ledger.OF_MINE)
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
    .where(ledger.OF_MINE)
    .values(**_AT_ITS_END, deal_id=bindparam("to_deal_id"), deal_url=bindparam("to_deal_url"))
)
_MARK_FAILED = (
    update(_DELIVERY)
    .where(ledger.OF_MINE)
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
