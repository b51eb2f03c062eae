"""Connections: made, tested, changed, stopped and mended.

A call to a CRM never happens inside a write transaction: each function first asks the CRM and then writes, in one
transaction, what it was told.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct, UnsetType
from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import app_hooks as app_hooks
from site2crm.connectors import (
    asking,
    entering,
    health,
    leaving,
    mapping,
    opening,
    owners,
    queries,
    reentering,
    ruling,
    sealing,
    words,
)
from site2crm.connectors.asking import GIVE_RIGHTS as GIVE_RIGHTS
from site2crm.connectors.asking import examine as examine
from site2crm.connectors.asking import lacking as lacking
from site2crm.connectors.asking import strange as strange
from site2crm.connectors.contract import OWNER, FieldDef
from site2crm.connectors.declared_check import DECLARED_TABLES as DECLARED_TABLES
from site2crm.connectors.declared_check import Alone as Alone
from site2crm.connectors.declared_check import Answered as Answered
from site2crm.connectors.declared_check import Written as Written
from site2crm.connectors.declared_check import answered as answered
from site2crm.connectors.declared_check import answered_alone as answered_alone
from site2crm.connectors.declared_check import written as written
from site2crm.connectors.entering import Entered, kind_named
from site2crm.connectors.errors import NotConnected, StillRefused
from site2crm.connectors.events import (
    MAPPING_DRIFT,
    ConnectionCreated,
    ConnectionRemoved,
    ConnectionResumed,
)
from site2crm.connectors.grants import Grants
from site2crm.connectors.health import note_warning as note_warning
from site2crm.connectors.health import park as park
from site2crm.connectors.health import paused_until as paused_until
from site2crm.connectors.health import throttle as throttle
from site2crm.connectors.kinds import ConnectorKind, Way
from site2crm.connectors.models import Connection, InboxRecord
from site2crm.connectors.opening import Access, Checked
from site2crm.connectors.opening import hook_receipt as hook_receipt
from site2crm.connectors.opening import limits_left as limits_left
from site2crm.connectors.opening import open_connector as open_connector
from site2crm.connectors.opening import open_deals as open_deals
from site2crm.connectors.opening import open_hooks as open_hooks
from site2crm.connectors.opening import open_sales as open_sales
from site2crm.connectors.queries import active_for as active_for
from site2crm.connectors.queries import get as get
from site2crm.connectors.reentering import known as known
from site2crm.connectors.registry import KINDS
from site2crm.connectors.ruling import ConnectionIn as ConnectionIn
from site2crm.connectors.ruling import ConnectionPatch as ConnectionPatch
from site2crm.connectors.sales import Directory
from site2crm.connectors.sending import Translation as Translation
from site2crm.connectors.sending import preview as preview
from site2crm.connectors.sources import LeadValues as LeadValues
from site2crm.connectors.states import State
from site2crm.connectors.stopping import drain as drain
from site2crm.connectors.stopping import locked as locked
from site2crm.connectors.stopping import pause as pause
from site2crm.connectors.suggest import suggest
from site2crm.connectors.unowned import add_deal as add_deal
from site2crm.connectors.unowned import upsert as upsert
from site2crm.core import alarms
from site2crm.core.access import OrgRef
from site2crm.core.declared import books
from site2crm.core.errors import FieldError, Invalid
from site2crm.core.events import emit
from site2crm.core.machine import Machine
from site2crm.forms import queries as forms
from site2crm.kit import clock, ids


class Made(Struct, frozen=True, kw_only=True):
    """A new connection, what its test said (None: not tested), and the secrets that we made for it."""

    connection: Connection
    checked: Checked | None
    secrets: Mapping[str, str]


async def create(session: AsyncSession, machine: Machine, *, org: OrgRef, data: ConnectionIn) -> Made:
    """Test it and save it if the CRM agrees.

    Raises Invalid naming `settings.<name>`, `mapping...` or `form_ids`; NotConnected if it is the CRM that said no.
    """
    kind, entered, access = await _drafted(machine, org, data)
    connector = await entering.opened(machine, kind, access)
    checked = await opening.examine(connector, opening.sales_side(machine, access))
    if not checked.ok:
        raise _not_connected(kind, entered, checked)
    return await saved(session, machine, data=data, access=access, checked=checked, made=entered.made)


async def create_untested(session: AsyncSession, machine: Machine, *, org: OrgRef, data: ConnectionIn) -> Made:
    """As `create`, without asking the CRM: what it would refuse is parked at the first lead."""
    kind, entered, access = await _drafted(machine, org, data)
    await entering.opened(machine, kind, access)
    return await saved(session, machine, data=data, access=access, checked=None, made=entered.made)


async def test(machine: Machine, org_id: str, connection_id: str) -> Checked:
    """Ask the CRM who we are and what it has; success mends a parked connection, a dead token parks an active one."""
    async with machine.session() as session:
        before = await get(session, org_id, connection_id)
    checked = await asking.asked(machine, before)
    async with machine.session() as session:
        connection = await locked(session, org_id, connection_id)
        if _same_access(connection, before):
            await health.note(session, connection, checked)
    return checked


async def look(machine: Machine, org_id: str, connection_id: str) -> None:
    """As `test`, of one that is active, when nobody looks on: of a dead token the owners are told by mail."""
    async with machine.session() as session:
        before, began = await get(session, org_id, connection_id), clock.now()
    if before.state != State.ACTIVE:
        return
    checked = await asking.asked(machine, before)
    async with machine.session() as session:
        connection = await locked(session, org_id, connection_id)
        if not _same_access(connection, before):
            return
        if checked.needs_a_person:
            await park(session, connection_id, checked.error, began=began)
        elif connection.state == State.ACTIVE:
            await health.note(session, connection, checked)


async def change(
    session: AsyncSession, machine: Machine, *, org_id: str, connection_id: str, patch: ConnectionPatch
) -> Connection:
    """New settings are tested first; if the CRM refuses them, Invalid is raised and nothing is changed."""
    async with machine.session() as reading:
        before = await get(reading, org_id, connection_id)
        named = (
            [] if isinstance(patch.form_mappings, UnsetType) else [f for f, rows in patch.form_mappings.items() if rows]
        )
        await _known_forms(reading, org_id, patch.form_ids or [], named)
    ruling.columns(kind_named(before.kind), before, patch)  # what is wrong with it is told before the CRM is asked
    settings = await reentering.reconsidered(machine, before, patch)
    connection = await locked(session, org_id, connection_id)
    mapped = ruling.columns(kind_named(connection.kind), connection, patch)
    await books.expect_free(session, connection_id, ruling.parts(connection, patch, mapped))
    if not isinstance(patch.name, UnsetType):
        connection.name = ruling.named(patch.name) or connection.name
    if not isinstance(patch.form_ids, UnsetType):
        connection.form_ids = patch.form_ids or []
    if mapped:
        await _map(session, connection, mapped)
    if settings is not None:
        if connection.way != settings.way:
            await leaving.enqueued(session, connection)
            connection.way, connection.grant, connection.grant_expires_at = settings.way, "", None
            connection.granted_at = None
        enter(machine, connection, settings.access)
        await health.note(session, connection, settings.checked)
    connection.updated_at = clock.now()
    await session.flush()
    return connection


async def resume(session: AsyncSession, machine: Machine, *, org_id: str, connection_id: str) -> Connection:
    """A parked one is tested first. Raises StillRefused with the CRM's words."""
    async with machine.session() as reading:
        state = (await get(reading, org_id, connection_id)).state
    if state == State.PARKED:
        checked = await test(machine, org_id, connection_id)
        if not checked.ok:
            raise StillRefused(checked.error)
    connection = await locked(session, org_id, connection_id)
    if connection.state in (State.PAUSED, State.DRAINING):
        health.set_state(connection, State.ACTIVE)
        await emit(session, ConnectionResumed(org_id=org_id, connection_id=connection_id))
    return connection


async def remove(session: AsyncSession, org_id: str, connection_id: str) -> None:
    """Its secrets, its mapping and what a Test inbox received are gone; its past deliveries stay."""
    connection = await locked(session, org_id, connection_id)
    await books.expect_free(session, connection_id, ["remove"])
    await health.clear_warnings(session, connection)
    await leaving.enqueued(session, connection)
    health.set_state(connection, State.REMOVED)
    connection.secrets, connection.secret_hints = "", {}
    connection.grant, connection.grant_expires_at = "", None
    connection.settings, connection.mapping, connection.fields = {}, [], []
    connection.form_mappings, connection.owner_rule, connection.deal_rule = {}, {}, {}
    connection.directory, connection.drift = {}, []
    await alarms.clear(session, org_id, code=MAPPING_DRIFT, subject=connection_id)
    await session.execute(delete(InboxRecord).where(InboxRecord.connection_id == connection_id))
    await emit(session, ConnectionRemoved(org_id=org_id, connection_id=connection_id))


async def take_turns(session: AsyncSession, connection_id: str, count: int) -> int:
    """Of so many leads that are dealt out in turn, which number the first one has. In the caller's transaction."""
    after = await session.scalar(
        update(Connection)
        .where(Connection.id == connection_id)
        .values(owner_turn=Connection.owner_turn + count)
        .returning(Connection.owner_turn)
    )
    return (after or count) - count


def batch_of(kind: str) -> int:
    """How many leads one call to such a CRM takes."""
    return KINDS[kind].caps.batch if kind in KINDS else 1


def _same_access(one: Connection, other: Connection) -> bool:
    """A grant that was refreshed meanwhile is the same one."""
    return (one.secrets, one.settings, one.granted_at) == (other.secrets, other.settings, other.granted_at)


async def _drafted(machine: Machine, org: OrgRef, data: ConnectionIn) -> tuple[ConnectorKind, Entered, Access]:
    kind = kind_named(data.kind)
    if Way.KEY not in kind.ways:
        text = f"{kind.label} is connected by signing in: ask POST /api/v1/connections/authorize for the address."
        raise Invalid.field("kind", text)
    entered = entering.read(kind, data.settings)
    await check_draft(machine, org.id, data)
    return kind, entered, access_for(org, kind, entered)


async def check_draft(machine: Machine, org_id: str, data: ConnectionIn) -> None:
    """Mapping and forms of a new connection. Raises Invalid."""
    if not isinstance(data.mapping, UnsetType):
        mapping.rows_of(data.mapping)
    ruling.form_mappings(data.form_mappings, {})
    ruling.owner(kind_named(data.kind), data.owner, Directory())
    ruling.deal(kind_named(data.kind), data.deal, Directory())
    async with machine.session() as reading:
        await _known_forms(reading, org_id, data.form_ids, list(data.form_mappings))


def access_for(org: OrgRef, kind: ConnectorKind, entered: Entered, *, grants: Grants | None = None) -> Access:
    """To a connection that does not exist yet."""
    id = ids.new("con")
    return Access(
        org_id=org.id,
        connection_id=id,
        kind=kind.name,
        settings=entered.settings,
        secrets=entered.secrets,
        account=entering.account_of(kind, org, id=id),
        grants=grants,
    )


def _not_connected(kind: ConnectorKind, entered: Entered, checked: Checked) -> NotConnected:
    fault = words.refusal(kind, checked)
    error = NotConnected(fault.message, errors=[fault])
    error.secrets, error.made = entered.secrets, entered.made
    return error


async def saved(
    session: AsyncSession,
    machine: Machine,
    *,
    data: ConnectionIn,
    access: Access,
    checked: Checked | None,
    made: Mapping[str, str],
) -> Made:
    """The row of a new connection, and what its test said."""
    kind = kind_named(access.kind)
    found = msgspec.convert(checked.fields, list[FieldDef]) if checked else []
    if isinstance(data.mapping, UnsetType):
        rows = suggest(kind, found, await queries.questions(session, access.org_id))
    else:
        rows = mapping.rows_of(data.mapping)
    directory = owners.directory_of((checked and checked.directory) or {})
    connection = entering.blank(kind, access.org_id, id=access.connection_id, account=access.account)
    connection.name = ruling.named(data.name) or await _free_name(session, access.org_id, kind.label)
    connection.mapping = msgspec.to_builtins(rows)
    connection.form_mappings = ruling.form_mappings(data.form_mappings, {})
    connection.owner_rule = ruling.owner(kind, data.owner, directory)
    connection.deal_rule = ruling.deal(kind, data.deal, directory)
    connection.form_ids = data.form_ids
    enter(machine, connection, access)
    session.add(connection)
    await session.flush()
    await emit(session, ConnectionCreated(org_id=access.org_id, connection_id=connection.id))
    if checked is not None:
        await health.note(session, connection, checked)
    await session.flush()
    return Made(connection=connection, checked=checked, secrets=made)


async def _map(session: AsyncSession, connection: Connection, columns: Mapping[str, Any]) -> None:
    for name, value in columns.items():
        setattr(connection, name, value)
    if "mapping" in columns or "form_mappings" in columns:
        await health.clear_warnings(session, connection)
    elif "owner_rule" in columns:
        await health.clear_warnings(session, connection, only={OWNER})
    await health.compare(session, connection, tell=False)


def enter(machine: Machine, connection: Connection, access: Access) -> None:
    """Settings and secrets, as they will be stored."""
    connection.settings = dict(access.settings)
    place = {"org_id": access.org_id, "connection_id": access.connection_id}
    connection.secrets = sealing.sealed_secrets(machine.vault, access.secrets, **place)
    connection.secret_hints = sealing.hints(access.secrets)


async def _known_forms(session: AsyncSession, org_id: str, form_ids: Sequence[str], mapped: Sequence[str] = ()) -> None:
    known = await forms.names(session, org_id) if form_ids or mapped else {}
    refused = [FieldError("form_ids", f"There is no form {id[:40]!r}.") for id in form_ids if id not in known][:1]
    refused += [FieldError(f"form_mappings.{id}", f"There is no form {id[:40]!r}.") for id in mapped if id not in known]
    if refused:
        raise Invalid(refused[0].message, errors=refused)


async def _free_name(session: AsyncSession, org_id: str, label: str) -> str:
    taken = set((await queries.names(session, org_id)).values())
    numbered = (label if number == 1 else f"{label} {number}" for number in range(1, len(taken) + 2))
    return next(name for name in numbered if name not in taken)
