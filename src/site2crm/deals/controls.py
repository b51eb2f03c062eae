"""`site2crm crm sync`: the running server reads a CRM's deals now."""

from collections.abc import Mapping
from typing import Any

from site2crm.connectors import queries as connections
from site2crm.core.machine import Machine
from site2crm.deals import service

SYNC = "crm.sync"


async def sync(machine: Machine, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Begins it; the page of deals tells how far it is. Raises NothingToRead, NotFound."""
    async with machine.session() as session:
        ref, slug = await connections.one_named(session, str(arguments["connection"]))
        await service.read_now(session, machine, org_id=ref.org_id, connection=ref.id)
    return {"id": ref.id, "org": slug, "name": ref.name, "url": machine.url(f"/o/{slug}/deals")}


CONTROLS = {SYNC: sync}
