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
_stamp, _stamped = -1, ""
_ID = re.compile(r"[a-z]{2,4}_[0-9A-HJKMNP-TV-Z]{26}")


def new(prefix: str) -> str:
    """A fresh id that sorts by the time it was made. 2 us: every click gets one."""
    global _stamp, _stamped
    now = int(clock.unix() * 1000)
    if now != _stamp:
        _stamp, _stamped = now, _encode(now << 80)[:10]
    chance, pairs = _chance(10), _PAIRS
    one, two = int.from_bytes(chance[:5]), int.from_bytes(chance[5:])
    return (
        f"{prefix}_{_stamped}"
        f"{pairs[one >> 30]}{pairs[one >> 20 & 1023]}{pairs[one >> 10 & 1023]}{pairs[one & 1023]}"
        f"{pairs[two >> 30]}{pairs[two >> 20 & 1023]}{pairs[two >> 10 & 1023]}{pairs[two & 1023]}"
    )


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
