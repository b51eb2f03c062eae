"""What operations add to the product."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import alarms, idempotency
from site2crm.core.access import OrgRef
from site2crm.core.feature import Feature
from site2crm.core.machine import Machine
from site2crm.core.queue import Cron, JobContext
from site2crm.core.templates import Banner
from site2crm.ops import api

HOUR_S = 3600


async def _banners(session: AsyncSession, org: OrgRef) -> Sequence[Banner]:
    found = [*await alarms.open_alarms(session, alarms.INSTANCE), *await alarms.open_alarms(session, org.id)]
    return [Banner(text=alarm.text, tone="warn") for alarm in found]


async def _tidy(ctx: JobContext) -> None:
    """Forget what is kept for a while only."""
    machine: Machine = ctx.machine
    async with machine.session() as session:
        await idempotency.forget_old(session)


FEATURE = Feature(
    name="ops",
    routers=(api.router,),
    crons=(Cron(name="ops.tidy", every_s=HOUR_S, function=_tidy),),
    banners=_banners,
)
