"""Which clicks brought a lead: tokens are verified, the link is noted as it is now, both touches are told.

A token that is forged, too old, of another instance or of another org's link says nothing: the lead is kept without it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from msgspec import Struct, structs
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core.crypto import Vault
from site2crm.core.machine import Machine
from site2crm.core.sql import insert_new
from site2crm.leads.folding import Carried, Incoming
from site2crm.leads.joining import Joined
from site2crm.leads.models import LeadClick
from site2crm.links import queries as links
from site2crm.links import token
from site2crm.links.queries import LinkRef
from site2crm.links.token import Click

_TOUCHES = {"first_click": "first.", "click": ""}
"""Hidden field -> what its touch's names begin with. The earlier click first."""

Links = dict[tuple[str, str], LinkRef]
"""(org id, link id) -> the link, if it is one of the org."""


class Seal(Struct, frozen=True):
    """What a token is verified with, and what the short addresses of this instance begin with."""

    vault: Vault
    base_url: str


def seal_of(machine: Machine) -> Seal:
    return Seal(machine.vault, machine.settings.base_url)


async def recognised(session: AsyncSession, arrivals: Sequence[Incoming], seal: Seal) -> list[Incoming]:
    """The same submissions; those that carry a genuine token with their clicks. Without any token no query."""
    carrying = {incoming.id: found for incoming in arrivals if (found := _verified(incoming, seal.vault))}
    if not carrying:
        return list(arrivals)
    known = await _links(session, arrivals, carrying, seal.base_url)
    return [_told(incoming, carrying.get(incoming.id, {}), known) for incoming in arrivals]


async def write(session: AsyncSession, joined: Iterable[Joined]) -> None:
    """Keep the clicks with their leads, once each; the submissions are stored already."""
    rows = [
        {
            "lead_id": item.lead_id,
            "click_id": carried.click_id,
            "org_id": item.incoming.org_id,
            "submission_id": item.incoming.id,
            "link_id": carried.link_id,
            "at": carried.at,
            "snapshot": carried.snapshot,
        }
        for item in joined
        for carried in item.incoming.clicks
    ]
    if rows:
        await session.execute(insert_new(LeadClick, rows))


def _verified(incoming: Incoming, vault: Vault) -> dict[str, Click]:
    """Touch -> its click. Judged at the moment of arrival, so that waiting in quarantine makes none too old."""
    ours = incoming.answers.ours
    found = {name: token.verify(vault, ours[name], incoming.received_at) for name in _TOUCHES if name in ours}
    return {name: click for name, click in found.items() if click is not None}


async def _links(
    session: AsyncSession, arrivals: Iterable[Incoming], carrying: dict[str, dict[str, Click]], base_url: str
) -> Links:
    wanted: dict[str, set[str]] = defaultdict(set)
    for incoming in arrivals:
        wanted[incoming.org_id] |= {click.link_id for click in carrying.get(incoming.id, {}).values()}
    found: Links = {}
    for org_id, ids in wanted.items():
        if ids:
            refs = await links.by_ids(session, org_id, ids, base_url=base_url)
            found |= {(org_id, link_id): ref for link_id, ref in refs.items()}
    return found


def _told(incoming: Incoming, clicks: dict[str, Click], known: Links) -> Incoming:
    attribution = dict(incoming.answers.attribution)
    carried: dict[str, Carried] = {}
    for name, click in clicks.items():
        ref = known.get((incoming.org_id, click.link_id))
        if ref is not None:
            _touch(attribution, _TOUCHES[name], click, ref)
            carried[click.id] = Carried(click.id, click.link_id, click.at, snapshot(ref))
    if not carried:
        return incoming
    answers = structs.replace(incoming.answers, attribution=attribution)
    return structs.replace(incoming, answers=answers, clicks=tuple(carried.values()))


def _touch(attribution: dict[str, str], prefix: str, click: Click, ref: LinkRef) -> None:
    """The touch is this click's; of its campaign it says what the page's address did not."""
    attribution |= {f"{prefix}link": ref.id, f"{prefix}click": click.id, f"{prefix}short_url": ref.short_url}
    for name, value in ref.utm.items():
        if prefix or f"last.{name}" not in attribution:
            attribution.setdefault(prefix + name, value)


def snapshot(ref: LinkRef) -> dict[str, object]:
    """The link as it was when the lead came: it may be changed the next day."""
    return {
        "slug": ref.slug,
        "short_url": ref.short_url,
        "title": ref.title,
        "url": ref.url,
        "campaign": ref.campaign,
        "utm": ref.utm,
    }
