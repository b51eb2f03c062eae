"""What operations add to the product."""

from site2crm.core import idempotency
from site2crm.core.feature import Feature
from site2crm.core.machine import Machine
from site2crm.core.queue import Cron, JobContext
from site2crm.ops import alarms, api, backup_pages, backups, pages

HOUR_S = 3600


async def _tidy(ctx: JobContext) -> None:
    """Forget what is kept for a while only."""
    machine: Machine = ctx.machine
    async with machine.session() as session:
        await idempotency.forget_old(session)


FEATURE = Feature(
    name="ops",
    routers=(api.router, pages.router, backup_pages.router),
    jobs=(backups.back_up_now,),
    crons=(Cron(name="ops.tidy", every_s=HOUR_S, function=_tidy), backups.CRON),
    lifespans=(backups.kept,),
    controls={"backup.create": backups.create_control},
    banners=alarms.banners,
)
