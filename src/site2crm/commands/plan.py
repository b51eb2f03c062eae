"""`site2crm plan`: what the orgs, forms and CRMs of the configuration file would change."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec
from sqlalchemy.exc import DBAPIError

from site2crm.commands import options
from site2crm.commands.options import Exit
from site2crm.core import feature, migrate
from site2crm.core.config import KeyUnusable, Settings
from site2crm.core.crypto import Vault
from site2crm.core.db import Database
from site2crm.core.declared.plan import Action, NotApplied, Step
from site2crm.core.declared.reading import Declaration
from site2crm.core.errors import DatabaseRefused, Unavailable
from site2crm.features import FEATURES
from site2crm.ops import declared

_SIGNS = {Action.CREATE: "+", Action.TAKE_OVER: "~", Action.CHANGE: "~", Action.RELEASE: "-", Action.KEEP: " "}


@click.command("plan")
@options.common
def command(*, config_path: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """Show what [[orgs]] would change; nothing is written. Applied at the next start, or by SIGHUP."""
    settings = options.settings(config_path, data_dir)
    feature.install(FEATURES)
    declaration = declared.read(settings)
    try:
        if declaration.problems:
            raise NotApplied(declaration.problems)
        steps = _steps(settings, declaration)
    except NotApplied as error:
        options.stop(Exit.CONFIG, f"nothing would be applied:\n{error}")
    except KeyUnusable as error:
        options.stop(Exit.CONFIG, str(error))
    except (DatabaseRefused, Unavailable, DBAPIError) as error:
        options.stop(Exit.DATABASE, f"{settings.records}: {error}")
    options.answer(as_json, {"steps": msgspec.to_builtins(steps)}, _told(steps))


def _steps(settings: Settings, declaration: Declaration) -> list[Step]:
    if isinstance(settings.records, Path) and not settings.records.exists():
        return [Step(action=Action.CREATE, path=entry.path, source=entry.source) for entry in declaration.entries]
    keys = settings.keys()
    return asyncio.run(_compared(settings, Vault(keys.current, keys.previous), declaration))


async def _compared(settings: Settings, vault: Vault, declaration: Declaration) -> list[Step]:
    current, wanted = await migrate.status(settings.records)
    if current != wanted:
        text = "The database has another schema than this version: start the server once, then plan."
        options.stop(Exit.SCHEMA, text)
    database = Database(settings.records, readers=1)
    try:
        async with database.session() as session:
            return await declared.planned(session, vault, declaration)
    finally:
        await database.close()


def _told(steps: Sequence[Step]) -> str:
    lines: list[str] = []
    for step in steps:
        if step.action is Action.KEEP:
            continue
        lines.append(f"{_SIGNS[step.action]} {step.path:<40} {step.action.value:<10} {step.source}")
        for name, before, after in step.differences:
            lines.append(f"    {name}: {before or 'nothing'} -> {after or 'nothing'}")
    kept = sum(step.action is Action.KEEP for step in steps)
    return "\n".join([*lines, f"{len(steps) - kept} to apply, {kept} as they are"])
