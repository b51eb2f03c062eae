"""What operations add to the product."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from site2crm.core import idempotency, tasks
from site2crm.core.access import INSTANCE
from site2crm.core.feature import Feature, NavItem
from site2crm.core.machine import Machine
from site2crm.core.queue import Cron, JobContext
from site2crm.core.ratelimit import Backoff
from site2crm.core.shared_limits import SharedLimits
from site2crm.ops import (
    alarms,
    api,
    backup_pages,
    backups,
    checks_connections,
    crashes,
    crm_api,
    crm_pages,
    declared,
    pages,
    status_pages,
)  # fmt: skip
from site2crm.ops.condition import Watch

HOUR_S = 3600


async def _tidy(ctx: JobContext) -> None:
    """Forget what is kept for a while only."""
    machine: Machine = ctx.machine
    async with machine.session() as session:
        await idempotency.forget_old(session)


@asynccontextmanager
async def _watching(machine: Machine) -> AsyncIterator[None]:
    machine.put(Watch())
    async with crashes.watched(machine), _sharing(machine):
        yield


@asynccontextmanager
async def _sharing(machine: Machine) -> AsyncIterator[None]:
    """Rate limits of several nodes, where a Redis is configured."""
    url = machine.settings.limits.url
    if not url:
        yield
        return
    mac = partial(machine.vault.mac, "limits")
    shared = SharedLimits(url, machine.limits, machine.get(Backoff), mac=mac)
    machine.put(shared)
    async with tasks.running("limits", shared.run()):
        yield


FEATURE = Feature(
    name="ops",
    routers=(api.router, pages.router, backup_pages.router, status_pages.router, crm_pages.router, crm_api.router),
    jobs=(backups.back_up_now,),
    crons=(Cron(name="ops.tidy", every_s=HOUR_S, function=_tidy), backups.CRON),
    lifespans=(backups.kept, _watching, declared.applied),
    controls={"backup.create": backups.create_control, checks_connections.VERB: checks_connections.examine},
    admin=(
        NavItem("Status", "status", "activity", INSTANCE, order=10),
        NavItem("Backups", "backups", "database", INSTANCE, order=20),
    ),
    banners=alarms.banners,
)
