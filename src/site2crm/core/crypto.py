"""Secrets at rest, random tokens, keyed hashes and passwords.

AES-256-GCM with a key id, so that keys can change, and the row's identity as associated data, so that a sealed
value copied into another row does not open. argon2id at OWASP's 46 MiB, t=1, p=1: 77 ms on a droplet's core.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

A = TypeVarTuple("A")
R = TypeVar("R")

_VERSION = "v1"
_NONCE_BYTES = 12
_KEY_BYTES = 32

guards: list[Callable[[], None]] = []
"""Called before every slow computation; one that raises forbids it (core/db: while a write transaction is open)."""

_hasher = PasswordHasher(time_cost=1, memory_cost=46 * 1024, parallelism=1, hash_len=32, salt_len=16)
# Two at a time: a hundred logins at once would take 4.6 GB. A pool and not a semaphore, because a semaphore
# belongs to one event loop.
_slow = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")
# Verified for unknown users, so that their answer takes as long. It is the hash of a forgotten random text.
_NOBODY = "$argon2id$v=19$m=47104,t=1,p=1$dqWDYJ09dW5NOdV8Cz3Z8w$pYIOOydTjroKwag1NiUu/qa5XlMXTwydIcpSn1nrAGE"


class Unreadable(Exception):
    """A sealed value that no key opens here: changed, moved to another row, or its key is gone."""


class Vault:
    """Seals what is stored; opens what the current or a previous key sealed."""

    def __init__(self, key: bytes, previous: list[bytes] | None = None) -> None:
        self._keys = {key_id(each): _Key(each) for each in reversed([key, *(previous or [])])}
        self._current = key_id(key)

    def seal(self, plain: bytes, *, aad: str) -> str:
        """`v1:<key id>:<nonce>:<ciphertext>`; `aad` names the row and column, such as "connection:con_...:token"."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._keys[self._current].cipher.encrypt(nonce, plain, _bound_to(self._current, aad))
        return ":".join([_VERSION, self._current, _b64(nonce), _b64(sealed)])

    def open(self, sealed: str, *, aad: str) -> bytes:
        try:
            version, key_id, nonce, ciphertext = sealed.split(":")
            if version != _VERSION:
                raise Unreadable("sealed by another version")
            return self._keys[key_id].cipher.decrypt(_unb64(nonce), _unb64(ciphertext), _bound_to(key_id, aad))
        except KeyError:
            raise Unreadable("sealed by a key that is not in [secrets] key or previous_keys") from None
        except (InvalidTag, ValueError, binascii.Error):
            raise Unreadable("changed, or sealed for another row") from None

    def mac(self, purpose: str, text: str) -> str:
        """Keyed hash in hex, under the current key: the same text has another one for each purpose."""
        return self._keys[self._current].mac(purpose, text)

    def macs(self, purpose: str, text: str) -> list[str]:
        """The hash under every key, the current one first: to find what an earlier key hashed."""
        ordered = sorted(self._keys, key=lambda key_id: key_id != self._current)
        return [self._keys[key_id].mac(purpose, text) for key_id in ordered]


class _Key:
    """One master key; a key of its own is derived for each use."""

    def __init__(self, key: bytes) -> None:
        self.cipher = AESGCM(_derived(key, "seal"))
        self._mac_key = _derived(key, "mac")

    def mac(self, purpose: str, text: str) -> str:
        message = len(purpose).to_bytes(4) + (purpose + text).encode("utf-8", "surrogatepass")
        return hmac.new(self._mac_key, message, hashlib.sha256).hexdigest()


def token(n: int = 32) -> str:
    """Random, safe in URLs, from `n` bytes."""
    return secrets.token_urlsafe(n)


def digest(token: str) -> str:
    """What is stored of a random token. Not for passwords: it is fast."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


async def hash_password(password: str) -> str:
    return await _in_slow_thread(_hasher.hash, _password_bytes(password))


async def verify_password(stored: str | None, password: str) -> bool:
    """Takes the same time when there is no such user (`stored` is None)."""
    is_right = await _in_slow_thread(_verify, stored or _NOBODY, _password_bytes(password))
    return is_right and stored is not None


def needs_rehash(stored: str) -> bool:
    """Whether it was hashed with other parameters than today's."""
    return _hasher.check_needs_rehash(stored)


async def _in_slow_thread(function: Callable[[*A], R], *args: *A) -> R:
    for guard in guards:
        guard()
    return await asyncio.get_running_loop().run_in_executor(_slow, function, *args)


def _verify(stored: str, password: bytes) -> bool:
    try:
        return _hasher.verify(stored, password)
    except VerifyMismatchError:
        return False


def _password_bytes(password: str) -> bytes:
    # The same password typed on two systems may differ in composition (NIST SP 800-63B, 3.1.1.2)
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


def key_id(key: bytes) -> str:
    """What tells keys apart without telling them; it stands in everything that a key sealed."""
    if len(key) != _KEY_BYTES:
        raise ValueError("a key has 32 bytes")
    return _derived(key, "id").hex()[:8]


def _derived(key: bytes, use: str) -> bytes:
    return hmac.new(key, f"site2crm {use}".encode(), hashlib.sha256).digest()


def _bound_to(key_id: str, aad: str) -> bytes:
    return f"{_VERSION}:{key_id}:{aad}".encode()


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
