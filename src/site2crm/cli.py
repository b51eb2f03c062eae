"""The command line. Each verb lives in `commands/` and is imported when it is called.

So `version` and `health` answer at once: importing the web framework alone takes most of a second.
"""

import gc
import importlib
from collections.abc import Sequence

import click

VERBS = {
    "serve": "Run the product.",
    "demo": "Try it all: invented CRMs, six clients, a month of data.",
    "init": "Write a commented site2crm.toml and make the data folder.",
    "check": "Check the configuration; exit 3 if something is wrong.",
    "plan": "Show what the orgs, forms and CRMs of the configuration file would change.",
    "migrate": "Bring the database to this version's schema, or tell how it stands.",
    "move": "Copy the records from SQLite into PostgreSQL.",
    "admin": "Create an owner, reset a password.",
    "org": "Create an org.",
    "key": "Create an API key.",
    "crm": "List, test and read connections, show a CRM's fields.",
    "link": "Create, change, archive and list short links.",
    "geo": "Refresh the database that tells countries.",
    "backup": "Make, verify, list and prune backups.",
    "restore": "Put a backup in the place of what is there.",
    "doctor": "Look at everything that can be wrong with this machine, with a cure each.",
    "health": "Ask the running server whether it is well.",
    "service": "Print a systemd unit that runs this installation.",
    "caddyfile": "Print a configuration of the Caddy web server, for HTTPS in front.",
    "version": "Print the version.",
}


class Verbs(click.Group):
    """Imports a verb's module only when that verb is used."""

    def list_commands(self, ctx: click.Context) -> Sequence[str]:  # type: ignore[override]
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        # What is imported is never garbage: looking for some meanwhile costs a tenth of the start.
        gc.disable()
        command: click.Command = importlib.import_module(f"site2crm.commands.{cmd_name}").command
        gc.enable()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Catches every lead from every website form and puts it into the client's CRM."""
