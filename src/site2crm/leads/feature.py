"""What leads add to the product."""

from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core.access import OrgRef
from site2crm.core.feature import Feature, NavItem, Panel
from site2crm.leads import api, live, pages, quarantine_pages, queries, timeline
from site2crm.leads.capture import capturing
from site2crm.leads.events import LeadsChanged


async def _numbers_of_form(session: AsyncSession, org: OrgRef, form_id: str) -> Panel:
    numbers = await queries.form_numbers(session, org.id, form_id)
    return Panel("leads/_form_numbers.html", {"numbers": numbers, "base": f"/o/{org.slug}", "form_id": form_id})


FEATURE = Feature(
    name="leads",
    routers=(*api.routers, pages.router, quarantine_pages.router),
    late=((LeadsChanged, live.changed),),
    lifespans=(capturing,),
    timeline=timeline.entries,
    panels={"form": _numbers_of_form},
    nav=(NavItem("Leads", "leads", "users", "leads:read", order=20),),
)
