"""One try: read the lead, map it, call the CRM, and bring back what happened. No transaction is open meanwhile."""

import asyncio
from datetime import datetime

from msgspec import Struct

from site2crm.connectors.contract import CrmError, ErrorClass, Exchange, Written
from site2crm.core import log
from site2crm.core.machine import Machine
from site2crm.delivery.values import lead_values
from site2crm.delivery.way import Way
from site2crm.kit import clock

CALLS_AT_MOST = 6
"""Requests that one lead may need; together they may take as many times the longest wait for an answer."""

_log = log.get("delivery")


class Claim(Struct, frozen=True, kw_only=True):
    """A delivery that is ours to send, its intent on disk."""

    id: str
    attempt_id: str
    org_id: str
    connection_id: str
    lead_id: str
    submission_id: str
    form_id: str
    failures: int
    due_at: datetime
    known_id: str | None
    overrides: dict[str, str]


class Result(Struct, frozen=True, kw_only=True):
    """What became of a claim: `error`, or `written` without one."""

    claim: Claim
    started_at: datetime
    finished_at: datetime
    written: Written
    exchanges: list[Exchange]

    @property
    def error(self) -> CrmError | None:
        return self.written.error


async def call(machine: Machine, way: Way, claim: Claim) -> Result:
    """Never raises: whatever goes wrong is an outcome, so that no lead is lost to a bug."""
    started_at, exchanges = clock.now(), list[Exchange]()
    try:
        async with asyncio.timeout(longest_s(machine)):
            written = await _send(machine, way, claim, exchanges)
    except CrmError as error:
        written = Written(claim.id, error=error)
    except TimeoutError:
        text = f"No end after {longest_s(machine):g} seconds."
        written = Written(claim.id, error=CrmError(ErrorClass.RETRY, text, code="timeout"))
    except Exception as error:  # noqa: BLE001 - a bug in a connector is a passing fault: logged, and tried again
        _log.exception("delivery.unexpected", delivery=claim.id, connection=claim.connection_id)
        text = f"An error on our side: {type(error).__name__}. It is in the log."
        written = Written(claim.id, error=CrmError(ErrorClass.RETRY, text, code=type(error).__name__))
    return Result(claim=claim, started_at=started_at, finished_at=clock.now(), written=written, exchanges=exchanges)


def longest_s(machine: Machine) -> float:
    return CALLS_AT_MOST * machine.settings.outbound.timeout


async def _send(machine: Machine, way: Way, claim: Claim, exchanges: list[Exchange]) -> Written:
    async with machine.session() as session:
        lead = await lead_values(session, claim.org_id, claim.lead_id, submission_id=claim.submission_id)
    prepared = way.prepare(
        lead,
        ref=claim.id,
        known_id=claim.known_id,
        submission=claim.submission_id,
        overrides=claim.overrides,
    )
    [written] = await way.connect(on_exchange=exchanges.append).upsert_people([prepared.person])
    return written
