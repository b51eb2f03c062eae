"""`site2crm doctor`: everything that goes wrong with a machine, looked at in order, each with its cure."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import click
import msgspec

from site2crm.commands import options
from site2crm.commands.options import Exit
from site2crm.core.config import Settings
from site2crm.ops import checks_folder, checks_network, checks_stores
from site2crm.ops.findings import Finding, Level, worst

CODES = {"database": Exit.DATABASE, "schema": Exit.SCHEMA}
"""The exit code of a failed check where it is not 1; the first that failed decides."""


@click.command("doctor")
@options.common
@click.option("--offline", is_flag=True, help="Ask nobody but this machine.")
@click.option("--deep", is_flag=True, help="Read the whole database, indexes too.")
def command(*, config_path: Path | None, data_dir: Path | None, as_json: bool, offline: bool, deep: bool) -> None:
    """Look at everything that can be wrong with this machine; changes nothing. Exit 0 also with warnings."""
    settings = options.settings(config_path, data_dir)
    path = config_path or (options.DEFAULT_CONFIG if options.DEFAULT_CONFIG.exists() else None)
    findings = asyncio.run(_collected(settings, path, as_json=as_json, offline=offline, deep=deep))
    bad = [finding for finding in findings if finding.level is Level.FAILED]
    if as_json:
        found = {"level": worst(findings).value, "checks": msgspec.to_builtins(findings)}
        click.echo(json.dumps(found))
    else:
        warned = sum(finding.level is Level.WARNING for finding in findings)
        click.echo(f"{len(findings)} checks: {len(bad)} failed, {warned} warnings")
    if bad:
        raise SystemExit(CODES.get(bad[0].check, Exit.FAILED))


async def _collected(
    settings: Settings, path: Path | None, *, as_json: bool, offline: bool, deep: bool
) -> list[Finding]:
    found: list[Finding] = []
    async for finding in _all(settings, path, offline=offline, deep=deep):
        found.append(finding)
        if not as_json:
            _show(finding)
    return found


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
        async for finding in checks_network.around(settings, runs=bool(figures)):
            yield finding


def _stores(settings: Settings, figures: checks_stores.Figures, *, deep: bool) -> list[Finding]:
    """They wait for disks, so in a thread."""
    return list(checks_stores.stores(settings, figures, deep=deep))


def _show(finding: Finding) -> None:
    """One line as soon as it is known, and the cure below."""
    click.echo(f"{finding.level.value:<8} {finding.check:<15} {finding.says}")
    if finding.cure:
        click.echo(f"{'':<8} {'':<15} -> {finding.cure}")
