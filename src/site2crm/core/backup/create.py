"""Making a backup. Runs in a thread, or in a process of its own; nobody who posts or clicks waits for it."""

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

import msgspec

from site2crm import __version__
from site2crm.core import crypto, folder, log
from site2crm.core.backup import archive, event_file, journal_copy, records, server_copy, shelf
from site2crm.core.backup.errors import BackupFailed, CorruptArchive, Stopped
from site2crm.core.backup.manifest import FORMAT, Counts, Manifest, Member
from site2crm.core.config import Secret, Settings
from site2crm.core.config_values import key_bytes
from site2crm.core.eventstore import file
from site2crm.core.journal import disk
from site2crm.kit import clock

KEY_FILE = "secret.key"
_MAKING = ".making-"

CopyEvents = Callable[[Path, Path, Callable[[], None]], int]
"""(source, target, check): copy the event store while nobody writes to it; how many events it has."""

_log = log.get("backup")


class Made(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    path: Path
    bytes: int
    seconds: float
    made_at: datetime
    encrypted: bool
    counts: Counts
    has_events: bool


def create(
    settings: Settings, *, reason: str, copy_events: CopyEvents, is_wanted: Callable[[], bool] = lambda: True
) -> Made:
    """Copy the three stores, journal first, into one new file on the shelf; given up once it `is_wanted` no more.

    Raises BackupFailed; then the shelf is as it was. It keeps `[data] min_free` of the disk free, because what takes
    submissions in needs it more.
    """
    started, shelved = clock.now(), shelf.folder_of(settings)
    try:
        shelved.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left_over in shelved.glob(f"{_MAKING}*"):
            shutil.rmtree(left_over, ignore_errors=True)
        with _workplace(shelved) as work:
            check = partial(_go_on, shelved, settings.data.min_free, is_wanted)
            _expect_room(settings, shelved)
            manifest = _collect(settings, work / "files", reason=reason, copy_events=copy_events, check=check)
            made = _shelve(settings, work, manifest, check=check)
    except OSError as error:
        raise BackupFailed(
            f"It could not be written: {error.strerror or error}. Older backups are untouched."
        ) from error
    seconds = (clock.now() - started).total_seconds()
    _log.info("backup.made", name=made.name, bytes=made.stat().st_size, seconds=round(seconds, 2))
    return Made(
        name=made.name,
        path=made,
        bytes=made.stat().st_size,
        seconds=round(seconds, 2),
        made_at=manifest.made_at,
        encrypted=made.name.endswith(".enc"),
        counts=manifest.counts,
        has_events=manifest.has_events,
    )


def key_of(settings: Settings) -> bytes | None:
    """The key that encrypts backups, if one is set."""
    return key_bytes(settings.backup.key.reveal()) if settings.backup.key else None


def copy_events_at_rest(source: Path, target: Path, check: Callable[[], None]) -> int:
    """For a folder that nobody serves. A damaged store is left out: the server will begin a new one, too."""
    event_file.copy(source, target, check=check)
    if not target.exists():
        return 0
    try:
        return event_file.count(target)
    except CorruptArchive as error:
        _log.warning("backup.events_left_out", error=str(error))
        for part in target.parent.iterdir():
            part.unlink()
        return 0


def _collect(
    settings: Settings, files: Path, *, reason: str, copy_events: CopyEvents, check: Callable[[], None]
) -> Manifest:
    data_dir, made_at = settings.data.dir, clock.now()
    for part in ("journal", "events", "records"):
        (files / part).mkdir(parents=True)
    journal_copy.copy(data_dir / folder.JOURNAL, files / "journal")
    if has_events := settings.clickhouse is None:
        events = copy_events(data_dir / file.NAME, files / event_file.MEMBER, check)
    else:
        events = 0
        event_file.copy_place(data_dir, files / event_file.PLACE)
    copied = files / records.MEMBER
    if isinstance(settings.records, Secret):
        server_copy.copy(settings.records, copied, data_dir=data_dir, check=check)
    else:
        records.copy(settings.records, copied, check=check)
    has_key = key_of(settings) is not None and _copy_secret_key(settings, files / KEY_FILE)
    return Manifest(
        format=FORMAT,
        version=__version__,
        schema=records.schema(copied),
        made_at=made_at,
        instance=folder.identity(data_dir),
        reason=reason,
        secret_key=crypto.key_id(settings.keys().current),
        has_secret_key=has_key,
        counts=Counts(records.counts(copied), events, journal_copy.count(files / "journal")),
        members=_members(files),
        has_events=has_events,
    )


def _members(files: Path) -> list[Member]:
    names = sorted(path.relative_to(files).as_posix() for path in files.rglob("*") if path.is_file())
    return [archive.member_of(files, name) for name in names]


def _shelve(settings: Settings, work: Path, manifest: Manifest, *, check: Callable[[], None]) -> Path:
    """Write the archive beside its copies, then give it its name: it is there whole, or not at all."""
    key, shelved = key_of(settings), work.parent
    draft = work / "archive"
    archive.write(draft, manifest, files=work / "files", key=key, check=check)
    target = shelved / shelf.name_of(manifest.made_at, manifest.reason, encrypted=key is not None)
    if target.exists():
        raise BackupFailed(f"{target.name} is there already: one was made in this very second.")
    draft.rename(target)
    disk.sync_folder(shelved)
    return target


def _copy_secret_key(settings: Settings, target: Path) -> bool:
    """Only the key file of the data folder; a key from elsewhere is kept there on purpose."""
    path = settings.data.dir / KEY_FILE
    if not path.is_file() or key_bytes(path.read_text("ascii").strip()) != settings.keys().current:
        return False
    shutil.copyfile(path, target)
    return True


@contextlib.contextmanager
def _workplace(shelved: Path) -> Iterator[Path]:
    work = Path(tempfile.mkdtemp(prefix=_MAKING, dir=shelved))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _expect_room(settings: Settings, shelved: Path) -> None:
    """The copies need what the stores have; better said before than found out after ten minutes."""
    data_dir = settings.data.dir
    events = [data_dir / file.NAME] if settings.clickhouse is None else []
    stores = [data_dir / folder.DATABASE, *events, *(data_dir / folder.JOURNAL).rglob("*.seg")]
    needed = sum(path.stat().st_size for path in stores if path.exists())
    free = disk.free_bytes(shelved) - settings.data.min_free
    if needed > free:
        raise BackupFailed(
            f"The disk has no room: the copies need {needed:,} bytes, and {max(free, 0):,} are free beyond "
            f"[data] min_free. Older backups are untouched."
        )


def _go_on(shelved: Path, least: int, is_wanted: Callable[[], bool]) -> None:
    if not is_wanted():
        raise Stopped("It was given up because the server stops.")
    keep_free(shelved, least)


def keep_free(shelved: Path, least: int) -> None:
    if disk.free_bytes(shelved) < least:
        raise BackupFailed(
            f"The disk is nearly full: less than [data] min_free ({least:,} bytes) is left. It was given up; "
            "older backups are untouched."
        )
