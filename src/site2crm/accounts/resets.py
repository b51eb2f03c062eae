"""A forgotten password: a link by mail, for an hour, once. Nobody learns from it who has an account."""

from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts import tokens, users
from site2crm.accounts.tokens import Purpose
from site2crm.core import queue
from site2crm.core.errors import NotFound
from site2crm.core.machine import Machine
from site2crm.core.ratelimit import network

VALID_S = 3600
PER_ACCOUNT = 3
PER_NETWORK = 20
WINDOW_S = 3600


async def ask(session: AsyncSession, machine: Machine, *, email: str, address: str) -> None:
    """Have a link sent if there is such a user. Answers the same, and as fast, in every case.

    Too many asked from one place or for one account: silently none. Raises Invalid for what is no address.
    """
    key = users.email_key(users.checked_email(email))
    here = machine.limits.take(f"reset from {network(address)}", limit=PER_NETWORK, per_s=WINDOW_S)
    account = machine.limits.take(f"reset for {key}", limit=PER_ACCOUNT, per_s=WINDOW_S)
    if here.allowed and account.allowed:
        await queue.enqueue(session, "accounts.send_reset", key=f"reset:{key}", email=key)


async def use(session: AsyncSession, token: str, *, password_hash: str) -> None:
    """Set the password; every session of the user ends. Raises NotFound."""
    user_id = await tokens.redeem(session, Purpose.RESET, token)
    if user_id is None:
        raise NotFound
    await users.set_password(session, user_id, password_hash=password_hash)
