"""When something was tried before: what of it the CRM carried out, nobody may have heard."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.delivery.models import Attempt, Delivery
from site2crm.delivery.states import DEAL


async def deal_of_submission(session: AsyncSession, delivery_id: str, *, but: str) -> datetime | None:
    """When its deal was first asked for, in another attempt than `but`; None: never."""
    earliest = select(func.min(Attempt.started_at)).where(Attempt.step == DEAL, Attempt.id != but)
    return await session.scalar(earliest.where(Attempt.delivery_id == delivery_id))


async def deal_of_lead(session: AsyncSession, lead_id: str, connection_id: str, *, but: str) -> datetime | None:
    """As `deal_of_submission`, of whichever submission of the lead."""
    theirs = select(Delivery.id).where(Delivery.lead_id == lead_id, Delivery.connection_id == connection_id)
    earliest = select(func.min(Attempt.started_at)).where(Attempt.step == DEAL, Attempt.id != but)
    return await session.scalar(earliest.where(Attempt.delivery_id.in_(theirs)))
