"""`site2crm doctor`: everything that goes wrong with a machine, looked at in order, each with its cure."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import click
import msgspec

from site2crm.commands import _findings, options
from site2crm.core.config import Settings
from site2crm.ops import checks_folder, checks_network, checks_services, checks_stores
from site2crm.ops.figures_told import Figures
from site2crm.ops.findings import Finding, worst


@click.command("doctor")
@options.common
@click.option("--offline", is_flag=True, help="Ask nobody but this machine.")
@click.option("--deep", is_flag=True, help="Read the whole database, indexes too.")
def command(*, config_path: Path | None, data_dir: Path | None, as_json: bool, offline: bool, deep: bool) -> None:
    """Look at everything that can be wrong with this machine; changes nothing. Exit 0 also with warnings."""
    settings = options.settings(config_path, data_dir)
    path = config_path or (options.DEFAULT_CONFIG if options.DEFAULT_CONFIG.exists() else None)
    findings = _all(settings, path, offline=offline, deep=deep)
    found = asyncio.run(_findings.collected(findings, as_json=as_json))
    told = {"level": worst(found).value, "checks": msgspec.to_builtins(found)}
    click.echo(json.dumps(told) if as_json else _findings.summary(found))
    _findings.end(found)


async def _all(settings: Settings, path: Path | None, *, offline: bool, deep: bool) -> AsyncIterator[Finding]:
    for finding in checks_folder.ground(settings, path):
        yield finding
    running, figures = await checks_network.server(settings)
    for finding in running:
        yield finding
    if settings.data.dir.is_dir():
        for finding in await asyncio.to_thread(_stores, settings, figures, deep=deep):
            yield finding
    if not offline:
        for finding in await checks_network.public_url(settings, runs=bool(figures)):
            yield finding
        async for finding in checks_services.around(settings):
            yield finding
        yield await checks_network.way_out()


def _stores(settings: Settings, figures: Figures, *, deep: bool) -> list[Finding]:
    """They wait for disks, so in a thread."""
    return list(checks_stores.stores(settings, figures, deep=deep))
