"""The first start: a one-time link that makes the owner of the instance and the first org."""

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts import authentication, orgs, tokens, users
from site2crm.accounts.models import User
from site2crm.accounts.queries import OrgOut
from site2crm.accounts.tokens import Purpose
from site2crm.core import db
from site2crm.core.access import Who
from site2crm.core.errors import NotFound
from site2crm.core.machine import Machine

SETUP_VALID_S = 30 * 60


class Owner(Struct, frozen=True):
    email: str
    name: str
    password_hash: str


class FirstOrg(Struct, frozen=True):
    name: str
    time_zone: str = "UTC"


async def setup_url(machine: Machine) -> str | None:
    """A fresh link to the setup page, valid for 30 minutes, once; None when there is a user already."""
    async with machine.session() as session:
        if await users.any_exists(session):
            return None
    async with machine.session() as session:
        token = await tokens.issue(session, Purpose.SETUP, user_id=None, valid_s=SETUP_VALID_S)
    return machine.url(f"/setup/{token}")


async def at_home(session: AsyncSession, who: Who) -> Who:
    """The same person in the org where they were last: for pages that belong to no org."""
    return await authentication.at_home(session, who)


async def expect_setup(session: AsyncSession, token: str) -> None:
    """Raises NotFound unless this link may be used now."""
    await tokens.expect(session, Purpose.SETUP, token)
    if await users.any_exists(session):
        raise NotFound


async def set_up(session: AsyncSession, token: str, *, owner: Owner, org: FirstOrg) -> tuple[User, OrgOut]:
    """Raises NotFound, also for the slower of two at once; Invalid."""
    await db.lock(session)
    if await users.any_exists(session):
        raise NotFound
    await tokens.redeem(session, Purpose.SETUP, token)
    user = await users.create(
        session, email=owner.email, name=owner.name, password_hash=owner.password_hash, is_super=True
    )
    return user, await orgs.create(session, user.id, name=org.name, time_zone=org.time_zone)
