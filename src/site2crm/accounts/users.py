"""People: their address, name, password and theme."""

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts import names, sessions
from site2crm.accounts.errors import EmailTaken
from site2crm.accounts.models import User
from site2crm.core import heavy
from site2crm.core.errors import Invalid, NotFound
from site2crm.kit import clock, ids

THEMES = ("system", "light", "dark")


async def create(
    session: AsyncSession, *, email: str, password_hash: str, name: str = "", is_super: bool = False
) -> User:
    """A user without an org. Raises Invalid, EmailTaken."""
    address = checked_email(email)
    user = User(
        id=ids.new("usr"),
        email=address,
        email_key=email_key(address),
        name=names.tidy(name),
        password_hash=password_hash,
        is_super=is_super,
        created_at=clock.now(),
    )
    session.add(user)
    try:
        await session.flush()
    except IntegrityError as error:
        raise EmailTaken(address) from error
    return user


async def of_email(session: AsyncSession, email: str) -> User | None:
    return await session.scalar(select(User).where(User.email_key == email_key(email)))


async def first(session: AsyncSession) -> User | None:
    """Who owns the instance, longest."""
    return await session.scalar(select(User).order_by(User.is_super.desc(), User.created_at, User.id).limit(1))


async def any_exists(session: AsyncSession) -> bool:
    return (await session.execute(select(User.id).limit(1))).first() is not None


async def rename(session: AsyncSession, user_id: str, *, name: str) -> None:
    await session.execute(update(User).where(User.id == user_id).values(name=names.tidy(name)))


async def choose_theme(session: AsyncSession, user_id: str, *, theme: str) -> None:
    if theme not in THEMES:
        raise Invalid.field("theme", "system, light or dark.")
    await session.execute(update(User).where(User.id == user_id).values(theme=theme))


async def set_password(session: AsyncSession, user_id: str, *, password_hash: str, keep: str = "") -> None:
    """Every session of the user ends, except the one with the digest `keep`. Raises NotFound."""
    changed = update(User).where(User.id == user_id).values(password_hash=password_hash).returning(User.id)
    if (await session.execute(changed)).first() is None:
        raise NotFound
    await sessions.end_others(session, user_id, keep=keep)


def checked_email(text: str) -> str:
    """In its normal form. Raises Invalid."""
    library = heavy.email_validator()
    try:
        found = library.validate_email(text.strip(), check_deliverability=False, globally_deliverable=False)
    except library.EmailNotValidError as error:
        raise Invalid.field("email", "An e-mail address, such as maria@acme.example.") from error
    # Internal names have no dot, but what a person mistypes has none either
    if "." not in found.domain and found.domain != "localhost":
        raise Invalid.field("email", f"“{found.domain}” is no full domain, such as acme.example.")
    return str(found.normalized)


def email_key(email: str) -> str:
    """What is compared: nobody has two accounts that differ in case only."""
    try:
        return checked_email(email).casefold()
    except Invalid:
        return email.strip().casefold()
