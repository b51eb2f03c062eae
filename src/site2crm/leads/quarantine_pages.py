"""`/o/{org}/quarantine`: what was held back as spam, with its reason, and the button that lets it go."""

from typing import Any

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import formats, inputs, web
from site2crm.core.access import Who, needs
from site2crm.core.machine import Machine
from site2crm.core.web import AnyRequest, Html
from site2crm.forms import queries as forms
from site2crm.leads import clicks, queries, service
from site2crm.leads.states import LeadStatus, SubmissionStatus

READ, WRITE = needs("leads:read"), needs("leads:write")
REFRESH_S = 20

Answer = Response[Any]


@get("/quarantine", opt=READ)
async def list_quarantine(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    form: FromQuery[str] = "",
    cursor: FromQuery[str | None] = None,
) -> Html:
    base = who.path("quarantine")
    found = await queries.submissions(
        session, who.org_id, form=form, status=SubmissionStatus.QUARANTINED, cursor=cursor or None
    )
    more = found.page.next_cursor
    leads = base.removesuffix("quarantine") + "leads"
    return await web.page(
        request,
        session,
        "leads/quarantine.html",
        title="Quarantine",
        base=base,
        leads=leads,
        held=found.data,
        form=form,
        form_names=await forms.names(session, who.org_id),
        here=formats.query(base, form=form or None, cursor=cursor or None),
        older=formats.query(base, form=form or None, cursor=more) if more else "",
        tabs=[
            ("Open", leads, False),
            ("Needs review", f"{leads}?status={LeadStatus.NEEDS_REVIEW}", False),
            ("Archived", f"{leads}?status={LeadStatus.ARCHIVED}", False),
            ("Quarantine", base, True, await queries.count_quarantined(session, who.org_id) or None),
        ],
        refresh_s=REFRESH_S,
    )


@post("/quarantine/release", opt=WRITE)
async def release(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Answer:
    window_s, seal = machine.settings.intake.dedupe_window, clicks.seal_of(machine)
    released = await service.release(session, who.org_id, await _chosen(request), window_s=window_s, seal=seal)
    if len(released) == 1:
        lead = f"{who.path('leads')}/{released[0].lead_id}"
        return web.redirect(lead, flash="Released: this is the lead, and it is on its way.")
    return web.redirect(who.path("quarantine"), flash=f"Released and on their way: {len(released)}.")


@post("/quarantine/delete", opt=WRITE)
async def discard(request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]) -> Answer:
    chosen = await _chosen(request)
    await service.discard(session, who.org_id, chosen)
    return web.redirect(who.path("quarantine"), flash=f"Deleted for good: {len(chosen)}.")


async def _chosen(request: AnyRequest) -> list[str]:
    return list(dict.fromkeys(inputs.read(await request.form()).lists.get("id", ())))


router = Router(path="/o/{org:str}", route_handlers=[list_quarantine, release, discard], include_in_schema=False)
