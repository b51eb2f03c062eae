"""Secret values, and the key that seals what is stored: read, or made at the first start."""

import base64
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec

from site2crm.core.config_types import Secret
from site2crm.core.config_values import KEY_BYTES, key_bytes

_FORMS = 'write { env = "NAME" }, { file = "path" } or the text itself in quotes'


class KeyUnusable(Exception):
    """The key file cannot be made or read; the text says what to do."""


class Keys(msgspec.Struct, frozen=True):
    current: bytes
    previous: list[bytes]

    def __repr__(self) -> str:
        return "Keys(***)"


def resolve(value: object, *, env: Mapping[str, str], folder: Path, makes_file: bool) -> str | Path:
    """The secret's text; a path only where `makes_file` lets the first start make that file."""
    if isinstance(value, str):
        return value
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError(_FORMS)
    ((form, name),) = value.items()
    if not isinstance(name, str) or form not in ("env", "file") or not name:
        raise ValueError(_FORMS)
    if form == "env":
        if name not in env:
            raise ValueError(f"the environment variable {name} is not set")
        return env[name]
    path = folder / name
    if makes_file and not Path(name).is_absolute():
        return _own_file(path)
    return _text_of(path)


def load_keys(key: Secret | Path, previous: tuple[Secret, ...]) -> Keys:
    """All keys as bytes; makes the key file if this is the first start."""
    current = key.reveal() if isinstance(key, Secret) else _made(key)
    try:
        return Keys(key_bytes(current), [key_bytes(old.reveal()) for old in previous])
    except ValueError as error:
        raise KeyUnusable(str(error)) from None


def _own_file(path: Path) -> str | Path:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return path
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    if mode & 0o077:
        raise ValueError(f"others can read {path}; run: chmod 600 {path}")
    return _text_of(path)


def _text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None


def _made(path: Path) -> str:
    # A new key beside old records would make every stored token unreadable for good.
    if any(path.parent.glob("*.db")) and not path.exists():
        raise KeyUnusable(f"{path} is missing but {path.parent} holds a database; restore the file from a backup")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _create(path, base64.b64encode(secrets.token_bytes(KEY_BYTES)))
        return path.read_text("ascii")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not text"
        raise KeyUnusable(f"the key {path} cannot be made: {why}") from None


def _create(path: Path, content: bytes) -> None:
    """Whole or not at all; two processes that start together end with the same key."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if not path.exists():
            _link(draft, path)
    finally:
        draft.unlink()


def _link(draft: Path, path: Path) -> None:
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
