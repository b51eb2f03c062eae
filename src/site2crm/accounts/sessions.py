"""Logging in and staying so: random tokens, stored as digests, ended on the server."""

from sqlalchemy import delete, or_, update
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts.models import LoginSession, User
from site2crm.core import crypto
from site2crm.core.config_schema import Auth
from site2crm.core.errors import NotFound
from site2crm.kit import clock

TOUCH_S = 60
"""`seen_at` is written at most this often: a page view should not cost a write."""
_LONGEST_AGENT = 300


async def start(session: AsyncSession, user_id: str, *, max_s: float, user_agent: str = "", replaces: str = "") -> str:
    """A new session's token. `replaces` is the token that came with the log-in: a planted one dies here."""
    if replaces:
        await end(session, crypto.digest(replaces))
    token = crypto.token()
    now = clock.now()
    session.add(
        LoginSession(
            token_hash=crypto.digest(token),
            user_id=user_id,
            created_at=now,
            seen_at=now,
            expires_at=clock.after(max_s),
            user_agent=user_agent[:_LONGEST_AGENT],
        )
    )
    await session.flush()
    return token


async def end(session: AsyncSession, token_hash: str) -> None:
    await session.execute(delete(LoginSession).where(LoginSession.token_hash == token_hash))


async def end_one(session: AsyncSession, user_id: str, *, session_id: str) -> None:
    """The one that a list shows under this id. Raises NotFound."""
    if len(session_id) != 16 or not session_id.isalnum():
        raise NotFound
    ended = await session.execute(
        delete(LoginSession)
        .where(LoginSession.user_id == user_id, LoginSession.token_hash.startswith(session_id))
        .returning(LoginSession.token_hash)
    )
    if ended.first() is None:
        raise NotFound


async def end_others(session: AsyncSession, user_id: str, *, keep: str) -> None:
    """All of the user's, except the one with the digest `keep`."""
    await session.execute(delete(LoginSession).where(LoginSession.user_id == user_id, LoginSession.token_hash != keep))


async def touch(session: AsyncSession, token_hash: str, *, user_id: str, org_id: str | None) -> None:
    """Seen now; and the org that `/o` leads to next time."""
    await session.execute(update(LoginSession).where(LoginSession.token_hash == token_hash).values(seen_at=clock.now()))
    if org_id is not None:
        await session.execute(update(User).where(User.id == user_id).values(last_org_id=org_id))


async def forget_ended(session: AsyncSession, auth: Auth) -> None:
    idle = LoginSession.seen_at < clock.since(auth.session_idle)
    await session.execute(delete(LoginSession).where(or_(LoginSession.expires_at < clock.now(), idle)))
