"""What goes wrong on the last afternoon of the demo, as it does everywhere, so that its cure can be seen."""

from collections.abc import Iterable

from site2crm.connectors import service as connections
from site2crm.core.machine import Machine
from site2crm.demo.nutshell import Nutshell
from site2crm.demo.pipedrive import Pipedrive
from site2crm.demo.server import Fault
from site2crm.demo.stage import Stage

NEW_TOKEN = "pd-a-new-one-0123456789abcdef0123456789ab"
CURE = f"Bloom Dental's token was revoked at Pipedrive; mend it under CRMs with this one:  {NEW_TOKEN}"
_GONE = "Lead source detail"


def happen(stage: Stage) -> None:
    """In the loop of the servers: a token is revoked, a mapped field deleted, and one server is down for a minute."""
    pipedrive, nutshell = stage.servers["pipedrive"], stage.servers["nutshell"]
    assert isinstance(pipedrive, Pipedrive)
    assert isinstance(nutshell, Nutshell)
    [user] = set(pipedrive.tokens.values())
    pipedrive.tokens = {NEW_TOKEN: user}
    del nutshell.fields.custom["contacts"][_GONE]
    stage.servers["zoho"].faults.append(Fault("status", status=503, count=1))


async def notice(machine: Machine, made: Iterable[tuple[str, str]]) -> None:
    """As every night: has each CRM (org, connection) still what is mapped?"""
    for org_id, connection_id in made:
        await connections.look(machine, org_id, connection_id)
