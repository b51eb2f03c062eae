"""Forgetting visitors: every event of whoever made a click is erased from its org; the lead keeps what it has.

It is written down first, as a job in a transaction of its own, and then done. So a process that dies in between does it
when it starts again. The job comes after a while in any case: what was clicked just before may have waited in the
journal until then. What somebody clicks after the wish is counted again.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from site2crm.analytics import live
from site2crm.analytics.errors import ClickNotKept
from site2crm.analytics.events import VisitorForgotten
from site2crm.core import log
from site2crm.core.errors import Unavailable
from site2crm.core.events import emit
from site2crm.core.eventstore import access
from site2crm.core.eventstore.contract import Seen
from site2crm.core.eventstore.errors import EventsUnavailable
from site2crm.core.machine import Machine
from site2crm.core.queue import JobContext, enqueue, job
from site2crm.kit import clock, ids

FORGET = "analytics.forget"
AGAIN_AFTER = timedelta(seconds=20)
BACKLOG_S = 5.0
"""Clicks that wait for longer are not on their way, but behind something."""
RETRIES = 4_500
"""Every ten minutes for a month: as long as somebody may need to give the event store its disk back."""

_log = log.get("analytics")


class Forgotten(Struct, frozen=True):
    """How many events were erased, of how many visitors."""

    erased: int
    visitors: int


class _Wish(Struct, frozen=True):
    """`visitor` is "" for who asked not to be followed: nothing but the click itself is known to be theirs."""

    click: str
    visitor: str
    events: int = 1


class Kept(Struct, frozen=True):
    """What would be erased: so many events, of so many visitors; so many of them asked not to be followed."""

    events: int
    visitors: int
    unnamed: int


async def seen(machine: Machine, org_id: str, click: str) -> Seen:
    """Raises ClickNotKept, and EventsUnavailable while nobody knows whether it is."""
    found = await _seen(machine, org_id, click)
    if found is None:
        raise ClickNotKept
    return found


async def kept(machine: Machine, org_id: str, *, clicks: Sequence[str]) -> Kept:
    """Of whoever made these clicks. Raises EventsUnavailable."""
    wishes = await _wishes(machine, org_id, clicks)
    return Kept(sum(wish.events for wish in wishes), len(wishes), sum(not wish.visitor for wish in wishes))


async def forget(machine: Machine, org_id: str, *, clicks: Sequence[str], by: str) -> Forgotten:
    """Whoever made these clicks. Clicks of which nothing is kept are passed over.

    Raises EventsUnavailable while the store cannot be asked; what was written down before is done all the same.
    """
    now = clock.now()
    wishes = await _wishes(machine, org_id, clicks)
    await _write_down(machine, org_id, wishes, by=by, at=now)
    try:
        erased = sum([await _erase(machine, org_id, wish, before=now) for wish in wishes])
    except Unavailable as error:
        text = "The wish is noted, and fulfilled as soon as the event store can be written again."
        raise EventsUnavailable(text) from error
    live.wake([org_id])
    return Forgotten(erased, len(wishes))


async def _wishes(machine: Machine, org_id: str, clicks: Sequence[str]) -> list[_Wish]:
    """One for each visitor, and one for each click of nobody in particular."""
    wishes = list[_Wish]()
    for click in clicks:
        found = await _seen(machine, org_id, click)
        if found and not (found.visitor and any(wish.visitor == found.visitor for wish in wishes)):
            wishes.append(_Wish(click, found.visitor, found.events))
    return wishes


async def _seen(machine: Machine, org_id: str, click: str) -> Seen | None:
    if not ids.is_id(click, "clk"):
        return None
    found = await access.of(machine).seen(org=org_id, event=click)
    if found is None and machine.inheritance.stats().events.oldest_unread_s > BACKLOG_S:
        raise EventsUnavailable("Clicks wait to be counted up, perhaps this one too. Ask again in a few seconds.")
    return found


async def _write_down(machine: Machine, org_id: str, wishes: Sequence[_Wish], *, by: str, at: datetime) -> None:
    async with machine.session() as session:
        for wish in wishes:
            await enqueue(
                session,
                FORGET,
                at=at + AGAIN_AFTER,
                org_id=org_id,
                click=wish.click,
                visitor=wish.visitor,
                before=at.timestamp(),
            )
            await emit(session, VisitorForgotten(org_id=org_id, click=wish.click, by=by))
    for wish in wishes:
        _log.info("analytics.visitor_forgotten", org=org_id, click=wish.click, by=by)


async def _erase(machine: Machine, org_id: str, wish: _Wish, *, before: datetime) -> int:
    event = "" if wish.visitor else wish.click
    return await access.of(machine).erase(org=org_id, visitor=wish.visitor, event=event, before=before)


@job(FORGET, timeout_s=120, retries=RETRIES)
async def forget_the_rest(ctx: JobContext, *, org_id: str, click: str, visitor: str, before: float) -> None:
    """Again, until nothing from before the wish waits in the journal."""
    machine: Machine = ctx.machine
    await _erase(machine, org_id, _Wish(click, visitor), before=datetime.fromtimestamp(before, UTC))
    waiting = machine.inheritance.stats().events
    if waiting.lag_records and clock.unix() - waiting.oldest_unread_s <= before:
        raise EventsUnavailable("Clicks from before the wish still wait in the journal.")


JOBS = (forget_the_rest,)
