"""`site2crm check`: the configuration, before anything is started; with `--online`, also what it names."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import click
import msgspec

from site2crm.commands import _findings, options
from site2crm.commands.options import Exit
from site2crm.core import feature
from site2crm.core.config import Settings
from site2crm.features import FEATURES
from site2crm.ops import (
    checks_clickhouse,
    checks_connections,
    checks_network,
    checks_services,
    checks_stores,
    declared,
)
from site2crm.ops.findings import Finding, Level, worst


@click.command("check")
@options.common
@click.option(
    "--online",
    is_flag=True,
    help="Also ask what it names: database, Redis, S3 store, mail server, public address, CRMs. No lead is sent.",
)
def command(*, config_path: Path | None, data_dir: Path | None, as_json: bool, online: bool) -> None:
    """Check the configuration: file, line, nearest match. Exit 3 if something is wrong."""
    settings = options.settings(config_path, data_dir)
    entries = _declared(settings)
    rows = [{"key": item.key, "value": item.value, "source": item.source} for item in settings.explain()]
    if not as_json:
        for row in rows:
            if row["source"] != "default":
                click.echo(f"{row['key']} = {row['value']}   ({row['source']})")
        declares = f" It declares {entries} orgs, forms and CRMs: `site2crm plan`." if entries else ""
        click.echo(f"The configuration is good. Data: {settings.data.dir}.{declares}")
    found = asyncio.run(_findings.collected(_online(settings), as_json=as_json)) if online else []
    told = {"ok": worst(found) is not Level.FAILED, "settings": rows}
    if online:
        told["checks"] = msgspec.to_builtins(found)
    if as_json or online:
        options.answer(as_json, told, _findings.summary(found))
    _findings.end(found)


def _declared(settings: Settings) -> int:
    """How many orgs, forms and CRMs the file has; ends if something is wrong with one."""
    feature.install(FEATURES)
    declaration = declared.read(settings)
    for problem in declaration.problems:
        click.echo(str(problem), err=True)
    if declaration.problems:
        sys.exit(Exit.CONFIG)
    return len(declaration.entries)


async def _online(settings: Settings) -> AsyncIterator[Finding]:
    for finding in await asyncio.to_thread(_records, settings):
        yield finding
    if settings.clickhouse is not None:
        yield await checks_clickhouse.events(settings.clickhouse, {})
    async for finding in checks_services.around(settings):
        yield finding
    running, figures = await checks_network.server(settings)
    for finding in running:
        yield finding
    for finding in await checks_network.public_url(settings, runs=bool(figures)):
        yield finding
    crms = asyncio.to_thread(checks_connections.asked, settings) if figures else checks_connections.alone(settings)
    for finding in await crms:
        yield finding


def _records(settings: Settings) -> list[Finding]:
    return list(checks_stores.reachable(settings))
