"""Deals of people whom the CRM has merged stay with their leads."""

from sqlalchemy import literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core.sql import insert
from site2crm.deals.models import About
from site2crm.delivery.events import PeopleMoved


async def people_moved(session: AsyncSession, event: PeopleMoved) -> None:
    """A listener. What is about the old id is about the new one too: a merge need not change a deal, and what has not
    changed is not read again. The old one stays, for another lead may be known by it."""
    for old, new in event.ids.items():
        columns = ("subject_id", "person", "org_id", "connection_id", "place")
        theirs = (About.connection_id == event.connection_id, About.person == old, About.org_id == event.org_id)
        copied = select(About.subject_id, literal(new), About.org_id, About.connection_id, About.place).where(*theirs)
        await session.execute(insert(About).from_select(columns, copied).on_conflict_do_nothing())
