"""Encryption of a stream: AES-256-GCM in chunks, with their order and the end authenticated.

    head   "S2CBKP1\\n", 8 characters of key id, 16 bytes of salt
    chunk  up to 1 MiB of plain text, sealed, and 16 bytes of tag; only the last one may be shorter

The construction is STREAM (Hoang, Reyhanitabar, Rogaway, Vizar 2015): a chunk's nonce is its number and whether it is
the last, so chunks cannot be swapped, dropped or added. A file has a key of its own, derived with its salt, so numbers
never meet under one key. Nothing is given out before its tag was checked.
"""

import hashlib
import hmac
import secrets
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from site2crm.core.backup.errors import CorruptArchive, WrongKey

MAGIC = b"S2CBKP1\n"
CHUNK_BYTES = 1024 * 1024
_SALT_BYTES = 16
_ID_CHARS = 8
HEAD_BYTES = len(MAGIC) + _ID_CHARS + _SALT_BYTES
_TAG_BYTES = 16


def key_id(key: bytes) -> str:
    """What tells keys apart without telling them."""
    return _derived(key, b"id").hex()[:_ID_CHARS]


class SealingWriter:
    """Seals what is written into `target`. Without `finish` the end is missing, and no reader takes it."""

    def __init__(self, target: BinaryIO, key: bytes) -> None:
        self._head = MAGIC + key_id(key).encode() + secrets.token_bytes(_SALT_BYTES)
        self._cipher = _cipher(key, self._head)
        self._target = target
        self._number = 0
        self._pending = bytearray()
        target.write(self._head)

    def write(self, data: bytes) -> int:
        self._pending += data
        while len(self._pending) > CHUNK_BYTES:  # not at equality: the last chunk must be known to be it
            self._seal(bytes(self._pending[:CHUNK_BYTES]), is_last=False)
            del self._pending[:CHUNK_BYTES]
        return len(data)

    def finish(self) -> None:
        self._seal(bytes(self._pending), is_last=True)

    def _seal(self, plain: bytes, *, is_last: bool) -> None:
        self._target.write(self._cipher.encrypt(_nonce(self._number, is_last=is_last), plain, self._head))
        self._number += 1


class SealedReader:
    """Reads what SealingWriter wrote. Raises CorruptArchive at the first chunk that is not as it was written."""

    def __init__(self, source: BinaryIO, key: bytes | None) -> None:
        head = source.read(HEAD_BYTES)
        if len(head) < HEAD_BYTES or not head.startswith(MAGIC):
            raise CorruptArchive("It is cut off, or no backup of Site2CRM.")
        wanted = head[len(MAGIC) : len(MAGIC) + _ID_CHARS].decode("ascii", "replace")
        if key is None:
            raise WrongKey(f"It is encrypted with the key {wanted}: write that key as [backup] key.")
        if key_id(key) != wanted:
            raise WrongKey(f"It is encrypted with the key {wanted}, but [backup] key is the key {key_id(key)}.")
        self._cipher = _cipher(key, head)
        self._head = head
        self._source = source
        self._number = 0
        self._ahead = source.read(CHUNK_BYTES + _TAG_BYTES)
        self._is_over = False

    def read(self, _size: int = -1) -> bytes:
        """The next chunk, nothing at the end."""
        if self._is_over:
            return b""
        sealed, self._ahead = self._ahead, self._source.read(CHUNK_BYTES + _TAG_BYTES)
        self._is_over = not self._ahead
        try:
            plain = self._cipher.decrypt(_nonce(self._number, is_last=self._is_over), sealed, self._head)
        except (InvalidTag, ValueError):
            what = "its end" if self._is_over else f"part {self._number + 1}"
            raise CorruptArchive(f"It is damaged or cut off: {what} is not as it was written.") from None
        self._number += 1
        return plain


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11) + bytes([is_last])


def _cipher(key: bytes, head: bytes) -> AESGCM:
    return AESGCM(_derived(key, b"stream " + head))


def _derived(key: bytes, use: bytes) -> bytes:
    return hmac.new(key, b"site2crm backup " + use, hashlib.sha256).digest()
