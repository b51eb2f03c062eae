"""Reads of connections: lists, banners, and what the Test inbox received."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts import queries as accounts
from site2crm.connectors import registry, words
from site2crm.connectors.contract import Caps
from site2crm.connectors.errors import ConnectionNotFound
from site2crm.connectors.kinds import APP_ID, Way
from site2crm.connectors.models import Connection, InboxRecord
from site2crm.connectors.states import State
from site2crm.connectors.suggest import Question
from site2crm.core.access import OrgRef
from site2crm.core.db import in_org
from site2crm.core.errors import NotFound
from site2crm.core.paging import Page, checked_limit, older_than, page_of
from site2crm.forms import queries as forms

AGENCY = "/agency/crms"
"""Where operations show the connections of all orgs of a user."""


class ConnectionRef(Struct, frozen=True):
    """What delivery needs to know to make and order its rows."""

    id: str
    org_id: str
    kind: str
    name: str
    state: str
    paused_until: datetime | None


class ConnectionRow(Struct, frozen=True):
    """A connection in a list."""

    id: str
    kind: str
    name: str
    state: str
    state_reason: str
    state_at: datetime
    account: Mapping[str, str]
    form_ids: Sequence[str]
    warnings: Sequence[Mapping[str, Any]]
    drift: Sequence[Mapping[str, Any]]
    checked_at: datetime | None
    paused_until: datetime | None
    way: str
    grant_expires_at: datetime | None
    created_at: datetime


class RecordRow(Struct, frozen=True):
    """What the Test inbox keeps of one lead."""

    id: str
    key: str
    properties: Mapping[str, str]
    writes: int
    created_at: datetime
    updated_at: datetime


def boards(org: OrgRef) -> tuple[str, str]:
    """The pages that say of each connection what is wrong with it: no banner has to."""
    return f"/o/{org.slug}/crms", AGENCY


async def get(session: AsyncSession, org_id: str, connection_id: str) -> Connection:
    """Raises ConnectionNotFound, also for one that was removed."""
    found = await session.scalar(_alive(org_id).where(Connection.id == connection_id))
    if found is None:
        raise ConnectionNotFound
    return found


async def stopped(session: AsyncSession, org_id: str, connection_id: str) -> tuple[str, str]:
    """Why it has stopped, and what to do about it; empty for one that runs, that a person paused, or is gone."""
    found = await session.scalar(_alive(org_id).where(Connection.id == connection_id))
    if found is None or found.state != State.PARKED:
        return "", ""
    return words.sentence(found.state_reason), words.cure(found.kind, found.state_reason)


async def page(
    session: AsyncSession,
    org_id: str,
    *,
    kind: str = "",
    state: str = "",
    limit: int | None = None,
    cursor: str | None = None,
) -> Page[ConnectionRow]:
    """Newest first."""
    count = checked_limit(limit)
    columns = [getattr(Connection, name) for name in ConnectionRow.__struct_fields__]
    statement = select(*columns).where(Connection.org_id == org_id, Connection.state != State.REMOVED)
    if kind:
        statement = statement.where(Connection.kind == kind)
    if state:
        statement = statement.where(Connection.state == state)
    rows = await session.execute(older_than(statement, (Connection.created_at, Connection.id), cursor).limit(count + 1))
    return page_of([ConnectionRow(*row) for row in rows], count, lambda row: (row.created_at, row.id))


async def active_for(session: AsyncSession, org_id: str, form_id: str) -> list[ConnectionRef]:
    """Where the leads of this form go. Paused and parked ones too: their leads wait there."""
    columns = (Connection.id, Connection.kind, Connection.name, Connection.state, Connection.paused_until)
    rows = await session.execute(
        select(*columns, Connection.form_ids)
        .where(Connection.org_id == org_id, Connection.state != State.REMOVED)
        .order_by(Connection.created_at, Connection.id)
    )
    return [
        ConnectionRef(row.id, org_id, row.kind, row.name, row.state, row.paused_until)
        for row in rows
        if not row.form_ids or form_id in row.form_ids
    ]


async def everywhere(session: AsyncSession) -> list[ConnectionRef]:
    """Those of all organisations, for who runs the instance."""
    columns = [getattr(Connection, name) for name in ConnectionRef.__struct_fields__]
    alive = select(*columns).where(Connection.state != State.REMOVED)
    rows = await session.execute(alive.order_by(Connection.org_id, Connection.created_at, Connection.id))
    return [ConnectionRef(*row) for row in rows]


async def in_orgs(session: AsyncSession, org_ids: Sequence[str]) -> list[tuple[str, ConnectionRow]]:
    """(org id, connection) of all that these orgs have, in the order in which they were made."""
    columns = [getattr(Connection, name) for name in ConnectionRow.__struct_fields__]
    alive = select(Connection.org_id, *columns).where(Connection.org_id.in_(org_ids), Connection.state != State.REMOVED)
    rows = await session.execute(alive.order_by(Connection.created_at, Connection.id))
    return [(org_id, ConnectionRow(*row)) for org_id, *row in rows]


async def draining(session: AsyncSession) -> list[tuple[str, str]]:
    """(org id, connection id) of those, of all organisations, that finish what waits."""
    rows = select(Connection.org_id, Connection.id).where(Connection.state == State.DRAINING)
    return [(row.org_id, row.id) for row in await session.execute(rows)]


async def idle_sign_ins(session: AsyncSession, *, since: datetime) -> Sequence[Connection]:
    """Of all organisations: those whose vendor has given no token since then."""
    idle = select(Connection).where(
        Connection.way == Way.OAUTH,
        Connection.grant != "",
        Connection.state != State.REMOVED,
        Connection.refreshed_at < since,
    )
    return (await session.scalars(idle.order_by(Connection.refreshed_at, Connection.id))).all()


async def same_sign_ins(session: AsyncSession, was: Connection) -> list[Connection]:
    """Connections, of any organisation, that live by the same app and account; this one too, if it does so anew."""
    alike = select(Connection).where(
        Connection.kind == was.kind,
        Connection.way == Way.OAUTH,
        (Connection.id != was.id) | (Connection.grant != was.grant),
        Connection.state != State.REMOVED,
    )
    mine = (was.account.get("id"), was.settings.get(APP_ID, ""))
    return [
        row for row in await session.scalars(alike) if (row.account.get("id"), row.settings.get(APP_ID, "")) == mine
    ]


async def of_org(session: AsyncSession, org_id: str) -> list[ConnectionRef]:
    """Every connection of the org, also those that are stopped."""
    columns = [getattr(Connection, name) for name in ConnectionRef.__struct_fields__]
    alive = select(*columns).where(Connection.org_id == org_id, Connection.state != State.REMOVED)
    rows = await session.execute(alive.order_by(Connection.created_at, Connection.id))
    return [ConnectionRef(*row) for row in rows]


async def with_slugs(session: AsyncSession) -> list[tuple[ConnectionRef, str]]:
    """Those of all organisations, each with the slug of its own."""
    found = await everywhere(session)
    slugs = {org_id: (await accounts.org(session, org_id)).slug for org_id in {ref.org_id for ref in found}}
    return [(ref, slugs[ref.org_id]) for ref in found]


async def one_named(session: AsyncSession, named: str) -> tuple[ConnectionRef, str]:
    """By its id, or as ORG/NAME, for who runs the instance. Raises NotFound with what there is."""
    there = await with_slugs(session)
    wanted = named.casefold()
    found = [(ref, slug) for ref, slug in there if named == ref.id or wanted == f"{slug}/{ref.name}".casefold()]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotFound(f"Several are called {named}: use the id, {', '.join(ref.id for ref, _ in found)}.")
    known = ", ".join(f"{slug}/{ref.name}" for ref, slug in there[:20]) or "none yet"
    raise NotFound(f"There is no connection {named}. There are: {known}.")


async def names(session: AsyncSession, org_id: str) -> dict[str, str]:
    """Connection id -> name, removed ones too: old deliveries still show where they went."""
    rows = await session.execute(select(Connection.id, Connection.name).where(Connection.org_id == org_id))
    return {row.id: row.name for row in rows}


async def kinds(session: AsyncSession, org_id: str) -> dict[str, str]:
    """Connection id -> kind, removed ones too."""
    rows = await session.execute(select(Connection.id, Connection.kind).where(Connection.org_id == org_id))
    return {row.id: row.kind for row in rows}


def label(kind: str) -> str:
    """What such a CRM is called in a sentence."""
    found = registry.get(kind)
    return found.short or found.label if found else kind


def full_name(kind: str, name: str) -> str:
    """`HubSpot “Main”`, or the name alone where it says already what it is."""
    return name if name.startswith(label(kind)) else f"{label(kind)} “{name}”"


def icon(kind: str) -> str:
    found = registry.get(kind)
    return found.icon if found else "plug"


def sentence(text: str) -> str:
    """What a CRM said, with a full stop."""
    return words.sentence(text)


def caps(kind: str) -> Caps:
    """What such a CRM can do."""
    found = registry.get(kind)
    return found.caps if found else Caps()


async def any_exists(session: AsyncSession, org_id: str) -> bool:
    return (await session.scalar(_alive(org_id).with_only_columns(Connection.id).limit(1))) is not None


async def parked(session: AsyncSession, org_id: str) -> Sequence[Connection]:
    """Those that wait for a person, for the banner on every page."""
    stopped = _alive(org_id).where(Connection.state == State.PARKED)
    return (await session.scalars(stopped.order_by(Connection.state_at).limit(5))).all()


async def records(
    session: AsyncSession, org_id: str, connection_id: str, *, limit: int | None = None, cursor: str | None = None
) -> Page[RecordRow]:
    """What the Test inbox received, last change first."""
    count = checked_limit(limit)
    statement = _records(org_id, connection_id)
    rows = await session.execute(
        older_than(statement, (InboxRecord.updated_at, InboxRecord.id), cursor).limit(count + 1)
    )
    return page_of([RecordRow(*row) for row in rows], count, lambda row: (row.updated_at, row.id))


async def record(session: AsyncSession, org_id: str, connection_id: str, record_id: str) -> RecordRow:
    """Raises NotFound."""
    found = (await session.execute(_records(org_id, connection_id).where(InboxRecord.id == record_id))).one_or_none()
    if found is None:
        raise NotFound("This record does not exist.")
    return RecordRow(*found)


async def record_count(session: AsyncSession, org_id: str, connection_id: str) -> int:
    statement = select(func.count()).select_from(InboxRecord)
    mine = statement.where(InboxRecord.org_id == org_id, InboxRecord.connection_id == connection_id)
    return await session.scalar(mine) or 0


async def questions(session: AsyncSession, org_id: str) -> list[Question]:
    """What the org's forms ask beside name, e-mail, phone, company and message."""
    found: dict[str, Question] = {}
    for fields in await forms.fields(session, org_id):
        for field in fields:
            place = _PLACES.get(field["type"])
            if place:
                question = Question(f"{place}.{field['name']}", field["name"], field.get("label") or field["name"])
                found.setdefault(question.source, question)
    return list(found.values())


_PLACES = {"text": "custom", "choice": "custom", "hidden": "custom", "consent": "consent"}
"""Type of a form's field -> where its answers are; the other types fill the usual fields."""


def _alive(org_id: str) -> Select[Connection]:
    return in_org(Connection, org_id).where(Connection.state != State.REMOVED)


def _records(org_id: str, connection_id: str) -> Select[Any]:
    columns = [getattr(InboxRecord, name) for name in RecordRow.__struct_fields__]
    return select(*columns).where(InboxRecord.org_id == org_id, InboxRecord.connection_id == connection_id)
