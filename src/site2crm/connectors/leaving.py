"""Access that goes, with its connection or for another way in: what it left at the vendor goes before it.

Hooks first, for without the access nobody could remove them; then the grant. That is a job's work, long after the
connection is gone here: neither failure holds that up. What passes is tried again, and the grant lives until then;
what does not pass, or not in all these tries, is told by an alarm with what a person does there.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import apps, opening, queries, sealing
from site2crm.connectors.contract import CrmError, ErrorClass
from site2crm.connectors.errors import ConnectionNotFound
from site2crm.connectors.events import LEFT_AT_CRM, AccessReplaced
from site2crm.connectors.grants import Auth, Grant
from site2crm.connectors.models import Connection
from site2crm.connectors.opening import Access, Budgets
from site2crm.connectors.registry import KINDS
from site2crm.connectors.words import label, sentence
from site2crm.core import alarms
from site2crm.core.events import emit
from site2crm.core.machine import Machine
from site2crm.core.queue import enqueue
from site2crm.kit import clock

REVOKE = "connectors.revoke"
"""The name of the job, as it stands in queues."""
SLACK = timedelta(seconds=60)
_COLUMNS = ("org_id", "kind", "way", "name", "settings", "secrets", "grant", "account")
_PASSES = (ErrorClass.RETRY, ErrorClass.THROTTLE)


async def enqueued(session: AsyncSession, connection: Connection) -> None:
    """In the transaction that takes the access away, before it does: sealed, as it stands in the row."""
    if not connection.grant and not _has_hooks(connection.kind):
        return
    row: dict[str, Any] = {name: getattr(connection, name) for name in _COLUMNS}
    key = f"{REVOKE}:{connection.id}:{clock.now().isoformat()}"
    await enqueue(session, REVOKE, key=key, connection_id=connection.id, **row)


async def leave(machine: Machine, was: Connection, *, is_last_try: bool) -> None:
    """Raises CrmError for what may pass, while there is another try."""
    told: list[str] = []
    grants = _Last(machine, was) if was.grant else None
    for part in (_unwatched, _revoked):
        try:
            await part(machine, was, grants)
        except CrmError as error:
            if error.kind in _PASSES and not is_last_try:
                raise
            told.append(_left(part is _unwatched, was, error))
    machine.get(Budgets).forget(was.id)
    async with machine.session() as session:
        if told:
            await alarms.ring(session, was.org_id, code=LEFT_AT_CRM, subject=was.id, text=" ".join(told))
        try:
            connection = await queries.get(session, was.org_id, was.id)
        except ConnectionNotFound:
            return
        await emit(session, AccessReplaced(org_id=connection.org_id, connection_id=connection.id))


class _Last:
    """The `Grants` of access that nobody else uses any more, and that is not stored again."""

    def __init__(self, machine: Machine, was: Connection) -> None:
        self._machine = machine
        self._was = was
        self._grant: Grant | None = None

    async def current(self) -> Grant:
        grant = self.last()
        if grant.expires_at is not None and grant.expires_at - clock.now() < SLACK:
            return await self.renewed(grant)
        return grant

    async def renewed(self, stale: Grant) -> Grant:
        if stale.access != self.last().access:
            return self.last()
        fresh = await self.auth().refresh(stale)
        self._grant = replace(fresh, refresh=fresh.refresh or stale.refresh, extra={**stale.extra, **fresh.extra})
        return self._grant

    def auth(self) -> Auth:
        secrets = sealing.secrets_of(self._machine.vault, self._was)
        return apps.auth_of(self._machine, KINDS[self._was.kind], settings=self._was.settings, secrets=secrets)

    def last(self) -> Grant:
        """The stored one, or what the vendor has given for it since: that is the one to be taken back."""
        if self._grant is None:
            self._grant = sealing.grant_of(self._machine.vault, self._was)
        return self._grant


async def _unwatched(machine: Machine, was: Connection, grants: _Last | None) -> None:
    if not _has_hooks(was.kind) or not machine.url("/").startswith("https://"):
        return  # none was ever made
    access = Access(
        org_id=was.org_id,
        connection_id=was.id,
        kind=was.kind,
        settings=was.settings,
        secrets=sealing.secrets_of(machine.vault, was),
        account=was.account,
        grants=grants,
    )
    hooks = opening.hooks_side(machine, access)
    assert hooks is not None
    await hooks.unwatch(_path(was))


async def _revoked(machine: Machine, was: Connection, grants: _Last | None) -> None:
    """Another one with the same sign-in keeps it: some CRMs know only one."""
    if grants is None:
        return
    async with machine.session() as session:
        if await queries.has_same_sign_in(session, was):
            return
    await grants.auth().revoke(grants.last())


def _has_hooks(kind: str) -> bool:
    return kind in KINDS and KINDS[kind].caps.hooks == "api"


def _path(was: Connection) -> str:
    return f"/hooks/{was.id}/"


def _left(is_hooks: bool, was: Connection, error: CrmError) -> str:
    crm, said = label(was.kind), sentence(error.text or str(error))
    if is_hooks:
        return (
            f"{crm} did not let us remove the webhooks of “{was.name or was.kind}”: {said} "
            f"Remove them there: they call an address with {_path(was)} in it."
        )
    return (
        f"{crm} did not take back the access of “{was.name or was.kind}”: {said} "
        f"Remove the app there, in the list of connected apps."
    )
