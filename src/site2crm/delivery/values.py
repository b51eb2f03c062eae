"""What is said about a lead on behalf of one submission."""

import asyncio
from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts import queries as accounts
from site2crm.connectors.service import LeadValues
from site2crm.core.machine import Machine
from site2crm.forms import queries as forms
from site2crm.leads import queries as leads
from site2crm.leads.errors import LeadNotFound, SubmissionNotFound
from site2crm.leads.queries import LeadItem, SubmissionItem

FRESH_S = 1.0
"""What a person corrects or erases is heeded by calls that begin later than this."""
_FIRST, _LAST = "first.", "last."


class Said(NamedTuple):
    """Which lead, and which of its submissions."""

    lead_id: str
    submission_id: str


async def lead_values(session: AsyncSession, org_id: str, lead_id: str, *, submission_id: str) -> LeadValues:
    """The person as known today, with what was said in this submission. Raises LeadNotFound, SubmissionNotFound."""
    wanted = Said(lead_id, submission_id)
    return (await read(session, org_id, [wanted])).lead_values(wanted)


async def read(session: AsyncSession, org_id: str, wanted: Collection[Said]) -> "Reading":
    """Everything that is needed of many leads, in four queries."""
    submissions = await leads.submissions_by_id(session, org_id, {said.submission_id for said in wanted})
    people = await leads.leads_by_id(session, org_id, {said.lead_id for said in wanted})
    asked = await forms.origins(session, org_id, {submission.form for submission in submissions.values()})
    fallback = "" if all(form.country for form in asked.values()) else (await accounts.org(session, org_id)).country
    return Reading(people, submissions, asked, fallback)


class Reading(NamedTuple):
    leads: dict[str, LeadItem]
    submissions: dict[str, SubmissionItem]
    forms: dict[str, forms.Origin]
    country: str
    """The org's, for forms without one: where phone numbers without a country code are from."""

    def lead_values(self, said: Said) -> LeadValues:
        """Raises LeadNotFound, SubmissionNotFound: erased, or not among what was read."""
        lead, submission = self.leads.get(said.lead_id), self.submissions.get(said.submission_id)
        if lead is None:
            raise LeadNotFound
        if submission is None:
            raise SubmissionNotFound
        form = self.forms[submission.form]
        message, custom, consent, last = _answers(lead, submission)
        return LeadValues(
            lead_id=lead.id,
            email=lead.email,
            first_name=lead.first_name,
            last_name=lead.last_name,
            phone=lead.phone,
            company=lead.company,
            message=message,
            custom=custom,
            consent=consent,
            first=lead.attribution.get("first", {}),
            last=last,
            form=form.name,
            form_id=submission.form,
            submitted_at=submission.received_at,
            country=form.country or self.country,
        )


class ReadAhead:
    """Leads of calls that begin shortly after one another are read together, and again when a moment has passed."""

    def __init__(self, machine: Machine, org_id: str) -> None:
        self._machine = machine
        self._org_id = org_id
        self._reading = Reading({}, {}, {}, "")
        self._read_at = 0.0
        self._turn = asyncio.Lock()

    async def lead_values(self, now: Sequence[Said], *, soon: Sequence[Said]) -> list[LeadValues]:
        """Of `now`; `soon` are read along. Raises LeadNotFound, SubmissionNotFound for one that was erased."""
        async with self._turn:
            if not self._has(now):
                async with self._machine.session() as session:
                    self._read_at = asyncio.get_running_loop().time()
                    self._reading = await read(session, self._org_id, [*now, *soon])
            reading = self._reading
        return [reading.lead_values(said) for said in now]

    def _has(self, wanted: Sequence[Said]) -> bool:
        if asyncio.get_running_loop().time() - self._read_at > FRESH_S:
            return False
        return all(said.submission_id in self._reading.submissions for said in wanted)


def _answers(
    lead: LeadItem, submission: SubmissionItem
) -> tuple[str | None, dict[str, str], dict[str, str], dict[str, str]]:
    """Message, answers, consents and last touch: the lead's own if this submission is its newest (a person may have
    corrected them), else as they were said then."""
    last = lead.attribution.get("last", {})
    if submission.received_at >= lead.last_at:
        return lead.message, lead.custom, lead.consent, last
    said = submission.normalised
    touches: dict[str, str] = said.get("attribution", {})
    then = {key.removeprefix(_LAST): value for key, value in touches.items() if not key.startswith(_FIRST)}
    return (
        said.get("message") or lead.message,
        {**lead.custom, **said.get("custom", {})},
        {**lead.consent, **said.get("consent", {})},
        then or last,
    )
