"""What every verb takes and how it ends."""

import functools
import json
import os
import sys
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import NoReturn, TypeVar

import click

from site2crm.core import config, folder
from site2crm.core.config import ConfigInvalid, Settings

F = TypeVar("F", bound=Callable[..., object])

DEFAULT_CONFIG = Path("site2crm.toml")


class Exit(IntEnum):
    """How a verb ends; listed in DESIGN and in `site2crm --help`."""

    OK = 0
    FAILED = 1
    USAGE = 2
    CONFIG = 3
    DATABASE = 4
    SCHEMA = 5
    ADDRESS = 7
    VERIFICATION = 8
    NOT_READY = 9
    BUSY = 75


def common(function: F) -> F:
    """--config, --data-dir, --json."""
    options = (
        click.option(
            "--config",
            "config_path",
            type=click.Path(path_type=Path),
            envvar="SITE2CRM_CONFIG",
            help="site2crm.toml to read.",
        ),
        click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of everything that is kept."),
        click.option("--json", "as_json", is_flag=True, help="Answer in JSON."),
    )
    return functools.reduce(lambda wrapped, option: option(wrapped), reversed(options), function)


def settings(config_path: Path | None, data_dir: Path | None, **flags: str | None) -> Settings:
    """The settings, or every problem on stderr and exit 3."""
    chosen = {key.replace("__", "."): value for key, value in flags.items() if value is not None}
    if data_dir is not None:
        chosen["data.dir"] = str(data_dir)
    path = config_path or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None)
    try:
        return config.load(path, env=os.environ, flags=chosen)
    except ConfigInvalid as invalid:
        for problem in invalid.problems:
            click.echo(str(problem), err=True)
        sys.exit(Exit.CONFIG)


def settings_in_use(config_path: Path | None, data_dir: Path | None) -> Settings:
    """For who writes addresses of it: as the server that runs on the folder has them, which --listen may have moved."""
    found = settings(config_path, data_dir)
    serves = folder.holder(found.data.dir, folder.LOCK)
    if found.server.public_url or serves is None or not serves.listen:
        return found
    return settings(config_path, data_dir, server__listen=serves.listen)


def stop(code: Exit, text: str) -> NoReturn:
    """Say why on stderr and end."""
    click.echo(f"site2crm: {text}", err=True)
    sys.exit(code)


def answer(as_json: bool, values: dict[str, object], text: str) -> None:
    """The verb's result, for a person or for a script."""
    click.echo(json.dumps(values) if as_json else text)
