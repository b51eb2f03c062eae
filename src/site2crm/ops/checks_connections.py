"""Check of the connections: each CRM is asked what the button Test asks. Nothing is written, no lead is sent.

The running server does it: it has the access, and it keeps below the limits of the CRMs while leads go out; without a
server, what the file alone tells is asked. What the configuration file declares is put to the CRM as the file has it
now, applied or not, and told with file and line.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import queries
from site2crm.connectors import service as connectors
from site2crm.connectors.contract import Account
from site2crm.connectors.queries import ConnectionRef
from site2crm.connectors.service import Answered, Written
from site2crm.core import control
from site2crm.core.config import Settings
from site2crm.core.declared.reading import Declaration
from site2crm.core.errors import Invalid
from site2crm.core.machine import Machine
from site2crm.ops import declared
from site2crm.ops.findings import Finding, failed, ok, warning

VERB = "connections.examine"
CHECK = "connection"
AT_ONCE = 8
LONGEST_S = 1800.0
MEND = "mend the line"


async def alone(settings: Settings) -> list[Finding]:
    """Without a server: what the file says by itself, such as before it is taken to the machine where it will serve."""
    declaration = await asyncio.to_thread(declared.read, settings)
    entries = [entry for entry in declaration.entries if entry.table in connectors.DECLARED_TABLES]
    desk = connectors.Alone(settings)
    try:
        asked = [await connectors.answered_alone(desk, entry) for entry in entries]
    finally:
        await desk.outbound.aclose()
    findings = [ok(CHECK, "connections with a sign-in, and those of the browser, are asked while the server runs")]
    for each in filter(None, asked):
        findings += _told(*each)
    return findings


def asked(settings: Settings) -> list[Finding]:
    """Through the server of this data folder."""
    file = {"file": str(settings.file.absolute())} if settings.file is not None else {}
    try:
        answer = control.ask(settings.data.dir, VERB, timeout_s=LONGEST_S, **file)
    except (control.NotAnswering, control.Refused) as error:
        return [failed(CHECK, str(error), "restart the server with this version, and ask again")]
    return msgspec.convert(answer["checks"], list[Finding]) or [ok(CHECK, "no CRM is connected yet")]


async def examine(machine: Machine, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """In the server: of every entry of the file, and of every other connection of every organisation."""
    file = Path(arguments["file"]) if arguments.get("file") else None
    declaration = await asyncio.to_thread(declared.read, machine.settings, file=file)
    findings = [failed(CHECK, f"the server reads {problem}", MEND) for problem in declaration.problems]
    async with machine.session() as session:
        written, unfit = await _written(session, machine, declaration)
        mine = {each.connection.id for each in written}
        others = [(ref, slug) for ref, slug in await queries.with_slugs(session) if ref.id not in mine]
    few = asyncio.Semaphore(AT_ONCE)

    async def one(work: Awaitable[list[Finding]]) -> list[Finding]:
        async with few:
            return await work

    asked = [*(_declared(machine, each) for each in written), *(_made(machine, *each) for each in others)]
    for found in await asyncio.gather(*map(one, asked)):
        findings += found
    return {"checks": msgspec.to_builtins([*findings, *unfit])}


async def _written(
    session: AsyncSession, machine: Machine, declaration: Declaration
) -> tuple[list[Written], list[Finding]]:
    """The connections as the file has them, and what of it does not fit the records. Nothing, if it cannot be read."""
    planner = await declared.planner(session, machine.vault)
    found: list[Written] = []
    unfit: list[Finding] = []
    for entry in [] if declaration.problems else declaration.entries:
        try:
            row = await planner.row(entry)  # of an org too: what is below it is found by way of it
            if entry.table in connectors.DECLARED_TABLES:
                found.append(await connectors.written(planner.work(entry.path), entry, row=row))
        except Invalid as invalid:
            unfit += [failed(CHECK, str(entry.problem(fault)), MEND) for fault in invalid.errors]
    return found, unfit


async def _declared(machine: Machine, one: Written) -> list[Finding]:
    return _told(one, await connectors.answered(machine, one))


def _told(one: Written, answered: Answered) -> list[Finding]:
    if not answered.said:
        return [_answers(f"{one.entry.source}: {one.entry.path}", answered.checked.account)]
    return [(failed if each.refused else warning)(CHECK, str(each.problem), each.cure) for each in answered.said]


async def _made(machine: Machine, ref: ConnectionRef, slug: str) -> list[Finding]:
    """Of a connection that was made in the browser or through the API."""
    named = f"{slug}: {queries.label(ref.kind)} “{ref.name}”"
    page = machine.url(f"/o/{slug}/crms/{ref.id}")
    examined = await connectors.examine(machine, ref.org_id, ref.id)
    checked = examined.checked
    if checked.needs_a_person:
        return [failed(CHECK, f"{named}: {checked.error}", f"{page} says what to do; leads wait there meanwhile")]
    if not checked.ok:
        return [warning(CHECK, f"{named}: {checked.error}", "ask again; deliveries are retried for 76 hours")]
    found: Sequence[Finding] = [
        (failed if each.refused else warning)(CHECK, f"{named}: {each.text}", f"{each.cure} {page}/mapping")
        for each in examined.found
    ]
    if text := connectors.lacking(queries.label(ref.kind), checked):
        found = [warning(CHECK, f"{named}: {text}", f"{connectors.GIVE_RIGHTS} {page}"), *found]
    return list(found) or [_answers(named, checked.account)]


def _answers(named: str, account: Account | None) -> Finding:
    return ok(CHECK, f"{named} answers" + (f" as {account.name}" if account else ""))
