"""`/admin/backups`: what the owner of the instance sees of its backups, and the button that makes one."""

import asyncio

from litestar import Router, get, post
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts import service as accounts
from site2crm.core import web
from site2crm.core.access import SIGNED_IN, Who, needs
from site2crm.core.backup import shelf
from site2crm.core.errors import NotFound
from site2crm.core.machine import Machine
from site2crm.core.queue import enqueue
from site2crm.core.web import AnyRequest, Html
from site2crm.ops.backups import JOB, Backups

BACKUPS = "/admin/backups"
REFRESH_S = 5


@get("/backups", opt=needs(SIGNED_IN))
async def show_backups(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    machine: NamedDependency[Machine],
    who: NamedDependency[Who],
) -> Html:
    _for_owner(who)
    web.in_org_of(request, await accounts.at_home(session, who))
    settings = machine.settings
    return await web.page(
        request,
        session,
        "ops/backups.html",
        title="Backups",
        here=BACKUPS,
        backups=await asyncio.to_thread(shelf.listed, shelf.folder_of(settings)),
        is_busy=machine.get(Backups).is_busy,
        elsewhere=machine.database.is_shared,
        set=settings.backup,
        folder=str(shelf.folder_of(settings)),
        refresh_s=REFRESH_S,
    )


@post("/backups", opt=needs(SIGNED_IN))
async def back_up_now(session: NamedDependency[AsyncSession], who: NamedDependency[Who]) -> Html:
    """It runs beside the requests: a large one takes minutes."""
    _for_owner(who)
    await enqueue(session, JOB, key=JOB)
    return web.redirect(BACKUPS, flash="The backup is being made. It is verified afterwards; this page shows both.")


def _for_owner(who: Who) -> None:
    """The instance is nobody's business but its owner's: for others there is nothing here."""
    if not who.is_super:
        raise NotFound


router = Router(path="/admin", route_handlers=[show_backups, back_up_now], include_in_schema=False)
