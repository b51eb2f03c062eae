"""Who belongs to an org, and as what."""

from collections.abc import Collection

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts.errors import LastOwner, RoleTooHigh
from site2crm.accounts.events import MemberJoined, MemberRemoved, MemberRoleChanged
from site2crm.accounts.models import Member
from site2crm.accounts.permissions import Role, grantable_roles
from site2crm.core import db
from site2crm.core.errors import NotFound
from site2crm.core.events import emit
from site2crm.kit import clock, ids


async def add(session: AsyncSession, org_id: str, *, user_id: str, role: Role) -> Member:
    """Put a user into the org; who is in already stays as they are."""
    await db.lock(session)
    found = await session.scalar(db.in_org(Member, org_id).where(Member.user_id == user_id))
    if found is not None:
        return found
    member = Member(id=ids.new("mbr"), org_id=org_id, user_id=user_id, role=role, created_at=clock.now())
    session.add(member)
    await session.flush()
    await emit(session, MemberJoined(org_id=org_id, member_id=member.id, user_id=user_id, role=role))
    return member


async def change_role(session: AsyncSession, org_id: str, *, member_id: str, role: Role, by: Collection[str]) -> None:
    """`by`: the permissions of who asks. Raises NotFound, RoleTooHigh, LastOwner."""
    member = await _locked(session, org_id, member_id)
    before = Role(member.role)
    if before == role:
        return
    refuse_higher(before, by)
    refuse_higher(role, by)
    await _refuse_without_owner(session, member)
    member.role = role
    await session.flush()
    await emit(
        session,
        MemberRoleChanged(org_id=org_id, member_id=member.id, user_id=member.user_id, before=before, after=role),
    )


async def remove(session: AsyncSession, org_id: str, *, member_id: str, by: Collection[str]) -> None:
    """The user keeps their account and other orgs. Raises NotFound, RoleTooHigh, LastOwner."""
    member = await _locked(session, org_id, member_id)
    refuse_higher(Role(member.role), by)
    await _refuse_without_owner(session, member)
    await session.delete(member)
    await session.flush()
    await emit(session, MemberRemoved(org_id=org_id, member_id=member.id, user_id=member.user_id))


def refuse_higher(role: Role, permissions: Collection[str]) -> None:
    """Nobody gives or takes a role that may do more than they may."""
    if role not in grantable_roles(permissions):
        raise RoleTooHigh(role)


async def _locked(session: AsyncSession, org_id: str, member_id: str) -> Member:
    # Locked before reading: two owners who demote each other at once must not both succeed
    await db.lock(session)
    member = await session.scalar(db.in_org(Member, org_id).where(Member.id == member_id))
    if member is None:
        raise NotFound
    return member


async def _refuse_without_owner(session: AsyncSession, leaving: Member) -> None:
    if leaving.role != Role.OWNER:
        return
    others = select(func.count()).where(
        Member.org_id == leaving.org_id, Member.role == Role.OWNER, Member.id != leaving.id
    )
    if not await session.scalar(others):
        raise LastOwner
