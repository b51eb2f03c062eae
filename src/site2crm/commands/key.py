"""`site2crm key`: API keys, from the command line."""

from pathlib import Path

import click
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts import keys, queries
from site2crm.accounts.keys import MadeKey
from site2crm.accounts.permissions import EVERYTHING
from site2crm.commands import _accounts, options
from site2crm.core.errors import NotFound


@click.group("key")
def command() -> None:
    """Create an API key."""


@command.command("create")
@options.common
@click.option("--org", "slug", required=True, help="The org's slug.")
@click.option("--scopes", required=True, help="all, or a list such as leads:read,forms:write.")
@click.option("--name", default="Command line", show_default=True, help="What uses it.")
def create(
    *, config_path: Path | None, data_dir: Path | None, as_json: bool, slug: str, scopes: str, name: str
) -> None:
    """Create a key and print it, this once."""
    settings = options.settings(config_path, data_dir)
    wanted = [scope.strip() for scope in scopes.split(",") if scope.strip()]

    async def work(session: AsyncSession) -> MadeKey:
        try:
            org = await queries.org_of_slug(session, slug)
        except NotFound as missing:
            raise NotFound(f"There is no org with the slug {slug}.") from missing
        return await keys.create(session, org.id, name=name, scopes=wanted, by=EVERYTHING, actor=None)

    made = _accounts.write(settings, work)
    options.answer(as_json, {"id": made.row.id, "key": made.plain}, made.plain)
