"""`site2crm init`: a commented site2crm.toml to start from."""

from pathlib import Path

import click

from site2crm.commands import options
from site2crm.commands.options import Exit
from site2crm.core import config_text


@click.command("init")
@click.option("--dir", "target", type=click.Path(path_type=Path), default=Path(), help="Where to write it.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def command(*, target: Path, as_json: bool) -> None:
    """Write site2crm.toml with every setting explained; never overwrite one."""
    path = target / "site2crm.toml"
    target.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x") as file:
            file.write(config_text.render())
    except FileExistsError:
        options.stop(Exit.FAILED, f"{path} is there already; it was not touched.")
    path.chmod(0o640)
    options.answer(as_json, {"config": str(path)}, f"Wrote {path}. Next: site2crm serve")
