"""What connectors adds to the product."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from site2crm.connectors import (
    api,
    granting,
    inbox_pages,
    mapping_api,
    mapping_pages,
    pages,
    receiving,
    sign_in_pages,
    views,
)
from site2crm.connectors.controls import CONTROLS
from site2crm.connectors.declaring import CRM, WEBHOOKS
from site2crm.connectors.jobs import CRONS, JOBS
from site2crm.connectors.opening import Budgets
from site2crm.core.feature import Feature, NavItem
from site2crm.core.machine import Machine


@asynccontextmanager
async def _budgets(machine: Machine) -> AsyncIterator[None]:
    machine.put(Budgets())
    yield


FEATURE = Feature(
    name="connectors",
    routers=[
        pages.router,
        mapping_pages.router,
        inbox_pages.router,
        sign_in_pages.router,
        api.router,
        mapping_api.router,
        receiving.router,
    ],
    jobs=JOBS,
    crons=CRONS,
    lifespans=[_budgets, granting.lifespan],
    banners=views.banners,
    nav=[NavItem("CRMs", "crms", "plug", "connections:read", "Connect")],
    controls=CONTROLS,
    declares=[CRM, WEBHOOKS],
)
