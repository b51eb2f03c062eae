"""What a person decides about deals: read now, and what counts how much in the ranking."""

from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import queries as connections
from site2crm.connectors.errors import ConnectionNotFound
from site2crm.connectors.queries import ConnectionRef
from site2crm.core.db import in_org
from site2crm.core.errors import FieldError, Invalid
from site2crm.core.machine import Machine
from site2crm.core.queue import enqueue
from site2crm.core.sql import upsert
from site2crm.deals import feeds, progress
from site2crm.deals.errors import NothingToRead
from site2crm.deals.models import Feed, Stream, Weights
from site2crm.deals.progress import Reading as Reading
from site2crm.deals.ranking import WeightsOut
from site2crm.deals.shown import far as far
from site2crm.kit import clock, money

MOST_POINTS = 10_000
_ROUNDING = 1e-6


class Started(Struct, frozen=True):
    """The connections that are being read now."""

    connections: list[str]


async def read_now(session: AsyncSession, machine: Machine, *, org_id: str, connection: str = "") -> Started:
    """At one connection or at all. Raises NothingToRead where there is none, ConnectionNotFound."""
    refs = [ref for ref in await connections.of_org(session, org_id) if connections.caps(ref.kind).deals]
    if connection and connection not in await connections.names(session, org_id):
        raise ConnectionNotFound
    if connection and connection not in {ref.id for ref in refs}:
        raise NothingToRead("This kind of CRM has no deals that can be read.")
    ready = [ref for ref in refs if connection in ("", ref.id) and ref.state == feeds.ACTIVE]
    if not ready:
        raise NothingToRead(_cure(is_one=bool(connection), is_any=bool(refs)))
    ids = [ref.id for ref in ready]
    await feeds.open_all(session, machine.vault, ready)
    mine = Feed.connection_id.in_(ids)
    await session.execute(update(Feed).where(mine).values(due_at=clock.now(), hinted_at=clock.now()))
    fresh = update(Stream).where(Stream.connection_id.in_(ids))
    await session.execute(fresh.values(retry_at=None))
    await session.execute(fresh.where(Stream.name == feeds.DIRECTORY).values(finished_at=None))
    for id in ids:
        await enqueue(session, feeds.SYNC, key=f"{feeds.SYNC}:{id}", org_id=org_id, connection_id=id)
    return Started(ids)


def _cure(*, is_one: bool, is_any: bool) -> str:
    if is_one:
        return "It is stopped: resume it first."
    return "Each CRM that has deals is stopped: resume one first." if is_any else "Connect a CRM that has deals first."


async def save_weights(session: AsyncSession, org_id: str, wanted: WeightsOut) -> None:
    """Raises Invalid with every field that is wrong."""
    points = {name: getattr(wanted, name) for name in ("call", "email", "meeting", "won", "amount")}
    refused = [
        FieldError(name, f"A number from 0 to {MOST_POINTS:,}.")
        for name, value in points.items()
        if not 0 <= value <= MOST_POINTS
    ] or [
        FieldError(name, "At most two digits after the point.")
        for name, value in points.items()
        if abs(value * 100 - round(value * 100)) > _ROUNDING
    ]
    if wanted.currency and not money.code(wanted.currency):
        refused.append(FieldError("currency", "Three letters, such as EUR; empty for the one in which most was won."))
    if refused:
        raise Invalid(refused[0].message, errors=refused)
    row = {**{name: round(value * 100) for name, value in points.items()}, "currency": money.code(wanted.currency)}
    await session.execute(upsert(Weights, [{"org_id": org_id, **row}], on=("org_id",), set_=row))


async def feed_of(session: AsyncSession, org_id: str, connection_id: str) -> Feed | None:
    """None before the connection was first looked at."""
    return await session.scalar(in_org(Feed, org_id).where(Feed.connection_id == connection_id))


async def readings(session: AsyncSession, machine: Machine, refs: Sequence[ConnectionRef]) -> dict[str, Reading]:
    """Connection id -> how its deals are being read, of those that are."""
    return {reading.connection: reading for reading in await progress.of(session, machine, refs)}
