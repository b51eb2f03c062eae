"""Links that work once and for a while: setup and password reset. Only their digest is stored."""

from enum import StrEnum

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts.models import OneTimeToken
from site2crm.core import crypto
from site2crm.core.errors import NotFound
from site2crm.kit import clock


class Purpose(StrEnum):
    SETUP = "setup"
    RESET = "reset"


async def issue(session: AsyncSession, purpose: Purpose, *, user_id: str | None, valid_s: float) -> str:
    """A new token; earlier ones for the same purpose and user stop working."""
    same = OneTimeToken.user_id.is_(None) if user_id is None else OneTimeToken.user_id == user_id
    await session.execute(delete(OneTimeToken).where(OneTimeToken.purpose == purpose, same))
    token = crypto.token()
    session.add(
        OneTimeToken(token_hash=crypto.digest(token), purpose=purpose, user_id=user_id, expires_at=clock.after(valid_s))
    )
    await session.flush()
    return token


async def expect(session: AsyncSession, purpose: Purpose, token: str) -> str | None:
    """The user of a token that works now. Raises NotFound."""
    found = (await session.execute(select(OneTimeToken.user_id).where(*_works(purpose, token)))).one_or_none()
    if found is None:
        raise NotFound
    return found[0]


async def redeem(session: AsyncSession, purpose: Purpose, token: str) -> str | None:
    """Use the token up and return its user. Raises NotFound, also for the slower of two at once."""
    used = await session.execute(
        update(OneTimeToken).where(*_works(purpose, token)).values(used_at=clock.now()).returning(OneTimeToken.user_id)
    )
    found = used.one_or_none()
    if found is None:
        raise NotFound
    return found[0]


async def forget_expired(session: AsyncSession) -> None:
    await session.execute(delete(OneTimeToken).where(OneTimeToken.expires_at < clock.now()))


def _works(purpose: Purpose, token: str) -> tuple[ColumnElement[bool], ...]:
    return (
        OneTimeToken.token_hash == crypto.digest(token),
        OneTimeToken.purpose == purpose,
        OneTimeToken.used_at.is_(None),
        OneTimeToken.expires_at > clock.now(),
    )
