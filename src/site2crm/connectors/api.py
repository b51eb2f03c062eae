"""`/api/v1/connections`. Secrets go in and never come out; their last characters do."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Struct, structs
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import dealing, drift, mapping, owners, queries, service, signing_in
from site2crm.connectors.dealing import DealRule
from site2crm.connectors.drift import Drift
from site2crm.connectors.entering import kind_named
from site2crm.connectors.mapping import Row
from site2crm.connectors.models import Connection
from site2crm.connectors.opening import INBOX, Checked
from site2crm.connectors.owners import OwnerRule
from site2crm.connectors.queries import ConnectionRow, RecordRow
from site2crm.connectors.service import ConnectionIn, ConnectionPatch
from site2crm.connectors.signing_in import Begun
from site2crm.core.access import Who, needs
from site2crm.core.errors import Invalid, NotFound
from site2crm.core.machine import Machine
from site2crm.core.paging import Page
from site2crm.core.web import AnyRequest

READ, WRITE = needs("connections:read"), needs("connections:write")


class TestOut(Struct, frozen=True):
    """What the CRM said; `text` says why not."""

    ok: bool
    text: str
    fields: int


class ConnectionOut(Struct, frozen=True, kw_only=True):
    """`way`: key, or oauth where somebody signed in (`granted_at`). What that gave ends at `grant_expires_at`, and is
    renewed before by itself. `warnings`: what leads arrive without; `text`, the CRM's words, may quote what people
    entered and is empty without `leads:read`."""

    id: str
    kind: str
    name: str
    state: str
    state_reason: str
    state_at: datetime
    account: dict[str, str]
    settings: dict[str, str]
    secret_hints: dict[str, str]
    way: str
    granted_at: datetime | None
    grant_expires_at: datetime | None
    mapping: list[Row]
    form_mappings: dict[str, list[Row]]
    owner: OwnerRule
    deal: DealRule
    drift: list[Drift]
    form_ids: list[str]
    warnings: list[dict[str, Any]]
    paused_until: datetime | None
    checked_at: datetime | None
    fields_at: datetime | None
    created_at: datetime
    updated_at: datetime


class NewConnectionOut(ConnectionOut, frozen=True, kw_only=True):
    """`secrets`: only those that we made because none were given, and only in this answer."""

    test: TestOut | None
    secrets: dict[str, str]


class AccessIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """What is left out or empty stays as it is."""

    settings: dict[str, str] = {}


class TestedOut(ConnectionOut, frozen=True, kw_only=True):
    test: TestOut


@get(opt=READ)
async def list_connections(
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    kind: FromQuery[str] = "",
    in_state: Annotated[str, QueryParameter(name="state")] = "",
    limit: FromQuery[int | None] = None,
    cursor: FromQuery[str | None] = None,
) -> Page[ConnectionRow]:
    """Connections of the org, newest first."""
    page = await queries.page(session, who.org_id, kind=kind, state=in_state, limit=limit, cursor=cursor)
    return Page([structs.replace(row, warnings=_warnings(who, row.warnings)) for row in page.data], page.page)


@post(opt=WRITE)
async def create_connection(
    data: JSONBody[ConnectionIn],
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
    request: AnyRequest,
    test: FromQuery[bool] = True,
) -> NewConnectionOut:
    """Connect a CRM and test it. If the CRM refuses, nothing is saved: 422 with its words and the cure.

    `?test=false` saves it without asking the CRM. Needed for a receiver that checks signatures and waits for the secret
    that we make: it stands in the answer.
    """
    assert who.org is not None
    if request.headers.get("Idempotency-Key"):
        _no_secret_to_make(data)
    make = service.create if test else service.create_untested
    made = await make(session, machine, org=who.org, data=data)
    said = _test_out(made.checked) if made.checked else None
    return NewConnectionOut(**_shown(who, made.connection), test=said, secrets=dict(made.secrets))


@post("/authorize", opt=WRITE, status_code=201)
async def authorize_connection(
    data: JSONBody[ConnectionIn],
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Begun:
    """Connect a CRM by signing in there: open `authorize_url` in a browser, within ten minutes.

    That browser has to be signed in here, as somebody who may connect CRMs in this organisation: the CRM leads back to
    us, and the connection is made then. The address works once.
    """
    return await signing_in.begin(session, machine, who=who, data=data)


@post("/{connection_id:str}/authorize", opt=WRITE, status_code=201)
async def reauthorize_connection(
    connection_id: FromPath[str],
    data: JSONBody[AccessIn],
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Begun:
    """Sign in again for a connection, to the same account; then its waiting leads go out."""
    return await signing_in.begin_again(session, machine, who=who, connection_id=connection_id, settings=data.settings)


@get("/{connection_id:str}", opt=READ)
async def show_connection(
    connection_id: FromPath[str], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> ConnectionOut:
    return _out(who, await service.get(session, who.org_id, connection_id))


@patch("/{connection_id:str}", opt=WRITE)
async def change_connection(
    connection_id: FromPath[str],
    data: JSONBody[ConnectionPatch],
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> ConnectionOut:
    """Merge patch. New settings are tested first; what the CRM refuses is not saved (422). `way` "key" with its
    settings takes the place of a sign-in to the same account; for a sign-in in the place of a key, POST .../authorize.
    """
    return _out(who, await service.change(session, machine, org_id=who.org_id, connection_id=connection_id, patch=data))


@delete("/{connection_id:str}", opt=WRITE)
async def remove_connection(
    connection_id: FromPath[str],
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
) -> None:
    """Its secrets and its mapping are destroyed, leads that wait for it are skipped, past deliveries stay."""
    await service.remove(session, who.org_id, connection_id)


@post("/{connection_id:str}/test", opt=WRITE, status_code=200)
async def test_connection(
    connection_id: FromPath[str],
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> TestedOut:
    """Ask the CRM who we are and which fields it has. Success mends a parked connection."""
    checked = await service.test(machine, who.org_id, connection_id)
    connection = await service.get(session, who.org_id, connection_id)
    return TestedOut(**_shown(who, connection), test=_test_out(checked))


@post("/{connection_id:str}/pause", opt=WRITE, status_code=200)
async def pause_connection(
    connection_id: FromPath[str], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> ConnectionOut:
    """Leads wait until it is resumed."""
    return _out(who, await service.pause(session, who.org_id, connection_id))


@post("/{connection_id:str}/drain", opt=WRITE, status_code=200)
async def drain_connection(
    connection_id: FromPath[str], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> ConnectionOut:
    """Send what waits now, keep later leads waiting; when all has been sent it is paused. Resume it as usual."""
    return _out(who, await service.drain(session, who.org_id, connection_id))


@post("/{connection_id:str}/resume", opt=WRITE, status_code=200)
async def resume_connection(
    connection_id: FromPath[str],
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> ConnectionOut:
    """Waiting leads drain, oldest first. A parked one is tested first: 409 with the CRM's words if it still refuses."""
    return _out(who, await service.resume(session, machine, org_id=who.org_id, connection_id=connection_id))


@get("/{connection_id:str}/records", opt=READ)
async def list_records(
    connection_id: FromPath[str],
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    limit: FromQuery[int | None] = None,
    cursor: FromQuery[str | None] = None,
) -> Page[RecordRow]:
    """What a Test inbox received, last change first. Needs `leads:read` too."""
    who.require("leads:read")
    connection = await service.get(session, who.org_id, connection_id)
    if connection.kind != INBOX:
        raise NotFound("Only the Test inbox keeps its records here.")
    return await queries.records(session, who.org_id, connection_id, limit=limit, cursor=cursor)


def _no_secret_to_make(data: ConnectionIn) -> None:
    """The answer to a request with an Idempotency-Key is stored: it must not hold a secret."""
    for field in kind_named(data.kind).settings:
        if field.make is not None and not data.settings.get(field.name, "").strip():
            text = "With an Idempotency-Key send one of your own: the answer is stored and must not hold it."
            raise Invalid.field(f"settings.{field.name}", text)


def _out(who: Who, connection: Connection) -> ConnectionOut:
    return ConnectionOut(**_shown(who, connection))


def _shown(who: Who, connection: Connection) -> dict[str, Any]:
    values = {name: getattr(connection, name, None) for name in ConnectionOut.__struct_fields__}
    return {
        **values,
        "mapping": mapping.stored(connection.mapping),
        "form_mappings": {form: mapping.stored(rows) for form, rows in connection.form_mappings.items()},
        "owner": owners.stored(connection.owner_rule),
        "deal": dealing.stored(connection.deal_rule),
        "drift": drift.stored(connection.drift),
        "warnings": _warnings(who, connection.warnings),
    }


def _warnings(who: Who, warnings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    quoted = {} if who.can("leads:read") else {"text": ""}
    return [{**warning, **quoted} for warning in warnings]


def _test_out(checked: Checked) -> TestOut:
    return TestOut(checked.ok, checked.error, len(checked.fields))


_HANDLERS: Sequence[Any] = (
    list_connections,
    create_connection,
    authorize_connection,
    reauthorize_connection,
    show_connection,
    change_connection,
    remove_connection,
    test_connection,
    pause_connection,
    drain_connection,
    resume_connection,
    list_records,
)
router = Router(path="/api/v1/connections", route_handlers=list(_HANDLERS), tags=["Connections"])
