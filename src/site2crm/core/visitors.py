"""Who comes again, without knowing who: a keyed hash of address, user agent and host under a salt that is thrown away.

The salt is random, replaced at the end of its window (a day, by UTC) and kept in a file of its own outside backups:
once it is gone, no hash can be traced back to an address, not even by trying all of them.
"""

import hashlib
import secrets
from pathlib import Path

from site2crm.core import log
from site2crm.core.journal import disk
from site2crm.kit import clock

FILE = "visitor.salt"
SALT_BYTES = 32
HASH_BYTES = 8
OPTED_OUT = ("1", b"1")

_log = log.get("visitors")


class Visitors:
    """Called on the event loop for every click: 2 us. The file is written by `keep`, in a thread."""

    def __init__(self, data_dir: Path, *, window_s: float) -> None:
        self._path = data_dir / FILE
        self._window_s = window_s
        self._until = 0.0
        self._take(b"")
        self._is_saved = True
        self.load()

    def hash(self, address: str, user_agent: str, host: str, *, dnt: str | bytes = "", gpc: str | bytes = "") -> str:
        """16 hex digits; nothing for who asks not to be followed (`dnt`, `gpc`: the headers DNT and Sec-GPC)."""
        if dnt in OPTED_OUT or gpc in OPTED_OUT:
            return ""
        if clock.unix() >= self._until:
            self._replace()
        text = f"{address}\n{user_agent}\n{host}".encode("utf-8", "surrogatepass")
        hashed = self._salted.copy()
        hashed.update(text)
        return hashed.hexdigest()

    def keep(self) -> None:
        """Replace a salt whose time is over, and write a new one down, so that a restart does not count people anew."""
        if clock.unix() >= self._until:
            self._replace()
        if not self._is_saved:
            self._is_saved = True  # first: a replacement that happens meanwhile must be written again
            disk.write_file(self._path, f"{self._window_s:g} {self._until:.0f} {self._salt.hex()}\n".encode())

    def _replace(self) -> None:
        """At the next multiple of the window since 1970: for a day, at midnight UTC."""
        self._take(secrets.token_bytes(SALT_BYTES))
        self._until = (clock.unix() // self._window_s + 1) * self._window_s
        self._is_saved = False

    def _take(self, salt: bytes) -> None:
        self._salt = salt
        self._salted = hashlib.blake2b(digest_size=HASH_BYTES, key=salt)

    def load(self) -> None:
        """Take up the salt that is written down: at the start, and when another process has had it before us."""
        try:
            window, until, salt = self._path.read_text("ascii").split()
            known, self._until = float(window), float(until)
            self._take(bytes.fromhex(salt))
            is_usable = known == self._window_s and len(self._salt) == SALT_BYTES
        except FileNotFoundError:
            is_usable = False
        except (OSError, ValueError) as error:
            _log.warning("visitors.salt_replaced", error=repr(error))
            is_usable = False
        if not is_usable or self._until > clock.unix() + self._window_s:
            self._replace()
        self.keep()
