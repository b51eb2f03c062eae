"""`site2crm check`: the configuration, before anything is started."""

from pathlib import Path

import click

from site2crm.commands import options


@click.command("check")
@options.common
def command(*, config_path: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """Check the configuration: file, line, nearest match. Exit 3 if something is wrong."""
    settings = options.settings(config_path, data_dir)
    rows = [{"key": item.key, "value": item.value, "source": item.source} for item in settings.explain()]
    if as_json:
        options.answer(True, {"ok": True, "settings": rows}, "")
        return
    for row in rows:
        if row["source"] != "default":
            click.echo(f"{row['key']} = {row['value']}   ({row['source']})")
    click.echo(f"The configuration is good. Data: {settings.data.dir}")
