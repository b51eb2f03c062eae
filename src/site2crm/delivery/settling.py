"""From what the CRM said to the books: the verdict on each call, the connection's warnings, pauses and parking."""

from collections.abc import Sequence

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import service as connections
from site2crm.connectors.contract import OWNER, Warned
from site2crm.core import log
from site2crm.delivery import outbox, recording, refused
from site2crm.delivery.calling import Result, wants_deal
from site2crm.delivery.judging import Schedule, Verdict, judge, judge_deal
from site2crm.delivery.states import State
from site2crm.delivery.way import Way
from site2crm.kit import clock

MENDED_PAUSE_S = 5.0
"""A refusal that came too late for parking is tried again after this, so that a wrong clock makes no storm."""

_log = log.get("delivery")


async def settle(
    session: AsyncSession, connection_id: str, way: Way | None, *, results: Sequence[Result], schedule: Schedule
) -> None:
    """`way`: the connection as it is in this transaction, None if it was removed."""
    outcomes = [(result, await _verdict(session, way, result, schedule=schedule)) for result in results]
    await recording.settle(session, outcomes)
    warned = {each.property: each.text for result in results for each in _of_connection(result)}
    for name, text in warned.items():
        await connections.note_warning(session, connection_id, property=name, text=text)
    dead = [result.claim for result, verdict in outcomes if verdict is not None and verdict.state is State.DEAD]
    if dead:
        await refused.ring(session, dead[0].org_id, connection_id)
    for result, verdict in outcomes:
        _tell(result, verdict)


def _of_connection(result: Result) -> list[Warned]:
    """What is to be mended there. Of a deal only the owner is a matter of the mapping."""
    named = [each for each in result.written.warnings if each.property]
    return [each for each in named if each.property == OWNER] if result.is_of_deal else named


async def _verdict(session: AsyncSession, way: Way | None, result: Result, *, schedule: Schedule) -> Verdict | None:
    """None: delivered. What is to be tried again waits if the connection was stopped in the meantime."""
    failures = result.claim.failures
    if result.error is None:
        return _half_way(way) if way is not None and _has_deal_left(way, result) else None
    judged = judge_deal if result.is_of_deal else judge
    verdict = judged(result.error, failures=failures, now=clock.now(), schedule=schedule)
    if verdict.pause_until is not None:
        await connections.throttle(session, result.claim.connection_id, until=verdict.pause_until)
    if verdict.state in (State.DEAD, State.SKIPPED):
        return verdict
    if way is None:
        return Verdict(state=State.SKIPPED, failures=failures, code="removed", text=outbox.REMOVED_TEXT)
    if verdict.park and not await _park(session, result, verdict.text):
        verdict = Verdict(state=State.PENDING, failures=failures, due_at=clock.after(MENDED_PAUSE_S))
    if not way.is_active:
        return msgspec.structs.replace(verdict, state=State.PARKED, failures=failures, due_at=None, field="")
    return verdict


def _has_deal_left(way: Way, result: Result) -> bool:
    is_there = not result.is_of_deal and result.written.id is not None
    return is_there and wants_deal(way.translation, result.claim)


def _half_way(way: Way) -> Verdict:
    """The person is there; the deal is a try of its own, with all tries before it."""
    return Verdict(state=State.PENDING if way.is_active else State.PARKED, failures=0)


async def _park(session: AsyncSession, result: Result, reason: str) -> bool:
    """False: it was mended while the call was under way, so the call's refusal is old news."""
    return await connections.park(session, result.claim.connection_id, reason, began=result.started_at)


def _tell(result: Result, verdict: Verdict | None) -> None:
    claim = result.claim
    about = {"delivery": claim.id, "connection": claim.connection_id, "lead": claim.lead_id}
    about["submission"] = claim.submission_id
    if result.error is None:
        _log.info("delivery.delivered", **about, remote=result.written.id, step=claim.step)
    elif verdict is not None:
        _log.info("delivery.failed", **about, step=claim.step, state=verdict.state.value, code=verdict.code)
