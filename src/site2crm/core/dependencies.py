"""What a handler can ask for by name: `session`, `machine`, `who`."""

from collections.abc import AsyncIterator
from typing import cast

from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import idempotency, web
from site2crm.core.access import Who
from site2crm.core.errors import Unauthorized
from site2crm.core.machine import Machine
from site2crm.core.web import AnyRequest


async def provide_machine(request: AnyRequest) -> Machine:
    return cast("Machine", request.scope["state"]["machine"])


async def provide_session(request: AnyRequest, machine: NamedDependency[Machine]) -> AsyncIterator[AsyncSession]:
    """One request, one transaction: committed before the answer leaves, rolled back when the handler raises."""
    async with machine.session() as session:
        web.remember_request(session, request)
        yield session
        await idempotency.claim(session, request)


async def provide_who(request: AnyRequest) -> Who:
    who = request.scope["state"].get("who")
    if who is None:
        raise Unauthorized
    return cast("Who", who)
