"""From what the CRM said to the books: the verdict on each call, the connection's warnings, pauses and parking."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import service as connections
from site2crm.core import log
from site2crm.delivery import ledger, outbox, refused
from site2crm.delivery.calling import Result
from site2crm.delivery.judging import Schedule, Verdict, judge
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
    await ledger.settle(session, outcomes)
    warned = {warning.property: warning.text for result in results for warning in result.written.warnings}
    for name, text in warned.items():
        await connections.note_warning(session, connection_id, property=name, text=text)
    dead = [result.claim for result, verdict in outcomes if verdict is not None and verdict.state is State.DEAD]
    if dead:
        await refused.ring(session, dead[0].org_id, connection_id)
    for result, verdict in outcomes:
        _tell(result, verdict)


async def _verdict(session: AsyncSession, way: Way | None, result: Result, *, schedule: Schedule) -> Verdict | None:
    """None: delivered. What is to be tried again waits if the connection was stopped in the meantime."""
    if result.error is None:
        return None
    failures = result.claim.failures
    verdict = judge(result.error, failures=failures, now=clock.now(), schedule=schedule)
    if verdict.pause_until is not None:
        await connections.throttle(session, result.claim.connection_id, until=verdict.pause_until)
    if verdict.state in (State.DEAD, State.SKIPPED):
        return verdict
    if way is None:
        return Verdict(state=State.SKIPPED, failures=failures, code="removed", text=outbox.REMOVED_TEXT)
    if verdict.park and not await _park(session, result, verdict.text):
        verdict = Verdict(state=State.PENDING, failures=failures, due_at=clock.after(MENDED_PAUSE_S))
    if not way.is_active:
        return Verdict(state=State.PARKED, failures=failures, code=verdict.code, text=verdict.text)
    return verdict


async def _park(session: AsyncSession, result: Result, reason: str) -> bool:
    """False: it was mended while the call was under way, so the call's refusal is old news."""
    return await connections.park(session, result.claim.connection_id, reason, began=result.started_at)


def _tell(result: Result, verdict: Verdict | None) -> None:
    claim = result.claim
    about = {"delivery": claim.id, "connection": claim.connection_id, "lead": claim.lead_id}
    about["submission"] = claim.submission_id
    if verdict is None:
        _log.info("delivery.delivered", **about, remote=result.written.id)
    else:
        _log.info("delivery.failed", **about, state=verdict.state.value, code=verdict.code)
