"""`/api/v1/connections/{id}/health`: the dashboard's line of one connection."""

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core.access import Who, needs
from site2crm.core.machine import Machine
from site2crm.ops import crms
from site2crm.ops.crms import ConnectionHealth


@get("/{connection_id:str}/health", opt=needs("connections:read"))
async def connection_health(
    connection_id: FromPath[str],
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> ConnectionHealth:
    """How a connection is now: what arrived, what waits and since when, what fails, and what is left of the limit."""
    assert who.org is not None
    return await crms.look_at(machine, session, who.org, connection_id)


router = Router(path="/api/v1/connections", route_handlers=[connection_health], tags=["Connections"])
