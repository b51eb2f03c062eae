"""Deals that a CRM sends by itself are kept as those are that we read."""

from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import queries as connections
from site2crm.connectors.events import SalesPushed
from site2crm.deals import storing
from site2crm.deals.storing import Source
from site2crm.kit import money


async def store(session: AsyncSession, event: SalesPushed) -> None:
    """A listener: in the transaction that takes the message, so that it is kept once or not at all."""
    connection = await connections.get(session, event.org_id, event.connection_id)
    source = Source(event.org_id, event.connection_id, money.code(connection.account.get("currency")))
    if event.directory is not None:
        await storing.directory(session, source, event.directory)
    await storing.deals(session, source, event.deals)
    await storing.activities(session, source, event.activities)
