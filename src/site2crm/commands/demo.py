"""`site2crm demo`: the whole product with invented CRMs and a month of data, without an account anywhere."""

import asyncio
import shutil
from pathlib import Path

import click

from site2crm.app import running
from site2crm.commands import options, serve
from site2crm.commands.options import Exit
from site2crm.core import config, folder
from site2crm.core.config import Settings
from site2crm.demo import crms, mishaps, opening
from site2crm.demo.stage import Stage

MARK = "DEMO"
"""A file in the folder: whatever else is there was made by a demo, and may be thrown away."""


@click.command("demo")
@click.option("--dir", "place", type=click.Path(path_type=Path), default=Path("site2crm-demo"), show_default=True)
@click.option("--listen", default="127.0.0.1:8090", show_default=True, help="Address and port.")
@click.option("--days", type=click.IntRange(1, 90), default=opening.DAYS, show_default=True, help="How much is played.")
def command(*, place: Path, listen: str, days: int) -> None:
    """Play it: an agency's clients, one for each CRM, with links, forms, leads and deals. Each start begins anew."""
    _clear(place)
    with crms.stage() as stage:
        settings = _settings(place, stage, listen)
        click.echo(f"playing {days} days of clicks and leads ...")
        password = asyncio.run(_play(settings, stage, days))
        click.echo(f"log in at  {settings.base_url}/login   {opening.EMAIL}   {password}")
        click.echo(f"the clients' websites:  {stage.url(crms.WEBSITE)}/")
        click.echo(mishaps.CURE)
        serve.run(settings)


def _clear(place: Path) -> None:
    if place.exists() and any(place.iterdir()) and not (place / MARK).exists():
        options.stop(Exit.USAGE, f"{place} is not a demo's folder: choose another with --dir.")
    if place.exists():
        try:
            with folder.held(place / "data"):
                pass
        except folder.FolderHeld as error:
            options.stop(Exit.BUSY, str(error))
        except FileNotFoundError:
            pass
        shutil.rmtree(place)
    place.mkdir(parents=True)
    (place / MARK).write_text("Made by `site2crm demo`, which begins anew at each start.\n")


def _settings(place: Path, stage: Stage, listen: str) -> Settings:
    flags = {
        "data.dir": str(place / "data"),
        "server.listen": listen,
        "server.trusted_proxies": '["127.0.0.1/32"]',
        "outbound.allow_private": '["127.0.0.1/32"]',
        "backup.every": "0s",
        "log.level": "warning",
    }
    urls = {f"connectors.{kind}.base_url": stage.url(kind) for kind in crms.CRMS}
    try:
        return config.load(None, env={}, flags=flags | urls)
    except config.ConfigInvalid as invalid:
        options.stop(Exit.CONFIG, str(invalid))


async def _play(settings: Settings, stage: Stage, days: int) -> str:
    async with running(settings, background=False) as instance:
        return await opening.play(instance, stage, days=days)
