"""Who asks: the API key of a script, or the session cookie of a person. `app.py` hands this to the one guard.

A super admin is nobody special here: another org's dashboard is 404 for them too.
"""

from collections.abc import Awaitable, Callable

import msgspec
from litestar import Response
from litestar.datastructures import Cookie
from litestar.types import Message, Scope
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts import keys, queries, sessions
from site2crm.accounts.models import ApiKey, LoginSession, Org, User
from site2crm.accounts.permissions import ROLES, Role, scopes_of
from site2crm.core import crypto, db, log, ratelimit
from site2crm.core.access import Connection, OrgRef, Who
from site2crm.core.config import Settings
from site2crm.core.errors import DatabaseBusy, RateLimited
from site2crm.core.machine import Machine
from site2crm.core.ratelimit import Verdict
from site2crm.kit import clock

KEY_LIMIT = 600
KEY_WINDOW_S = 60

_RATE = "rate_limit"

_log = log.get("accounts")


async def authenticate(connection: Connection) -> Who | None:
    """A header decides alone: a request with a wrong key is nobody, whatever cookie it brings."""
    machine: Machine = connection.scope["state"]["machine"]
    header = connection.headers.get("authorization")
    if header is not None:
        return await _by_key(connection, machine, header)
    token = connection.cookies.get(cookie_name(machine.settings))
    return await _by_session(connection, machine, token) if token else None


async def add_rate_headers(message: Message, scope: Scope) -> None:
    """A `before_send` hook of the app: what is left of the key's limit, on every answer to it, errors too."""
    verdict: Verdict | None = scope.get("state", {}).get(_RATE)
    if verdict is not None and message["type"] == "http.response.start":
        added = [(name.lower().encode(), value.encode()) for name, value in ratelimit.headers(verdict).items()]
        message["headers"] = [*message["headers"], *added]


async def at_home(session: AsyncSession, who: Who) -> Who:
    """The same person in the org where they were last, else their first: for pages that belong to no org."""
    memberships = await queries.memberships(session, who.user_id or "")
    last = await queries.last_org_id(session, who.user_id or "")
    found = next((each for each in memberships if each[0].id == last), next(iter(memberships), None))
    if found is None:
        return who
    org, role = found
    return msgspec.structs.replace(who, org=_ref(org), role=role, permissions=frozenset(ROLES[Role(role)]))


def cookie_name(settings: Settings) -> str:
    """With https the `__Host-` name: no subdomain and no plain page can plant or overwrite it."""
    return "__Host-s2c" if _is_https(settings) else "s2c"


def set_session(response: Response[str], settings: Settings, token: str) -> None:
    """Log the browser in."""
    response.set_cookie(_cookie(settings, token, max_age=int(settings.auth.session_max)))


def clear_session(response: Response[str], settings: Settings) -> None:
    response.set_cookie(_cookie(settings, "", max_age=0))


async def _by_key(connection: Connection, machine: Machine, header: str) -> Who | None:
    scheme, _, plain = header.partition(" ")
    sent = keys.parts(plain.strip())
    if scheme.lower() != "bearer" or sent is None:
        return None
    async with machine.session() as session:
        found = await queries.working_key(session, sent[0])
    key = found[0] if found else None
    if not keys.proves(key, sent[1]) or found is None:
        return None
    key, org = found
    _take(connection, machine, key)
    if key.last_used_at is None or key.last_used_at < clock.since(keys.TOUCH_S):
        await _in_passing(machine, lambda session: keys.touch(session, key.id))
    slug = _org_slug(connection)
    is_here = slug in (None, org.slug)
    return Who(key_id=key.id, name=key.name, permissions=scopes_of(key.scopes), org=_ref(org) if is_here else None)


def _take(connection: Connection, machine: Machine, key: ApiKey) -> None:
    verdict = machine.limits.take(f"key {key.id}", limit=KEY_LIMIT, per_s=KEY_WINDOW_S)
    connection.scope["state"][_RATE] = verdict
    if not verdict.allowed:
        raise RateLimited(f"{KEY_LIMIT} requests a minute for each key. Try again in {verdict.retry_after_s} s.")


async def _by_session(connection: Connection, machine: Machine, token: str) -> Who | None:
    token_hash = crypto.digest(token)
    async with machine.session() as session:
        found = await queries.signed_in(session, token_hash, idle_s=machine.settings.auth.session_idle)
        if found is None:
            return None
        login, user = found
        memberships = await queries.memberships(session, user.id)
    here = next(((org, role) for org, role in memberships if org.slug == _org_slug(connection)), None)
    await _touch(connection, login, user, here[0] if here else None)
    return Who(
        user_id=user.id,
        email=user.email,
        name=user.name or user.email,
        theme=user.theme,
        is_super=user.is_super,
        session_hash=token_hash,
        role=here[1] if here else "",
        permissions=frozenset(ROLES[Role(here[1])]) if here else frozenset(),
        org=_ref(here[0]) if here else None,
        orgs=tuple(_ref(org) for org, _ in memberships),
        makes_orgs=user.is_super or any(role == Role.OWNER for _, role in memberships),
    )


async def _touch(connection: Connection, login: LoginSession, user: User, org: Org | None) -> None:
    """Now and then, and at once when somebody opens another org: not for what two open tabs fetch by themselves."""
    org_id = org.id if org else None
    moved = org_id not in (None, user.last_org_id) and connection.headers.get("sec-fetch-dest") == "document"
    if moved or login.seen_at < clock.since(sessions.TOUCH_S):
        await _in_passing(
            connection.scope["state"]["machine"],
            lambda session: sessions.touch(session, login.token_hash, user_id=user.id, org_id=org_id),
        )


async def _in_passing(machine: Machine, write: Callable[[AsyncSession], Awaitable[None]]) -> None:
    """A note for later: a busy database must not keep anybody from reading."""
    try:
        async with machine.session() as session:
            await write(session)
    except (DatabaseBusy, DBAPIError) as error:
        if not db.is_passing(error):
            raise
        _log.warning("touch.skipped", error=str(error))


def _org_slug(connection: Connection) -> str | None:
    """The org of a dashboard's address; None elsewhere."""
    return connection.path_params.get("org") if connection.url.path.startswith("/o/") else None


def _ref(org: Org) -> OrgRef:
    return OrgRef(id=org.id, slug=org.slug, name=org.name, time_zone=org.time_zone)


def _cookie(settings: Settings, value: str, *, max_age: int) -> Cookie:
    return Cookie(
        key=cookie_name(settings),
        value=value,
        max_age=max_age,
        path="/",
        secure=_is_https(settings),
        httponly=True,
        samesite="lax",
    )


def _is_https(settings: Settings) -> bool:
    return settings.server.public_url.startswith("https://")
