"""Standard Webhooks signatures, symmetric version `v1`."""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from site2crm.connectors.hints import BadProof
from site2crm.kit import clock

PREFIX = "whsec_"
TOLERANCE_S = 300
"""How old a signature may be, or how far ahead (as Standard Webhooks' own libraries have it)."""
_LONGEST_ID, _LONGEST_STAMP = 200, 12
_KEY_BYTES = range(24, 65)  # what the standard allows


def new_secret() -> str:
    """A fresh signing secret."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def key_of(secret: str) -> bytes | None:
    """The key inside a secret, None if it is not one."""
    if not secret.startswith(PREFIX):
        return None
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) in _KEY_BYTES else None


def sign(key: bytes, body: bytes, *, id: str, timestamp: int) -> dict[str, str]:
    """The three headers that prove id, time and body."""
    content = f"{id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    return {
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }


class Proof(NamedTuple):
    """What a signature stands for."""

    id: str
    at: datetime


def proven(key: bytes, headers: Mapping[str, str], body: bytes) -> Proof:
    """The id and the time of a message that was signed with this key. Raises BadProof with what to do about it."""
    id, stamp, signed = (headers.get(f"webhook-{name}", "").strip() for name in ("id", "timestamp", "signature"))
    if not id or len(id) > _LONGEST_ID or not signed:
        raise BadProof("Send the headers webhook-id, webhook-timestamp and webhook-signature.")
    if not stamp.isascii() or not stamp.isdecimal() or len(stamp) > _LONGEST_STAMP:
        raise BadProof("webhook-timestamp is the time of sending in whole Unix seconds.")
    wanted = sign(key, body, id=id, timestamp=int(stamp))["webhook-signature"].encode()
    sent = signed.encode("utf-8", "surrogateescape").split(b" ")
    if not any(hmac.compare_digest(wanted, one) for one in sent):
        raise BadProof("webhook-signature is not right: sign id.timestamp.body with this connection's secret.")
    # After the signature, so that only who has the secret learns of our clock.
    apart_s = abs(clock.unix() - int(stamp))
    if apart_s > TOLERANCE_S:
        raise BadProof(
            f"webhook-timestamp is {apart_s:,.0f} seconds from our clock: sign each try anew, set the clock."
        )
    return Proof(id, datetime.fromtimestamp(int(stamp), UTC))
