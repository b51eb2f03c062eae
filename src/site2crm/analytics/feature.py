"""What analytics adds to the product."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from site2crm.analytics import api, forget_pages, forgetting, live, pages, panel, remembered
from site2crm.core.eventstore import running
from site2crm.core.feature import Feature, NavItem
from site2crm.core.machine import Machine
from site2crm.leads.events import LeadsChanged


@asynccontextmanager
async def _waking(machine: Machine) -> AsyncIterator[None]:
    """Open pages look again when clicks were counted."""
    stop = running.listen(machine, live.wake)
    yield
    stop()


FEATURE = Feature(
    name="analytics",
    routers=(pages.router, forget_pages.router, api.router),
    jobs=forgetting.JOBS,
    late=((LeadsChanged, remembered.leads_changed), (LeadsChanged, live.leads_changed)),
    lifespans=(_waking,),
    panels={"link": panel.of_link},
    nav=(NavItem("Overview", "", "layout-dashboard", "analytics:read", order=10),),
)
