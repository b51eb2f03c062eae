"""Checks of the ground that everything stands on: configuration, data folder, key, disk, clock."""

import ctypes
import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from site2crm.core import config
from site2crm.core.config import Settings
from site2crm.core.formats import plural
from site2crm.kit import clock
from site2crm.ops.findings import Finding, failed, ok, warning

REMOTE = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "glusterfs", "fuse.s3fs", "ceph"}
)
COMFORTABLE_BYTES = 1 << 30
AHEAD_S = 300
_MIB = 1 << 20
_TIMEX_BYTES = 512
_TIME_ERROR = 5


def ground(settings: Settings, config_path: Path | None) -> Iterator[Finding]:
    yield _configuration(settings, config_path)
    if not settings.data.dir.is_dir():
        yield ok("folder", f"{settings.data.dir} is not there yet; the first start of `site2crm serve` makes it")
        return
    yield _folder(settings.data.dir)
    yield _key(settings)
    yield _disk(settings)
    yield _clock(settings.data.dir)


def _configuration(settings: Settings, path: Path | None) -> Finding:
    changed = [item for item in settings.explain() if item.source != "default"]
    if path is None:
        return ok("configuration", f"no file, {plural(len(changed), 'setting')} from flags or the environment")
    holds_secret = any(item.value == "***" and path.name in item.source for item in changed)
    if holds_secret and path.stat().st_mode & 0o077:
        return warning("configuration", f"{path} holds secrets and others can read it", f"chmod 600 {path}")
    return ok("configuration", f"{path}, {plural(len(changed), 'setting differs', 'settings differ')} from the default")


def _folder(folder: Path) -> Finding:
    found, kind = folder.stat(), _file_system(folder)
    if found.st_uid != os.geteuid() and os.geteuid() != 0:
        return failed("folder", f"{folder} belongs to another user", "run this as the user that runs the server")
    if not os.access(folder, os.W_OK | os.X_OK):
        return failed("folder", f"{folder} cannot be written", f"chmod u+rwx {folder}")
    if kind in REMOTE:
        cure = "move the folder to a disk of this machine: locks and syncs are not reliable over a network"
        return failed("folder", f"{folder} lies on {kind}", cure)
    if stat.S_IMODE(found.st_mode) & 0o077:
        return warning("folder", f"other users can look into {folder}", f"chmod 700 {folder}")
    return ok("folder", f"{folder}, {kind}")


def _key(settings: Settings) -> Finding:
    if isinstance(settings.secrets.key, Path) and not settings.secrets.key.exists():
        if (settings.data.dir / "site2crm.db").exists():
            cure = f"put it back from a backup as {settings.secrets.key}; without it stored tokens cannot be read"
            return failed("key", f"{settings.secrets.key} is missing", cure)
        return ok("key", "none yet; the first start makes one")
    try:
        settings.keys()
    except config.KeyUnusable as error:
        return failed("key", str(error), "put the key back from a backup; without it stored tokens cannot be read")
    return ok("key", "stored tokens can be read; keep a copy of the key elsewhere")


def _disk(settings: Settings) -> Finding:
    free, total = shutil.disk_usage(settings.data.dir).free, shutil.disk_usage(settings.data.dir).total
    names = os.statvfs(settings.data.dir)
    says = f"{free / _MIB:,.0f} MiB free of {total / _MIB:,.0f}"
    cure = "make room, or give the machine a larger disk; old backups and logs go first"
    if free < settings.data.min_free or (names.f_files and names.f_favail < 1000):
        return failed("disk", says if free < settings.data.min_free else "no names for new files are left", cure)
    return ok("disk", says) if free >= COMFORTABLE_BYTES else warning("disk", says, cure)


def _clock(folder: Path) -> Finding:
    newest = max((path.stat().st_mtime for path in folder.iterdir()), default=0.0)
    if newest > time.time() + AHEAD_S:
        says = f"it is {clock.now():%Y-%m-%d %H:%M} UTC here, and files were written later than that"
        return failed("clock", says, "set the clock: retries, tokens and the order of leads depend on it")
    if _is_unsynchronised():
        cure = "apt-get install systemd-timesyncd (or chrony); a wrong clock delays retries and spoils signatures"
        return warning("clock", "nothing keeps the clock of this machine right", cure)
    return ok("clock", f"{clock.now():%Y-%m-%d %H:%M:%S} UTC")


def _is_unsynchronised() -> bool:
    """What the kernel says; False where it does not tell."""
    adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
    return adjtimex is not None and adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)) == _TIME_ERROR


def _file_system(folder: Path) -> str:
    """The type of the file system that holds the folder, by the kernel's list."""
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return "unknown"
    best, kind, real = "", "unknown", str(folder.resolve())
    for line in lines:
        before, _, after = line.partition(" - ")
        place = before.split()[4]
        inside = real == place or real.startswith(place.rstrip("/") + "/")
        if inside and len(place) >= len(best):
            best, kind = place, after.split()[0]
    return kind
