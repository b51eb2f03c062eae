"""`site2crm migrate`: what `serve` does at boot, by hand."""

import asyncio
import time
from functools import partial
from pathlib import Path

import click
from sqlalchemy.exc import OperationalError

from site2crm.commands import options
from site2crm.commands.options import Exit
from site2crm.core import folder, migrate
from site2crm.core.backup import records, upkeep
from site2crm.core.backup.errors import BackupFailed
from site2crm.core.config import KeyUnusable, Settings


@click.group("migrate")
def command() -> None:
    """The database's schema."""


@command.command("up")
@options.common
@click.option("--no-backup", is_flag=True, help="Make none first: for when you have one, and no room for another.")
def up(*, config_path: Path | None, data_dir: Path | None, as_json: bool, no_backup: bool) -> None:
    """Bring the database to this version's schema; a backup is made and looked through first."""
    settings = options.settings(config_path, data_dir)
    folder.prepare(settings.data.dir)
    try:
        with folder.held(settings.data.dir):
            copy_before = _nothing if no_backup else partial(upkeep.before_migration, settings)
            work = migrate.bring_up(settings.records, settings.data.dir, copy_before=copy_before)
            revision = asyncio.run(work)
    except folder.FolderHeld as error:
        options.stop(Exit.BUSY, str(error))
    except (migrate.SchemaTooNew, migrate.MigrationFailed) as error:
        options.stop(Exit.SCHEMA, str(error))
    except (BackupFailed, KeyUnusable) as error:
        options.stop(Exit.FAILED, f"Nothing was changed. {error} To go on without a backup: --no-backup")
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


@command.command("rehearse")
@options.common
def rehearse(*, config_path: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """Try the change of the schema on a copy. The server may run meanwhile; nothing of it is touched."""
    settings = options.settings(config_path, data_dir)
    if not (settings.data.dir / folder.DATABASE).exists():
        options.stop(Exit.FAILED, f"{settings.data.dir} holds no database.")
    try:
        found = _rehearsed(settings)
    except (migrate.SchemaTooNew, migrate.MigrationFailed) as error:
        options.stop(Exit.SCHEMA, f"This was the rehearsal; the database itself was not touched. {error}")
    except OperationalError as error:
        options.stop(Exit.DATABASE, f"This was the rehearsal; the database itself was not touched. {error.orig}")
    except BackupFailed as error:
        options.stop(Exit.FAILED, str(error))
    text = f"It would go well: {found['before']} -> {found['after']} in {found['seconds']} s, {found['rows']:,} rows."
    options.answer(as_json, found, text)


def _rehearsed(settings: Settings) -> dict[str, object]:
    """On a copy beside the backups, looked through afterwards."""
    with upkeep.checking(settings) as work:
        copied = work / folder.DATABASE
        records.copy(settings.data.dir / folder.DATABASE, copied, check=partial(upkeep.expect_room, settings))
        before, begun = records.schema(copied), time.monotonic()
        after = migrate.upgrade(work, copy_before=_nothing)
        seconds = round(time.monotonic() - begun, 2)
        records.examine(copied)
        return {"before": before, "after": after, "seconds": seconds, "rows": sum(records.counts(copied).values())}


def _nothing(_head: str) -> None:
    """In the place of a backup."""
