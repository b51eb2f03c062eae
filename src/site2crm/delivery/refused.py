"""The alarm for leads that a CRM has refused for good: one for a connection, until none of them is left."""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import queries as connections
from site2crm.core import alarms
from site2crm.delivery import queries
from site2crm.delivery.events import REFUSED
from site2crm.delivery.models import Delivery
from site2crm.delivery.states import State


async def ring(session: AsyncSession, org_id: str, connection_id: str) -> None:
    deals, seen = await queries.refused_deals(session, connection_id)
    if not seen:  # they were erased during their call
        return
    crm = (await connections.names(session, org_id))[connection_id]
    what = "Leads" if not deals else "Deals of leads" if deals == seen else "Leads, or their deals,"
    text = f"{what} were refused by {crm}, or tried in vain for days. They are kept: see why, and send them again."
    await alarms.ring(session, org_id, code=REFUSED, subject=connection_id, text=text)


async def mended(session: AsyncSession) -> list[tuple[str, str]]:
    """(org, connection) of the open alarms whose leads were sent again, left out or erased."""
    ringing = await alarms.open_of(session, REFUSED)
    if not ringing:
        return []
    left = select(Delivery.connection_id).where(
        Delivery.connection_id.in_([id for _, id in ringing]), Delivery.state == State.DEAD
    )
    still = set((await session.scalars(left.distinct())).all())
    return [(org_id, id) for org_id, id in ringing if id not in still]


async def clear(session: AsyncSession, those: Collection[tuple[str, str]]) -> None:
    for org_id, connection_id in those:
        await alarms.clear(session, org_id, code=REFUSED, subject=connection_id)
