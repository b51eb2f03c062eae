"""`site2crm move --to postgresql://...`: from SQLite's file to a server that several nodes can share."""

import asyncio
import os
import re
from pathlib import Path

import click
from sqlalchemy.exc import DBAPIError

from site2crm.commands import options
from site2crm.commands.options import Exit
from site2crm.core import config_values, folder, migrate, moving
from site2crm.core.config import Settings
from site2crm.core.config_types import Secret
from site2crm.core.errors import DatabaseRefused, Unavailable
from site2crm.features import tables


@click.command("move")
@options.common
@click.option(
    "--to",
    default="",
    help="postgresql://user:password@host:5432/database, which must be empty. "
    "Not needed to go on with a restore into [database] url.",
)
def command(*, config_path: Path | None, data_dir: Path | None, as_json: bool, to: str) -> None:
    """Copy the records into PostgreSQL. The server is stopped meanwhile; a run that was cut off goes on."""
    settings = options.settings(config_path, data_dir)
    source, target = settings.data.dir / folder.DATABASE, _target(to, settings)
    if isinstance(settings.records, Secret) and not source.exists():
        options.stop(Exit.USAGE, "The records are in PostgreSQL already: [database] url says so.")
    if not source.exists():
        options.stop(Exit.FAILED, f"{source} does not exist: there is nothing to move. Start with [database] url.")
    try:
        with folder.held(settings.data.dir):
            counts = asyncio.run(moving.move(source, target, tables=tables(), tell=_progress(as_json)))
    except folder.FolderHeld as error:
        options.stop(Exit.BUSY, f"{error}. Stop it first; what comes meanwhile is not copied.")
    except moving.CannotMove as error:
        options.stop(Exit.FAILED, str(error))
    except migrate.SchemaTooNew as error:
        options.stop(Exit.SCHEMA, str(error))
    except DatabaseRefused as error:
        options.stop(Exit.DATABASE, f"--to: {error}")
    except Unavailable as error:
        options.stop(Exit.DATABASE, f"--to: {error.detail}")
    except DBAPIError as error:
        options.stop(Exit.DATABASE, f"{error.orig}\nWhat was copied stays; run the same command to go on.")
    options.answer(as_json, {"rows": sum(counts.values()), "tables": counts}, _told(counts, settings.data.dir, to))


def _target(to: str, settings: Settings) -> Secret:
    if isinstance(settings.records, Secret):  # a file beside it is what a restore that was cut off has left
        return settings.records
    try:
        target = config_values.database_url(to)
    except ValueError:
        target = Secret(config_values.SQLITE)
    if target.reveal() == config_values.SQLITE:
        raise click.UsageError('--to takes an address such as "postgresql://user:password@host:5432/database".')
    return target


def _progress(as_json: bool) -> moving.Tell:
    def tell(table: str, rows: int) -> None:
        if not as_json and rows % (10 * moving.AT_ONCE) < moving.AT_ONCE:
            click.echo(f"{table}: {rows:,} rows{os.linesep}", nl=False)

    return tell


def _told(counts: dict[str, int], data_dir: Path, to: str) -> str:
    shown = re.sub(r"(://[^:@/]*):[^@/]*@", r"\1:***@", to)
    return (
        f"{sum(counts.values()):,} rows in {len(counts)} tables are there, counted on both sides.\n"
        f'Now write into site2crm.toml and start the server:\n\n[database]\nurl = "{shown}"\n\n'
        f"{data_dir / folder.DATABASE} is left as it was. Further nodes need a copy of {data_dir / 'secret.key'}."
    )
