"""What the command line asks the running server about connections: it has the access, and keeps below the limits."""

from collections.abc import Mapping
from typing import Any

import msgspec

from site2crm.connectors import mapping, queries, service
from site2crm.connectors.asking import Examined
from site2crm.connectors.queries import ConnectionRef
from site2crm.core.machine import Machine

LIST, TEST, FIELDS = "crm.list", "crm.test", "crm.fields"


async def listed(machine: Machine, _arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Those of all orgs."""
    async with machine.session() as session:
        return {"connections": [_told(ref, slug) for ref, slug in await queries.with_slugs(session)]}


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
    return {**_told(ref, slug), "error": examined.checked.error, "fields": found, "drift": _drift(examined)}


async def one(machine: Machine, named: str) -> tuple[ConnectionRef, str]:
    """As `queries.one_named`."""
    async with machine.session() as session:
        return await queries.one_named(session, named)


def _drift(examined: Examined) -> list[dict[str, str]]:
    return [{"name": each.name, "text": each.text, "cure": each.cure} for each in examined.found]


def _told(ref: ConnectionRef, slug: str) -> dict[str, Any]:
    return {"id": ref.id, "org": slug, "name": ref.name, "kind": ref.kind, "state": ref.state}


CONTROLS = {LIST: listed, TEST: tested, FIELDS: fields}
