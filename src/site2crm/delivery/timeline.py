"""What other features' pages show of deliveries: the timeline of a lead, panels, and banners on every page."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import queries as connections
from site2crm.core.access import OrgRef
from site2crm.core.feature import Panel, TimelineEntry
from site2crm.core.formats import plural
from site2crm.core.templates import Banner, Tone
from site2crm.delivery import backfill, comparing, queries
from site2crm.delivery.queries import AttemptItem, DeliveryItem, Numbers, Wanted
from site2crm.delivery.states import WAITING, State

MOST_SHOWN = 100
TONES: dict[str, Tone] = {
    State.DELIVERED: "good",
    State.DEAD: "bad",
    State.RETRYING: "warn",
    State.PARKED: "warn",
}
_TITLES = {
    State.PENDING: "On its way to {}",
    State.SENDING: "Being sent to {}",
    State.DELIVERED: "Delivered to {}",
    State.RETRYING: "{} failed, it is tried again",
    State.PARKED: "Waiting for {}",
    State.DEAD: "Refused by {}",
    State.SKIPPED: "Not sent to {}",
}


_TITLES_OF_DEALS = {
    **_TITLES,
    State.PENDING: "In {}, its deal is made next",
    State.SENDING: "In {}, its deal is being made",
    State.RETRYING: "In {}, its deal is tried again",
    State.PARKED: "In {}, its deal waits",
    State.DEAD: "In {}, but its deal was refused",
    State.SKIPPED: "In {}, without a deal",
}
"""Of a lead whose person is there already."""


async def entries(session: AsyncSession, org_id: str, lead_id: str) -> Sequence[TimelineEntry]:
    """Each delivery of the lead with all its attempts."""
    found = (await queries.page(session, org_id, Wanted(lead=lead_id), limit=MOST_SHOWN)).data
    if not found:
        return []
    names = await crm_names(session, org_id)
    there = {ref.id for ref in await connections.of_org(session, org_id)}
    attempts = await queries.attempts(session, org_id, [delivery.id for delivery in found])
    return [_entry(each, names, attempts[each.id], is_there=each.connection in there) for each in found]


async def banners(session: AsyncSession, org: OrgRef) -> Sequence[Banner]:
    """Refused leads, and leads that wait for a person, each with the way to see them."""
    stuck = await queries.stuck(session, org.id)
    if not stuck:
        return []
    names = await crm_names(session, org.id)
    return [
        _refused(org, names[id], id, what=_what_was_refused(count, *await queries.refused_deals(session, id)))
        if state == State.DEAD
        else _waiting(org, names[id], id, count=count)
        for id, state, count in stuck
    ]


async def form_panel(session: AsyncSession, org: OrgRef, form_id: str) -> Panel | None:
    numbers = await queries.form_numbers(session, org.id, form_id)
    return _numbers_panel(numbers, f"/o/{org.slug}/deliveries?form={form_id}")


async def connection_page_panel(session: AsyncSession, org: OrgRef, connection_id: str) -> Panel:
    """On its own page: the figures, and the leads that came before it."""
    data = await _connection_numbers(session, org, connection_id)
    found = await backfill.progress(session, org.id, connection_id)
    connection = await connections.get(session, org.id, connection_id)
    missing = await queries.missing(session, org.id, connection_id)
    compared = {
        "compared": await queries.compared(session, org.id, connection_id),
        "may_compare": comparing.can(connection.kind, connection.state),
        "missing": missing,
        "missing_count": (await queries.missing_counts(session, [connection_id])).get(connection_id, 0),
        "leads": await queries.lead_names(session, org.id, [each.lead for each in missing]),
        "org_url": f"/o/{org.slug}",
    }
    page = f"/o/{org.slug}/crms/{connection_id}"
    return Panel("delivery/_connection.html", {**data, **compared, "before": found, "page": page})


async def lead_panel(session: AsyncSession, org: OrgRef, lead_id: str) -> Panel | None:
    """Where this lead is in each CRM: the newest delivery to each."""
    newest: dict[str, DeliveryItem] = {}
    for delivery in (await queries.page(session, org.id, Wanted(lead=lead_id), limit=MOST_SHOWN)).data:
        newest.setdefault(delivery.connection, delivery)
    data = {
        "deliveries": list(newest.values()),
        "names": await crm_names(session, org.id),
        "is_connected": await connections.any_exists(session, org.id),
        "base": f"/o/{org.slug}/deliveries",
        "connect_url": f"/o/{org.slug}/crms",
    }
    return Panel("delivery/_lead_panel.html", data)


async def crm_names(session: AsyncSession, org_id: str) -> dict[str, str]:
    """Connection id -> `HubSpot “Main”`, removed ones too."""
    kinds = await connections.kinds(session, org_id)
    names = await connections.names(session, org_id)
    return {id: connections.full_name(kinds[id], name) for id, name in names.items()}


async def _connection_numbers(session: AsyncSession, org: OrgRef, connection_id: str) -> dict[str, Any]:
    numbers = await queries.connection_numbers(session, org.id, connection_id)
    return {"numbers": numbers, "url": f"/o/{org.slug}/deliveries?connection={connection_id}"}


def _numbers_panel(numbers: Numbers, url: str) -> Panel | None:
    return Panel("delivery/_numbers.html", {"numbers": numbers, "url": url}) if numbers.created else None


def _entry(
    delivery: DeliveryItem, names: dict[str, str], attempts: Sequence[AttemptItem], *, is_there: bool
) -> TimelineEntry:
    name = names.get(delivery.connection, "a removed CRM")
    return TimelineEntry(
        type="delivery",
        at=delivery.delivered_at or delivery.created_at,
        title=(_TITLES if delivery.person_at is None else _TITLES_OF_DEALS)[State(delivery.state)].format(name),
        template="delivery/_timeline.html",
        tone=TONES.get(delivery.state, "neutral"),
        data={
            **msgspec.structs.asdict(delivery),
            "crm": name,
            "shown": delivery.shown,
            "is_waiting": delivery.state in WAITING,
            "may_resend": is_there and delivery.state in (State.DEAD, State.SKIPPED, State.RETRYING),
            "log": msgspec.to_builtins(list(attempts), builtin_types=(type(delivery.created_at),)),
        },
    )


def _what_was_refused(count: int, deals: int, seen: int) -> str:
    """`deals` of `seen`: the person is in the CRM, its deal is not."""
    if not deals:
        return plural(count, "lead was", "leads were")
    if deals == seen:
        return "The deal of 1 lead was" if count == 1 else f"The deals of {plural(count, 'lead')} were"
    return f"{plural(count, 'lead')}, or their deals, were"


def _refused(org: OrgRef, crm: str, connection_id: str, *, what: str) -> Banner:
    url = _deliveries(org, connection_id, State.DEAD)
    told_at = _told_at(org)
    return Banner(text=f"{what} refused by {crm}.", tone="bad", action_label="Look", action_url=url, told_at=told_at)


def _waiting(org: OrgRef, crm: str, connection_id: str, *, count: int) -> Banner:
    text = f"{plural(count, 'lead is', 'leads are')} waiting for {crm}."
    own = f"/o/{org.slug}/crms/{connection_id}"
    url, told_at = _deliveries(org, connection_id, State.PARKED), (*_told_at(org), own, f"{own}/reconnect")
    return Banner(text=text, tone="warn", action_label="Look", action_url=url, told_at=told_at)


def _deliveries(org: OrgRef, connection_id: str, state: State) -> str:
    return f"/o/{org.slug}/deliveries?connection={connection_id}&state={state}"


def _told_at(org: OrgRef) -> tuple[str, ...]:
    return (f"/o/{org.slug}/deliveries", *connections.boards(org))
