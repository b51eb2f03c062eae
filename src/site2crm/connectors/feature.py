"""What connectors adds to the product."""

from site2crm.connectors import api, mapping_pages, pages, views
from site2crm.connectors.jobs import JOBS
from site2crm.core.feature import Feature, NavItem

FEATURE = Feature(
    name="connectors",
    routers=[pages.router, mapping_pages.router, api.router],
    jobs=JOBS,
    banners=views.banners,
    nav=[NavItem("CRMs", "crms", "plug", "connections:read", "Connect")],
)
