"""What delivery adds to the product."""

from site2crm.connectors.events import (
    ConnectionDraining,
    ConnectionParked,
    ConnectionPaused,
    ConnectionRemoved,
    ConnectionResumed,
    SalesPushed,
)
from site2crm.core.feature import Feature, NavItem
from site2crm.delivery import api, figures, jobs, outbox, pages, pushed, timeline
from site2crm.delivery.events import DeliveriesSettled
from site2crm.leads.events import SubmissionsAccepted

FEATURE = Feature(
    name="delivery",
    routers=(api.router, api.connection_router, pages.router),
    jobs=jobs.JOBS,
    crons=jobs.CRONS,
    listens=(
        (SubmissionsAccepted, outbox.accepted),
        (ConnectionParked, outbox.stopped),
        (ConnectionPaused, outbox.stopped),
        (ConnectionDraining, outbox.draining),
        (ConnectionResumed, outbox.resumed),
        (ConnectionRemoved, outbox.removed),
        (DeliveriesSettled, outbox.settled),
        (SalesPushed, pushed.link),
    ),
    lifespans=(jobs.recovered,),
    figures=figures.figures,
    timeline=timeline.entries,
    timeline_needs="deliveries:read",
    banners=timeline.banners,
    panels={
        "form": timeline.form_panel,
        "connection_page": timeline.connection_page_panel,
        "lead": timeline.lead_panel,
    },
    nav=(NavItem("Deliveries", "deliveries", "send", "deliveries:read", section="Connect"),),
)
