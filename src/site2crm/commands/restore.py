"""`site2crm restore`: put a backup in the place of what is in the data folder."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from sqlalchemy.exc import DBAPIError

from site2crm.commands import options
from site2crm.commands.backup import failing
from site2crm.core import folder, log, moving
from site2crm.core.backup import restore, upkeep
from site2crm.core.backup.errors import BackupFailed
from site2crm.core.backup.restore import Restored
from site2crm.core.config import Secret
from site2crm.core.errors import DatabaseRefused, Unavailable
from site2crm.features import tables


@click.command("restore")
@options.common
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Read and check all of it, say what would be done, change nothing.")
@click.option("--replace", is_flag=True, help="Move what is in the data folder aside first; it is kept.")
@click.option("--new-key", is_flag=True, help="Go on although the secret key of the backup is lost.")
def command(
    *,
    config_path: Path | None,
    data_dir: Path | None,
    as_json: bool,
    name: str,
    dry_run: bool,
    replace: bool,
    new_key: bool,
) -> None:
    """Restore NAME: a file, or the name of a backup on the shelf or in the S3 store. The server must be stopped."""
    settings = options.settings(config_path, data_dir)
    log.setup(settings.log)
    with failing():
        folder.prepare(settings.data.dir)
        with folder.held(settings.data.dir):
            path = upkeep.find(settings, name)
            server = settings.records if isinstance(settings.records, Secret) else None
            if server:
                _expect_empty(server)
            work = restore.plan if dry_run else restore.restore
            done = work(settings, path, replace=replace, new_key=new_key)
            if server and not dry_run:
                _carry_over(settings.data.dir / folder.DATABASE, server)
    options.answer(as_json, _told(done, dry_run), _words(done, settings.data.dir, dry_run))


def _expect_empty(server: Secret) -> None:
    """The records go into `[database] url`; what another database holds is not touched."""
    with _refusing("Make an empty database, and name it in [database] url."):
        asyncio.run(moving.expect_empty(server, tables=tables()))


def _carry_over(unpacked: Path, server: Secret) -> None:
    with _refusing(f"The folder is restored; its records are in {unpacked} still. Go on with: site2crm move"):
        asyncio.run(moving.move(unpacked, server, tables=tables(), tell=lambda *_: None))
    unpacked.unlink()


@contextlib.contextmanager
def _refusing(cure: str) -> Iterator[None]:
    try:
        yield
    except (moving.CannotMove, DatabaseRefused) as error:
        raise BackupFailed(f"{error} {cure}") from error
    except Unavailable as error:
        raise BackupFailed(f"{error.detail} {cure}") from error
    except DBAPIError as error:
        raise BackupFailed(f"{error.orig} {cure}") from error


def _told(done: Restored, dry_run: bool) -> dict[str, Any]:
    manifest = done.manifest
    return {
        "restored": not dry_run,
        "backup": done.backup,
        "made_at": manifest.made_at.isoformat(),
        "version": manifest.version,
        "schema": manifest.schema,
        "leads": manifest.counts.tables.get("lead", 0),
        "events": manifest.counts.events,
        "has_events": manifest.has_events,
        "waiting": done.waiting,
        "moved_aside": done.moved_aside,
        "aside": done.aside,
        "takes_key": done.takes_key,
        "carries_over": done.carries_over,
    }


def _words(done: Restored, data_dir: Path, dry_run: bool) -> str:
    manifest, waiting = done.manifest, sum(done.waiting.values())
    lines = [
        f"{done.backup}: made {manifest.made_at:%Y-%m-%d %H:%M} UTC by version {manifest.version}, "
        f"{manifest.counts.tables.get('lead', 0):,} leads, {manifest.counts.events:,} events."
    ]
    if done.moved_aside:
        lines.append(f"{'Would move' if dry_run else 'Moved'} aside into {data_dir / done.aside}: "
                     f"{', '.join(done.moved_aside)}.")  # fmt: skip
    if waiting:
        lines.append(f"{waiting:,} submissions and clicks wait in its journal; the next start applies them.")
    if done.carries_over:
        lines.append("Among them is what still waited in the folder that is replaced.")
    if not manifest.has_events:
        lines.append("The clicks of then are not in it: they were in ClickHouse.")
    if done.takes_key:
        lines.append("It brings its secret key.")
    lines.append("Nothing was changed." if dry_run else "Restored. Next: site2crm serve")
    return "\n".join(lines)
