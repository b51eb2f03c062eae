"""`site2crm crm sync|list`: the running server reads a CRM's deals now, and tells how far it is."""

from collections.abc import Mapping
from typing import Any

import msgspec

from site2crm.connectors import queries as connections
from site2crm.core.machine import Machine
from site2crm.deals import service

SYNC, READINGS = "crm.sync", "crm.readings"


async def sync(machine: Machine, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Begins it; the page of deals and `readings` tell how far it is. Raises NothingToRead, NotFound."""
    async with machine.session() as session:
        ref, slug = await connections.one_named(session, str(arguments["connection"]))
        await service.read_now(session, machine, org_id=ref.org_id, connection=ref.id)
    return {"id": ref.id, "org": slug, "name": ref.name, "url": machine.url(f"/o/{slug}/deals")}


async def readings(machine: Machine, _arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Of the connections of all orgs whose deals are read, by their ids; `far` is the progress in words."""
    async with machine.session() as session:
        found = await service.readings(session, machine, await connections.everywhere(session))
    told = {id: {**msgspec.to_builtins(one), "far": service.far(one)} for id, one in found.items()}
    return {"readings": told}


CONTROLS = {SYNC: sync, READINGS: readings}
