"""What a person decides about deliveries: send again, edit and send, leave it."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from site2crm.connectors import service as connections
from site2crm.connectors.contract import FieldDef, Value
from site2crm.connectors.errors import ConnectionNotFound
from site2crm.connectors.queries import of_org
from site2crm.core.db import in_org, lock, these
from site2crm.core.errors import FieldError, Invalid
from site2crm.delivery import outbox, queries
from site2crm.delivery.errors import DeliveryNotFound, NotNow
from site2crm.delivery.models import Delivery
from site2crm.delivery.queries import Wanted
from site2crm.delivery.states import State
from site2crm.delivery.values import lead_values
from site2crm.kit import clock

REPLAYABLE = (State.DEAD, State.DELIVERED, State.SKIPPED, State.RETRYING, State.PENDING)
SKIPPABLE = (State.DEAD, State.RETRYING, State.PENDING, State.PARKED)
REPLAYED_WITHOUT_ASKING = (State.DEAD, State.RETRYING, State.SKIPPED)
"""What a bulk replay without a state means: what has not arrived. Delivered ones only when they are asked for."""
MOST_AT_ONCE = 10_000
LONGEST_VALUE = 5_000
SKIPPED_TEXT = "Left out by a person."


class Replayed(Struct, frozen=True):
    """How many were, or (dry run) would be, sent again; also by their state and by the code of their error.

    `as_of`: when they were counted. Given with the replay that follows, only what was counted is sent, however often.
    `more`: there are others, for another go.
    """

    count: int
    dry_run: bool
    as_of: datetime
    states: dict[str, int] = {}
    codes: dict[str, int] = {}
    connections: dict[str, int] = {}
    more: bool = False


class Property(Struct, frozen=True):
    """One input of the edit form."""

    name: str
    label: str
    value: str
    mapped: str
    """What is sent without an edit."""
    choices: Sequence[tuple[str, str]] = ()


class _Ref(Struct, frozen=True):
    id: str
    connection_id: str
    state: str = ""
    code: str = ""


async def replay(session: AsyncSession, org_id: str, delivery_id: str) -> Delivery:
    """Send it again now, with all tries anew. Raises NotNow while it is being sent or its connection is gone."""
    row = await _resendable(session, org_id, delivery_id)
    await _start(session, row)
    return row


async def edit_and_resend(
    session: AsyncSession, org_id: str, delivery_id: str, *, overrides: Mapping[str, str]
) -> Delivery:
    """Send it again with these values of the CRM's properties ("" leaves one out). Raises Invalid, NotNow."""
    return await _resend(session, await _resendable(session, org_id, delivery_id), overrides)


async def amend_and_resend(
    session: AsyncSession, org_id: str, delivery_id: str, *, changes: Mapping[str, str | None]
) -> Delivery:
    """As `edit_and_resend`, but what is absent stays; None takes back an earlier edit."""
    row = await _resendable(session, org_id, delivery_id)
    amended = {**row.overrides, **changes}
    return await _resend(session, row, {name: value for name, value in amended.items() if value is not None})


async def skip(session: AsyncSession, org_id: str, delivery_id: str) -> Delivery:
    """It is not sent, and no longer asked about. It can be sent again later."""
    row = await _locked(session, org_id, delivery_id)
    if row.state not in SKIPPABLE:
        raise NotNow(f"It is {row.state} and cannot be skipped.")
    row.state, row.due_at, row.updated_at = State.SKIPPED, None, clock.now()
    row.error = row.error or SKIPPED_TEXT
    await session.flush()
    await outbox.wake(session, org_id, [row.connection_id])  # a newer one of its lead may have waited for it
    return row


async def replay_many(
    session: AsyncSession, org_id: str, wanted: Wanted, *, ids: Sequence[str] = (), dry_run: bool = False
) -> Replayed:
    """Send all of these again, at most ten thousand, but for what has nowhere to go: its connection was removed."""
    states = [state for state in wanted.states or REPLAYED_WITHOUT_ASKING if state in REPLAYABLE]
    if not dry_run:
        await lock(session)
    as_of = clock.now()
    there = {ref.id: ref.state for ref in await of_org(session, org_id)}
    found = await _these(session, org_id, wanted, ids=ids, states=states, at=there)
    if not dry_run:
        await _start_all(session, org_id, found, there)
    return Replayed(
        len(found),
        dry_run,
        as_of,
        states=Counter(ref.state for ref in found),
        codes=Counter(ref.code for ref in found if ref.code),
        connections=Counter(ref.connection_id for ref in found),
        more=len(found) == MOST_AT_ONCE,
    )


async def skip_many(session: AsyncSession, org_id: str, *, ids: Sequence[str]) -> int:
    await lock(session)
    found = await _these(session, org_id, Wanted(), ids=ids, states=SKIPPABLE, at=None)
    await _set(session, found, {"state": State.SKIPPED, "due_at": None})
    await outbox.wake(session, org_id, {ref.connection_id for ref in found})
    return len(found)


async def properties(session: AsyncSession, org_id: str, delivery_id: str) -> list[Property]:
    """What is sent, property by property, as it can be edited. Raises NotNow if the connection is gone."""
    row = await _get(session, org_id, delivery_id)
    with _needs_connection():
        connection = await connections.get(session, org_id, row.connection_id)
    lead = await lead_values(session, org_id, row.lead_id, submission_id=row.submission_id)
    translation = connections.Translation(connection)
    mapped = translation.prepare(lead, ref=row.id).person.fields
    known = {field.key: field for field in msgspec.convert(connection.fields, list[FieldDef])}
    refused = [row.error_field] if row.error_field in known else []  # perhaps for want of it
    rows = translation.rows(lead.form_id)
    names = list(dict.fromkeys([*(each.property for each in rows), *row.overrides, *refused]))
    return [_property(name, known.get(name), _as_text(mapped.get(name)), row.overrides) for name in names]


def _property(name: str, known: FieldDef | None, mapped: str, overrides: Mapping[str, str]) -> Property:
    choices = known.choices if known is not None and known.type == "choice" else ()
    return Property(name, known.label if known else name, overrides.get(name, mapped), mapped, choices)


async def _resendable(session: AsyncSession, org_id: str, delivery_id: str) -> Delivery:
    row = await _locked(session, org_id, delivery_id)
    if row.state == State.SENDING:
        raise NotNow("It is being sent at this moment.")
    return row


async def _resend(session: AsyncSession, row: Delivery, overrides: Mapping[str, str]) -> Delivery:
    await _check(session, row, overrides)
    row.overrides, row.person_at = dict(overrides), None  # the person is sent again, as an update
    await _start(session, row)
    return row


async def _check(session: AsyncSession, row: Delivery, overrides: Mapping[str, str]) -> None:
    """Only what is certain to be refused; else the CRM has the last word."""
    with _needs_connection():
        connection = await connections.get(session, row.org_id, row.connection_id)
    known = {field.key: field for field in msgspec.convert(connection.fields, list[FieldDef])}
    mapped = {each.property for each in connections.Translation(connection).rows(row.form_id)}
    refused = []
    for name, text in overrides.items():
        fault = _fault(known.get(name), text, is_known=name in known or name in mapped)
        if fault:
            refused.append(FieldError(f"overrides.{name}", fault))
    if refused:
        raise Invalid(refused[0].message, errors=refused)


def _fault(field: FieldDef | None, text: str, *, is_known: bool) -> str:
    if not is_known:
        return "The CRM has no such property, or it is not mapped."
    if len(text) > LONGEST_VALUE:
        return f"At most {LONGEST_VALUE} characters."
    if field is None or not text:
        return ""
    if not field.writable:
        return "The CRM does not let anybody write this property."
    values = {value for value, _ in field.choices}
    given = [text] if field.type == "choice" else [part.strip() for part in text.split(";") if part.strip()]
    wrong = [value for value in given if value not in values]
    if field.type not in ("choice", "choices") or not values or not wrong:
        return ""
    shown = ", ".join(list(values)[:12])
    return f"{wrong[0]!r} is not one of the choices: {shown}."


async def _start(session: AsyncSession, row: Delivery) -> None:
    with _needs_connection():
        state = (await connections.get(session, row.org_id, row.connection_id)).state
    await session.flush()
    await _start_all(session, row.org_id, [_Ref(row.id, row.connection_id)], {row.connection_id: state})
    await session.refresh(row)


async def _start_all(session: AsyncSession, org_id: str, refs: Sequence[_Ref], states: Mapping[str, str]) -> None:
    """Due now where the connection sends, waiting for it where it is stopped. `states`: of their connections.

    Also where it is drained: waiting there, it would hold up what came after it, and the drain would not end.
    """
    fresh: dict[str, Any] = {"failures": 0, "error": "", "error_code": "", "error_field": ""}
    sends = [ref for ref in refs if states[ref.connection_id] in outbox.SENDS]
    stopped = [ref for ref in refs if states[ref.connection_id] not in outbox.SENDS]
    await _set(session, sends, {**fresh, "state": State.PENDING, "due_at": clock.now()})
    await _set(session, stopped, {**fresh, "state": State.PARKED, "due_at": None})
    await outbox.wake(session, org_id, {ref.connection_id for ref in sends})


async def _set(session: AsyncSession, refs: Sequence[_Ref], values: Mapping[str, Any]) -> None:
    if refs:
        await session.execute(
            update(Delivery)
            .where(Delivery.id.in_([ref.id for ref in refs]))
            .values(**values, updated_at=clock.now())
            .execution_options(synchronize_session=False)
        )


async def _these(
    session: AsyncSession,
    org_id: str,
    wanted: Wanted,
    *,
    ids: Sequence[str],
    states: Sequence[str],
    at: Collection[str] | None,
) -> list[_Ref]:
    """`at`: of these connections; None: of those too that were removed."""
    of = _chosen(org_id, ids) if ids else Delivery
    places = [] if at is None else [of.connection_id.in_(at)]
    rows = await session.execute(
        select(of.id, of.connection_id, of.state, of.error_code)
        .where(of.org_id == org_id, of.state.in_(states), *queries.conditions(of, wanted), *places)
        .order_by(of.created_at)
        .limit(MOST_AT_ONCE)
    )
    return [_Ref(*row) for row in rows]


def _chosen(org_id: str, ids: Sequence[str]) -> type[Delivery]:
    """These rows as a table. LIMIT makes SQLite look them up first: else it walks all orgs' rows in such a state."""
    rows = select(Delivery).where(these(Delivery, org_id, ids)).limit(len(ids))
    return aliased(Delivery, rows.subquery())


async def _locked(session: AsyncSession, org_id: str, delivery_id: str) -> Delivery:
    await lock(session)
    return await _get(session, org_id, delivery_id)


async def _get(session: AsyncSession, org_id: str, delivery_id: str) -> Delivery:
    row = await session.scalar(in_org(Delivery, org_id).where(Delivery.id == delivery_id))
    if row is None:
        raise DeliveryNotFound
    return row


@contextmanager
def _needs_connection() -> Iterator[None]:
    try:
        yield
    except ConnectionNotFound as error:
        raise NotNow("Its connection was removed: there is nowhere to send it.") from error


def _as_text(value: Value) -> str:
    """As a person edits it."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case date():
            return value.isoformat()
        case Sequence():
            return ";".join(value)
    return str(value)
