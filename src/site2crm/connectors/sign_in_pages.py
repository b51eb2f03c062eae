"""To a CRM's sign-in page, and back from there."""

from typing import Any

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import service, showing, signing_in, views
from site2crm.connectors.entering import kind_named
from site2crm.connectors.errors import SignInOver
from site2crm.connectors.kinds import ConnectorKind, Way
from site2crm.connectors.service import ConnectionIn
from site2crm.connectors.signing_in import LONGEST_ANSWER, Begun
from site2crm.connectors.withdrawing import take_withdrawal
from site2crm.core import web
from site2crm.core.access import Who, needs, public, who_asks
from site2crm.core.errors import Invalid
from site2crm.core.machine import Machine
from site2crm.core.web import AnyRequest

WRITE = needs("connections:write")
Answer = Response[Any]
SIGNED_OUT = (
    "You were not signed in here when the CRM led back, so nothing was changed. Sign in, then connect it again."
)


@post("/o/{org:str}/crms/new/{kind:str}/sign-in", opt=WRITE)
async def sign_in(
    kind: FromPath[str],
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Answer:
    """Off to the CRM, for a new connection."""
    chosen, fields = showing.kind_of(kind), showing.read(await request.form())
    try:
        data = ConnectionIn(
            kind=chosen.name,
            name=showing.name_in(fields),
            settings=showing.before_and_now(machine, who.org_id, kind, fields),
            form_ids=list(fields.lists.get("form_ids", ())),
        )
        signing_in.come_back_to(machine, request.headers.get("host", ""))
        begun = await signing_in.begin(session, machine, who=who, data=data)
    except Invalid as refused:
        await session.rollback()
        draft = showing.drafted(machine, who.org_id, chosen, fields, way=Way.OAUTH, errors=refused)
        return await showing.offered(request, session, who, kind=chosen, draft=draft)
    return await _leave(request, session, chosen, begun)


@post("/o/{org:str}/crms/{connection_id:str}/sign-in", opt=WRITE)
async def sign_in_again(
    connection_id: FromPath[str],
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Answer:
    """Off to the CRM, for a connection that lost its access."""
    fields = showing.read(await request.form())
    connection = await service.get(session, who.org_id, connection_id)
    try:
        signing_in.come_back_to(machine, request.headers.get("host", ""))
        begun = await signing_in.begin_again(
            session, machine, who=who, connection_id=connection_id, settings=showing.given(fields)
        )
    except Invalid as refused:
        await session.rollback()
        connection = await service.get(session, who.org_id, connection_id)
        return await showing.shown(request, session, who, connection=connection, fields=fields, errors=refused.errors)
    return await _leave(request, session, kind_named(connection.kind), begun)


@get(signing_in.PATH, opt=public())
async def come_back(request: AnyRequest, machine: NamedDependency[Machine]) -> Answer:
    """Public only so that who is not signed in hears of it, and the code does not travel on to the log-in page.

    The CRM leads here by a plain link, with which browsers send the session's cookie (it is SameSite=Lax).
    """
    who = who_asks(request)
    if who is None or who.user_id is None:
        return web.redirect("/login?next=/o", flash=SIGNED_OUT, tone="warn")
    pairs = list(request.query_params.multi_items())
    query = dict(pairs)
    if len(query) < len(pairs) or any(len(value) > LONGEST_ANSWER for value in query.values()):
        raise SignInOver
    done = await signing_in.finish(machine, who, query)
    text = done.text[: views.LONGEST_FLASH]
    return web.redirect(f"/o/{done.org.slug}{done.path}", flash=text, tone=done.tone)


async def _leave(request: AnyRequest, session: AsyncSession, kind: ConnectorKind, begun: Begun) -> Answer:
    """A page and no redirect: a browser refuses to follow one from a form to elsewhere (form-action 'self')."""
    return await web.page(
        request,
        session,
        "connectors/leaving.html",
        title=f"To {kind.label}",
        kind=kind,
        url=begun.authorize_url,
        minutes=int(signing_in.VALID.total_seconds() // 60),
    )


router = Router(path="/", route_handlers=[sign_in, sign_in_again, come_back, take_withdrawal], include_in_schema=False)
