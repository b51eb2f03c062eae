"""`/o/{org}/alarms/{id}/seen`: the button of a banner that tells what has happened."""

from typing import Annotated, Any

from litestar import Response, Router, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta, Struct
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import inputs, redirects, web
from site2crm.core.access import Who, needs
from site2crm.core.web import AnyRequest
from site2crm.ops import alarms

MOST = 1 << 31


class Seen(Struct):
    """How often it had rung when the page was made."""

    count: Annotated[int, Meta(ge=1, le=MOST)] = 1


@post("/alarms/{alarm_id:str}/seen", opt=needs("org:read"))
async def see_alarm(
    alarm_id: FromPath[str], request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Response[Any]:
    """Back to the page that showed it."""
    assert who.org is not None
    shown = inputs.parse(Seen, inputs.read(await request.form()))
    await alarms.see(session, who, alarm_id, count=shown.count)
    return web.redirect(redirects.back(request, f"/o/{who.org.slug}/"))


router = Router(path="/o/{org:str}", route_handlers=[see_alarm], include_in_schema=False)
