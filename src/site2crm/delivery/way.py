"""The connection as a turn of a drain found it: whether it may be sent to, and how."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import service as connections
from site2crm.connectors.contract import Connector
from site2crm.connectors.errors import ConnectionNotFound
from site2crm.connectors.sales import Sales
from site2crm.connectors.service import Translation
from site2crm.core.machine import Machine
from site2crm.delivery.outbox import SENDS


class Way(Struct, frozen=True, kw_only=True):
    """`translation` maps a lead, `connect` opens the connector; both as the connection was then."""

    state: str
    state_at: datetime
    paused_until: datetime | None
    """None: it is not."""
    batch: int
    """Leads that one call takes."""
    translation: Translation
    connect: Callable[..., Connector]
    connect_sales: Callable[..., Sales | None]

    @property
    def is_active(self) -> bool:
        return self.state in SENDS


async def find(session: AsyncSession, machine: Machine, org_id: str, *, connection_id: str) -> Way | None:
    """None: it was removed."""
    try:
        found = await connections.get(session, org_id, connection_id)
    except ConnectionNotFound:
        return None
    return Way(
        state=found.state,
        state_at=found.state_at,
        paused_until=connections.paused_until(found.paused_until),
        batch=connections.batch_of(found.kind),
        translation=Translation(found),
        connect=partial(connections.open_connector, machine, found),
        connect_sales=partial(connections.open_deals, machine, found),
    )
