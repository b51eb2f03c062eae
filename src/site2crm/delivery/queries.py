"""Reads of deliveries: lists, one with its attempts, and the figures that add up."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVarTuple

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import queries as connections
from site2crm.core.errors import Invalid
from site2crm.core.paging import Page, checked_limit, older_than, page_of
from site2crm.delivery.errors import DeliveryNotFound
from site2crm.delivery.gone import compared as compared
from site2crm.delivery.gone import missing as missing
from site2crm.delivery.gone import missing_counts as missing_counts
from site2crm.delivery.models import Attempt, Delivery, RemoteRecord
from site2crm.delivery.pace import NO_PACE as NO_PACE
from site2crm.delivery.pace import Pace as Pace
from site2crm.delivery.pace import paces as paces
from site2crm.delivery.states import PERSON, WAITING, State, shown
from site2crm.leads import queries as leads

Ts = TypeVarTuple("Ts")

MOST_COUNTED = 1_000
"""A tab says "1,000" and no more."""
MOST_ATTEMPTS = 50
SAMPLE = 200
ALL_WAITING = "waiting"
"""Asks for every state in which a lead is still on its way."""


class DeliveryItem(Struct, frozen=True, kw_only=True):
    """A delivery as lists and the API show it. `error` is what the CRM said last."""

    id: str
    lead: str
    submission: str
    connection: str
    form: str
    state: str
    attempts: int
    remote_id: str | None
    remote_url: str | None
    deal_id: str | None
    deal_url: str | None
    person_at: datetime | None
    """When the CRM took the person, while a deal is still to be made."""
    error: str | None
    error_code: str | None
    error_field: str | None
    warnings: list[dict[str, Any]]
    overrides: dict[str, str]
    due_at: datetime | None
    created_at: datetime
    updated_at: datetime
    delivered_at: datetime | None

    @property
    def shown(self) -> str:
        """The state, as pages call it."""
        return shown(self.state)


def unquoted(item: DeliveryItem) -> DeliveryItem:
    """For somebody who may not read leads."""
    return msgspec.structs.replace(item, error=None, warnings=[], overrides={})


class AttemptItem(Struct, frozen=True, kw_only=True):
    """One try. No `finished_at`: it is under way. `exchanges` are the requests and answers, secrets masked.

    `step`: what was sent, the person or, after it, its deal.
    """

    number: int
    step: str
    started_at: datetime
    finished_at: datetime | None
    outcome: str
    error: str
    exchanges: list[dict[str, Any]]


class Wanted(Struct, frozen=True, kw_only=True):
    """What a list or a bulk action is about. `since` and `until` are about when the delivery was made."""

    lead: str = ""
    submission: str = ""
    connection: str = ""
    form: str = ""
    state: str = ""
    """A state, or "waiting" for all in which it is still on its way."""
    code: str = ""
    """Of the error that it had last, as in `error_code`."""
    since: datetime | None = None
    until: datetime | None = None
    as_of: datetime | None = None
    """Only those to which nothing has happened since: what was sent again meanwhile is not sent once more."""

    @property
    def states(self) -> tuple[str, ...]:
        """Empty: all. Raises Invalid for one that does not exist."""
        if not self.state:
            return ()
        if self.state == ALL_WAITING:
            return WAITING
        if self.state not in tuple(State):
            raise Invalid.field("state", f"One of: {', '.join((*State, ALL_WAITING))}.")
        return (self.state,)


class Numbers(Struct, frozen=True):
    """created = delivered + waiting + dead + skipped; waiting = pending + sending + retrying + parked."""

    created: int
    delivered: int
    waiting: int
    dead: int
    skipped: int
    pending: int
    sending: int
    retrying: int
    parked: int
    oldest_waiting: datetime | None


_COLUMNS = (
    Delivery.id,
    Delivery.lead_id.label("lead"),
    Delivery.submission_id.label("submission"),
    Delivery.connection_id.label("connection"),
    Delivery.form_id.label("form"),
    Delivery.state,
    Delivery.attempts,
    Delivery.remote_id,
    Delivery.remote_url,
    Delivery.deal_id,
    Delivery.deal_url,
    Delivery.person_at,
    Delivery.error,
    Delivery.error_code,
    Delivery.error_field,
    Delivery.warnings,
    Delivery.overrides,
    Delivery.due_at,
    Delivery.created_at,
    Delivery.updated_at,
    Delivery.delivered_at,
)


async def page(
    session: AsyncSession, org_id: str, wanted: Wanted, *, limit: int | None = None, cursor: str | None = None
) -> Page[DeliveryItem]:
    """Newest first."""
    return await page_of_any_size(session, org_id, wanted, limit=checked_limit(limit), cursor=cursor)


async def page_of_any_size(
    session: AsyncSession, org_id: str, wanted: Wanted, *, limit: int, cursor: str | None = None
) -> Page[DeliveryItem]:
    """For exports. A walk along an index for each state, merged."""
    found: list[DeliveryItem] = []
    for state in wanted.states or (None,):
        statement = among(select(*_COLUMNS), org_id, wanted)
        if state is not None:
            statement = statement.where(Delivery.state == state)
        rows = await session.execute(older_than(statement, (Delivery.created_at, Delivery.id), cursor).limit(limit + 1))
        found.extend(_item(row) for row in rows)
    return page_of(sorted(found, key=_place, reverse=True), limit, _place)


def among(statement: Select[*Ts], org_id: str, wanted: Wanted) -> Select[*Ts]:
    """Restricted to what is wanted, but for the state."""
    # Of one lead there are few: the org is hidden from the planner, which would walk all that it has.
    few = wanted.lead or wanted.submission
    mine = func.coalesce(Delivery.org_id, "") == org_id if few else Delivery.org_id == org_id
    return statement.where(mine, *conditions(Delivery, wanted))


def conditions(of: type[Delivery], wanted: Wanted) -> list[ColumnElement[bool]]:
    """What is wanted, but for the org and the state."""
    equal = {
        of.lead_id: wanted.lead,
        of.submission_id: wanted.submission,
        of.connection_id: wanted.connection,
        of.form_id: wanted.form,
        of.error_code: wanted.code,
    }
    found: list[ColumnElement[bool]] = [column == value for column, value in equal.items() if value]
    if wanted.since is not None:
        found.append(of.created_at >= wanted.since)
    if wanted.until is not None:
        found.append(of.created_at < wanted.until)
    if wanted.as_of is not None:
        found.append(of.updated_at <= wanted.as_of)
    return found


async def get(session: AsyncSession, org_id: str, delivery_id: str) -> DeliveryItem:
    """Raises DeliveryNotFound."""
    statement = select(*_COLUMNS).where(Delivery.org_id == org_id, Delivery.id == delivery_id)
    row = (await session.execute(statement)).first()
    if row is None:
        raise DeliveryNotFound
    return _item(row)


async def attempts(session: AsyncSession, org_id: str, delivery_ids: Sequence[str]) -> dict[str, list[AttemptItem]]:
    """Of each delivery its attempts, newest first, at most fifty: a limit that is reached for days leaves thousands."""
    found: dict[str, list[AttemptItem]] = {id: [] for id in delivery_ids}
    columns = [getattr(Attempt, name) for name in AttemptItem.__struct_fields__]
    place = func.row_number().over(partition_by=Attempt.delivery_id, order_by=Attempt.number.desc())
    theirs = select(Attempt.id, place.label("place")).where(Attempt.delivery_id.in_(delivery_ids)).subquery()
    rows = await session.execute(
        select(Attempt.delivery_id, *columns)
        .join(theirs, theirs.c.id == Attempt.id)
        .where(Attempt.org_id == org_id, theirs.c.place <= MOST_ATTEMPTS)
        .order_by(Attempt.delivery_id, Attempt.number.desc())
    )
    for delivery_id, *values in rows:
        found[delivery_id].append(AttemptItem(**dict(zip(AttemptItem.__struct_fields__, values, strict=True))))
    return found


async def form_numbers(session: AsyncSession, org_id: str, form_id: str) -> Numbers:
    return await _numbers(session, org_id, Wanted(form=form_id))


async def connection_numbers(session: AsyncSession, org_id: str, connection_id: str) -> Numbers:
    return await _numbers(session, org_id, Wanted(connection=connection_id))


async def counts(session: AsyncSession, org_id: str) -> dict[str, int]:
    """State -> how many, for the tabs; of what has arrived nobody needs to know here."""
    found = {}
    for state in (State.PENDING, State.SENDING, State.RETRYING, State.PARKED, State.DEAD, State.SKIPPED):
        some = select(1).where(Delivery.org_id == org_id, Delivery.state == state).limit(MOST_COUNTED).subquery()
        found[state.value] = await session.scalar(select(func.count()).select_from(some)) or 0
    return found


async def arrived(session: AsyncSession, org_id: str, span: tuple[datetime, datetime]) -> tuple[int, int]:
    """How many deliveries were made in [start, end), and how many of them have arrived; from two indexes alone."""
    made = select(func.count()).where(
        Delivery.org_id == org_id, Delivery.created_at >= span[0], Delivery.created_at < span[1]
    )
    delivered = made.where(Delivery.state == State.DELIVERED)
    row = (await session.execute(select(made.scalar_subquery(), delivered.scalar_subquery()))).one()
    return row[0], row[1]


async def stuck(session: AsyncSession, org_id: str) -> list[tuple[str, str, int]]:
    """(connection id, state, count) of dead and parked ones, for the banners; counted from the index alone.

    Of a connection that was removed nothing can be sent again: nobody is asked to.
    """
    there = [ref.id for ref in await connections.of_org(session, org_id)]
    rows = await session.execute(
        select(Delivery.connection_id, Delivery.state, func.count())
        .where(Delivery.connection_id.in_(there), Delivery.state.in_((State.DEAD, State.PARKED)))
        .group_by(Delivery.connection_id, Delivery.state)
    )
    return [(connection_id, state, count) for connection_id, state, count in rows]


async def refused_deals(session: AsyncSession, connection_id: str) -> tuple[int, int]:
    """(deals, all) of what a connection has refused: people who are there, but not their deal. Of SAMPLE, for banners
    on every page: which of them it is stands in the row, not in the index."""
    some = (
        select(Delivery.person_at)
        .where(Delivery.connection_id == connection_id, Delivery.state == State.DEAD)
        .limit(SAMPLE)
        .subquery()
    )
    row = (await session.execute(select(func.count(some.c.person_at), func.count()).select_from(some))).one()
    return row[0], row[1]


async def lead_names(session: AsyncSession, org_id: str, lead_ids: Sequence[str]) -> dict[str, str]:
    """Lead id -> what a person calls them."""
    found = await leads.names(session, org_id, lead_ids)
    return {lead_id: found.get(lead_id, "a deleted lead") for lead_id in lead_ids}


async def leads_of(session: AsyncSession, org_id: str, connection_id: str, people: Sequence[str]) -> dict[str, str]:
    """The CRM's id of a person -> the lead that it is, of those that we sent there."""
    rows = await session.execute(
        select(RemoteRecord.remote_id, RemoteRecord.lead_id)
        .where(
            RemoteRecord.connection_id == connection_id,
            RemoteRecord.kind == PERSON,
            RemoteRecord.remote_id.in_(people),
            RemoteRecord.org_id == org_id,
        )
        .order_by(RemoteRecord.created_at.desc())
    )
    return {row.remote_id: row.lead_id for row in rows}


async def records_of(session: AsyncSession, org_id: str, lead_id: str) -> list[tuple[str, str]]:
    """(connection id, the CRM's id of the person) of a lead, in each CRM that it was sent to."""
    rows = await session.execute(
        select(RemoteRecord.connection_id, RemoteRecord.remote_id).where(
            RemoteRecord.lead_id == lead_id, RemoteRecord.kind == PERSON, RemoteRecord.org_id == org_id
        )
    )
    return [(row.connection_id, row.remote_id) for row in rows]


async def _numbers(session: AsyncSession, org_id: str, wanted: Wanted) -> Numbers:
    rows = await session.execute(
        among(select(Delivery.state, func.count(), func.min(Delivery.created_at)), org_id, wanted).group_by(
            Delivery.state
        )
    )
    count: dict[str, int] = dict.fromkeys(State, 0)
    oldest: list[datetime] = []
    for state, number, first in rows:
        count[state] = number
        if state in WAITING:
            oldest.append(first)
    return Numbers(
        created=sum(count.values()),
        delivered=count[State.DELIVERED],
        waiting=sum(count[state] for state in WAITING),
        dead=count[State.DEAD],
        skipped=count[State.SKIPPED],
        pending=count[State.PENDING],
        sending=count[State.SENDING],
        retrying=count[State.RETRYING],
        parked=count[State.PARKED],
        oldest_waiting=min(oldest, default=None),
    )


def _item(row: Any) -> DeliveryItem:
    values = dict(row._mapping)
    for name in ("error", "error_code", "error_field"):
        values[name] = values[name] or None
    return DeliveryItem(**values)


def _place(delivery: DeliveryItem) -> tuple[datetime, str]:
    return delivery.created_at, delivery.id
