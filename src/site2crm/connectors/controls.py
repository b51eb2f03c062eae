"""What the command line asks the running server about connections: it has the access, and keeps below the limits."""

from collections.abc import Mapping
from typing import Any

import msgspec

from site2crm.accounts import queries as accounts
from site2crm.connectors import mapping, queries, service
from site2crm.connectors.queries import ConnectionRef
from site2crm.core.errors import NotFound
from site2crm.core.machine import Machine

LIST, TEST, FIELDS = "crm.list", "crm.test", "crm.fields"


async def listed(machine: Machine, _arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Those of all orgs."""
    return {"connections": [_told(ref, slug) for ref, slug in await _all(machine)]}


async def tested(machine: Machine, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """As the button Test: success mends a parked connection, a dead token parks an active one."""
    ref, slug = await one(machine, str(arguments["connection"]))
    checked = await service.test(machine, ref.org_id, ref.id)
    account = msgspec.to_builtins(checked.account) if checked.account else None
    return {**_told(ref, slug), "ok": checked.ok, "error": checked.error, "account": account}


async def fields(machine: Machine, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The CRM's fields as it tells them now, and what fills each."""
    ref, slug = await one(machine, str(arguments["connection"]))
    examined = await service.examine(machine, ref.org_id, ref.id)
    async with machine.session() as session:
        connection = await queries.get(session, ref.org_id, ref.id)
    filled = {row.property: row.source for row in mapping.stored(connection.mapping)}
    found = [{**field, "filled_by": filled.get(str(field["key"]), "")} for field in examined.checked.fields]
    return {**_told(ref, slug), "error": examined.checked.error, "fields": found, "missing": examined.missing}


async def one(machine: Machine, named: str) -> tuple[ConnectionRef, str]:
    """By its id, or as ORG/NAME; the slug of its org too. Raises NotFound with what there is."""
    there = await _all(machine)
    wanted = named.casefold()
    found = [(ref, slug) for ref, slug in there if named == ref.id or wanted == f"{slug}/{ref.name}".casefold()]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotFound(f"Several are called {named}: use the id, {', '.join(ref.id for ref, _ in found)}.")
    known = ", ".join(f"{slug}/{ref.name}" for ref, slug in there[:20]) or "none yet"
    raise NotFound(f"There is no connection {named}. There are: {known}.")


async def _all(machine: Machine) -> list[tuple[ConnectionRef, str]]:
    async with machine.session() as session:
        found = await queries.everywhere(session)
        slugs = {org_id: (await accounts.org(session, org_id)).slug for org_id in {ref.org_id for ref in found}}
    return [(ref, slugs[ref.org_id]) for ref in found]


def _told(ref: ConnectionRef, slug: str) -> dict[str, Any]:
    return {"id": ref.id, "org": slug, "name": ref.name, "kind": ref.kind, "state": ref.state}


CONTROLS = {LIST: listed, TEST: tested, FIELDS: fields}
