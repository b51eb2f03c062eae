"""Reads of deals: lists, and one with what belongs to it. What they come to: `sums.py`."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, TypeVarTuple

from msgspec import Struct
from sqlalchemy import ColumnElement, Row, Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import queries as connections
from site2crm.connectors.sales import Status
from site2crm.core.db import these
from site2crm.core.errors import Invalid
from site2crm.core.paging import Page, checked_limit, older_than, page_of
from site2crm.deals import finding
from site2crm.deals.errors import DealNotFound
from site2crm.deals.models import About, Activity, Deal, Owner, Stage
from site2crm.delivery import queries as delivery
from site2crm.kit import money

Ts = TypeVarTuple("Ts")

MOST_ACTIVITIES = 100
_COLUMNS = (
    Deal.id, Deal.connection_id, Deal.remote_id, Deal.title, Deal.status, Deal.amount_minor, Deal.currency,
    Deal.pipeline, Deal.stage, Deal.owner, Deal.url, Deal.close_on, Deal.closed_at, Deal.created_at, Deal.updated_at,
)  # fmt: skip
"""What a list shows: rows of columns cost a third of what objects do, and an export has a hundred thousand."""
ALIVE = (Status.OPEN, Status.WON, Status.LOST)
STATES = (*ALIVE, Status.DELETED)


class Sum(Struct, frozen=True):
    """Money of one currency. `amount_minor` counts its smallest unit, `amount` is the same in words of machines."""

    currency: str
    amount_minor: int
    amount: str


class Named(Struct, frozen=True):
    """Something of the CRM by its own id. `label` is the id where the CRM has not told a name yet."""

    id: str
    label: str


class OwnerRef(Struct, frozen=True):
    """`active` False: no longer in the CRM."""

    id: str
    name: str
    email: str
    active: bool


class DealItem(Struct, frozen=True, kw_only=True):
    """A deal as lists and the API show it. `value` None: the CRM knows none. `lead`: the lead that it is about."""

    id: str
    connection: str
    remote_id: str
    title: str
    status: str
    value: Sum | None
    pipeline: Named | None
    stage: Named | None
    owner: OwnerRef | None
    lead: str | None
    url: str | None
    close_on: str | None
    closed_at: datetime | None
    created_at: datetime
    updated_at: datetime


class ActivityItem(Struct, frozen=True, kw_only=True):
    """What a salesperson did with somebody whom the deal is about."""

    id: str
    kind: str
    owner: OwnerRef | None
    at: datetime
    done: bool
    seconds: int | None


class Wanted(Struct, frozen=True, kw_only=True):
    """What a list is about. `since` and `until` are about when the deal was made; deleted ones only by `status`."""

    connection: str = ""
    pipeline: str = ""
    stage: str = ""
    owner: str = ""
    status: str = ""
    search: str = ""
    since: datetime | None = None
    until: datetime | None = None
    lead: str = ""


class PipelineRef(Struct, frozen=True):
    connection: str
    id: str
    label: str


async def page(
    session: AsyncSession, org_id: str, wanted: Wanted, *, limit: int | None = None, cursor: str | None = None
) -> Page[DealItem]:
    """Newest first. Raises Invalid for a status that there is not."""
    return await page_of_any_size(session, org_id, wanted, limit=checked_limit(limit), cursor=cursor)


async def page_of_any_size(
    session: AsyncSession, org_id: str, wanted: Wanted, *, limit: int, cursor: str | None = None
) -> Page[DealItem]:
    """For exports."""
    statement = await among(session, select(*_COLUMNS), org_id, wanted)
    rows = await session.execute(older_than(statement, (Deal.created_at, Deal.id), cursor).limit(limit + 1))
    found = page_of(rows.all(), limit, lambda row: (row.created_at, row.id))
    return Page(data=await _items(session, org_id, found.data), page=found.page)


async def get(session: AsyncSession, org_id: str, deal_id: str) -> DealItem:
    """Raises DealNotFound."""
    row = (await session.execute(select(*_COLUMNS).where(Deal.org_id == org_id, Deal.id == deal_id))).first()
    if row is None:
        raise DealNotFound
    [item] = await _items(session, org_id, [row])
    return item


async def of_lead(session: AsyncSession, org_id: str, lead_id: str) -> list[DealItem]:
    """Its deals in every CRM that it was sent to, newest first, at most a hundred."""
    wanted = Wanted(lead=lead_id)
    statement = await among(session, select(*_COLUMNS), org_id, wanted)
    rows = await session.execute(older_than(statement, (Deal.created_at, Deal.id), None).limit(100))
    return await _items(session, org_id, rows.all())


async def activities(session: AsyncSession, org_id: str, deal_id: str) -> list[ActivityItem]:
    """With the persons whom the deal is about, the newest hundred."""
    people = select(About.person, About.connection_id).where(About.subject_id == deal_id).subquery()
    theirs = select(About.subject_id).join(
        people, and_(About.connection_id == people.c.connection_id, About.person == people.c.person)
    )
    rows = (
        await session.scalars(
            select(Activity)
            .where(Activity.id.in_(theirs), func.coalesce(Activity.org_id, "") == org_id)
            .order_by(Activity.at.desc(), Activity.id.desc())
            .limit(MOST_ACTIVITIES)
        )
    ).all()
    owners = await _owners(session, org_id, {(row.connection_id, row.owner) for row in rows if row.owner})
    return [
        ActivityItem(
            id=row.id,
            kind=row.kind,
            owner=owners.get((row.connection_id, row.owner)),
            at=row.at,
            done=row.done,
            seconds=row.seconds,
        )
        for row in rows
    ]


async def pipelines(session: AsyncSession, org_id: str) -> list[PipelineRef]:
    """Of every connection that is still there, in the order of each CRM."""
    rows = await session.execute(
        select(Stage.connection_id, Stage.pipeline, Stage.pipeline_label, Stage.pipeline_place)
        .where(Stage.org_id == org_id)
        .distinct()
        .order_by(Stage.connection_id, Stage.pipeline_place)
    )
    return [PipelineRef(row.connection_id, row.pipeline, row.pipeline_label) for row in rows]


async def owners(session: AsyncSession, org_id: str) -> list[tuple[str, OwnerRef]]:
    """(connection, owner) of everyone, by name; who left last."""
    rows = await session.scalars(
        select(Owner).where(Owner.org_id == org_id).order_by(Owner.active.desc(), Owner.name, Owner.remote_id)
    )
    return [(row.connection_id, OwnerRef(row.remote_id, row.name, row.email, row.active)) for row in rows]


async def selling(session: AsyncSession, org_id: str) -> dict[str, str]:
    """Connection id -> name, of those whose kind has deals, whether we read them or it sends them."""
    refs = await connections.of_org(session, org_id)
    return {ref.id: ref.name for ref in refs if (caps := connections.caps(ref.kind)).deals or caps.pushes}


def in_words(sums: dict[str, int]) -> list[Sum]:
    """The largest first; currencies are never added up."""
    ordered = sorted(((amount, currency) for currency, amount in sums.items() if amount), reverse=True)
    return [Sum(currency, amount, money.plain(amount, currency)) for amount, currency in ordered]


async def among(session: AsyncSession, statement: Select[*Ts], org_id: str, wanted: Wanted) -> Select[*Ts]:
    """Restricted to what is wanted. Raises Invalid."""
    statement = statement.where(*conditions(wanted))
    few: Collection[str] | None = None
    if wanted.lead:
        few = await about(session, org_id, wanted.lead)
    elif wanted.search:
        few = await finding.few(session, org_id, wanted.search)
    if wanted.search:
        statement = statement.where(*finding.having(wanted.search))
    return statement.where(Deal.org_id == org_id) if few is None else statement.where(these(Deal, org_id, few))


def conditions(wanted: Wanted, *, states: Sequence[Status] = ALIVE) -> list[ColumnElement[bool]]:
    """What is wanted, but for the org, the lead and what is looked for; `states` are meant where it names none."""
    if wanted.status and wanted.status not in STATES:
        raise Invalid.field("status", f"One of: {', '.join(STATES)}.")
    equal = {
        Deal.connection_id: wanted.connection,
        Deal.pipeline: wanted.pipeline,
        Deal.stage: wanted.stage,
        Deal.owner: wanted.owner,
        Deal.status: wanted.status,
    }
    found: list[ColumnElement[bool]] = [column == value for column, value in equal.items() if value]
    if not wanted.status:
        found.append(Deal.status.in_(states))
    if wanted.since is not None:
        found.append(Deal.created_at >= wanted.since)
    if wanted.until is not None:
        found.append(Deal.created_at < wanted.until)
    return found


async def about(session: AsyncSession, org_id: str, lead_id: str) -> set[str]:
    """The ids of what is about a lead."""
    ids: set[str] = set()
    for connection_id, person in await delivery.records_of(session, org_id, lead_id):
        subjects = select(About.subject_id).where(About.connection_id == connection_id, About.person == person)
        ids |= set(await session.scalars(subjects))
    return ids


async def _items(session: AsyncSession, org_id: str, rows: Sequence[Row[*tuple[Any, ...]]]) -> list[DealItem]:
    """With the names of what they point at: four queries for any number of them."""
    stages = await _stages(session, org_id, {row.connection_id for row in rows})
    known = await _owners(session, org_id, {(row.connection_id, row.owner) for row in rows if row.owner})
    leads = await leads_of(session, org_id, [row.id for row in rows])
    return [_item(row, stages, known, leads) for row in rows]


async def leads_of(session: AsyncSession, org_id: str, deal_ids: Sequence[str]) -> dict[str, str]:
    """Deal id -> the lead that it is about: the most important person that is one of ours."""
    columns = (About.subject_id, About.connection_id, About.person)
    of_them = select(*columns).where(About.subject_id.in_(deal_ids)).order_by(About.place)
    about = (await session.execute(of_them)).all()
    people: dict[str, set[str]] = defaultdict(set)
    for one in about:
        people[one.connection_id].add(one.person)
    found = {
        (connection_id, person): lead
        for connection_id, persons in people.items()
        for person, lead in (await delivery.leads_of(session, org_id, connection_id, sorted(persons))).items()
    }
    leads: dict[str, str] = {}
    for one in about:
        if (lead := found.get((one.connection_id, one.person))) is not None:
            leads.setdefault(one.subject_id, lead)
    return leads


async def _stages(session: AsyncSession, org_id: str, connection_ids: set[str]) -> dict[tuple[str, str, str], Stage]:
    rows = await session.scalars(select(Stage).where(Stage.connection_id.in_(connection_ids), Stage.org_id == org_id))
    return {(row.connection_id, row.pipeline, row.remote_id): row for row in rows}


async def _owners(session: AsyncSession, org_id: str, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], OwnerRef]:
    rows = await session.scalars(
        select(Owner).where(
            Owner.connection_id.in_({connection_id for connection_id, _ in wanted}),
            Owner.remote_id.in_({id for _, id in wanted}),
            Owner.org_id == org_id,
        )
    )
    known = {
        (row.connection_id, row.remote_id): OwnerRef(row.remote_id, row.name, row.email, row.active) for row in rows
    }
    return {key: known.get(key) or OwnerRef(key[1], key[1], "", active=True) for key in wanted}


def _item(
    row: Row[*tuple[Any, ...]],
    stages: dict[tuple[str, str, str], Stage],
    known: dict[tuple[str, str], OwnerRef],
    leads: dict[str, str],
) -> DealItem:
    stage = stages.get((row.connection_id, row.pipeline, row.stage))
    label = stage.pipeline_label if stage else row.pipeline
    value: Any = None
    if row.amount_minor is not None:
        value = Sum(row.currency, row.amount_minor, money.plain(row.amount_minor, row.currency))
    return DealItem(
        id=row.id,
        connection=row.connection_id,
        remote_id=row.remote_id,
        title=row.title or "Without a title",
        status=row.status,
        value=value,
        pipeline=Named(row.pipeline, label) if row.pipeline else None,
        stage=Named(row.stage, stage.label if stage else row.stage) if row.stage else None,
        owner=known.get((row.connection_id, row.owner)),
        lead=leads.get(row.id),
        url=row.url,
        close_on=row.close_on,
        closed_at=row.closed_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
