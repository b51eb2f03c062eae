"""Lists and pages of leads that keep themselves up to date."""

from site2crm.core.live import OpenPages
from site2crm.leads.events import LeadsChanged

PAUSE_S = 0.15
"""At most a few looks a second, however many leads come."""

_pages = OpenPages(pause_s=PAUSE_S)
stream, answer = _pages.stream, _pages.answer


async def changed(event: LeadsChanged) -> None:
    """Wake every open page of the org."""
    _pages.wake([event.org_id])
