"""`site2crm health`: asks the running server; for a container's health check. Imports no framework."""

import http.client
from pathlib import Path

import click

from site2crm.commands import options
from site2crm.commands.options import Exit

TIMEOUT_S = 5


@click.command("health")
@click.argument("what", type=click.Choice(["live", "ready"]), default="ready")
@options.common
def command(*, what: str, config_path: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """Exit 0 if the server is live (or ready), else 9."""
    listen = options.settings(config_path, data_dir).server.listen
    connection = http.client.HTTPConnection(listen.reached_at, listen.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", f"/{what}z", headers={"Host": f"127.0.0.1:{listen.port}"})
        status = connection.getresponse().status
    except OSError as error:
        options.stop(Exit.NOT_READY, f"no answer from {listen}: {error}")
    finally:
        connection.close()
    if status != 200:
        options.stop(Exit.NOT_READY, f"{listen} answered {status}")
    options.answer(as_json, {"status": what}, what)
