"""Typed, sortable ids: `led_` + 26 characters (ULID: 48 bits of milliseconds, 80 of chance).

Crockford's base 32 without I, L, O, U, so that an id survives being read aloud.
"""

import hashlib
import os
import re

from site2crm.kit import clock

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_page, _used = b"", 0
_ID = re.compile(r"[a-z]{2,4}_[0-9A-HJKMNP-TV-Z]{26}")


def new(prefix: str) -> str:
    """A fresh id that sorts by the time it was made."""
    number = (int(clock.unix() * 1000) << 80) | int.from_bytes(_chance(10))
    return f"{prefix}_{_encode(number)}"


def request() -> str:
    """What one request is called in logs and answers; need not sort."""
    return f"req_{_chance(8).hex()}"


def derived(prefix: str, *parts: str) -> str:
    """The same id for the same parts, on every node and after every crash."""
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return f"{prefix}_{_encode(int.from_bytes(digest[:16]))}"


def is_id(text: str, prefix: str) -> bool:
    """Whether `text` has the shape of an id of this type."""
    return text.startswith(prefix + "_") and _ID.fullmatch(text) is not None


def _chance(size: int) -> bytes:
    """Bytes of the system's generator, fetched by the page: a call for each id would cost more than the id."""
    global _page, _used
    if _used + size > len(_page):
        _page, _used = os.urandom(4096), 0
    _used += size
    return _page[_used - size : _used]


def _encode(number: int) -> str:
    return "".join(_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10))
