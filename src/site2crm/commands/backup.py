"""`site2crm backup`: make, verify, list and prune backups."""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import msgspec

from site2crm.commands import _boot, options
from site2crm.commands.options import Exit
from site2crm.core import control, folder, log
from site2crm.core.backup import create, shelf, upkeep
from site2crm.core.backup.errors import BackupFailed, CorruptArchive, NewerSchema, WrongKey
from site2crm.core.backup.remote import Remote
from site2crm.core.config import KeyUnusable, Settings
from site2crm.kit import clock

CREATE = "backup.create"
LONGEST_S = 6 * 3600.0
GENTLE = 10
WITHOUT_EVENTS = "The clicks are not in it: they are in ClickHouse ([events] url). Back that up with its own BACKUP."


@click.group("backup")
def command() -> None:
    """Backups of everything: records, events, and submissions on their way."""


@command.command("create")
@options.common
@click.option("--verify/--no-verify", default=True, help="Restore and boot it afterwards, to see that it can be.")
def create_(*, config_path: Path | None, data_dir: Path | None, as_json: bool, verify: bool) -> None:
    """Make one now. A running server makes it itself, and goes on serving."""
    settings = _settings(config_path, data_dir)
    with failing():
        if not (settings.data.dir / folder.JOURNAL).exists():
            raise BackupFailed(f"{settings.data.dir} holds no instance.")
        try:
            with folder.held(settings.data.dir):
                answer = _made_here(settings, verify=verify)
        except folder.FolderHeld:
            answer = _made_there(settings, verify=verify)
    kind = "encrypted" if answer["encrypted"] else "not encrypted"
    text = f"{shelf.folder_of(settings) / answer['backup']}  {answer['bytes']:,} bytes, {kind}"
    text += ", verified" if answer["verified"] else ""
    options.answer(as_json, answer, text if answer["has_events"] else f"{text}\n{WITHOUT_EVENTS}")


@command.command("verify")
@options.common
@click.argument("name", default="")
@click.option("--gently", is_flag=True, help="Let everything else on this machine go first.")
def verify(*, config_path: Path | None, data_dir: Path | None, as_json: bool, name: str, gently: bool) -> None:
    """Restore a backup (the newest without NAME) into a folder of its own, boot it there, compare what it holds."""
    settings = _settings(config_path, data_dir)
    if gently:
        with suppress(PermissionError):  # a service may be forbidden to change its priority, in either direction
            os.nice(GENTLE)
    with failing():
        path = upkeep.find(settings, name or _newest(settings))
        answer = _checked(settings, path)
    text = f"{path.name} is good: restored and booted with {answer['leads']:,} leads, {answer['events']:,} events."
    options.answer(as_json, answer, text)


@command.command("list")
@options.common
def list_(*, config_path: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """What is there, newest first; also in the S3 store, if one is set."""
    settings = _settings(config_path, data_dir)
    with failing():
        rows = _rows(settings)
    options.answer(as_json, {"backups": rows}, "\n".join(map(_line, rows)) or "There is no backup yet.")


@command.command("prune")
@options.common
def prune(*, config_path: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """Remove what [backup] keep_days and keep_weeks do not keep. Each new backup does this by itself."""
    settings = _settings(config_path, data_dir)
    with failing():
        gone = upkeep.prune(settings)
    options.answer(as_json, {"pruned": gone}, f"Removed: {', '.join(gone) or 'nothing'}.")


class failing:  # noqa: N801 - reads as a verb where it stands
    """Ends the verb with the exit code and the words of what went wrong."""

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        match error:
            case NewerSchema():
                options.stop(Exit.SCHEMA, str(error))
            case CorruptArchive() | WrongKey():
                options.stop(Exit.VERIFICATION, str(error))
            case BackupFailed():
                options.stop(Exit.FAILED, str(error))
            case KeyUnusable():
                options.stop(Exit.CONFIG, str(error))
            case folder.FolderHeld() | control.NotAnswering():
                options.stop(Exit.BUSY, str(error))
            case control.Refused():
                options.stop(Exit.VERIFICATION if error.kind == CorruptArchive.__name__ else Exit.FAILED, str(error))
            case OSError():
                options.stop(Exit.FAILED, f"{error.filename}: {error.strerror}")


def _settings(config_path: Path | None, data_dir: Path | None) -> Settings:
    settings = options.settings(config_path, data_dir)
    log.setup(settings.log)
    return settings


def _made_here(settings: Settings, *, verify: bool) -> dict[str, Any]:
    made = create.create(settings, reason="", copy_events=create.copy_events_at_rest)
    if verify:
        _checked(settings, made.path)
    return {
        "backup": made.name,
        "bytes": made.bytes,
        "seconds": made.seconds,
        "encrypted": made.encrypted,
        "has_events": made.has_events,
        "verified": verify,
        "sent": upkeep.send(settings, made.name),
        "pruned": upkeep.prune(settings),
    }


def _made_there(settings: Settings, *, verify: bool) -> dict[str, Any]:
    return control.ask(settings.data.dir, CREATE, timeout_s=LONGEST_S, verify=verify)


def _checked(settings: Settings, path: Path) -> dict[str, Any]:
    shelved, begun = shelf.folder_of(settings), time.monotonic()
    try:
        with upkeep.checking(settings) as work:
            manifest, booted = _boot.check(settings, path, work)
    except BackupFailed as error:
        _note(shelved, path, fault=str(error))
        raise
    _note(shelved, path)
    return {
        "ok": True,
        "backup": path.name,
        "made_at": manifest.made_at.isoformat(),
        "version": manifest.version,
        "schema": manifest.schema,
        "secret_key": manifest.secret_key,
        "has_secret_key": manifest.has_secret_key,
        "seconds": round(time.monotonic() - begun, 2),
        **msgspec.to_builtins(booted),
    }


def _note(shelved: Path, path: Path, fault: str = "") -> None:
    if path.parent.absolute() == shelved.absolute() and shelf.is_name(path.name):
        shelf.checked(shelved, path.name, at=clock.now(), fault=fault)


def _newest(settings: Settings) -> str:
    found = shelf.listed(shelf.folder_of(settings))
    if not found:
        raise BackupFailed("There is no backup yet. Make one with: site2crm backup create")
    return found[0].name


def _rows(settings: Settings) -> list[dict[str, Any]]:
    rows = {backup.name: _row(backup) for backup in shelf.listed(shelf.folder_of(settings))}
    if settings.backup.s3:
        for name, size in Remote(settings).names().items():
            there = {"name": name, "made_at": shelf.made_at(name).isoformat(), "bytes": size, "here": False}
            rows.setdefault(name, there)["remote"] = True
    return [rows[name] for name in sorted(rows, reverse=True)]


def _row(backup: shelf.Backup) -> dict[str, Any]:
    return {
        "name": backup.name,
        "made_at": backup.made_at.isoformat(),
        "bytes": backup.bytes,
        "encrypted": backup.encrypted,
        "verified_at": backup.verified_at.isoformat() if backup.verified_at else None,
        "fault": backup.fault,
        "here": True,
        "remote": False,
    }


def _line(row: dict[str, Any]) -> str:
    state = row.get("fault") or ("verified" if row.get("verified_at") else "not verified")
    places = [place for place, there in (("here", row["here"]), ("remote", row.get("remote"))) if there]
    return f"{row['name']}  {row['bytes']:>14,} bytes  {' and '.join(places)}  {state}"
