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
from site2crm.deals import feeds, hooks, queries, service, syncing
from site2crm.deals.models import Feed, Stream
from site2crm.deals.queries import DealItem
from site2crm.kit import clock

TONES: dict[str, Tone] = {"won": "good", "lost": "bad"}
_TITLES = {"open": "Became the deal {}", "won": "Won: {}", "lost": "Lost: {}", "deleted": "Deleted in the CRM: {}"}


class Part(Struct, frozen=True):
    """A stream as people see it. `total` None: the CRM does not say how many there will be."""

    label: str
    done: int
    total: int | None
    is_first: bool
    error: str


class Reading(Struct, frozen=True):
    """How a connection is being read. `is_first`: not everything is there yet."""

    connection: str
    name: str
    is_now: bool
    is_first: bool
    is_stopped: bool
    read_at: datetime | None
    due_at: datetime | None
    error: str
    parts: list[Part]

    @property
    def refused(self) -> list[Part]:
        return [part for part in self.parts if part.error]


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
    names = await queries.selling(session, org.id)
    if connection_id not in names:
        return None
    reading = next(iter(await readings(session, org.id, {connection_id: names[connection_id]})), None)
    if reading is None:
        return None
    data = {"reading": reading, "org_url": f"/o/{org.slug}", "hook": await _hook(session, org.id, connection_id)}
    return Panel("deals/_panel.html", data)


async def _hook(session: AsyncSession, org_id: str, connection_id: str) -> Hook | None:
    """None: there is nothing to make by hand."""
    connection = await connections.get(session, org_id, connection_id)
    state = await service.feed_of(session, org_id, connection_id)
    made_by = connections.caps(connection.kind).hooks
    if made_by not in ("manual", "app") or state is None:
        return None
    feed = state[0]
    machine: Machine = web.request_of(session).scope["state"]["machine"]
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


async def readings(session: AsyncSession, org_id: str, names: dict[str, str]) -> list[Reading]:
    """Of those of these connections that are read: others send their deals by themselves."""
    refs = {ref.id: ref for ref in await connections.of_org(session, org_id)}
    names = {id: name for id, name in names.items() if connections.caps(refs[id].kind).deals}
    found = []
    for id, name in names.items():
        state = await service.feed_of(session, org_id, id)
        feed, streams = state or (None, ())
        found.append(_reading(id, name, feed, streams, refs[id].kind, is_stopped=refs[id].state != feeds.ACTIVE))
    return found


def _reading(
    id: str, name: str, feed: Feed | None, streams: Sequence[Stream], kind: str, *, is_stopped: bool
) -> Reading:
    known = {row.name: row for row in streams}
    parts = [_part(wanted, known.get(wanted)) for wanted in feeds.streams(kind)]
    is_now = feed is not None and bool(feed.lease) and (feed.lease_until or clock.now()) > clock.now()
    return Reading(
        connection=id,
        name=name,
        is_now=is_now,
        is_first=any(part.is_first and not part.error for part in parts),
        is_stopped=is_stopped,
        read_at=feed.read_at if feed else None,
        due_at=feed.due_at if feed else None,
        error=feed.error if feed else "",
        parts=parts,
    )


def _part(name: str, row: Stream | None) -> Part:
    label = syncing.WORDS[name].capitalize()
    if row is None:
        return Part(label, 0, None, is_first=True, error="")
    return Part(label, row.done, row.total, is_first=row.full_at is None, error=row.error)


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
