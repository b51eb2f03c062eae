"""`site2crm migrate`: what `serve` does at boot, by hand."""

import asyncio
from pathlib import Path

import click
from sqlalchemy.exc import OperationalError

from site2crm.commands import options
from site2crm.commands.options import Exit
from site2crm.core import folder, migrate


@click.group("migrate")
def command() -> None:
    """The database's schema."""


@command.command("up")
@options.common
def up(*, config_path: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """Bring the database to this version's schema; a copy is made first."""
    settings = options.settings(config_path, data_dir)
    folder.prepare(settings.data.dir)
    try:
        with folder.held(settings.data.dir):
            revision = asyncio.run(migrate.bring_up(settings.records, settings.data.dir))
    except folder.FolderHeld as error:
        options.stop(Exit.BUSY, str(error))
    except migrate.SchemaTooNew as error:
        options.stop(Exit.SCHEMA, str(error))
    except OperationalError as error:
        options.stop(Exit.DATABASE, str(error.orig))
    options.answer(as_json, {"schema": revision}, f"The database has schema {revision}.")


@command.command("status")
@options.common
def status(*, config_path: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """Which schema the database has, and which this version wants."""
    settings = options.settings(config_path, data_dir)
    current, wanted = asyncio.run(migrate.status(settings.records))
    options.answer(
        as_json, {"schema": current, "wanted": wanted}, f"The database has {current or 'nothing'}; wanted: {wanted}."
    )
