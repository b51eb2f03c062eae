"""Reading a backup: into a folder that nobody serves, to look at it or to go on from it."""

import base64
import contextlib
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from site2crm.core import crypto, folder, migrate
from site2crm.core.backup import archive, event_file, journal_copy, records
from site2crm.core.backup.create import KEY_FILE, key_of
from site2crm.core.backup.errors import BackupFailed, CorruptArchive, NewerSchema, WrongKey
from site2crm.core.backup.manifest import Manifest
from site2crm.core.config import Secret, Settings
from site2crm.core.config_values import DUCKDB, KEY_BYTES, SQLITE
from site2crm.core.eventstore import clickhouse_place, file
from site2crm.core.journal import disk
from site2crm.kit import clock

STAGING = ".restore-"
ASIDE = "before-restore-"
_REPLACED = (
    folder.DATABASE, f"{folder.DATABASE}-wal", f"{folder.DATABASE}-shm",
    file.NAME, f"{file.NAME}.wal", file.MARK, clickhouse_place.NAME, folder.JOURNAL, folder.IDENTITY,
)  # fmt: skip
"""Everything else in the data folder stays: older backups, the country database, the salt of visitors."""


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What was done, or what would be. `waiting`: records in the new journal that will be applied at the start."""

    backup: str
    manifest: Manifest
    waiting: dict[str, int]
    moved_aside: list[str]
    aside: str
    takes_key: bool
    carries_over: bool


def unpack(path: Path, target: Path, *, key: bytes | None, min_free: int) -> Manifest:
    """Every file of the backup into `target`, checked on the way. Raises CorruptArchive; nothing outside is touched."""
    try:
        with archive.reading(path, key=key) as (manifest, entries):
            free = disk.free_bytes(target) - min_free
            if manifest.total_bytes > free:
                raise BackupFailed(
                    f"It unpacks to {manifest.total_bytes:,} bytes, and {max(free, 0):,} are free beyond min_free."
                )
            for member, chunks in entries:
                place = target / member.name  # `archive` lets no other names pass than ours
                place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with place.open("xb") as out:
                    place.chmod(0o600)
                    for chunk in chunks:
                        out.write(chunk)
        return manifest
    except OSError as error:
        raise BackupFailed(f"{error.filename or path}: {error.strerror}") from error


def examine(unpacked: Path, manifest: Manifest) -> None:
    """Whether the copies are sound and hold what the backup says. Raises CorruptArchive, NewerSchema."""
    copied = unpacked / records.MEMBER
    if not copied.is_file():
        raise CorruptArchive("The records are not in it.")
    records.examine(copied)
    if manifest.schema and manifest.schema not in migrate.revisions():
        raise NewerSchema(f"It has schema {manifest.schema}, unknown to this version: upgrade Site2CRM first.")
    if records.schema(copied) != manifest.schema or records.counts(copied) != manifest.counts.tables:
        raise CorruptArchive("Its records are not those that its table of contents tells of.")
    if journal_copy.count(unpacked / journal_copy.FOLDER) != manifest.counts.journal:
        raise CorruptArchive("Its journal is not the one that its table of contents tells of.")
    events = unpacked / event_file.MEMBER
    if events.is_file() and event_file.count(events) != manifest.counts.events:
        raise CorruptArchive("Its events are not those that its table of contents tells of.")


def settle(unpacked: Path, target: Path, *, manifest: Manifest, old_journal: Path | None) -> dict[str, int]:
    """Make a data folder of unpacked files; how many records of the journal are still to be applied.

    `old_journal`: that of the folder which is replaced, if it is the same installation's.
    """
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    waiting = _journals(unpacked, target / folder.JOURNAL, old_journal=old_journal)
    moves = [(records.MEMBER, folder.DATABASE), (event_file.MEMBER, file.NAME), (event_file.WAL, f"{file.NAME}.wal")]
    for source, name in [*moves, (KEY_FILE, KEY_FILE)]:
        if (unpacked / source).is_file():
            (unpacked / source).rename(target / name)
            _sync(target / name)
    disk.write_file(target / folder.IDENTITY, f"{manifest.instance}\n".encode())
    return waiting


def plan(settings: Settings, path: Path, *, replace: bool, new_key: bool) -> Restored:
    """Read the whole backup and say what `restore` would do. The caller holds the folder."""
    with _staging(settings.data.dir) as staging:
        return _prepared(settings, path, staging, replace=replace, new_key=new_key)


def restore(settings: Settings, path: Path, *, replace: bool, new_key: bool) -> Restored:
    """Put the backup in the place of what is in the data folder, which is moved aside. The caller holds the folder.

    Everything is read, checked and laid out before the first file is moved. Raises BackupFailed; then the folder is
    as it was.
    """
    data_dir = settings.data.dir
    with _staging(data_dir) as staging:
        done = _prepared(settings, path, staging, replace=replace, new_key=new_key)
        if new_key:
            _make_key(settings, staging / "data")
        fresh = sorted(each.name for each in (staging / "data").iterdir())
        away = [(name, f"{done.aside}/{name}") for name in done.moved_aside]
        try:
            folder.swap(data_dir, [*away, *((f"{staging.name}/data/{name}", name) for name in fresh)])
        except OSError as error:
            raise BackupFailed(
                f"{error.filename}: {error.strerror}. Run the same command again: it goes on."
            ) from error
    return done


def _prepared(settings: Settings, path: Path, staging: Path, *, replace: bool, new_key: bool) -> Restored:
    data_dir = settings.data.dir
    present = [name for name in _REPLACED if (data_dir / name).exists()]
    if present and (data_dir / _heart(settings)).exists() and not replace:
        raise BackupFailed(f"{data_dir} holds an instance already. With --replace it is moved aside, and kept.")
    manifest = unpack(path, staging / "unpacked", key=key_of(settings), min_free=settings.data.min_free)
    examine(staging / "unpacked", manifest)
    takes_key = _takes_key(settings, manifest, new_key=new_key)
    if not takes_key:
        (staging / "unpacked" / KEY_FILE).unlink(missing_ok=True)
    elif (data_dir / KEY_FILE).exists():
        present.append(KEY_FILE)
    is_ours = manifest.instance == folder.known_identity(data_dir)
    old = data_dir / folder.JOURNAL if is_ours else None
    waiting = settle(staging / "unpacked", staging / "data", manifest=manifest, old_journal=old)
    return Restored(
        backup=path.name,
        manifest=manifest,
        waiting=waiting,
        moved_aside=present,
        aside=f"{ASIDE}{clock.now():%Y%m%dT%H%M%S}" if present else "",
        takes_key=takes_key,
        carries_over=is_ours and old is not None and old.is_dir(),
    )


def _heart(settings: Settings) -> str:
    """Without it there is no instance here, only what was left of one."""
    return folder.JOURNAL if isinstance(settings.records, Secret) else folder.DATABASE


def _journals(unpacked: Path, target: Path, *, old_journal: Path | None) -> dict[str, int]:
    """One for each instance that has one here or there."""
    homes = [home for home in (unpacked / journal_copy.FOLDER, old_journal) if home is not None and home.is_dir()]
    names = sorted({path.name for home in homes for path in home.iterdir() if path.is_dir()})
    events = unpacked / event_file.MEMBER
    counted = event_file.positions(events) if events.is_file() else []
    counted += event_file.places(unpacked, old_journal.parent if old_journal else None)
    waiting = dict.fromkeys(journal_copy.STREAMS, 0)
    for name in names:
        applied = records.positions(unpacked / records.MEMBER, instance=name)
        stored = dict(zip(journal_copy.STREAMS, (applied, counted), strict=True))
        written = journal_copy.rebuild(target / name, sources=[home / name for home in homes], stored=stored)
        waiting = {stream: waiting[stream] + written[stream] for stream in waiting}
    return waiting


def _takes_key(settings: Settings, manifest: Manifest, *, new_key: bool) -> bool:
    """Whether the backup's own key comes into the data folder. Raises WrongKey if its tokens could not be read here."""
    if _is_known(settings, manifest) or (new_key and not manifest.has_secret_key):
        return False
    if not manifest.has_secret_key or not _key_is_in_folder(settings):
        raise WrongKey(_other_key(settings, manifest))
    return True


def _is_known(settings: Settings, manifest: Manifest) -> bool:
    """Whether what the backup's key sealed opens here."""
    if not _has_key(settings):
        return False
    keys = settings.keys()
    return manifest.secret_key in {crypto.key_id(key) for key in (keys.current, *keys.previous)}


def _has_key(settings: Settings) -> bool:
    """A path is that of a file which the first start makes."""
    return not isinstance(settings.secrets.key, Path) or settings.secrets.key.exists()


def _key_is_in_folder(settings: Settings) -> bool:
    path, key = settings.data.dir / KEY_FILE, settings.secrets.key
    return key == path if isinstance(key, Path) else path.is_file() and path.read_text("ascii").strip() == key.reveal()


def _other_key(settings: Settings, manifest: Manifest) -> str:
    here = "the key here is another one" if _has_key(settings) else "there is no key here"
    return (
        f"Its stored tokens were sealed with the secret key {manifest.secret_key}, and {here}. Put that secret.key "
        f"into {settings.data.dir} first. If it is lost: --new-key restores everything but the tokens, and each "
        "connection to a CRM has to be given its token again."
    )


def _make_key(settings: Settings, fresh: Path) -> None:
    """Here and not at the start, which refuses to make a key beside a database."""
    if not _has_key(settings) and not (fresh / KEY_FILE).exists():
        disk.write_file(fresh / KEY_FILE, base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")


def _sync(path: Path) -> None:
    with path.open("rb") as file_:
        disk.sync_file(file_.fileno())


@contextlib.contextmanager
def _staging(data_dir: Path) -> Iterator[Path]:
    for left_over in data_dir.glob(f"{STAGING}*"):
        shutil.rmtree(left_over, ignore_errors=True)
    staging = Path(tempfile.mkdtemp(prefix=STAGING, dir=data_dir))
    (staging / "unpacked").mkdir()
    try:
        yield staging
    finally:
        if not (data_dir / folder.SWAP).exists():  # else what is still to be moved lies here
            shutil.rmtree(staging, ignore_errors=True)


def on(settings: Settings, data_dir: Path) -> Settings:
    """The settings for a restored folder that is only looked at: with the key that is in it, or ours, or none.

    Never with a key file that would have to be made: it would be made beside the real data.
    """
    path, ours = data_dir / KEY_FILE, settings.secrets.key
    written = path.read_text("ascii").strip() if path.is_file() else ""
    any_key = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
    key = Secret(written) if written else ours if isinstance(ours, Secret) else Secret(any_key)
    return msgspec.structs.replace(
        settings,
        data=msgspec.structs.replace(settings.data, dir=data_dir),
        database=msgspec.structs.replace(settings.database, url=Secret(SQLITE)),  # a backup is of a folder
        events=msgspec.structs.replace(settings.events, url=Secret(DUCKDB)),
        secrets=msgspec.structs.replace(settings.secrets, key=key),
    )
