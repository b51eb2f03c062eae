"""Keeps grants fresh: before they end, by one call to the vendor for all who wait, whichever node they are on.

Who refreshes leaves a note in the row (`refreshing_by`) and calls the vendor outside any transaction; the new access
token and the new refresh token are stored together. Whoever waits may be cancelled, the refreshing is not. If the
process dies between the vendor's answer and our write, the next one tries with the old refresh token, as soon as the
note has lapsed: that works wherever the vendor keeps the old one alive (HubSpot, Zoho, Pipedrive; Salesforce unless
the app rotates). Where it does not, the connection is parked and somebody signs in again; no lead is lost by that.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import apps, sealing
from site2crm.connectors.contract import CrmError, ErrorClass
from site2crm.connectors.grants import Grant, Grants
from site2crm.connectors.models import Connection
from site2crm.connectors.registry import KINDS
from site2crm.connectors.states import State
from site2crm.core import crypto, log
from site2crm.core.db import lock
from site2crm.core.errors import DatabaseBusy
from site2crm.core.machine import Machine
from site2crm.kit import clock

SLACK = timedelta(minutes=5)
"""Refreshed so long before its end; of a short life only a sixth."""
STILL_GOOD = timedelta(seconds=30)
"""While another node refreshes it, a token that lasts so long is used on."""
LOOK_AGAIN_S = 0.2
BEYOND_THE_CALL_S = 15.0
SAVE_AGAIN_S = (0.0, 0.2, 1.0, 5.0, 10.0)
LAST_MOMENT_S = 10.0

_log = log.get("connectors")


class Held(NamedTuple):
    """A grant as it stands in the row. `sealed` tells one from the next."""

    grant: Grant
    refreshed_at: datetime | None
    sealed: str

    @property
    def is_due(self) -> bool:
        ends = self.grant.expires_at
        if ends is None:
            return False
        life = ends - self.refreshed_at if self.refreshed_at else SLACK
        return ends - clock.now() < min(SLACK, max(life / 6, timedelta()))

    @property
    def is_good(self) -> bool:
        return self.grant.expires_at is None or self.grant.expires_at - clock.now() > STILL_GOOD


class _Task(NamedTuple):
    """`connection` is detached: it is read, not written."""

    connection: Connection
    held: Held
    by: str


class Kept:
    """The `Grants` of a connection that is stored."""

    def __init__(self, machine: Machine, connection: Connection) -> None:
        self._machine = machine
        self._connection = connection
        self._held: Held | None = None

    async def current(self) -> Grant:
        held = self._held or _held(self._machine, self._connection)
        if held.is_due:
            held = await self._machine.get(Granting).fresh(self._connection.id, held)
        self._held = held
        return held.grant

    async def refreshed(self) -> None:
        """Now, although nobody needs it yet."""
        held = _held(self._machine, self._connection)
        await self._machine.get(Granting).fresh(self._connection.id, held, is_refused=True)

    async def renewed(self, stale: Grant) -> Grant:
        held = self._held or _held(self._machine, self._connection)
        if held.grant.access == stale.access:
            self._held = held = await self._machine.get(Granting).fresh(self._connection.id, held, is_refused=True)
        return held.grant


class _Nobody:
    """The `Grants` of a connection that nobody has signed in for, and that is not asked."""

    async def current(self) -> Grant:
        raise sealing.nobody()

    async def renewed(self, stale: Grant) -> Grant:
        raise sealing.nobody()


NOBODY: Grants = _Nobody()


class Granting:
    """One refresh at a time for each connection."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._running: dict[str, asyncio.Task[Held]] = {}
        self._unsaved: dict[str, tuple[str, Grant]] = {}
        """What the vendor gave while the database took nothing, beside what it replaces."""

    async def fresh(self, connection_id: str, stale: Held, *, is_refused: bool = False) -> Held:
        """Another grant than this one, which ends soon or is refused by the vendor. Raises CrmError."""
        while (running := self._running.get(connection_id)) is not None:
            held = await asyncio.shield(running)
            if not (is_refused and held.sealed == stale.sealed):
                return held  # else: what ran did not know that the vendor refuses it
        work = asyncio.create_task(self._tried(connection_id, stale, is_refused), name=f"refresh {connection_id}")
        self._running[connection_id] = work
        work.add_done_callback(partial(self._ended, connection_id))
        return await asyncio.shield(work)

    async def last_moment(self) -> None:
        """Before the process ends: what a vendor answers now is stored still."""
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=LAST_MOMENT_S)

    def _ended(self, connection_id: str, work: asyncio.Task[Held]) -> None:
        self._running.pop(connection_id, None)
        if not work.cancelled() and (error := work.exception()) is not None:
            what = error.code if isinstance(error, CrmError) else type(error).__name__
            _log.warning("grant.not_refreshed", connection=connection_id, error=what)

    async def _tried(self, connection_id: str, stale: Held, is_refused: bool) -> Held:
        try:
            return await self._fresh(connection_id, stale, is_refused)
        except DatabaseBusy as error:
            raise CrmError(ErrorClass.RETRY, "The database takes nothing at the moment.", code="database") from error

    async def _fresh(self, connection_id: str, stale: Held, is_refused: bool) -> Held:
        longest_s = self._machine.settings.outbound.timeout + BEYOND_THE_CALL_S
        loop = asyncio.get_running_loop()
        until = loop.time() + longest_s
        while True:
            taken = await self._taken(connection_id, stale, longest_s=longest_s)
            if isinstance(taken, Held):
                return taken
            if taken is not None:
                return await self._refreshed(taken)
            if stale.is_good and not is_refused:
                return stale
            if loop.time() > until:
                raise CrmError(ErrorClass.RETRY, "Another process is renewing the sign-in.", code="refreshing")
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _taken(self, connection_id: str, stale: Held, *, longest_s: float) -> Held | _Task | None:
        """What somebody else has brought, or the right to bring it; None while somebody else is at it."""
        async with self._machine.session() as session:
            connection = await _locked(session, connection_id)
            if (kept := self._unsaved.pop(connection_id, None)) and kept[0] == connection.grant:
                return self._store(connection, kept[1])
            held = _held(self._machine, connection)
            if held.sealed != stale.sealed and not held.is_due:
                return held
            until = connection.refreshing_until
            # A note that lapses later than any can was left before somebody put the clock back.
            if until is not None and clock.now() < until <= clock.after(longest_s) + clock.SKEW:
                return None
            connection.refreshing_by, connection.refreshing_until = crypto.token(12), clock.after(longest_s)
            return _Task(connection, held, connection.refreshing_by)

    async def _refreshed(self, task: _Task) -> Held:
        try:
            async with asyncio.timeout(self._machine.settings.outbound.timeout + BEYOND_THE_CALL_S / 3):
                fresh = await self._asked(task)
        except TimeoutError as error:
            await self._give_up(task)
            raise CrmError(ErrorClass.RETRY, "The CRM did not renew the sign-in in time.", code="timeout") from error
        except BaseException as error:
            now = await self._give_up(task)
            if now is not None and isinstance(error, CrmError):
                return now  # somebody signed in again meanwhile
            raise
        for wait_s in SAVE_AGAIN_S:
            await asyncio.sleep(wait_s)
            try:
                return await self._saved(task, fresh)
            except DatabaseBusy:
                _log.warning("grant.not_saved", connection=task.connection.id)
        self._unsaved[task.connection.id] = (task.held.sealed, fresh)
        return Held(fresh, clock.now(), task.held.sealed)

    async def _asked(self, task: _Task) -> Grant:
        """Calls the vendor: no transaction is open."""
        row, was = task.connection, task.held.grant
        secrets = sealing.secrets_of(self._machine.vault, row)
        auth = apps.auth_of(self._machine, KINDS[row.kind], settings=row.settings, secrets=secrets)
        fresh = await auth.refresh(was)
        return replace(
            fresh,
            refresh=fresh.refresh or was.refresh,
            scopes=fresh.scopes or was.scopes,
            extra={**was.extra, **fresh.extra},
        )

    async def _saved(self, task: _Task, fresh: Grant) -> Held:
        async with self._machine.session() as session:
            connection = await _locked(session, task.connection.id)
            if connection.grant != task.held.sealed:
                return _held(self._machine, connection)  # somebody signed in again: that is newer
            return self._store(connection, fresh)

    def _store(self, connection: Connection, fresh: Grant) -> Held:
        put(self._machine, connection, fresh)
        return Held(fresh, connection.refreshed_at, connection.grant)

    async def _give_up(self, task: _Task) -> Held | None:
        """Take the note away; what stands there if it is another grant than the one that was tried."""
        async with self._machine.session() as session:
            await session.execute(
                update(Connection)
                .where(Connection.id == task.connection.id, Connection.refreshing_by == task.by)
                .values(refreshing_by="", refreshing_until=None)
            )
            connection = await _locked(session, task.connection.id)
            return None if connection.grant == task.held.sealed else _held(self._machine, connection)


def put(machine: Machine, connection: Connection, grant: Grant) -> None:
    """Access and refresh token together, in the transaction that the connection is in."""
    connection.grant = sealing.sealed_grant(machine.vault, grant, org_id=connection.org_id, connection_id=connection.id)
    connection.grant_expires_at, connection.refreshed_at = grant.expires_at, clock.now()
    connection.refreshing_by, connection.refreshing_until = "", None


@asynccontextmanager
async def lifespan(machine: Machine) -> AsyncIterator[None]:
    granting = Granting(machine)
    machine.put(granting)
    yield
    await granting.last_moment()


def _held(machine: Machine, connection: Connection) -> Held:
    return Held(sealing.grant_of(machine.vault, connection), connection.refreshed_at, connection.grant)


async def _locked(session: AsyncSession, connection_id: str) -> Connection:
    await lock(session)
    alive = select(Connection).where(Connection.id == connection_id, Connection.state != State.REMOVED)
    found = await session.scalar(alive)
    if found is None:
        raise CrmError(ErrorClass.REAUTH, "This connection was removed.", code="NO_GRANT")
    return found
