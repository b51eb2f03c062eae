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


async def entries(session: AsyncSession, org_id: str, lead_id: str) -> Sequence[TimelineEntry]:
    """Each delivery of the lead with all its attempts."""
    found = (await queries.page(session, org_id, Wanted(lead=lead_id), limit=MOST_SHOWN)).data
    if not found:
        return []
    names = await crm_names(session, org_id)
    attempts = await queries.attempts(session, org_id, [delivery.id for delivery in found])
    return [_entry(delivery, names, attempts[delivery.id]) for delivery in found]


async def banners(session: AsyncSession, org: OrgRef) -> Sequence[Banner]:
    """Refused leads, and leads that wait for a person, each with the way to see them."""
    stuck = await queries.stuck(session, org.id)
    if not stuck:
        return []
    names = await crm_names(session, org.id)
    return [_banner(org, names[id], (id, state, count)) for id, state, count in stuck]


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


def _entry(delivery: DeliveryItem, names: dict[str, str], attempts: Sequence[AttemptItem]) -> TimelineEntry:
    name = names.get(delivery.connection, "a removed CRM")
    return TimelineEntry(
        type="delivery",
        at=delivery.delivered_at or delivery.created_at,
        title=_TITLES[State(delivery.state)].format(name),
        template="delivery/_timeline.html",
        tone=TONES.get(delivery.state, "neutral"),
        data={
            **msgspec.structs.asdict(delivery),
            "crm": name,
            "shown": delivery.shown,
            "is_waiting": delivery.state in WAITING,
            "log": msgspec.to_builtins(list(attempts), builtin_types=(type(delivery.created_at),)),
        },
    )


def _banner(org: OrgRef, crm: str, stuck: tuple[str, str, int]) -> Banner:
    connection_id, state, count = stuck
    url = f"/o/{org.slug}/deliveries?connection={connection_id}&state={state}"
    if state == State.DEAD:
        text = f"{plural(count, 'lead was', 'leads were')} refused by {crm}."
        return Banner(text=text, tone="bad", action_label="Look", action_url=url)
    text = f"{plural(count, 'lead is', 'leads are')} waiting for {crm}."
    told_at = (f"/o/{org.slug}/crms/{connection_id}",)
    return Banner(text=text, tone="warn", action_label="Look", action_url=url, told_at=told_at)
