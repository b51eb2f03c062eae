"""E-mail and password against the record, throttled; an unknown address takes as long as a wrong password."""

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts import users
from site2crm.accounts.errors import TooManyAttempts, WrongCredentials
from site2crm.accounts.models import User
from site2crm.accounts.passwords import LONGEST
from site2crm.core import crypto, log
from site2crm.core.machine import Machine
from site2crm.core.ratelimit import Backoff

_log = log.get("accounts")


async def check(machine: Machine, session: AsyncSession, *, email: str, password: str, address: str) -> User:
    """The user who has these. Raises TooManyAttempts, WrongCredentials; nothing may have been written before."""
    _count_attempt(machine, email, address=address)
    # A session of its own, so that no reading connection waits while the hash is computed
    async with machine.session() as reading:
        user = await users.of_email(reading, email)
    fits = len(password) <= LONGEST
    if not await crypto.verify_password(user.password_hash if user else None, password if fits else "") or user is None:
        _log.info("login.failed", address=address)
        raise WrongCredentials("E-mail or password is wrong. Check both, or ask for a new password.")
    machine.get(Backoff).succeeded(users.email_key(email), address)
    if crypto.needs_rehash(user.password_hash):
        renewed = await crypto.hash_password(password)
        await session.execute(update(User).where(User.id == user.id).values(password_hash=renewed))
    return user


async def confirm(machine: Machine, user_id: str, *, email: str, password: str, address: str) -> None:
    """That it is still the same person. Raises TooManyAttempts, WrongCredentials; nothing may have been written."""
    _count_attempt(machine, email, address=address)
    async with machine.session() as reading:
        stored = await reading.scalar(select(User.password_hash).where(User.id == user_id))
    if len(password) > LONGEST or not await crypto.verify_password(stored, password):
        raise WrongCredentials("The current password is wrong.")
    machine.get(Backoff).succeeded(users.email_key(email), address)


def _count_attempt(machine: Machine, account: str, *, address: str) -> None:
    """Before the password is looked at. Raises TooManyAttempts with the seconds to wait."""
    wait_s = machine.get(Backoff).attempt(users.email_key(account), address)
    if wait_s:
        raise TooManyAttempts(wait_s)
