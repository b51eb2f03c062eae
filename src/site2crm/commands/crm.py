"""`site2crm crm`: the connections to CRMs, asked through the running server."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from site2crm.commands import options
from site2crm.commands.options import Exit
from site2crm.connectors import controls
from site2crm.core import control
from site2crm.deals import controls as deals

LONGEST_S = 300.0
SHOWN = 8
"""Of the choices of a field."""


@click.group("crm")
def command() -> None:
    """List, test and read connections, and show a CRM's fields. CONNECTION is its id, or ORG/NAME."""


@command.command("list")
@options.common
def list_all(*, config_path: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """All connections of all orgs, and how far the reading of their deals is."""
    told = _asked(config_path, data_dir, controls.LIST)
    read = _asked(config_path, data_dir, deals.READINGS)["readings"]
    found = [{**row, "deals": read.get(row["id"])} for row in told["connections"]]
    text = "\n".join(map(_line, found))
    options.answer(as_json, {"connections": found}, text or "No CRM is connected yet.")


@command.command("test")
@options.common
@click.argument("connection")
def test(*, config_path: Path | None, data_dir: Path | None, as_json: bool, connection: str) -> None:
    """Ask the CRM who we are there. No lead is sent. Exit 1 if it refuses."""
    told = _asked(config_path, data_dir, controls.TEST, connection=connection)
    account = told["account"]["name"] if told["account"] else ""
    if told["ok"] or as_json:
        options.answer(as_json, told, f"{_name(told)} answers as {account}.")
    if not told["ok"]:
        options.stop(Exit.FAILED, f"{_name(told)}: {told['error']}")


@command.command("fields")
@options.common
@click.argument("connection")
def fields(*, config_path: Path | None, data_dir: Path | None, as_json: bool, connection: str) -> None:
    """The fields that the CRM has now, and what fills them. Exit 1 if the mapping does not fit them."""
    told = _asked(config_path, data_dir, controls.FIELDS, connection=connection)
    options.answer(as_json, told, "\n".join(map(_field, told["fields"])))
    if told["error"]:
        options.stop(Exit.FAILED, f"{_name(told)}: {told['error']}")
    if told["drift"]:
        lines = [f"{_name(told)}: {each['text']} {each['cure']}" for each in told["drift"]]
        options.stop(Exit.FAILED, "\n".join(lines))


@command.command("sync")
@options.common
@click.argument("connection")
def sync(*, config_path: Path | None, data_dir: Path | None, as_json: bool, connection: str) -> None:
    """Have the CRM's deals, owners and activities read now instead of in a few minutes."""
    told = _asked(config_path, data_dir, deals.SYNC, connection=connection)
    options.answer(as_json, told, f"{_name(told)} is being read. How far: site2crm crm list, or {told['url']}")


def _asked(config_path: Path | None, data_dir: Path | None, verb: str, **arguments: str) -> dict[str, Any]:
    settings = options.settings(config_path, data_dir)
    try:
        return control.ask(settings.data.dir, verb, timeout_s=LONGEST_S, **arguments)
    except control.NotAnswering as error:
        options.stop(Exit.FAILED, f"{error} The CRMs are asked by the running server: start it first.")
    except control.Refused as error:
        options.stop(Exit.FAILED, str(error))


def _name(told: Mapping[str, Any]) -> str:
    return f"{told['org']}/{told['name']}"


def _line(row: Mapping[str, Any]) -> str:
    return f"{_name(row):<40} {row['kind']:<12} {row['state']:<8} {row['id']}  {_deals(row)}".rstrip()


def _deals(row: Mapping[str, Any]) -> str:
    read = row["deals"]
    if read is None:
        return ""
    if read["error"] and read["state"] in ("resting", "waiting"):
        return f"deals: {read['error']}"
    if read["is_first"] or not read["read_at"]:
        return f"deals: {read['far'] or 'not all yet'}, {read['state']}"
    return f"deals read at {read['read_at'][:19]}Z"


def _field(field: Mapping[str, Any]) -> str:
    notes = [name for name in ("required", "custom") if field.get(name)]
    notes += [] if field.get("writable", True) else ["read only"]
    if field.get("choices"):
        values = [value for value, _ in field["choices"]]
        notes.append(f"one of {', '.join(values[:SHOWN])}{', …' if len(values) > SHOWN else ''}")
    filled = f"<- {field['filled_by']}" if field["filled_by"] else ""
    return f"{field['key']:<44} {field['type']:<9} {filled:<28} {', '.join(notes)}".rstrip()
