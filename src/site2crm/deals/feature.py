"""What deals adds to the product."""

from site2crm.connectors.events import (
    AccessReplaced,
    ConnectionCreated,
    ConnectionRemoved,
    ConnectionResumed,
    SalesPushed,
)
from site2crm.core.feature import Feature, NavItem
from site2crm.deals import api, hooks, jobs, moving, pages, pushed, timeline
from site2crm.deals.controls import CONTROLS
from site2crm.delivery.events import PeopleMoved

FEATURE = Feature(
    name="deals",
    routers=(api.router, api.people_router, pages.router, hooks.router),
    jobs=jobs.JOBS,
    crons=jobs.CRONS,
    listens=(
        (ConnectionCreated, jobs.created),
        (ConnectionRemoved, jobs.removed),
        (AccessReplaced, jobs.watch_anew),
        (AccessReplaced, jobs.read_anew),
        (ConnectionResumed, jobs.read_anew),
        (SalesPushed, pushed.store),
        (PeopleMoved, moving.people_moved),
    ),
    lifespans=(jobs.ready,),
    timeline=timeline.entries,
    timeline_needs="deals:read",
    panels={"connection_page": timeline.connection_page_panel},
    nav=(NavItem("Deals", "deals", "layers", "deals:read", order=60),),
    controls=CONTROLS,
)
