"""Typed, sortable ids: `led_` + 26 characters (ULID: 48 bits of milliseconds, 80 of chance).

Crockford's base 32 without I, L, O, U, so that an id survives being read aloud.
"""

import hashlib
import os
import re
from datetime import UTC, datetime

from site2crm.kit import clock

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_AT_ONCE = 256
_BY_BYTE = bytes(ord(_ALPHABET[number % 32]) for number in range(256))
_spare: list[str] = []
os.register_at_fork(after_in_child=_spare.clear)  # or both would give out the same
_stamp, _stamped = -1, ""
_ID = re.compile(r"[a-z]{2,4}_[0-9A-HJKMNP-TV-Z]{26}")
_FIRST_MS = 1_577_836_800_000  # 2020
_A_DAY_MS = 86_400_000


def new(prefix: str) -> str:
    """A fresh id that sorts by the time it was made. Half a microsecond: every click gets one."""
    global _stamp, _stamped
    now = int(clock.unix() * 1000)
    if now != _stamp:
        _stamp, _stamped = now, "".join([_PAIRS[(now >> shift) & 1023] for shift in (40, 30, 20, 10, 0)])
    return f"{prefix}_{_stamped}{_chance()}"


def request() -> str:
    """What one request is called in logs and answers; need not sort."""
    return f"req_{_chance()}"


def derived(prefix: str, *parts: str) -> str:
    """The same id for the same parts, on every node and after every crash."""
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return f"{prefix}_{_encode(int.from_bytes(digest[:16]))}"


def is_id(text: str, prefix: str) -> bool:
    """Whether `text` has the shape of an id of this type."""
    return text.startswith(prefix + "_") and _ID.fullmatch(text) is not None


def made_at(id: str) -> datetime | None:
    """When `new` made this id; None for anything else, such as a derived one, whose time would lie far away."""
    stamp = id.rpartition("_")[2][:10]
    if _ID.fullmatch(id) is None:
        return None
    milliseconds = sum(_ALPHABET.index(letter) << shift for letter, shift in zip(stamp, range(45, -1, -5), strict=True))
    is_likely = _FIRST_MS < milliseconds < clock.unix() * 1000 + _A_DAY_MS
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if is_likely else None


def _chance() -> str:
    """Sixteen characters, 80 bits of the system's generator, made many at once: a call for each id would cost more.

    `pop` gives no two threads the same.
    """
    while True:
        try:
            return _spare.pop()
        except IndexError:
            text = os.urandom(16 * _AT_ONCE).translate(_BY_BYTE).decode()
            _spare.extend(text[at : at + 16] for at in range(0, len(text), 16))


def _encode(number: int) -> str:
    return "".join(_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10))
