"""Leads dealt out to owners in turn: whose turn it is is on disk before the call, so that a retry keeps its owner."""

from collections.abc import Sequence
from typing import Any, cast

import msgspec
from sqlalchemy import Table, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import service as connections
from site2crm.connectors.service import Translation
from site2crm.delivery.calling import Claim
from site2crm.delivery.models import Delivery

_DELIVERY = cast("Table", Delivery.__table__)
_KEEP = update(_DELIVERY).where(_DELIVERY.c.id == bindparam("of_id")).values(owner=bindparam("to_owner"))


async def taken(session: AsyncSession, translation: Translation, claims: Sequence[Claim]) -> list[Claim]:
    """The claims with their owners. Who was given one before keeps it while that one takes turns."""
    several = translation.takes_turns
    new = [claim for claim in claims if several and claim.turn not in several and _needs_owner(translation, claim)]
    if not new:
        return list(claims)
    before = await _before(session, new, several)
    free = [claim for claim in new if claim.lead_id not in before]
    first = await connections.take_turns(session, free[0].connection_id, len(free)) if free else 0
    given = {claim.id: before[claim.lead_id] for claim in new if claim.lead_id in before}
    given |= {claim.id: translation.turn(first + place) for place, claim in enumerate(free)}
    await session.execute(_KEEP, [{"of_id": id, "to_owner": owner} for id, owner in given.items()])
    return [msgspec.structs.replace(claim, turn=given.get(claim.id, claim.turn)) for claim in claims]


def _needs_owner(translation: Translation, claim: Claim) -> bool:
    """Not for a record that is there and keeps its own: that would take somebody's turn for nothing."""
    return claim.known_id is None or translation.has_deals or translation.owner_wins


async def _before(session: AsyncSession, claims: Sequence[Claim], several: Sequence[str]) -> dict[str, Any]:
    """Lead id -> whom an earlier submission of the lead was given to."""
    rows = await session.execute(
        select(Delivery.lead_id, Delivery.owner)
        .where(
            Delivery.lead_id.in_([claim.lead_id for claim in claims]),
            Delivery.connection_id == claims[0].connection_id,
            Delivery.owner.in_(several),
        )
        .order_by(Delivery.created_at)
    )
    return {row.lead_id: row.owner for row in rows}
