"""`/o/{org}/analytics/forget`: forgetting the visitor behind a click (`?click=`), or those behind all clicks of a lead
(`?lead=` alone), asked once more before it is done."""

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
from site2crm.leads import queries as leads

WRITE = needs("analytics:write")


class Wanted(Struct):
    """`lead`: whose page to go back to, and without a click whose clicks are meant."""

    click: str = ""
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
    kept = await forgetting.kept(machine, who.org_id, clicks=await _clicks(session, who, wanted))
    return await web.page(
        request,
        session,
        "analytics/forget.html",
        title="Forget this visitor" if wanted.click else "Forget the clicks of this lead",
        kept=kept,
        why="" if kept.visitors else ClickNotKept().detail,
        wanted=wanted,
        back=_back(who, wanted.lead),
    )


@post("/forget", opt=WRITE)
async def forget_visitor(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Response[Any]:
    wanted = inputs.parse(Wanted, inputs.read(await request.form()))
    clicks = await _clicks(session, who, wanted)
    done = await forgetting.forget(machine, who.org_id, clicks=clicks, by=who.actor)
    back = _back(who, wanted.lead)
    if not done.visitors:
        return web.redirect(back, flash=ClickNotKept().detail, tone="warn")
    gone = "The visitor is" if done.visitors == 1 else f"{done.visitors} visitors are"
    return web.redirect(back, flash=f"{gone} forgotten: {formats.plural(done.erased, 'event')} erased.")


async def _clicks(session: AsyncSession, who: Who, wanted: Wanted) -> list[str]:
    """Raises LeadNotFound."""
    if wanted.click or not wanted.lead:
        return [wanted.click]
    return await leads.clicks_of(session, who.org_id, wanted.lead)


def _back(who: Who, lead: str) -> str:
    assert who.org is not None
    return f"/o/{who.org.slug}/leads" + (f"/{lead}" if ids.is_id(lead, "led") else "")


router = Router(path="/o/{org:str}/analytics", route_handlers=[ask_to_forget, forget_visitor], include_in_schema=False)
