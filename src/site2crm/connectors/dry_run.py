"""What leads that came would make of the mapping now: every request and every problem, and nothing is sent."""

from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import examples, sending
from site2crm.connectors.models import Connection
from site2crm.connectors.sending import Preview
from site2crm.connectors.sources import LeadValues
from site2crm.core.machine import Machine
from site2crm.leads import queries as leads

LAST = 10
MOST = 50


class Rehearsed(Struct, frozen=True):
    lead: LeadValues
    shown: Preview


async def run(
    session: AsyncSession, machine: Machine, connection: Connection, *, last: int = LAST, lead_id: str | None = None
) -> list[Rehearsed]:
    """Of one lead, else of the newest of the forms that the connection gets. Raises LeadNotFound."""
    wanted = [lead_id] if lead_id else await _newest(session, connection, last)
    found = [await examples.standing_in(session, connection.org_id, lead_id=each) for each in wanted]
    return [Rehearsed(lead, sending.preview(machine, connection, lead)) for lead in found]


async def _newest(session: AsyncSession, connection: Connection, last: int) -> Sequence[str]:
    found: dict[str, None] = {}
    for form in connection.form_ids or [""]:
        page = await leads.submissions(session, connection.org_id, form=form, status="accepted", limit=min(last, MOST))
        found |= dict.fromkeys(item.lead for item in page.data if item.lead)
    return list(found)[: min(last, MOST)]
