"""Asking a CRM who we are there and what it has, without writing down what it says."""

from msgspec import Struct

from site2crm.connectors import mapping, opening, queries
from site2crm.connectors.contract import CrmError
from site2crm.connectors.entering import kind_named
from site2crm.connectors.models import Connection
from site2crm.connectors.opening import Checked
from site2crm.core.machine import Machine


class Examined(Struct, frozen=True, kw_only=True):
    """What a test said. `missing`: mapped properties that the CRM does not have, or does not let us write."""

    checked: Checked
    missing: list[str]


async def examine(machine: Machine, org_id: str, connection_id: str) -> Examined:
    """As `test`, but whatever the CRM says, nothing is written."""
    async with machine.session() as session:
        connection = await queries.get(session, org_id, connection_id)
    checked = await asked(machine, connection)
    return Examined(checked=checked, missing=_missing(connection, checked))


async def asked(machine: Machine, connection: Connection) -> Checked:
    """A refusal is an answer too."""
    try:
        return await opening.examine(
            opening.open_connector(machine, connection), opening.open_deals(machine, connection)
        )
    except CrmError as error:
        return opening.refused(error)


def _missing(connection: Connection, checked: Checked) -> list[str]:
    if not checked.ok or kind_named(connection.kind).caps.custom_key:
        return []
    known = {str(field["key"]) for field in checked.fields if field.get("writable", True)}
    return [row.property for row in mapping.stored(connection.mapping) if row.property not in known]
