"""Access that goes, with its connection or for another way in: what it left at the vendor goes before it.

Hooks first, for without the access nobody could remove them; then the grant. That is a job's work, long after the
connection is gone here: neither failure holds that up. What passes is tried again, and the grant lives until then;
what does not pass, or not in all these tries, is told by an alarm with what a person does there. The job has all that
it needs with it: it outlives the connection, and the org too, whose connections are removed before it is.

Who signs in again leaves an older grant behind: it goes once the new one has been tested and stored. But not everywhere
is a grant a thing of its own. Zoho and Salesforce take back the one that is named (and count them: Zoho's 21st refresh
token of a user silently ends the first, Salesforce keeps five), so there it is taken back. With Pipedrive a revoked
refresh token uninstalls the app, and HubSpot does not say whether the next one that it gives is another: there an older
grant of the same app and account is let be, for the new one might die with it. Nobody has it any more, and removing the
app there ends it. Hooks stay in any case: the new access renews them.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts import queries as accounts
from site2crm.connectors import apps, opening, queries, sealing
from site2crm.connectors.contract import CrmError, ErrorClass
from site2crm.connectors.errors import ConnectionNotFound
from site2crm.connectors.events import LEFT_AT_CRM, AccessReplaced
from site2crm.connectors.grants import Auth, Grant
from site2crm.connectors.models import Connection
from site2crm.connectors.opening import Budgets
from site2crm.connectors.registry import KINDS
from site2crm.connectors.words import label, sentence
from site2crm.core import alarms, log
from site2crm.core.errors import NotFound
from site2crm.core.events import emit
from site2crm.core.machine import Machine
from site2crm.core.queue import enqueue
from site2crm.kit import clock

REVOKE, REVOKE_OLDER = "connectors.revoke", "connectors.revoke_older"
"""The names of the jobs, as they stand in queues."""
SLACK = timedelta(seconds=60)
_COLUMNS = ("org_id", "kind", "way", "name", "settings", "secrets", "grant", "account")
_PASSES = (ErrorClass.RETRY, ErrorClass.THROTTLE)
_Part = Callable[[Machine, Connection, "_Last | None"], Awaitable[None]]
_Words = Callable[[Connection, str, str], str]

_log = log.get("connectors")


async def enqueued(session: AsyncSession, connection: Connection) -> None:
    """In the transaction that takes the access away, before it does: sealed, as it stands in the row."""
    if not connection.grant and not _has_hooks(connection.kind):
        return
    await _enqueue(session, connection, REVOKE)


async def grant_enqueued(session: AsyncSession, connection: Connection) -> None:
    """As `enqueued`, before another grant of the same kind takes the place of this one."""
    if connection.grant:
        await _enqueue(session, connection, REVOKE_OLDER)


async def leave(machine: Machine, was: Connection, *, is_last_try: bool) -> None:
    """Raises CrmError for what may pass, while there is another try."""
    parts = ((_unwatched, _hooks_left), (_revoked, _access_left))
    await _left_behind(machine, was, parts, is_last_try=is_last_try)
    machine.get(Budgets).forget(was.id)


async def leave_grant(machine: Machine, was: Connection, *, is_last_try: bool) -> None:
    """The grant alone. Raises as `leave`."""
    await _left_behind(machine, was, ((_revoked, _older_left),), is_last_try=is_last_try)


async def _left_behind(
    machine: Machine, was: Connection, parts: Sequence[tuple[_Part, _Words]], *, is_last_try: bool
) -> None:
    told: list[str] = []
    grants = _Last(machine, was) if was.grant else None
    for part, words in parts:
        try:
            await part(machine, was, grants)
        except CrmError as error:
            if error.kind in _PASSES and not is_last_try:
                raise
            told.append(words(was, f"{label(was.kind)} did not", sentence(error.text or str(error))))
    async with machine.session() as session:
        if told:
            await _tell(session, was, " ".join(told))
        try:
            connection = await queries.get(session, was.org_id, was.id)
        except ConnectionNotFound:
            return
        await emit(session, AccessReplaced(org_id=connection.org_id, connection_id=connection.id))


async def _tell(session: AsyncSession, was: Connection, text: str) -> None:
    """Where the org is gone as well, there is only the log to tell."""
    try:
        await accounts.org(session, was.org_id)
    except NotFound:
        _log.warning("connection.left_at_crm", org=was.org_id, connection=was.id, text=text)
        return
    await alarms.ring(session, was.org_id, code=LEFT_AT_CRM, subject=was.id, text=text)


async def _enqueue(session: AsyncSession, connection: Connection, job: str) -> None:
    row: dict[str, Any] = {name: getattr(connection, name) for name in _COLUMNS}
    key = f"{job}:{connection.id}:{clock.now().isoformat()}"
    await enqueue(session, job, key=key, connection_id=connection.id, **row)


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
    hooks = opening.hooks_side(machine, opening.access_by(machine.vault, was, grants=grants))
    assert hooks is not None
    await hooks.unwatch(_path(was))


async def _revoked(machine: Machine, was: Connection, grants: _Last | None) -> None:
    """Another one with the same sign-in keeps it, where the CRM knows only one."""
    if grants is None:
        return
    async with machine.session() as session:
        others = await queries.same_sign_ins(session, was)
    if others and not KINDS[was.kind].revokes_apart:
        return
    if not any(_has(machine, other, grants.last()) for other in others):
        await grants.auth().revoke(grants.last())


def _has(machine: Machine, other: Connection, grant: Grant) -> bool:
    """Whether it lives by this very grant."""
    try:
        return sealing.grant_of(machine.vault, other).refresh == grant.refresh
    except CrmError:
        return False


def _has_hooks(kind: str) -> bool:
    return kind in KINDS and KINDS[kind].caps.hooks == "api"


def _path(was: Connection) -> str:
    return f"/hooks/{was.id}/"


def _hooks_left(was: Connection, crm: str, said: str) -> str:
    cure = f"Remove them there: they call an address with {_path(was)} in it."
    return f"{crm} let us remove the webhooks of “{was.name or was.kind}”: {said} {cure}"


def _access_left(was: Connection, crm: str, said: str) -> str:
    cure = "Remove the app there, in the list of connected apps."
    return f"{crm} take back the access of “{was.name or was.kind}”: {said} {cure}"


def _older_left(was: Connection, crm: str, said: str) -> str:
    cure = "Nobody uses it any more. To end it, remove the app there and sign in here once more."
    return f"{crm} take back the earlier sign-in of “{was.name or was.kind}”: {said} {cure}"
