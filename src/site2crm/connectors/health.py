"""What the CRM's answers do to a connection: parked, mended, slowed down, warned about."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import drift, opening, ruling
from site2crm.connectors.contract import OWNER, FieldDef
from site2crm.connectors.events import MAPPING_DRIFT, UNKNOWN_PROPERTY, ConnectionParked, ConnectionResumed
from site2crm.connectors.models import Connection
from site2crm.connectors.opening import Checked
from site2crm.connectors.states import SENDS, State
from site2crm.connectors.words import sentence
from site2crm.core import alarms
from site2crm.core.db import lock
from site2crm.core.events import emit
from site2crm.core.queue import enqueue
from site2crm.kit import clock

TELL_PARKED = "connectors.tell_parked"
MOST_WARNINGS = 50
LONGEST_PAUSE = timedelta(days=1)


async def park(session: AsyncSession, connection_id: str, reason: str, *, began: datetime | None = None) -> bool:
    """A dead token or a missing right: stop, and tell the owners. Whether it is parked now.

    `began`: when the refused call began; a connection that was mended since then is left alone.
    """
    connection = await _row(session, connection_id)
    if connection is None or connection.state not in SENDS:
        return connection is not None and connection.state == State.PARKED
    if began is not None and connection.checked_at is not None and connection.checked_at > began:
        return False
    await _park(session, connection, reason)
    key = f"{TELL_PARKED}:{connection_id}:{connection.state_at.isoformat()}"
    await enqueue(session, TELL_PARKED, key=key, org_id=connection.org_id, connection_id=connection_id)
    return True


async def note_warning(session: AsyncSession, connection_id: str, *, property: str, text: str) -> None:
    """The CRM did not take this property: leads arrive without it until the mapping is mended."""
    connection = await _row(session, connection_id)
    if connection is None or connection.state == State.REMOVED:
        return
    others = [warning for warning in connection.warnings if warning["property"] != property]
    if len(others) == len(connection.warnings):
        warning = {"property": property, "text": text, "at": clock.now().isoformat()}
        connection.warnings = [*others, warning][-MOST_WARNINGS:]
    if any(each["name"] == property for each in connection.drift) and await _said_of_drift(session, connection):
        return
    told = f"“{connection.name}” does not take {property}: leads arrive without it. {sentence(text)}"
    subject = _alarm_subject(connection, property)
    await alarms.ring(session, connection.org_id, code=UNKNOWN_PROPERTY, text=told, subject=subject)


async def throttle(session: AsyncSession, connection_id: str, *, until: datetime) -> None:
    """The vendor's limit is reached: nothing is sent before `until`."""
    connection = await _row(session, connection_id)
    if connection is not None and ((before := paused_until(connection.paused_until)) is None or before < until):
        connection.paused_until = until


def paused_until(noted: datetime | None) -> datetime | None:
    """Until when nothing is sent for the vendor's limit, as the connection has it; None: it may be."""
    return noted if clock.is_ahead(noted, most=LONGEST_PAUSE) else None


async def note(session: AsyncSession, connection: Connection, checked: Checked) -> None:
    """Keep what a test said."""
    if checked.account is None:
        if checked.needs_a_person and connection.state in (*SENDS, State.PARKED):
            await _park(session, connection, checked.error)
        return
    now, before = clock.now(), msgspec.convert(connection.fields, list[FieldDef])
    connection.account = opening.as_stored(checked.account)
    connection.fields, connection.fields_at = list(checked.fields), now
    connection.checked_at, connection.paused_until = now, None
    connection.directory_error = checked.directory_error
    if checked.directory is not None:
        connection.directory = checked.directory
        ruling.settle(connection)
    known = {str(field["key"]) for field in checked.fields if field.get("writable", True)}
    known |= {OWNER} if checked.directory is not None else set()  # who has left is told by the comparison now
    await clear_warnings(session, connection, only=known)
    await compare(session, connection, before=before)
    if connection.state == State.PARKED:
        set_state(connection, State.ACTIVE)
        await emit(session, ConnectionResumed(org_id=connection.org_id, connection_id=connection.id))


async def compare(
    session: AsyncSession, connection: Connection, *, before: Sequence[FieldDef] = (), tell: bool = True
) -> None:
    """The mapping with what the CRM has: whatever is gone is told once, and no longer when it is mended.

    `before`: the CRM's properties as they were until now. Who saves a mapping sees it on the page: no need to `tell`.
    """
    now = drift.kept(drift.found(connection, before=before), drift.stored(connection.drift))
    connection.drift = msgspec.to_builtins(now)
    warned = {str(warning["property"]) for warning in connection.warnings}  # these have alarms of their own
    untold, said = [each for each in now if each.name not in warned], await _said_of_drift(session, connection)
    if not untold:
        if said is not None:
            await alarms.clear(session, connection.org_id, code=MAPPING_DRIFT, subject=connection.id)
        return
    more = f" And {len(untold) - 1} more." if len(untold) > 1 else ""
    text = f"“{connection.name}”: {untold[0].text} {untold[0].cure}{more}"
    if text != said and (tell or said is not None):
        await alarms.ring(session, connection.org_id, code=MAPPING_DRIFT, text=text, subject=connection.id)


async def _said_of_drift(session: AsyncSession, connection: Connection) -> str | None:
    """What the open alarm says, None if there is none."""
    rung = await alarms.open_alarms(session, connection.org_id)
    return next((a.text for a in rung if (a.code, a.subject) == (MAPPING_DRIFT, connection.id)), None)


async def _park(session: AsyncSession, connection: Connection, reason: str) -> None:
    was = connection.state
    set_state(connection, State.PARKED, reason=reason)
    if was != State.PARKED:
        event = ConnectionParked(org_id=connection.org_id, connection_id=connection.id, reason=reason)
        await emit(session, event)


async def clear_warnings(session: AsyncSession, connection: Connection, *, only: set[str] | None = None) -> None:
    for warning in connection.warnings:
        if only is None or warning["property"] in only:
            subject = _alarm_subject(connection, warning["property"])
            await alarms.clear(session, connection.org_id, code=UNKNOWN_PROPERTY, subject=subject)
    connection.warnings = [w for w in connection.warnings if only is not None and w["property"] not in only]


def _alarm_subject(connection: Connection, property: str) -> str:
    return f"{connection.id}:{property}"


def set_state(connection: Connection, state: State, *, reason: str = "") -> None:
    connection.state, connection.state_reason = state, reason
    connection.state_at = connection.updated_at = clock.now()


async def _row(session: AsyncSession, connection_id: str) -> Connection | None:
    """For delivery, which knows the connection from its own row."""
    await lock(session)
    return await session.scalar(select(Connection).where(Connection.id == connection_id))
