"""`/o/{org}/crms/{id}/inbox`: what a Test inbox got."""

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import queries, service
from site2crm.connectors.models import Connection
from site2crm.connectors.opening import INBOX
from site2crm.core import web
from site2crm.core.access import Who, needs
from site2crm.core.errors import NotFound
from site2crm.core.web import AnyRequest, Html

READ = needs("connections:read")


@get("/inbox", opt=READ)
async def show_inbox(
    connection_id: FromPath[str],
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    cursor: FromQuery[str | None] = None,
) -> Html:
    connection = await _inbox(session, who.org_id, connection_id)
    return await web.page(
        request,
        session,
        "connectors/inbox.html",
        title=f"{connection.name}: received",
        connection=connection,
        records=await queries.records(session, who.org_id, connection_id, cursor=cursor),
        count=await queries.record_count(session, who.org_id, connection_id),
        url=f"{who.path('crms')}/{connection_id}",
        base=who.path("crms"),
    )


@get("/inbox/{record_id:str}", opt=READ)
async def show_record(
    connection_id: FromPath[str],
    record_id: FromPath[str],
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
) -> Html:
    connection = await _inbox(session, who.org_id, connection_id)
    record = await queries.record(session, who.org_id, connection_id, record_id)
    return await web.page(
        request,
        session,
        "connectors/record.html",
        title=record.key,
        connection=connection,
        record=record,
        url=f"{who.path('crms')}/{connection_id}",
        base=who.path("crms"),
    )


async def _inbox(session: AsyncSession, org_id: str, connection_id: str) -> Connection:
    connection = await service.get(session, org_id, connection_id)
    if connection.kind != INBOX:
        raise NotFound("Only the Test inbox keeps its records here.")
    return connection


router = Router(
    path="/o/{org:str}/crms/{connection_id:str}", route_handlers=[show_inbox, show_record], include_in_schema=False
)
