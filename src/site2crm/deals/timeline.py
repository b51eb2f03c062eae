"""What other features' pages show of deals: the timeline of a lead, and how the reading of a connection is."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import queries as connections
from site2crm.connectors import service as opening
from site2crm.core import web
from site2crm.core.access import OrgRef
from site2crm.core.crypto import Unreadable
from site2crm.core.feature import Panel, TimelineEntry
from site2crm.core.machine import Machine
from site2crm.core.templates import Tone
from site2crm.deals import hooks, progress, queries, service, shown
from site2crm.deals.queries import DealItem

TONES: dict[str, Tone] = {"won": "good", "lost": "bad"}
_TITLES = {"open": "Became the deal {}", "won": "Won: {}", "lost": "Lost: {}", "deleted": "Deleted in the CRM: {}"}


class Hook(Struct, frozen=True, kw_only=True):
    """Where a CRM is to call, as a person enters it there. `secret` empty: the proof is the app's own."""

    address: str
    secret: str
    help_url: str
    is_called: bool


async def entries(session: AsyncSession, org_id: str, lead_id: str) -> Sequence[TimelineEntry]:
    """Each deal of the lead, at the moment it was made, or was won or lost."""
    found = await queries.of_lead(session, org_id, lead_id)
    crms = await connections.names(session, org_id) if found else {}
    return [_entry(deal, crms.get(deal.connection, "")) for deal in found]


async def connection_page_panel(session: AsyncSession, org: OrgRef, connection_id: str) -> Panel | None:
    """On the connection's own page."""
    machine: Machine = web.request_of(session).scope["state"]["machine"]
    refs = [ref for ref in await connections.of_org(session, org.id) if ref.id == connection_id]
    readings = await progress.of(session, machine, refs)
    if not readings:
        return None
    hook = await _hook(session, machine, org.id, connection_id=connection_id)
    return Panel(
        "deals/_panel.html",
        {**shown.of_readings(readings), "reading": readings[0], "org_url": f"/o/{org.slug}", "hook": hook},
    )


async def _hook(session: AsyncSession, machine: Machine, org_id: str, *, connection_id: str) -> Hook | None:
    """None: there is nothing to make by hand."""
    connection = await connections.get(session, org_id, connection_id)
    feed = await service.feed_of(session, org_id, connection_id)
    made_by = connections.caps(connection.kind).hooks
    if made_by not in ("manual", "app") or feed is None:
        return None
    help_url = f"/help/crm-webhooks#{connection.kind}"
    if made_by == "manual":
        try:
            secret = hooks.secret_of(machine, feed)
        except Unreadable:
            return None  # another one is made at the next start
        place = hooks.address(machine, connection_id, secret)
        return Hook(address=place, secret=secret, help_url=help_url, is_called=bool(feed.hook_url))
    client_id = opening.app_hooks.client_id_of(machine, connection)
    if not client_id:
        return None
    place = opening.app_hooks.address(machine, connection.kind, client_id)
    return Hook(address=place, secret="", help_url=help_url, is_called=feed.hook_url == place)


def _entry(deal: DealItem, crm: str) -> TimelineEntry:
    data: dict[str, Any] = {**msgspec.to_builtins(deal, builtin_types=(datetime,)), "crm": crm}
    return TimelineEntry(
        type="deal",
        at=deal.closed_at or deal.created_at,
        title=_TITLES[deal.status].format(deal.title),
        template="deals/_timeline.html",
        tone=TONES.get(deal.status, "neutral"),
        data=data,
    )
