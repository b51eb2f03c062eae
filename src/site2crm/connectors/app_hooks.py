"""Webhooks of an app at a vendor: whose they are, and which connections they tell of.

The app has one address here, for every account that let it in: `/hooks/app/{kind}/{client id}`. It is no secret; the
proof is the app's own. The operator's app speaks for every connection of an account. An app that was entered with a
connection speaks for those only that were entered with its client id and that very secret: whoever makes up an app, or
says to have somebody else's, is heard for his own connections alone.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import load_only

from site2crm.connectors import apps, registry, sealing
from site2crm.connectors.contract import CrmError
from site2crm.connectors.hints import AppHooks, BadProof
from site2crm.connectors.kinds import APP_ID, APP_SECRET, Way
from site2crm.connectors.models import Connection
from site2crm.connectors.states import State
from site2crm.core.errors import NotFound
from site2crm.core.machine import Machine


class AppCall(NamedTuple):
    """A call as it came. `headers` have lower-case names."""

    kind: str
    client_id: str
    headers: Mapping[str, str]
    body: bytes


def address(machine: Machine, kind: str, client_id: str) -> str:
    """Where the vendor calls for this app."""
    return machine.url(f"/hooks/app/{kind}/{quote(client_id, safe='')}")


def client_id_of(machine: Machine, connection: Connection) -> str:
    """Of the app that let it in; empty where no app did."""
    if connection.way != Way.OAUTH:
        return ""
    shared = apps.operators(machine, connection.kind)
    return connection.settings.get(APP_ID, "") or (shared.client_id if shared else "")


async def told(session: AsyncSession, machine: Machine, call: AppCall) -> list[str]:
    """The ids of the active connections, of all organisations, where something changed.

    Raises NotFound for an app that nobody entered, BadProof, and ValueError for a body that is not the CRM's.
    """
    kind = registry.get(call.kind)
    if kind is None or kind.app_hooks is None or not call.client_id.isprintable():
        raise NotFound
    url = address(machine, call.kind, call.client_id)
    shared = apps.operators(machine, call.kind)
    refusals: list[BadProof] = []
    if shared is not None and shared.client_id == call.client_id:
        if (refusal := _refusal(kind.app_hooks, call, url, shared.client_secret)) is None:
            return await _of_accounts(session, call.kind, kind.app_hooks.accounts(call.body))
        refusals.append(refusal)
    proven: list[Connection] = []
    for secret, owners in (await _entered(session, machine, call)).items():
        if (refusal := _refusal(kind.app_hooks, call, url, secret)) is None:
            proven += owners
        else:
            refusals.append(refusal)
    if not proven:
        raise refusals[0] if refusals else NotFound
    accounts = kind.app_hooks.accounts(call.body)
    return [connection.id for connection in proven if connection.account.get("id") in accounts]


def _refusal(hooks: AppHooks, call: AppCall, url: str, secret: str) -> BadProof | None:
    try:
        hooks.check(call.headers, call.body, url=url, secret=secret)
    except BadProof as error:
        return error
    return None


async def _of_accounts(session: AsyncSession, kind: str, accounts: Collection[str]) -> list[str]:
    if not accounts:
        return []
    theirs = Connection.account["id"].as_string().in_(sorted(accounts))
    return list(await session.scalars(select(Connection.id).where(*_active(kind), theirs)))


async def _entered(session: AsyncSession, machine: Machine, call: AppCall) -> dict[str, list[Connection]]:
    """Secret -> the connections that were entered with it and this client id."""
    columns = (Connection.id, Connection.org_id, Connection.way, Connection.secrets, Connection.account)
    statement = select(Connection).options(load_only(*columns, raiseload=True))
    mine = Connection.settings[APP_ID].as_string() == call.client_id
    found: Sequence[Connection] = (await session.scalars(statement.where(*_active(call.kind), mine))).all()
    by_secret: dict[str, list[Connection]] = {}
    for connection in found:
        try:
            secret = sealing.secrets_of(machine.vault, connection).get(APP_SECRET, "")
        except CrmError:  # no key opens them any more: it waits for a person anyway
            continue
        by_secret.setdefault(secret, []).append(connection)
    return by_secret


def _active(kind: str) -> tuple[ColumnElement[bool], ...]:
    return Connection.kind == kind, Connection.state == State.ACTIVE
