"""The folder of backups: names, what is known of each, which are kept."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from site2crm.core.config import Settings
from site2crm.core.journal import disk

STATE = "state.json"
KEPT_BEFORE_MIGRATION = 2
"""The newest of those that were made before a change of the schema stay, whatever their day."""

_NAME = re.compile(r"site2crm-(\d{8}T\d{6}Z)(?:-([a-z0-9][a-z0-9-]{0,39}))?\.tar\.gz(\.enc)?")
_TIME = "%Y%m%dT%H%M%SZ"
_BEFORE = "before-"


class Note(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What came of a backup after it was made."""

    checked_at: datetime | None = None
    fault: str = ""
    """Why its verification failed; empty: it did not."""
    sent_at: datetime | None = None


class State(msgspec.Struct, omit_defaults=True):
    notes: dict[str, Note] = {}


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """One on the shelf. `verified_at` is empty until a verification came to its end, well."""

    name: str
    path: Path
    bytes: int
    made_at: datetime
    reason: str
    encrypted: bool
    verified_at: datetime | None
    fault: str
    sent_at: datetime | None


def folder_of(settings: Settings) -> Path:
    return settings.data.dir / settings.backup.folder


def name_of(made_at: datetime, reason: str, *, encrypted: bool) -> str:
    return f"site2crm-{made_at:{_TIME}}{f'-{reason}' if reason else ''}.tar.gz{'.enc' if encrypted else ''}"


def is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def made_at(name: str) -> datetime:
    """From the name. Raises ValueError for one that is not ours."""
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} is not the name of a backup")
    return datetime.strptime(found[1], _TIME).replace(tzinfo=UTC)


def listed(folder: Path) -> list[Backup]:
    """Newest first."""
    notes = _state(folder).notes
    paths = [path for path in folder.iterdir() if is_name(path.name)] if folder.is_dir() else []
    found = [_backup(path, notes.get(path.name, Note())) for path in paths]
    return sorted(found, key=lambda backup: backup.name, reverse=True)


def newest(folder: Path) -> Backup | None:
    """The last one that is not known to be bad."""
    return next((backup for backup in listed(folder) if not backup.fault), None)


def checked(folder: Path, name: str, *, at: datetime, fault: str = "") -> None:
    """Write down how a verification ended."""
    _note(folder, name, checked_at=at, fault=fault)


def sent(folder: Path, name: str, *, at: datetime) -> None:
    """Write down that a copy is elsewhere."""
    _note(folder, name, sent_at=at)


def unwanted(names: Iterable[str], *, now: datetime, keep_days: int, keep_weeks: int) -> list[str]:
    """What the rules let go, oldest first: all but the newest of each of the last days and weeks, the newest of all,
    and the newest made before changes of the schema."""
    newest_first = sorted(filter(is_name, names), reverse=True)
    kept = set(newest_first[:1])
    kept |= set([name for name in newest_first if _reason(name).startswith(_BEFORE)][:KEPT_BEFORE_MIGRATION])
    kept |= _newest_of_each(newest_first, "%Y-%m-%d", now - timedelta(days=keep_days))
    kept |= _newest_of_each(newest_first, "%G-%V", now - timedelta(weeks=keep_weeks))
    return sorted(set(newest_first) - kept)


def remove(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)
    if names:
        disk.sync_folder(folder)


def _newest_of_each(newest_first: Sequence[str], period: str, since: datetime) -> set[str]:
    first: dict[str, str] = {}
    for name in newest_first:
        at = made_at(name)
        if at > since:
            first.setdefault(f"{at:{period}}", name)
    return set(first.values())


def _reason(name: str) -> str:
    found = _NAME.fullmatch(name)
    return (found[2] or "") if found else ""


def _backup(path: Path, note: Note) -> Backup:
    return Backup(
        name=path.name,
        path=path,
        bytes=path.stat().st_size,
        made_at=made_at(path.name),
        reason=_reason(path.name),
        encrypted=path.name.endswith(".enc"),
        verified_at=None if note.fault else note.checked_at,
        fault=note.fault,
        sent_at=note.sent_at,
    )


def _note(folder: Path, name: str, **values: datetime | str) -> None:
    state = _state(folder)
    state.notes = {known: note for known, note in state.notes.items() if (folder / known).exists()}
    state.notes[name] = msgspec.structs.replace(state.notes.get(name, Note()), **values)
    disk.write_file(folder / STATE, msgspec.json.encode(state))


def _state(folder: Path) -> State:
    """A lost or damaged one costs the dates of verifications only."""
    try:
        return msgspec.json.decode((folder / STATE).read_bytes(), type=State)
    except (FileNotFoundError, msgspec.MsgspecError):
        return State()
