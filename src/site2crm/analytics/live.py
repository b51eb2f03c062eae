"""Pages of figures that keep themselves up to date, with leads and with clicks."""

from site2crm.core.live import OpenPages
from site2crm.leads.events import LeadsChanged

PAUSE_S = 0.4
"""Between two looks, however fast leads and clicks come."""

_pages = OpenPages(pause_s=PAUSE_S)
stream, answer, wake = _pages.stream, _pages.answer, _pages.wake


async def leads_changed(event: LeadsChanged) -> None:
    wake([event.org_id])
