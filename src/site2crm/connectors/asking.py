"""Asking a CRM who we are there and what it has, without writing down what it says."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from site2crm.connectors import drift, opening, queries
from site2crm.connectors.contract import CrmError, FieldDef
from site2crm.connectors.drift import Drift
from site2crm.connectors.entering import kind_named
from site2crm.connectors.models import Connection
from site2crm.connectors.opening import Checked
from site2crm.core.machine import Machine

GIVE_RIGHTS = "Give the access this right in the CRM; a sign-in has to be made again then."


class Examined(Struct, frozen=True, kw_only=True):
    """What a test said. `found`: what does not fit between the mapping and what the CRM has now."""

    checked: Checked
    found: Sequence[Drift]


async def examine(machine: Machine, org_id: str, connection_id: str) -> Examined:
    """As `test`, but whatever the CRM says, nothing is written."""
    async with machine.session() as session:
        connection = await queries.get(session, org_id, connection_id)
    checked = await asked(machine, connection)
    return Examined(checked=checked, found=judged(connection, checked))


async def asked(machine: Machine, connection: Connection) -> Checked:
    """A refusal is an answer too."""
    try:
        return await opening.examine(
            opening.open_connector(machine, connection), opening.open_deals(machine, connection)
        )
    except CrmError as error:
        return opening.refused(error)


def judged(connection: Connection, checked: Checked) -> list[Drift]:
    """Its mapping, with what the CRM has just said that it has."""
    if not checked.ok:
        return []
    changed: dict[str, object] = {"fields": checked.fields}
    if checked.directory is not None:
        changed["directory"] = checked.directory
    before = msgspec.convert(connection.fields, list[FieldDef])
    return drift.kept(drift.found(connection, before=before, changed=changed), drift.stored(connection.drift))


def lacking(crm: str, checked: Checked) -> str:
    """Which rights for deals and owners are missing, in a sentence; empty if none is."""
    lacks = ", ".join(checked.account.lacks) if checked.account else ""
    return f"{crm} does not give the right {lacks}: leads arrive, deals and owners stay out." if lacks else ""


def strange(before: Connection, checked: Checked) -> str:
    """Why new access may not replace the old: the ids of contacts are the other account's, and hit strangers there."""
    was, now = before.account.get("id"), checked.account.id if checked.account else None
    if not was or not now or was == now or kind_named(before.kind).caps.custom_key:
        return ""
    return f"This belongs to account {now}, the connection to account {was}. Make a new connection for {now}."
