"""`DELETE /oauth/callback`: a CRM says that somebody took our access back there, so nothing more is tried with it.

Without this the next call would find it out. Believed only with the secret of the app that the connection signed in to.
"""

import hmac

from litestar import delete
from litestar.di import NamedDependency
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import load_only

from site2crm.connectors import apps, health, sealing
from site2crm.connectors.contract import CrmError
from site2crm.connectors.grants import App, Withdrawal
from site2crm.connectors.kinds import APP_ID, APP_SECRET, ConnectorKind, Way
from site2crm.connectors.models import Connection
from site2crm.connectors.registry import KINDS
from site2crm.connectors.signing_in import PATH
from site2crm.connectors.states import State
from site2crm.core import log
from site2crm.core.access import public
from site2crm.core.errors import Forbidden
from site2crm.core.machine import Machine
from site2crm.core.web import AnyRequest

MOST_BYTES = 10_000

_log = log.get("connectors")


@delete(PATH, opt=public(), status_code=204, request_max_body_size=MOST_BYTES)
async def take_withdrawal(
    request: AnyRequest, session: NamedDependency[AsyncSession], machine: NamedDependency[Machine]
) -> None:
    """403 for whatever does not prove that it comes from the CRM, whether or not there is such a connection."""
    headers, body = {name.lower(): value for name, value in request.headers.items()}, await request.body()
    for kind in KINDS.values():
        told = kind.reads_withdrawal(headers, body) if kind.reads_withdrawal else None
        if told is not None and (theirs := await _theirs(session, machine, kind, told)):
            for id in theirs:
                await health.park(session, id, told.text, began=told.at)
            _log.info("connection.withdrawn", kind=kind.name, connections=theirs)
            return
    raise Forbidden("This does not prove that it comes from the CRM.")


async def _theirs(session: AsyncSession, machine: Machine, kind: ConnectorKind, told: Withdrawal) -> list[str]:
    """The connections, of whichever org, that signed in to this account through this app."""
    columns = (Connection.id, Connection.org_id, Connection.way, Connection.settings, Connection.secrets)
    alive = select(Connection).where(
        Connection.kind == kind.name,
        Connection.way == Way.OAUTH,
        Connection.state != State.REMOVED,
        Connection.account["id"].as_string() == told.account,
    )
    # Anybody may call this: no more is read for it than it takes to refuse it.
    of_account = await session.scalars(alive.options(load_only(*columns, raiseload=True)))
    shared = apps.operators(machine, kind.name)
    return [row.id for row in of_account if _is_same(_app_of(machine, row, shared, told.app.client_id), told.app)]


def _app_of(machine: Machine, connection: Connection, shared: App | None, client_id: str) -> App | None:
    """Its own or the operator's, if it has this id; else no secret is opened for a stranger's sake."""
    own = connection.settings.get(APP_ID, "")
    if not own:
        return shared if shared and shared.client_id == client_id else None
    if own != client_id:
        return None
    try:
        return App(own, sealing.secrets_of(machine.vault, connection).get(APP_SECRET, ""))
    except CrmError:
        return None


def _is_same(known: App | None, given: App) -> bool:
    if known is None or not known.client_secret:
        return False
    return hmac.compare_digest(known.client_secret.encode(), given.client_secret.encode())
