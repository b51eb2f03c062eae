"""What is said about a lead on behalf of one submission."""

from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts import queries as accounts
from site2crm.connectors.service import LeadValues
from site2crm.forms import service as forms
from site2crm.leads import queries as leads
from site2crm.leads.queries import LeadItem, SubmissionDetail

_FIRST, _LAST = "first.", "last."


async def lead_values(session: AsyncSession, org_id: str, lead_id: str, *, submission_id: str) -> LeadValues:
    """The person as known today, with what was said in this submission. Raises LeadNotFound, SubmissionNotFound."""
    return await Reading(session, org_id).lead_values(lead_id, submission_id=submission_id)


class Reading:
    """Several leads in one session: what their forms and their org say is read once."""

    def __init__(self, session: AsyncSession, org_id: str) -> None:
        self._session = session
        self._org_id = org_id
        self._forms: dict[str, _Form] = {}

    async def lead_values(self, lead_id: str, *, submission_id: str) -> LeadValues:
        """Raises LeadNotFound, SubmissionNotFound."""
        lead = await leads.lead(self._session, self._org_id, lead_id)
        submission = await leads.submission(self._session, self._org_id, submission_id)
        form = await self._form(submission.form)
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
            submitted_at=submission.received_at,
            country=form.country,
        )

    async def _form(self, form_id: str) -> "_Form":
        known = self._forms.get(form_id)
        if known is None:
            form = await forms.get(self._session, self._org_id, form_id)
            country = form.country or (await accounts.org(self._session, self._org_id)).country
            known = self._forms[form_id] = _Form(form.name, country)
        return known


class _Form(NamedTuple):
    name: str
    country: str
    """Where phone numbers without a country code are from."""


def _answers(
    lead: LeadItem, submission: SubmissionDetail
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
