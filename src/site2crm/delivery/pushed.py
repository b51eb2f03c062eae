"""A custom CRM tells which of its persons our leads are: the next delivery updates them, and their deals find us."""

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors.events import SalesPushed
from site2crm.core.sql import insert
from site2crm.delivery.models import RemoteRecord
from site2crm.delivery.states import PERSON
from site2crm.kit import clock, ids
from site2crm.leads import queries as leads


async def link(session: AsyncSession, event: SalesPushed) -> None:
    """A listener. Persons whom we do not know are passed over; one who was deleted there is forgotten here."""
    gone = [person.id for person in event.people if person.deleted]
    if gone:
        await session.execute(
            delete(RemoteRecord).where(
                RemoteRecord.org_id == event.org_id,
                RemoteRecord.connection_id == event.connection_id,
                RemoteRecord.kind == PERSON,
                RemoteRecord.remote_id.in_(gone),
            )
        )
    rows = [
        {
            "id": ids.new("rmt"),
            "org_id": event.org_id,
            "lead_id": lead_id,
            "connection_id": event.connection_id,
            "kind": PERSON,
            "remote_id": remote_id,
            "url": url,
            "created_at": clock.now(),
        }
        for lead_id, (remote_id, url) in (await _known(session, event)).items()
    ]
    if rows:
        added = insert(RemoteRecord).values(rows)
        told = {"remote_id": added.excluded.remote_id, "url": added.excluded.url}
        key = ["lead_id", "connection_id", "kind"]
        await session.execute(added.on_conflict_do_update(index_elements=key, set_=told))


async def _known(session: AsyncSession, event: SalesPushed) -> dict[str, tuple[str, str | None]]:
    """Lead id -> the CRM's id and address of it. Our own id says more than an e-mail; the last word counts."""
    alive = [person for person in event.people if not person.deleted]
    ours = await leads.leads_by_id(session, event.org_id, {person.lead for person in alive if person.lead})
    emails = {person.email for person in alive if person.email and person.lead not in ours}
    by_email = await leads.by_email(session, event.org_id, emails)
    found = ((person.lead if person.lead in ours else by_email.get(person.email), person) for person in alive)
    return {lead: (person.id, person.url) for lead, person in found if lead}
