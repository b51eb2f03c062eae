"""`site2crm org`: organisations, from the command line."""

from pathlib import Path

import click
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts import orgs, users
from site2crm.accounts.queries import OrgOut
from site2crm.commands import _accounts, options
from site2crm.core.errors import NotFound


@click.group("org")
def command() -> None:
    """Create an org."""


@command.command("create")
@options.common
@click.option("--name", required=True, help="What people call it.")
@click.option("--slug", default="", help="Its address, /o/SLUG; made from the name if left out.")
@click.option("--owner", required=True, help="E-mail of the user who owns it.")
@click.option("--time-zone", default="UTC", show_default=True, help="Such as Europe/Berlin.")
@click.option("--country", default="", help="Two letters: where phone numbers without a country code are from.")
def create(
    *,
    config_path: Path | None,
    data_dir: Path | None,
    as_json: bool,
    name: str,
    slug: str,
    owner: str,
    time_zone: str,
    country: str,
) -> None:
    """Create an org for a user."""
    settings = options.settings_in_use(config_path, data_dir)

    async def work(session: AsyncSession) -> OrgOut:
        user = await users.of_email(session, owner)
        if user is None:
            raise NotFound(f"Nobody has the address {owner}. First: site2crm admin create --email {owner}")
        return await orgs.create(session, user.id, name=name, slug=slug, time_zone=time_zone, country=country)

    made = _accounts.write(settings, work)
    options.answer(as_json, {"id": made.id, "slug": made.slug}, f"{made.name} is at {settings.base_url}/o/{made.slug}/")
