"""What accounts adds to the product."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from site2crm.accounts import api, invite_pages, login_pages, profile_pages, settings_pages, team_pages
from site2crm.accounts.declaring import Orgs
from site2crm.accounts.jobs import CRONS, JOBS
from site2crm.accounts.permissions import Permission
from site2crm.core.feature import Feature, NavItem
from site2crm.core.machine import Machine
from site2crm.core.ratelimit import Backoff


@asynccontextmanager
async def _login_waits(machine: Machine) -> AsyncIterator[None]:
    machine.put(Backoff())
    yield


FEATURE = Feature(
    name="accounts",
    routers=[
        login_pages.ROUTER,
        invite_pages.ROUTER,
        profile_pages.ROUTER,
        settings_pages.ROUTER,
        team_pages.ROUTER,
        api.ROUTER,
    ],
    jobs=JOBS,
    crons=CRONS,
    lifespans=[_login_waits],
    nav=[
        NavItem("General", "settings/general", "settings", Permission.ORG_READ, "Settings"),
        NavItem("Team", "settings/team", "users", Permission.MEMBERS_READ, "Settings"),
        NavItem("API keys", "settings/keys", "key-round", Permission.KEYS_READ, "Settings"),
    ],
    declares=[Orgs()],
)
