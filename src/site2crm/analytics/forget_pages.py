"""`/o/{org}/analytics/forget?click=`: forgetting the visitor behind a click, asked once more before it is done."""

from typing import Any

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.analytics import forgetting
from site2crm.analytics.errors import ClickNotKept
from site2crm.core import formats, inputs, web
from site2crm.core.access import Who, needs
from site2crm.core.machine import Machine
from site2crm.core.web import AnyRequest, Html
from site2crm.kit import ids

WRITE = needs("analytics:write")


class Wanted(Struct):
    """`lead`: whose page to go back to."""

    click: str
    lead: str = ""


@get("/forget", opt=WRITE)
async def ask_to_forget(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Html:
    query = request.query_params
    wanted = Wanted(query.get("click", ""), query.get("lead", ""))
    try:
        seen = await forgetting.seen(machine, who.org_id, wanted.click)
    except ClickNotKept as error:
        seen, why = None, error.detail
    else:
        why = ""
    return await web.page(
        request,
        session,
        "analytics/forget.html",
        title="Forget this visitor",
        seen=seen,
        why=why,
        wanted=wanted,
        back=_back(who, wanted.lead),
    )


@post("/forget", opt=WRITE)
async def forget_visitor(
    request: AnyRequest, who: NamedDependency[Who], machine: NamedDependency[Machine]
) -> Response[Any]:
    wanted = inputs.parse(Wanted, inputs.read(await request.form()))
    done = await forgetting.forget(machine, who.org_id, clicks=[wanted.click], by=who.actor)
    back = _back(who, wanted.lead)
    if not done.visitors:
        return web.redirect(back, flash=ClickNotKept().detail, tone="warn")
    return web.redirect(back, flash=f"The visitor is forgotten: {formats.plural(done.erased, 'event')} erased.")


def _back(who: Who, lead: str) -> str:
    assert who.org is not None
    return f"/o/{who.org.slug}/leads" + (f"/{lead}" if ids.is_id(lead, "led") else "")


router = Router(path="/o/{org:str}/analytics", route_handlers=[ask_to_forget, forget_visitor], include_in_schema=False)
