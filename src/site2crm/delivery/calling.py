"""One try: read the leads, map them, call the CRM, and bring back what happened. No transaction is open meanwhile.

As many leads at once as the CRM takes in one call; mostly that is one. A deal is a try of its own, after the one that
brought the person there and is written down: whatever becomes of it, the person is not sent again for it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from msgspec import Struct

from site2crm.connectors import service as connections
from site2crm.connectors.contract import CrmError, ErrorClass, Exchange, Warned, Written
from site2crm.connectors.service import Translation
from site2crm.core import log, tracing
from site2crm.core.errors import NotFound
from site2crm.core.machine import Machine
from site2crm.delivery import tries
from site2crm.delivery.states import DEAL, PERSON
from site2crm.delivery.values import ReadAhead, Said
from site2crm.delivery.way import Way
from site2crm.kit import clock

CALLS_AT_MOST = 6
"""Requests that one lead may need; together they may take as many times the longest wait for an answer."""

_log = log.get("delivery")


class Claim(Struct, frozen=True, kw_only=True):
    """A delivery that is ours to send, its intent on disk."""

    id: str
    number: int
    """The how many-th try of its delivery: somebody else's claim of it, when ours has lapsed, has another one."""
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
    step: str = PERSON
    """person | deal"""
    turn: str = ""
    """The owner whose turn it is, where leads are dealt out in turn."""
    person_at: datetime | None = None
    person_id: str | None = None
    """Of the person whose deal is to be made."""
    deal_id: str | None = None
    """Of the deal that was made for this submission."""
    lead_deal_id: str | None = None
    """Of one that was made for the lead."""
    warnings: list[dict[str, Any]] = []
    """What the person was taken without."""

    @property
    def said(self) -> Said:
        return Said(self.lead_id, self.submission_id)


class Result(Struct, frozen=True, kw_only=True):
    """What became of a claim: `error`, or `written` without one."""

    claim: Claim
    started_at: datetime
    finished_at: datetime
    written: Written
    exchanges: list[Exchange]

    @property
    def is_of_deal(self) -> bool:
        return self.claim.step == DEAL

    @property
    def error(self) -> CrmError | None:
        return self.written.error


class Caller:
    """Makes the calls of one drain."""

    def __init__(self, machine: Machine, org_id: str) -> None:
        self._machine = machine
        self._leads = ReadAhead(machine, org_id)

    async def call(self, way: Way, claims: Sequence[Claim], *, soon: Sequence[Claim] = ()) -> list[Result]:
        """Never raises: whatever goes wrong is an outcome, so that no lead is lost to a bug.

        `soon`: who is next; their leads are read along.
        """
        with tracing.span("delivery.attempt", origin=claims[0].submission_id) as told:
            results = await self._called(way, claims, soon)
            told |= {"delivery": claims[0].id, "connection": claims[0].connection_id, "leads": len(claims)}
            told["outcome"] = (results[0].error.code or "failed") if results[0].error else "written"
        return results

    async def _called(self, way: Way, claims: Sequence[Claim], soon: Sequence[Claim]) -> list[Result]:
        started_at, exchanges = clock.now(), list[Exchange]()
        try:
            async with asyncio.timeout(longest_s(self._machine)):
                written = await self._send(way, claims, soon, exchanges)
        except CrmError as error:
            written = _all_failed(claims, error)
        except TimeoutError:
            text = f"No end after {longest_s(self._machine):g} seconds."
            written = _all_failed(claims, CrmError(ErrorClass.RETRY, text, code="timeout"))
        except Exception as error:  # noqa: BLE001 - a bug in a connector is a passing fault: logged, and tried again
            if len(claims) > 1:  # one of them may be the reason: each alone, harmless where some arrived already
                return [result for claim in claims for result in await self.call(way, [claim])]
            written = _all_failed(claims, _unexpected(claims[0], error))
        return _results(claims, written, exchanges, started_at=started_at)

    async def _send(
        self, way: Way, claims: Sequence[Claim], soon: Sequence[Claim], exchanges: list[Exchange]
    ) -> Sequence[Written]:
        if claims[0].step == DEAL:
            return [await self._add_deal(way, claim, exchanges) for claim in claims]
        now, next = [claim.said for claim in claims], [claim.said for claim in soon]
        leads = await self._leads.lead_values(now, soon=next)
        prepared = [
            way.translation.prepare(
                lead,
                ref=claim.id,
                known_id=claim.known_id,
                submission=claim.submission_id,
                overrides=claim.overrides,
                turn=claim.turn,
            )
            for claim, lead in zip(claims, leads, strict=True)
        ]
        connector = way.connect(on_exchange=exchanges.append)
        written = await connections.upsert(connector, [each.person for each in prepared])
        return [_warned(one, each.instead) for one, each in zip(written, prepared, strict=True)]

    async def _add_deal(self, way: Way, claim: Claim, exchanges: list[Exchange]) -> Written:
        """Nothing is asked for where there is a deal already, or none is wanted any more."""
        sales = way.connect_sales(on_exchange=exchanges.append)
        if sales is None or claim.person_id is None or not wants_deal(way.translation, claim):
            return Written(claim.id, id=claim.deal_id)
        [lead] = await self._leads.lead_values([claim.said], soon=[])
        ref = claim.lead_id if way.translation.is_deal_per_lead else claim.id
        planned = way.translation.deal(lead, ref=ref, turn=claim.turn)
        deal = replace(planned.deal, tried_at=await self._tried_at(way, claim))
        written = await connections.add_deal(sales, deal, claim.person_id)
        left_out = [Warned(problem.property, problem.text) for problem in planned.problems]
        return replace(written, ref=claim.id, warnings=[*left_out, *written.warnings])

    async def _tried_at(self, way: Way, claim: Claim) -> datetime | None:
        async with self._machine.session() as session:
            if way.translation.is_deal_per_lead:
                return await tries.deal_of_lead(session, claim.lead_id, claim.connection_id, but=claim.attempt_id)
            return await tries.deal_of_submission(session, claim.id, but=claim.attempt_id)


def wants_deal(translation: Translation, claim: Claim) -> bool:
    """One for each submission, or one for a lead however often they come."""
    made = claim.deal_id or (claim.lead_deal_id if translation.is_deal_per_lead else None)
    return translation.has_deals and made is None


def longest_s(machine: Machine) -> float:
    return CALLS_AT_MOST * machine.settings.outbound.timeout


def _warned(written: Written, text: str) -> Written:
    return replace(written, warnings=[Warned("", text), *written.warnings]) if text else written


def _all_failed(claims: Sequence[Claim], error: CrmError) -> list[Written]:
    return [Written(claim.id, error=error) for claim in claims]


def _unexpected(claim: Claim, error: Exception) -> CrmError:
    if isinstance(error, NotFound):  # and its deliveries with it: there is nothing left to try again
        return CrmError(ErrorClass.PERMANENT, "This lead was erased.", code="erased")
    _log.exception("delivery.unexpected", delivery=claim.id, connection=claim.connection_id)
    text = f"An error on our side: {type(error).__name__}. It is in the log."
    return CrmError(ErrorClass.RETRY, text, code=type(error).__name__)


def _results(
    claims: Sequence[Claim], written: Sequence[Written], exchanges: Sequence[Exchange], *, started_at: datetime
) -> list[Result]:
    finished_at = clock.now()
    return [
        Result(
            claim=claim,
            started_at=started_at,
            finished_at=finished_at,
            written=one,
            exchanges=[exchange for exchange in exchanges if len(claims) == 1 or exchange.ref in ("", claim.id)],
        )
        for claim, one in zip(claims, written, strict=True)
    ]
