"""Invitations: a link that brings one person into one org, for 7 days."""

from collections.abc import Collection

from msgspec import Struct
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts import members, users
from site2crm.accounts.errors import AlreadyMember, EmailTaken, InviteForSomebodyElse, InviteGone
from site2crm.accounts.events import InviteRevoked, MemberInvited
from site2crm.accounts.models import Invite, Member, Org, User
from site2crm.accounts.permissions import Role
from site2crm.core import crypto, db, queue
from site2crm.core.crypto import Vault
from site2crm.core.errors import NotFound
from site2crm.core.events import emit
from site2crm.kit import clock, ids

VALID_S = 7 * 86400


class Invited(Struct, frozen=True):
    """The link's token is known here and never again."""

    id: str
    email: str
    role: str
    token: str


class OpenInvite(Struct, frozen=True):
    """What the person who follows the link is shown."""

    id: str
    org_id: str
    org_slug: str
    org_name: str
    email: str
    role: str
    has_account: bool


async def create(
    session: AsyncSession, org_id: str, *, email: str, role: Role, by: Collection[str], actor: str, vault: Vault
) -> Invited:
    """`by`: the permissions of who asks. An earlier invitation of the same person is replaced.

    Raises Invalid, RoleTooHigh, AlreadyMember.
    """
    address = users.checked_email(email)
    members.refuse_higher(role, by)
    await db.lock(session)
    await _refuse_member(session, org_id, address)
    await _revoke_earlier(session, org_id, address)
    token = crypto.token()
    invite = Invite(
        id=ids.new("inv"),
        org_id=org_id,
        email=address,
        role=role,
        token_hash=crypto.digest(token),
        invited_by=actor,
        created_at=clock.now(),
        expires_at=clock.after(VALID_S),
    )
    session.add(invite)
    await session.flush()
    await emit(session, MemberInvited(org_id=org_id, invite_id=invite.id, email=address, role=role))
    return await _sent(session, invite, token, vault=vault)


async def resend(session: AsyncSession, org_id: str, *, invite_id: str, by: Collection[str], vault: Vault) -> Invited:
    """A new link, valid for 7 days; the old one stops working. Raises NotFound, RoleTooHigh."""
    invite = await _pending(session, org_id, invite_id)
    members.refuse_higher(Role(invite.role), by)
    token = crypto.token()
    invite.token_hash = crypto.digest(token)
    invite.expires_at = clock.after(VALID_S)
    await session.flush()
    return await _sent(session, invite, token, vault=vault)


async def revoke(session: AsyncSession, org_id: str, *, invite_id: str) -> None:
    """Raises NotFound."""
    invite = await _pending(session, org_id, invite_id)
    invite.revoked_at = clock.now()
    await session.flush()
    await emit(session, InviteRevoked(org_id=org_id, invite_id=invite.id, email=invite.email))


async def open_invite(session: AsyncSession, token: str) -> OpenInvite:
    """Raises NotFound for a token that never was, InviteGone for one that no longer works."""
    invite = await _of_token(session, token)
    org = await session.get_one(Org, invite.org_id)
    has_account = await users.of_email(session, invite.email) is not None
    return OpenInvite(invite.id, org.id, org.slug, org.name, invite.email, invite.role, has_account)


async def accept(session: AsyncSession, token: str, *, user_id: str) -> None:
    """As a user who is logged in. Raises NotFound, InviteGone, InviteForSomebodyElse."""
    await db.lock(session)
    invite = await _of_token(session, token)
    user = await session.get_one(User, user_id)
    if user.email_key != users.email_key(invite.email):
        raise InviteForSomebodyElse(invite.email, user.email)
    await _join(session, invite, user.id)


async def accept_as_new(session: AsyncSession, token: str, *, name: str, password_hash: str) -> User:
    """With a new account of the invited address. Raises NotFound, InviteGone, EmailTaken."""
    await db.lock(session)
    invite = await _of_token(session, token)
    if await users.of_email(session, invite.email) is not None:
        raise EmailTaken(invite.email)
    user = await users.create(session, email=invite.email, name=name, password_hash=password_hash)
    await _join(session, invite, user.id)
    return user


def sealed_for(invite_id: str) -> str:
    """What the token of this invite is sealed with on its way to the mail job."""
    return f"invite:{invite_id}:token"


async def _sent(session: AsyncSession, invite: Invite, token: str, *, vault: Vault) -> Invited:
    # Sealed: a job's arguments are stored, and the stored digest alone must open no door
    sealed = vault.seal(token.encode(), aad=sealed_for(invite.id))
    await queue.enqueue(session, "accounts.send_invite", invite_id=invite.id, sealed=sealed)
    return Invited(invite.id, invite.email, invite.role, token)


async def _join(session: AsyncSession, invite: Invite, user_id: str) -> None:
    invite.accepted_at = clock.now()
    await session.flush()
    await members.add(session, invite.org_id, user_id=user_id, role=Role(invite.role))


async def _of_token(session: AsyncSession, token: str) -> Invite:
    invite = await session.scalar(select(Invite).where(Invite.token_hash == crypto.digest(token)))
    if invite is None:
        raise NotFound
    if invite.accepted_at or invite.revoked_at or invite.expires_at <= clock.now():
        raise InviteGone
    return invite


async def _pending(session: AsyncSession, org_id: str, invite_id: str) -> Invite:
    await db.lock(session)
    statement = db.in_org(Invite, org_id).where(
        Invite.id == invite_id, Invite.accepted_at.is_(None), Invite.revoked_at.is_(None)
    )
    invite = await session.scalar(statement)
    if invite is None:
        raise NotFound
    return invite


async def _refuse_member(session: AsyncSession, org_id: str, email: str) -> None:
    statement = db.in_org(Member, org_id).join(User, User.id == Member.user_id)
    if await session.scalar(statement.where(User.email_key == users.email_key(email))) is not None:
        raise AlreadyMember(email)


async def _revoke_earlier(session: AsyncSession, org_id: str, email: str) -> None:
    await session.execute(
        update(Invite)
        .where(
            Invite.org_id == org_id,
            Invite.email == email,
            Invite.accepted_at.is_(None),
            Invite.revoked_at.is_(None),
        )
        .values(revoked_at=clock.now())
    )
