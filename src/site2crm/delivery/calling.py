"""One try: read the leads, map them, call the CRM, and bring back what happened. No transaction is open meanwhile.

As many leads at once as the CRM takes in one call; mostly that is one.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from site2crm.connectors.contract import CrmError, ErrorClass, Exchange, Written
from site2crm.core import log
from site2crm.core.machine import Machine
from site2crm.delivery.values import Reading
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


async def call(machine: Machine, way: Way, claims: Sequence[Claim]) -> list[Result]:
    """Never raises: whatever goes wrong is an outcome, so that no lead is lost to a bug."""
    started_at, exchanges = clock.now(), list[Exchange]()
    try:
        async with asyncio.timeout(longest_s(machine)):
            written = await _send(machine, way, claims, exchanges)
    except CrmError as error:
        written = [Written(claim.id, error=error) for claim in claims]
    except TimeoutError:
        text = f"No end after {longest_s(machine):g} seconds."
        late = CrmError(ErrorClass.RETRY, text, code="timeout")
        written = [Written(claim.id, error=late) for claim in claims]
    except Exception as error:  # noqa: BLE001 - a bug in a connector is a passing fault: logged, and tried again
        if len(claims) > 1:  # one of them may be the reason: each alone, which is harmless where some arrived already
            return [result for claim in claims for result in await call(machine, way, [claim])]
        _log.exception("delivery.unexpected", delivery=claims[0].id, connection=claims[0].connection_id)
        text = f"An error on our side: {type(error).__name__}. It is in the log."
        written = [Written(claims[0].id, error=CrmError(ErrorClass.RETRY, text, code=type(error).__name__))]
    finished_at = clock.now()
    return [
        Result(
            claim=claim,
            started_at=started_at,
            finished_at=finished_at,
            written=one,
            exchanges=[exchange for exchange in exchanges if exchange.ref in ("", claim.id)],
        )
        for claim, one in zip(claims, written, strict=True)
    ]


def longest_s(machine: Machine) -> float:
    return CALLS_AT_MOST * machine.settings.outbound.timeout


async def _send(machine: Machine, way: Way, claims: Sequence[Claim], exchanges: list[Exchange]) -> Sequence[Written]:
    async with machine.session() as session:
        reading = Reading(session, claims[0].org_id)
        leads = [await reading.lead_values(claim.lead_id, submission_id=claim.submission_id) for claim in claims]
    people = [
        way.prepare(
            lead, ref=claim.id, known_id=claim.known_id, submission=claim.submission_id, overrides=claim.overrides
        ).person
        for claim, lead in zip(claims, leads, strict=True)
    ]
    return await way.connect(on_exchange=exchanges.append).upsert_people(people)
