"""`site2crm version`. Imports nothing heavy: it answers at once."""

import json
import platform
from importlib import metadata

import click

from site2crm import __version__
from site2crm.core import sqlite


@click.command("version")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def command(*, as_json: bool) -> None:
    """Print the version, and those of what it is made of."""
    facts = {
        "version": __version__,
        "python": platform.python_version(),
        "sqlite": sqlite.VERSION,
        "duckdb": metadata.version("duckdb"),
    }
    if as_json:
        click.echo(json.dumps(facts))
    else:
        parts = f"Python {facts['python']}, SQLite {facts['sqlite']}, DuckDB {facts['duckdb']}"
        click.echo(f"site2crm {__version__} ({parts})")
