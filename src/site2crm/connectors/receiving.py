"""`POST /hooks/{connection}/records`: a custom CRM sends contacts, deals and activities, signed with our common secret.

Carried out once for each id of a message: the id is claimed in the transaction that emits the records, and kept longer
than a signature is good for. A paused or parked connection takes them too: only what we send is stopped then.
"""

import hashlib

from litestar import Router, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import opening, registry
from site2crm.connectors.contract import CrmError
from site2crm.connectors.errors import BadSignature, ConnectionNotFound
from site2crm.connectors.events import SalesPushed
from site2crm.connectors.hints import BadProof
from site2crm.connectors.models import Connection
from site2crm.connectors.pushing import Push, Pushed
from site2crm.connectors.states import State
from site2crm.core import log
from site2crm.core.access import public
from site2crm.core.errors import Conflict, Unavailable
from site2crm.core.events import emit
from site2crm.core.machine import Machine
from site2crm.core.sql import insert_new
from site2crm.core.tables import IdempotentAnswer
from site2crm.core.web import AnyRequest
from site2crm.kit import clock

MOST_BYTES = 1_000_000

_log = log.get("connectors")


class Received(Struct, frozen=True):
    """How many records of each kind the message had; `repeated`: they were taken before, and not again."""

    contacts: int
    deals: int
    activities: int
    repeated: bool


@post("/{connection_id:str}/records", opt=public(), status_code=200, request_max_body_size=MOST_BYTES)
async def take_records(
    connection_id: FromPath[str],
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    machine: NamedDependency[Machine],
) -> Received:
    """401 without the right signature, 409 for an id with another body, 413, 422 with the field that is wrong."""
    connection = await _receiver(session, connection_id)
    pushed = await _read(machine, connection, request)
    body = await request.body()
    repeated = not await _is_new(session, connection_id, pushed, body)
    if not repeated:
        event = SalesPushed(
            org_id=connection.org_id,
            connection_id=connection_id,
            people=pushed.people,
            directory=pushed.directory,
            deals=pushed.deals,
            activities=pushed.activities,
        )
        await emit(session, event)
    return Received(len(pushed.people), len(pushed.deals), len(pushed.activities), repeated)


async def _receiver(session: AsyncSession, connection_id: str) -> Connection:
    """Of any org: the address names no other. Raises ConnectionNotFound."""
    found = await session.scalar(select(Connection).where(Connection.id == connection_id))
    kind = registry.get(found.kind) if found else None
    if found is None or found.state == State.REMOVED or kind is None or kind.reads_push is None:
        raise ConnectionNotFound("No CRM may send records to this address.")
    return found


async def _read(machine: Machine, connection: Connection, request: AnyRequest) -> Pushed:
    reads_push = registry.KINDS[connection.kind].reads_push
    assert reads_push is not None
    try:
        secrets = opening.access_to(machine, connection).secrets
    except CrmError as error:
        raise Unavailable(error.text) from error
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        return reads_push(Push(headers, await request.body(), secrets))
    except BadProof as error:
        _log.warning("push.refused", connection=connection.id, reason=str(error))
        raise BadSignature(str(error)) from error


async def _is_new(session: AsyncSession, connection_id: str, pushed: Pushed, body: bytes) -> bool:
    """Whether this is the first message of its id. Raises Conflict for one that says something else."""
    key = _digest("push", connection_id, pushed.id)
    fingerprint = hashlib.sha256(body).hexdigest()
    row = {"key": key, "fingerprint": fingerprint, "at": clock.now()}
    claimed = await session.execute(insert_new(IdempotentAnswer, [row]).returning(IdempotentAnswer.key))
    if claimed.first() is not None:
        return True
    known = await session.scalar(select(IdempotentAnswer.fingerprint).where(IdempotentAnswer.key == key))
    if known != fingerprint:
        raise Conflict("This webhook-id came with another body before. Take a new id for each message.")
    return False


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


router = Router(path="/hooks", route_handlers=[take_records], include_in_schema=False)
