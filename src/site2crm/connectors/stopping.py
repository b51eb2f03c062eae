"""A person stops a connection, at once or when what waits has been sent."""

from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import health
from site2crm.connectors.errors import NotSending
from site2crm.connectors.events import ConnectionDraining, ConnectionPaused
from site2crm.connectors.models import Connection
from site2crm.connectors.queries import get
from site2crm.connectors.states import SENDS, State
from site2crm.core.db import lock
from site2crm.core.events import emit


async def pause(session: AsyncSession, org_id: str, connection_id: str) -> Connection:
    """Nothing is sent until it is resumed; leads wait."""
    connection = await locked(session, org_id, connection_id)
    if connection.state != State.PAUSED:
        health.set_state(connection, State.PAUSED)
        await emit(session, ConnectionPaused(org_id=org_id, connection_id=connection_id))
    return connection


async def drain(session: AsyncSession, org_id: str, connection_id: str) -> Connection:
    """What waits now is sent, later leads wait; delivery pauses it when nothing is left. Raises NotSending."""
    connection = await locked(session, org_id, connection_id)
    if connection.state not in SENDS:
        raise NotSending(f"It is {connection.state}: nothing is sent there. Resume it to send what waits.")
    if connection.state == State.ACTIVE:
        health.set_state(connection, State.DRAINING)
        await emit(session, ConnectionDraining(org_id=org_id, connection_id=connection_id))
    return connection


async def locked(session: AsyncSession, org_id: str, connection_id: str) -> Connection:
    """As it is now, also where this session has read it before."""
    await lock(session)
    connection = await get(session, org_id, connection_id)
    await session.refresh(connection)
    return connection
