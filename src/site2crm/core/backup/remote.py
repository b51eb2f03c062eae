"""Copies of backups in an S3-compatible store.

Through obstore, the Python face of Apache's object_store: uploads of large files in parts, retries with pauses, and
signatures are its work, and it is a tenth of boto3. The address comes from the configuration only, never from a page.
"""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from site2crm.core import heavy
from site2crm.core.backup import shelf
from site2crm.core.backup.errors import BackupFailed
from site2crm.core.config import Settings
from site2crm.core.journal import disk

_PART_BYTES = 16 * 1024 * 1024
_TIMEOUT = "10 minutes"
_RETRIES = 5
_PROBE = b"site2crm check"


class Remote:
    """The store of `[backup] s3`. Every method blocks: call it in a thread. Raises BackupFailed."""

    def __init__(self, settings: Settings, *, part_bytes: int = _PART_BYTES, retries: int = _RETRIES) -> None:
        backup, parts = settings.backup, urlsplit(settings.backup.s3)
        bucket, _, prefix = parts.path.strip("/").partition("/")
        self._part_bytes = part_bytes
        self.place = f"{parts.netloc}/{bucket}"
        self._prefix = f"{prefix}/" if prefix else ""
        self._library = heavy.obstore()
        self._store = self._library.store.S3Store(
            bucket,
            endpoint=f"{parts.scheme}://{parts.netloc}",
            region=backup.s3_region,
            access_key_id=backup.s3_key_id,
            secret_access_key=backup.s3_secret.reveal(),
            virtual_hosted_style_request=False,
            client_options={"allow_http": parts.scheme == "http", "timeout": _TIMEOUT, "connect_timeout": "10 seconds"},
            retry_config={"max_retries": retries},
        )

    def put(self, path: Path) -> None:
        """Send a backup; it is there whole, or not at all."""
        with self._told(f"{path.name} could not be sent"):
            self._library.put(
                self._store, self._prefix + path.name, path, chunk_size=self._part_bytes, max_concurrency=2
            )

    def names(self) -> dict[str, int]:
        """Backups there, and their bytes."""
        with self._told("what is there cannot be listed"):
            found = [item for page in self._library.list(self._store, prefix=self._prefix or None) for item in page]
        named = {str(item["path"]).removeprefix(self._prefix): int(item["size"]) for item in found}
        return {name: size for name, size in named.items() if shelf.is_name(name)}

    def fetch(self, name: str, folder: Path) -> Path:
        """Bring one to the shelf; an unfinished one gets no name."""
        target, draft = folder / name, folder / f".fetching-{name}"
        with self._told(f"{name} could not be fetched"), draft.open("wb") as out:
            draft.chmod(0o600)
            for chunk in self._library.get(self._store, self._prefix + name).stream():
                out.write(chunk)
            out.flush()
            disk.sync_file(out.fileno())
        draft.rename(target)
        disk.sync_folder(folder)
        return target

    def remove(self, names: list[str]) -> None:
        if names:
            with self._told("old backups there could not be removed"):
                self._library.delete(self._store, [self._prefix + name for name in names])

    def probe(self) -> None:
        """All that backups need to be allowed, tried with a small file, which is removed again."""
        name = f"{self._prefix}.site2crm-check-{secrets.token_hex(8)}"
        with self._told("a file could not be written"):
            self._library.put(self._store, name, _PROBE)
        try:
            self.names()
            with self._told("a file could not be read"):
                if bytes(self._library.get(self._store, name).bytes()) != _PROBE:
                    raise BackupFailed(f"{self.place}: what was read is not what was written")
        finally:
            with self._told("a file could not be removed"):
                self._library.delete(self._store, [name])

    def _told(self, what: str) -> Any:
        return _telling(f"{self.place}: {what}", self._library.exceptions.BaseError)


class _telling:  # noqa: N801 - reads as a verb where it stands
    """Turns the library's errors into a sentence, without its dump of the request."""

    def __init__(self, what: str, kind: type[Exception]) -> None:
        self._what = what
        self._kinds = (kind, OSError)

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, self._kinds):
            raise BackupFailed(f"{self._what}: {_short(error)}") from error


def _short(error: BaseException) -> str:
    first = next(_lines(str(error)), type(error).__name__)
    return first[:300]


def _lines(text: str) -> Iterator[str]:
    return (line.strip() for line in text.splitlines() if line.strip())
