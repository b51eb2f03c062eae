"""Typed, sortable ids: `led_` + 26 characters (ULID: 48 bits of milliseconds, 80 of chance).

Crockford's base 32 without I, L, O, U, so that an id survives being read aloud.
"""

import hashlib
import os
import re

from site2crm.kit import clock

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_ID = re.compile(r"[a-z]{2,4}_[0-9A-HJKMNP-TV-Z]{26}")


def new(prefix: str) -> str:
    """A fresh id that sorts by the time it was made."""
    number = (int(clock.unix() * 1000) << 80) | int.from_bytes(os.urandom(10))
    return f"{prefix}_{_encode(number)}"


def derived(prefix: str, *parts: str) -> str:
    """The same id for the same parts, on every node and after every crash."""
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return f"{prefix}_{_encode(int.from_bytes(digest[:16]))}"


def is_id(text: str, prefix: str) -> bool:
    """Whether `text` has the shape of an id of this type."""
    return text.startswith(prefix + "_") and _ID.fullmatch(text) is not None


def _encode(number: int) -> str:
    return "".join(_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10))
