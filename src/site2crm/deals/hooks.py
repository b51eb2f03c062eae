"""`POST /hooks/{connection}/{secret}`: a CRM says that something changed. Nothing that it says is believed but that.

The secret in the address is ours, for some CRMs prove nothing; what a CRM proves besides is checked over the bytes as
they came. Where the webhooks are an app's, it is `POST /hooks/app/{kind}/{client id}`, for all accounts that let the
app in (connectors/app_hooks.py). The answer is quick: a hint only makes the connection due, once in a few seconds
however many come. A custom CRM sends its records themselves, to an address of its own (connectors/receiving.py).
"""

import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from litestar import Response, Router, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import queries as connections
from site2crm.connectors import service as opening
from site2crm.connectors.contract import CrmError
from site2crm.connectors.errors import ConnectionNotFound
from site2crm.connectors.hints import BadProof, Hooks
from site2crm.core import db, log
from site2crm.core.access import public
from site2crm.core.crypto import Unreadable
from site2crm.core.errors import BadRequest, Forbidden, NotFound
from site2crm.core.machine import Machine
from site2crm.core.web import AnyRequest
from site2crm.deals import feeds
from site2crm.deals.models import Feed
from site2crm.kit import clock

MOST_BYTES = 1_000_000
MOST_KEPT = 10_000
RENEW_BEFORE = 0.25
"""The part of its life that a hook may have left when it is renewed."""
TRY_AGAIN = timedelta(hours=1)
LONGEST = timedelta(days=7)
"""Each hook is renewed by then. What is due later was noted before somebody put the clock back."""
WATCH = "deals.watch"

_log = log.get("deals")


class Hinted:
    """When each connection was hinted at last, so that a flood of hints writes nothing."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}

    def is_news(self, connection_id: str) -> bool:
        return not self._is_fresh(self._at.get(connection_id, 0.0), clock.unix())

    async def remember(self, connection_ids: Sequence[str]) -> None:
        """Once it is on disk that they are to be read: what was answered with an error is told again."""
        now = clock.unix()
        if len(self._at) >= MOST_KEPT:
            self._at = {id: at for id, at in self._at.items() if self._is_fresh(at, now)}
        self._at.update(dict.fromkeys(connection_ids, now))

    def _is_fresh(self, at: float, now: float) -> bool:
        return now - feeds.SOON.total_seconds() < at <= now


class _Known(NamedTuple):
    """A connection that takes hooks. `secret`: ours."""

    hooks: Hooks
    feed: Feed
    secret: str
    kind: str


@post("/{connection_id:str}/{secret:str}", opt=public(), status_code=200, request_max_body_size=MOST_BYTES)
async def take_hint(
    connection_id: FromPath[str],
    secret: FromPath[str],
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    machine: NamedDependency[Machine],
) -> Response[Any]:
    """404 for whoever does not know the address, 403 without the CRM's proof, 400 for what the CRM does not send."""
    known = await _known(session, machine, connection_id)
    if not hmac.compare_digest(secret.encode(), known.secret.encode()):
        raise NotFound
    return await _taken(session, machine, request, known)


@post("/app/{kind:str}/{client_id:str}", opt=public(), status_code=204, request_max_body_size=MOST_BYTES)
async def take_app_hint(
    kind: FromPath[str],
    client_id: FromPath[str],
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    machine: NamedDependency[Machine],
) -> Response[None]:
    """404 for an app that nobody has entered here, 403 with the reason, 400 for what the CRM does not send."""
    call = opening.app_hooks.AppCall(kind, client_id, _headers(request), await request.body())
    try:
        changed = await opening.app_hooks.told(session, machine, call)
    except BadProof as error:
        raise Forbidden(str(error)) from error
    except ValueError as error:
        raise BadRequest("This is not what the CRM sends.") from error
    hinted = machine.get(Hinted)
    if news := [id for id in changed if hinted.is_news(id)]:
        await hint(session, news, called_at=opening.app_hooks.address(machine, kind, client_id))
        db.after_commit(session, partial(hinted.remember, news))
    return Response(None, status_code=204)


async def _taken(session: AsyncSession, machine: Machine, request: AnyRequest, known: _Known) -> Response[Any]:
    feed, body = known.feed, await request.body()
    url = address(machine, feed.connection_id, known.secret)
    try:
        changes = known.hooks.parse(_headers(request), body, url=url, secret=known.secret)
    except BadProof as error:
        raise Forbidden("This does not prove that it comes from the CRM.") from error
    except (ValueError, TypeError, KeyError) as error:
        raise BadRequest("This is not what the CRM sends.") from error
    hinted = machine.get(Hinted)
    if changes and hinted.is_news(feed.connection_id):
        await hint(session, [feed.connection_id], called_at=machine.url(f"/hooks/{feed.connection_id}"))
        db.after_commit(session, partial(hinted.remember, [feed.connection_id]))
    receipt = opening.hook_receipt(known.kind, body)
    if receipt is None:
        return Response(None, status_code=204)
    return Response(receipt[1], status_code=200, media_type=receipt[0])


def _headers(request: AnyRequest) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


async def hint(session: AsyncSession, connection_ids: Sequence[str], *, called_at: str) -> None:
    """Read them soon, whether or not they are being read at this moment. `called_at`: without a secret."""
    await db.lock(session)  # a reading may have ended while the call was read
    mine = select(Feed).where(Feed.connection_id.in_(connection_ids)).execution_options(populate_existing=True)
    for feed in await session.scalars(mine):
        feed.hinted_at, feed.hook_url = clock.now(), called_at
        await feeds.heed(session, feed)


def are_due() -> ColumnElement[bool]:
    now = clock.now()
    return (Feed.hook_due_at <= now) | (Feed.hook_due_at > now + LONGEST + clock.SKEW)


async def watch(machine: Machine, org_id: str, connection_id: str) -> None:
    """Make or renew the hooks of a connection; without an address that the CRM can reach there are none."""
    async with machine.session() as session:
        await db.lock(session)
        feed = await session.get(Feed, connection_id)
        try:
            connection = await connections.get(session, org_id, connection_id)
        except ConnectionNotFound:
            return None
        if feed is None or feed.hook_due_at is None or clock.is_ahead(feed.hook_due_at, most=LONGEST):
            return None
        feed.hook_due_at = clock.now() + TRY_AGAIN  # whoever comes at the same time finds it done
    caps = connections.caps(connection.kind)
    if caps.hooks != "api":
        return await _note(machine, connection_id, due_at=None)
    if not machine.url("/").startswith("https://"):
        return None
    try:
        secret = secret_of(machine, feed)
        hooks = opening.open_hooks(machine, connection)
        assert hooks is not None
        until = await hooks.watch(address(machine, connection_id, secret), secret)
    except CrmError as error:
        _log.warning("deals.watch_failed", connection=connection_id, error=error.text)
        return await _note(machine, connection_id, due_at=clock.now() + TRY_AGAIN, error=error.text)
    left = (until - clock.now()) * (1 - RENEW_BEFORE) if until else None
    due_at = clock.now() + min(left, LONGEST) if left else None
    async with machine.session() as session:
        row = await session.get(Feed, connection_id)
        if row is not None:
            row.hook_url, row.hook_until = machine.url(f"/hooks/{connection_id}"), until
            row.hook_due_at, row.hook_error = due_at, ""
    return None


def address(machine: Machine, connection_id: str, secret: str) -> str:
    """Where the CRM calls."""
    return machine.url(f"/hooks/{connection_id}/{secret}")


def secret_of(machine: Machine, feed: Feed) -> str:
    return machine.vault.open(feed.hook_secret, aad=feeds.aad(feed.org_id, feed.connection_id)).decode()


async def _known(session: AsyncSession, machine: Machine, connection_id: str) -> _Known:
    """Raises NotFound for a connection that is not there, or takes no hooks."""
    feed = await session.scalar(select(Feed).where(Feed.connection_id == connection_id))
    if feed is None:
        raise NotFound
    try:
        ours = secret_of(machine, feed)
        connection = await connections.get(session, feed.org_id, connection_id)
        hooks = opening.open_hooks(machine, connection)
    except (Unreadable, ConnectionNotFound, CrmError) as error:
        raise NotFound from error
    if hooks is None:
        raise NotFound
    return _Known(hooks, feed, ours, connection.kind)


async def _note(machine: Machine, connection_id: str, *, due_at: datetime | None, error: str = "") -> None:
    async with machine.session() as session:
        row = await session.get(Feed, connection_id)
        if row is not None:
            row.hook_due_at, row.hook_error = due_at, error


router = Router(path="/hooks", route_handlers=[take_hint, take_app_hint], include_in_schema=False)
