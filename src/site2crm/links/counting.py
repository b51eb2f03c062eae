"""How often the links of a list were clicked, from the event store; nothing while that is being repaired."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta

from site2crm.core.errors import Unavailable
from site2crm.core.eventstore import access
from site2crm.core.eventstore.contract import Question
from site2crm.core.machine import Machine
from site2crm.kit import clock
from site2crm.links.queries import LinkItem


async def clicks(machine: Machine, org_id: str, links: Sequence[LinkItem]) -> dict[str, int]:
    """Link id -> clicks of people, ever."""
    if not links:
        return {}
    # Days, not moments: the same question again is answered from memory until a click arrives
    since = _midnight(min(link.created_at for link in links))
    until = _midnight(clock.now()) + timedelta(days=1)
    question = Question(org=org_id, start=since, end=until, with_visitors=False)
    try:
        counted = await access.of(machine).counts(question, dimension="link", keys=[link.id for link in links])
    except Unavailable:
        return {}
    return {link_id: totals.value for link_id, totals in counted.items()}


def _midnight(at: datetime) -> datetime:
    return datetime.combine(at.date(), time(), at.tzinfo)
