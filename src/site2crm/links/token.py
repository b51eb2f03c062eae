"""The click token: what a click carries to the form that it leads to, so that the lead knows its click.

`<click><link><seconds and signature>`, 68 characters that survive in any address: two ids without their prefix (a
lead's own org says whether the link is its own), then 4 bytes of time and 8 of a keyed hash under a key of this
instance. Signing costs about 3 us: it stands in the way of every redirect.
"""

import base64
import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from msgspec import Struct

from site2crm.core.crypto import Vault

PARAMETER = "s2c_click"
LIFETIME = timedelta(days=90)
LENGTH = 68

_SIGNATURE_BYTES = 8
_SECONDS_BYTES = 4
_SHAPE = re.compile(r"([0-9A-HJKMNP-TV-Z]{26})([0-9A-HJKMNP-TV-Z]{26})([A-Za-z0-9_-]{16})")
_IN_ADDRESS = re.compile(rf"([?&])(?:{PARAMETER}=[^&#\s]*(?:&|(?=[#\s]|$)))+")


class Click(Struct, frozen=True):
    """A click that this instance has counted, to the second."""

    id: str
    link_id: str
    at: datetime


def sign(vault: Vault, click_id: str, link_id: str, at: float) -> str:
    """The token of a click. `at`: Unix seconds."""
    said = click_id[4:] + link_id[4:]
    seconds = int(at).to_bytes(_SECONDS_BYTES)
    signature = _signature(_keys(vault)[0], said.encode() + seconds)
    return said + base64.urlsafe_b64encode(seconds + signature).decode()


def verify(vault: Vault, text: str, now: datetime) -> Click | None:
    """The click, if this instance signed it, under its key or a previous one, in the last 90 days."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        return None
    click, link, tail = match.groups()
    end = base64.urlsafe_b64decode(tail)
    seconds, signature = end[:_SECONDS_BYTES], end[_SECONDS_BYTES:]
    said = (click + link).encode() + seconds
    known = [_signature(key, said) for key in _keys(vault)]
    if not any(hmac.compare_digest(signature, own) for own in known):
        return None
    at = datetime.fromtimestamp(int.from_bytes(seconds), UTC)
    return Click(f"clk_{click}", f"lnk_{link}", at) if now - at <= LIFETIME else None


def shaped(text: str) -> str:
    """The text if it may be a token, else nothing: what cannot be one is not worth keeping."""
    found = text.strip()
    return found if len(found) == LENGTH and _SHAPE.fullmatch(found) else ""


def appended(url: str, text: str) -> str:
    """The address with this token, in place of one that it has."""
    bare, sign, fragment = stripped(url).partition("#")
    joint = "?" if "?" not in bare else "" if bare[-1] in "?&" else "&"
    return f"{bare}{joint}{PARAMETER}={text}{sign}{fragment}"


def stripped(text: str) -> str:
    """Addresses without their token: nobody who is given one is to be taken for the visitor."""
    if PARAMETER not in text:
        return text
    return _IN_ADDRESS.sub(lambda found: found[1] if found[0].endswith("&") else "", text)


@lru_cache(maxsize=4)
def _keys(vault: Vault) -> tuple[hashlib.blake2b, ...]:
    """A hash for each key, the current one first, begun: beginning it costs more than the rest of signing."""
    return tuple(
        hashlib.blake2b(key=bytes.fromhex(mac), digest_size=_SIGNATURE_BYTES) for mac in vault.macs("click token", "")
    )


def _signature(key: hashlib.blake2b, said: bytes) -> bytes:
    own = key.copy()
    own.update(said)
    return own.digest()
