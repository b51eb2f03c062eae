"""The lead that a preview shows, and what else forms ask."""

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts import queries as accounts
from site2crm.connectors.sending import sample
from site2crm.connectors.sources import LeadValues
from site2crm.forms import queries as form_queries
from site2crm.forms import service as forms
from site2crm.forms.errors import FormNotFound
from site2crm.forms.fields import Field, FieldType
from site2crm.leads import queries as leads

CUSTOM = (FieldType.TEXT, FieldType.CHOICE, FieldType.HIDDEN)
"""What is asked beside the usual."""
LOOKED_AT = 50
"""How many of the newest submissions tell what else is asked."""


async def standing_in(session: AsyncSession, org_id: str, *, lead_id: str | None = None) -> LeadValues:
    """The lead that is asked for, else the newest, else a made-up one. Raises LeadNotFound for an unknown id."""
    if lead_id is None:
        newest = (await leads.submissions(session, org_id, status="accepted", limit=1)).data
        lead_id = newest[0].lead if newest else None
    return await _made_up(session, org_id) if lead_id is None else await _known(session, org_id, lead_id)


async def custom_labels(session: AsyncSession, org_id: str) -> list[str]:
    """What the newest submissions were asked beside the usual: forms of a builder are not described here."""
    newest = (await leads.submissions(session, org_id, status="accepted", limit=LOOKED_AT)).data
    names = (name for submission in newest for name in submission.normalised.get("custom", {}))
    return list(dict.fromkeys(names))


async def _made_up(session: AsyncSession, org_id: str) -> LeadValues:
    """Somebody who has answered every question of the org's forms, so that each line of a mapping shows."""
    asked = msgspec.convert(await form_queries.fields(session, org_id), list[list[Field]])
    fields = [field for form in asked for field in form]
    return msgspec.structs.replace(
        sample(),
        custom={field.name: _answer(field) for field in fields if field.type in CUSTOM},
        consent={field.name: _answer(field) for field in fields if field.type is FieldType.CONSENT},
    )


def _answer(field: Field) -> str:
    return field.choices[0] if field.choices else field.text or "An answer"


async def _known(session: AsyncSession, org_id: str, lead_id: str) -> LeadValues:
    lead = await leads.lead(session, org_id, lead_id)
    form, country = await _form(session, org_id, lead.form)
    return LeadValues(
        lead_id=lead.id,
        email=lead.email,
        first_name=lead.first_name,
        last_name=lead.last_name,
        phone=lead.phone,
        company=lead.company,
        message=lead.message,
        custom=lead.custom,
        consent=lead.consent,
        first=lead.attribution.get("first", {}),
        last=lead.attribution.get("last", {}),
        form=form,
        form_id=lead.form,
        submitted_at=lead.last_at,
        country=country,
    )


async def _form(session: AsyncSession, org_id: str, form_id: str) -> tuple[str, str]:
    """Its name, and where phone numbers without a country code are from."""
    country = (await accounts.org(session, org_id)).country
    try:
        form = await forms.get(session, org_id, form_id)
    except FormNotFound:
        return "", country
    return form.name, form.country or country
