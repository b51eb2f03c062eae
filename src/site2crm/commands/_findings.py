"""What `doctor` and `check --online` share: findings shown as they come, told as JSON, turned into an exit code."""

from collections.abc import AsyncIterator, Sequence

import click

from site2crm.commands.options import Exit
from site2crm.ops.findings import Finding, Level

CODES = {"database": Exit.DATABASE, "schema": Exit.SCHEMA}
"""The exit code of a failed check where it is not 1; the first that failed decides."""


async def collected(findings: AsyncIterator[Finding], *, as_json: bool) -> list[Finding]:
    """All of them; unless a script asked, each is shown as soon as it is known."""
    found: list[Finding] = []
    async for finding in findings:
        found.append(finding)
        if not as_json:
            _show(finding)
    return found


def summary(found: Sequence[Finding]) -> str:
    warned = sum(finding.level is Level.WARNING for finding in found)
    return f"{len(found)} checks: {len(_failed(found))} failed, {warned} warnings"


def end(found: Sequence[Finding]) -> None:
    """Exit with the code of the first that failed; warnings are no failure."""
    if failed := _failed(found):
        raise SystemExit(CODES.get(failed[0].check, Exit.FAILED))


def _failed(found: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in found if finding.level is Level.FAILED]


def _show(finding: Finding) -> None:
    """One line, and the cure below."""
    click.echo(f"{finding.level.value:<8} {finding.check:<15} {finding.says}")
    if finding.cure:
        click.echo(f"{'':<8} {'':<15} -> {finding.cure}")
