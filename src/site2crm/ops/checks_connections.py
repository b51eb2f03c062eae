"""Check of the connections: each CRM is asked what the button Test asks. Nothing is written, no lead is sent.

The running server does it: it has the access, and it keeps below the limits of the CRMs while leads go out.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from site2crm.accounts import queries as accounts
from site2crm.connectors import queries
from site2crm.connectors import service as connectors
from site2crm.connectors.queries import ConnectionRef
from site2crm.core import control
from site2crm.core.config import Settings
from site2crm.core.machine import Machine
from site2crm.ops.findings import Finding, failed, ok, warning

VERB = "connections.examine"
CHECK = "connection"
AT_ONCE = 8
LONGEST_S = 1800.0


def asked(settings: Settings, *, runs: bool) -> list[Finding]:
    """Through the server of this data folder."""
    if not runs:
        return [ok(CHECK, "the CRMs are asked while the server runs")]
    try:
        answer = control.ask(settings.data.dir, VERB, timeout_s=LONGEST_S)
    except (control.NotAnswering, control.Refused) as error:
        return [failed(CHECK, str(error), "restart the server with this version, and ask again")]
    return msgspec.convert(answer["checks"], list[Finding]) or [ok(CHECK, "no CRM is connected yet")]


async def examine(machine: Machine, _arguments: Mapping[str, Any]) -> dict[str, Any]:
    """In the server: one finding for each connection of every organisation."""
    async with machine.session() as session:
        found = await queries.everywhere(session)
        slugs = {org_id: (await accounts.org(session, org_id)).slug for org_id in {ref.org_id for ref in found}}
    few = asyncio.Semaphore(AT_ONCE)

    async def one(ref: ConnectionRef) -> Finding:
        async with few:
            return await _finding(machine, ref, slugs[ref.org_id])

    return {"checks": msgspec.to_builtins(await asyncio.gather(*map(one, found)))}


async def _finding(machine: Machine, ref: ConnectionRef, slug: str) -> Finding:
    named = f"{slug}: {queries.label(ref.kind)} “{ref.name}”"
    page = machine.url(f"/o/{slug}/crms/{ref.id}")
    examined = await connectors.examine(machine, ref.org_id, ref.id)
    checked = examined.checked
    if checked.needs_a_person:
        return failed(CHECK, f"{named}: {checked.error}", f"{page} says what to do; leads wait there meanwhile")
    if not checked.ok:
        return warning(CHECK, f"{named}: {checked.error}", "ask again; deliveries are retried for 76 hours")
    if examined.missing:
        says = f"{named} does not take {', '.join(examined.missing)}: leads arrive without"
        return warning(CHECK, says, f"map them to other properties at {page}/mapping, or make them in the CRM")
    return ok(CHECK, f"{named} answers" + (f" as {checked.account.name}" if checked.account else ""))
