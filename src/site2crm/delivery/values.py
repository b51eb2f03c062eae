"""What is said about a lead on behalf of one submission."""

from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts import queries as accounts
from site2crm.connectors.service import LeadValues
from site2crm.forms import service as forms
from site2crm.leads import queries as leads
from site2crm.leads.queries import LeadItem, SubmissionDetail

_FIRST, _LAST = "first.", "last."


async def lead_values(session: AsyncSession, org_id: str, lead_id: str, *, submission_id: str) -> LeadValues:
    """The person as known today, with what was said in this submission. Raises LeadNotFound, SubmissionNotFound."""
    lead = await leads.lead(session, org_id, lead_id)
    submission = await leads.submission(session, org_id, submission_id)
    form = await forms.get(session, org_id, submission.form)
    country = form.country or (await accounts.org(session, org_id)).country
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
        country=country,
    )


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
