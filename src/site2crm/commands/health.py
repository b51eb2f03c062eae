"""`site2crm health`: asks the running server; for a container's health check. Imports no framework."""

import http.client
import json
from pathlib import Path

import click

from site2crm.commands import options
from site2crm.commands.options import Exit
from site2crm.core import config_values, folder
from site2crm.core.config_types import Listen

TIMEOUT_S = 5


@click.command("health")
@click.argument("what", type=click.Choice(["live", "ready"]), default="ready")
@options.common
def command(*, what: str, config_path: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """Exit 0 if the server is live (or ready), else 9.

    Where nobody answers at [server] listen, whoever serves the data folder is asked, wherever it listens.
    """
    settings = options.settings(config_path, data_dir)
    listen, home = settings.server.listen, settings.data.dir
    try:
        status, said = _asked(what, listen)
    except OSError as error:
        elsewhere = _served_at(home)
        if elsewhere in (None, listen):
            options.stop(Exit.NOT_READY, f"no answer from {listen}: {error}")
        try:
            status, said = _asked(what, listen := elsewhere)
        except OSError as worse:
            options.stop(Exit.NOT_READY, f"no answer from {listen}: {worse}")
    if status != 200:
        options.stop(Exit.NOT_READY, f"{listen} answered {status}{said and f': {said}'}")
    waits = folder.holder(home, folder.STANDBY)
    behind = {"standby": {"pid": waits.pid, "listen": waits.listen}} if waits else {}
    text = f"; process {waits.pid} at {waits.listen} is standby, waiting for the lock" if waits else ""
    options.answer(as_json, {"status": what, **behind}, what + text)


def _asked(what: str, listen: Listen) -> tuple[int, str]:
    """The status, and what it says of an error."""
    connection = http.client.HTTPConnection(listen.reached_at, listen.port, timeout=TIMEOUT_S)
    try:
        headers = {"Host": f"127.0.0.1:{listen.port}", "Accept": "application/json"}
        connection.request("GET", f"/{what}z", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    try:
        told = json.loads(body)
    except ValueError:
        return answer.status, ""
    return answer.status, str(told.get("detail", "")) if isinstance(told, dict) else ""


def _served_at(home: Path) -> Listen | None:
    serves = folder.holder(home, folder.LOCK)
    try:
        return config_values.listen(serves.listen) if serves else None
    except ValueError:
        return None
