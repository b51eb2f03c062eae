"""`site2crm admin`: people, from the command line."""

import asyncio
from pathlib import Path

import click
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts import passwords, users
from site2crm.commands import _accounts, options
from site2crm.commands.options import Exit
from site2crm.core.config import Settings
from site2crm.core.errors import Invalid, NotFound


@click.group("admin")
def command() -> None:
    """Create an owner, reset a password."""


@command.command("create")
@options.common
@click.option("--email", required=True, help="What they log in with.")
@click.option("--name", default="", help="What the team calls them.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--super", "is_super", is_flag=True, help="May administer the instance; the first user always may.")
def create(
    *,
    config_path: Path | None,
    data_dir: Path | None,
    as_json: bool,
    email: str,
    name: str,
    password_stdin: bool,
    is_super: bool,
) -> None:
    """Create a user; `org create` gives them an org."""
    settings = options.settings(config_path, data_dir)
    hashed = _hashed(settings, _accounts.password(password_stdin), like=(email, name))

    async def work(session: AsyncSession) -> str:
        first = not await users.any_exists(session)
        user = await users.create(session, email=email, name=name, password_hash=hashed, is_super=is_super or first)
        return user.id

    user_id = _accounts.write(settings, work)
    options.answer(as_json, {"id": user_id}, f"{email} can log in. Next: site2crm org create --owner {email} ...")


@command.command("reset-password")
@options.common
@click.option("--email", required=True, help="Whose password.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def reset_password(
    *, config_path: Path | None, data_dir: Path | None, as_json: bool, email: str, password_stdin: bool
) -> None:
    """Set a new password and end every session of that user."""
    settings = options.settings(config_path, data_dir)
    hashed = _hashed(settings, _accounts.password(password_stdin), like=(email,))

    async def work(session: AsyncSession) -> str:
        user = await users.of_email(session, email)
        if user is None:
            raise NotFound(f"Nobody has the address {email}.")
        await users.set_password(session, user.id, password_hash=hashed)
        return user.id

    user_id = _accounts.write(settings, work)
    options.answer(as_json, {"id": user_id}, f"The password of {email} is set; every session has ended.")


def _hashed(settings: Settings, password: str, *, like: tuple[str, ...]) -> str:
    try:
        return asyncio.run(passwords.hashed(password, minimum=settings.auth.password_min, like=like))
    except Invalid as refused:
        options.stop(Exit.FAILED, f"password: {refused.detail}")
