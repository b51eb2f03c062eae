"""When a backup is made, and what follows: a copy elsewhere, and old ones let go."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from site2crm.core.backup import create, restore, shelf
from site2crm.core.backup.errors import BackupFailed
from site2crm.core.backup.remote import Remote
from site2crm.core.config import Settings
from site2crm.kit import clock

_CHECKING = ".checking-"
_OLD_S = 86_400.0
_QUARTER_PAST_THREE_S = 3 * 3600.0 + 15 * 60.0


def before_migration(settings: Settings, head: str) -> None:
    """A backup of what is to be changed, read back and looked through. Raises BackupFailed: change nothing."""
    made = create.create(settings, reason=f"before-{head}", copy_events=create.copy_events_at_rest)
    fault = "It was not looked through to its end."
    try:
        with checking(settings) as work:
            manifest = restore.unpack(made.path, work, key=create.key_of(settings), min_free=settings.data.min_free)
            restore.examine(work, manifest)
        fault = ""
    except BackupFailed as error:
        fault = str(error)
        raise
    finally:
        shelf.checked(made.path.parent, made.name, at=clock.now(), fault=fault)
    _prune_here(settings)  # a start waits for no store elsewhere


@contextlib.contextmanager
def checking(settings: Settings) -> Iterator[Path]:
    """An empty folder on the shelf's disk, removed in the end; also what a killed verification left there."""
    shelved = shelf.folder_of(settings)
    shelved.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left_over in shelved.glob(f"{_CHECKING}*"):
        if left_over.stat().st_mtime < clock.unix() - _OLD_S:
            shutil.rmtree(left_over, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=_CHECKING, dir=shelved))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def expect_room(settings: Settings) -> None:
    """Raises BackupFailed when the disk of the shelf is nearly full."""
    create.keep_free(shelf.folder_of(settings), settings.data.min_free)


def send(settings: Settings, name: str) -> bool:
    """Copy it to `[backup] s3`; False where none is set. Raises BackupFailed."""
    if not settings.backup.s3:
        return False
    folder = shelf.folder_of(settings)
    Remote(settings).put(folder / name)
    shelf.sent(folder, name, at=clock.now())
    return True


def prune(settings: Settings) -> list[str]:
    """Let go of what the rules do not keep, here and there; the newest one that is good always stays."""
    gone = _prune_here(settings)
    if settings.backup.s3:
        store = Remote(settings)
        store.remove(_unwanted(settings, list(store.names())))
    return gone


def find(settings: Settings, name: str) -> Path:
    """A backup by its path, or by its name: on the shelf, else fetched from `[backup] s3`. Raises BackupFailed."""
    folder = shelf.folder_of(settings)
    for path in (Path(name), folder / name):
        if path.is_file():
            return path
    if settings.backup.s3 and shelf.is_name(name):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Remote(settings).fetch(name, folder)
    raise BackupFailed(f"There is no {name}, neither as a file nor in {folder}.")


def is_due(settings: Settings, *, since: float) -> bool:
    """Whether a tick of `[backup] every`, counted from 03:15 UTC, has passed since the last backup.

    `since`: when the instance began, in unix seconds; before its first tick there is little to lose. What was made on
    a day that is to come, backup or instance, was made before somebody put the clock back, and says nothing.
    """
    every = settings.backup.every
    if not every:
        return False
    latest = clock.unix() + clock.SKEW.total_seconds()
    made = (backup.made_at.timestamp() for backup in shelf.listed(shelf.folder_of(settings)))
    last = max((at for at in made if at <= latest), default=since if since <= latest else 0.0)
    offset = _QUARTER_PAST_THREE_S % every
    tick = (clock.unix() - offset) // every * every + offset
    return last < tick


def _prune_here(settings: Settings) -> list[str]:
    folder = shelf.folder_of(settings)
    gone = _unwanted(settings, [backup.name for backup in shelf.listed(folder)])
    good = shelf.newest(folder)
    gone = [name for name in gone if good is None or name != good.name]
    shelf.remove(folder, gone)
    return gone


def _unwanted(settings: Settings, names: list[str]) -> list[str]:
    kept = settings.backup
    return shelf.unwanted(names, now=clock.now(), keep_days=kept.keep_days, keep_weeks=kept.keep_weeks)
