"""How often: a token bucket per key, and the waits between log-in attempts. In this process's memory.

Other nodes hear of it through `core/shared_limits.py`, if there are any.

The bucket is kept as one number, the moment at which it is full again (GCRA): nothing has to be refilled,
a bucket that is full again is nothing to remember, and every call costs the same.
"""

import hashlib
import ipaddress
import math
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

import msgspec

from site2crm.kit import clock

T = TypeVar("T")

MOST_KEYS = 100_000
_SLACK_S = 1e-6  # what floating point loses on a Unix time


class Verdict(msgspec.Struct, frozen=True):
    allowed: bool
    limit: int
    remaining: int
    per_s: int
    reset_s: int
    """Until the bucket is full again."""
    retry_after_s: int
    """Until the next one is allowed; 0 if this one is."""


class Taken(msgspec.Struct):
    """What was taken of a bucket since other nodes were told; `taken_s` is how much longer it takes to be full."""

    key: str
    per_s: int
    taken_s: float = 0.0


class Limits:
    """Token buckets by key. What was quiet longest is forgotten first when there are too many."""

    def __init__(self, *, most_keys: int = MOST_KEYS) -> None:
        self._full_at: OrderedDict[str, float] = OrderedDict()
        self._most_keys = most_keys
        self._tell: Callable[[], None] | None = None
        self._untold: dict[str, Taken] = {}

    def share(self, tell: Callable[[], None] | None) -> None:
        """Call `tell` when there is something for other nodes to know; None: there are none."""
        self._tell, self._untold = tell, {}

    def taken(self) -> list[Taken]:
        """What others have to be told, each once."""
        untold, self._untold = self._untold, {}
        return list(untold.values())

    def learn(self, key: str, left_s: float) -> None:
        """What is gone of this bucket over all nodes, as seconds until it is full; what was taken since is added."""
        since = self._untold.get(key)
        self._full_at[key] = clock.unix() + left_s + (since.taken_s if since else 0.0)

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, key: str, *, limit: int, per_s: int) -> Verdict:
        """Take one of `limit` tokens that come back over `per_s` seconds. A refused call takes none."""
        now = clock.unix()
        step = per_s / limit
        # min: a clock that was set back must not lock anybody out for longer than the window
        empty_s = min(max(self._full_at.get(key, now) - now, 0.0), per_s)
        after_s = empty_s + step
        if after_s > per_s + _SLACK_S:
            return Verdict(False, limit, 0, per_s, math.ceil(empty_s), max(1, _whole(after_s - per_s)))
        self._full_at[key] = now + after_s
        self._full_at.move_to_end(key)
        self._forget(now)
        if self._tell is not None:
            self._note(key, per_s, step)
        return Verdict(True, limit, int((per_s - after_s + _SLACK_S) / step), per_s, _whole(after_s), 0)

    def forget(self, key: str) -> None:
        self._full_at.pop(key, None)

    def _note(self, key: str, per_s: int, step: float) -> None:
        if len(self._untold) < self._most_keys:
            self._untold.setdefault(key, Taken(key, per_s)).taken_s += step
        if self._tell is not None:
            self._tell()

    def _forget(self, now: float) -> None:
        """Drop at most two a call, so that what is idle goes at twice the speed that it comes."""
        for _ in range(2):
            oldest = next(iter(self._full_at))
            if self._full_at[oldest] > now and len(self._full_at) <= self._most_keys:
                return
            del self._full_at[oldest]


def headers(verdict: Verdict, *, policy: str = "default") -> dict[str, str]:
    """Both usual families: X-RateLimit-* (Reset in seconds from now) and the IETF draft's RateLimit fields."""
    fields = {
        "X-RateLimit-Limit": str(verdict.limit),
        "X-RateLimit-Remaining": str(verdict.remaining),
        "X-RateLimit-Reset": str(verdict.reset_s),
        "RateLimit-Policy": f'"{policy}";q={verdict.limit};w={verdict.per_s}',
        "RateLimit": f'"{policy}";r={verdict.remaining};t={verdict.reset_s}',
    }
    return fields if verdict.allowed else {**fields, "Retry-After": str(verdict.retry_after_s)}


@lru_cache(maxsize=4096)
def network(address: str) -> str:
    """Who shares an address: its /24, or the /56 that a provider gives to one household."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return str(ipaddress.ip_network(f"{parsed}/{24 if parsed.version == 4 else 56}", strict=False))


class _Account(msgspec.Struct):
    attempts: int = 0
    last_at: float = 0.0


class Backoff:
    """Waits between log-in attempts: guessing gets slow, and no stranger can lock the owner out.

    Attempts count before the password is checked, so that a hundred at once are not a hundred guesses.
    A network that an account has logged in from has a count of its own there: strangers who keep an
    account at its longest wait do not make its owner wait.
    """

    FREE = 5
    LONGEST_S = 60
    PER_NETWORK = 20
    NETWORK_WINDOW_S = 60
    FORGOTTEN_S = 3600

    def __init__(self, *, most_keys: int = MOST_KEYS) -> None:
        self._networks = Limits(most_keys=most_keys)
        self._accounts: OrderedDict[str, _Account] = OrderedDict()
        self._known: OrderedDict[str, None] = OrderedDict()
        self._most_keys = most_keys
        self._tell: Callable[[], None] | None = None
        self._untold: dict[str, int] = {}

    def share(self, tell: Callable[[], None] | None) -> None:
        """As `Limits.share`. Attempts at an account are shared; which networks an account is known from is not."""
        self._tell, self._untold = tell, {}

    def tried(self) -> dict[str, int]:
        """Attempts since others were told, by account; 0: it has logged in."""
        untold, self._untold = self._untold, {}
        return untold

    def learn(self, key: str, attempts: int) -> None:
        """How many attempts there were over all nodes."""
        entry = self._accounts.get(key)
        if entry is not None:
            entry.attempts = max(entry.attempts, attempts)

    def attempt(self, account: str, address: str) -> int:
        """0: go on, the attempt is counted. Else: seconds to wait, and nothing was counted."""
        key, now = self._key(account, address), clock.unix()
        entry = self._accounts.get(key, _Account())
        if entry.last_at < now - self.FORGOTTEN_S:
            entry = _Account()
        wait_s = min(entry.last_at, now) + self._delay_s(entry.attempts) - now
        if wait_s > _SLACK_S:
            return _whole(wait_s)
        shared = self._networks.take(network(address), limit=self.PER_NETWORK, per_s=self.NETWORK_WINDOW_S)
        if shared.allowed:
            self._remember(self._accounts, key, _Account(entry.attempts + 1, now))
            self._note(key, self._untold.get(key, 0) + 1)
        return shared.retry_after_s

    def succeeded(self, account: str, address: str) -> None:
        """Forget this account's attempts from here, and know the network from now on."""
        key = self._key(account, address)
        self._accounts.pop(key, None)
        self._note(key, 0)
        self._remember(self._known, _pair(account, address), None)

    def _note(self, key: str, attempts: int) -> None:
        if self._tell is not None and len(self._untold) < self._most_keys:
            self._untold[key] = attempts
            self._tell()

    def _delay_s(self, attempts: int) -> int:
        beyond = attempts - self.FREE
        return 0 if beyond < 0 else min(2 ** min(beyond, 10), self.LONGEST_S)

    def _key(self, account: str, address: str) -> str:
        pair = _pair(account, address)
        return pair if pair in self._known else _hashed(account)

    def _remember(self, entries: OrderedDict[str, T], key: str, value: T) -> None:
        entries[key] = value
        entries.move_to_end(key)
        if len(entries) > self._most_keys:
            entries.popitem(last=False)


def _pair(account: str, address: str) -> str:
    return f"{_hashed(account)} {network(address)}"


def _hashed(account: str) -> str:
    # Hashed for its size: what a stranger typed as an account may be a megabyte.
    return hashlib.sha256(account.strip().casefold().encode("utf-8", "surrogatepass")).hexdigest()


def _whole(seconds: float) -> int:
    return math.ceil(seconds - _SLACK_S)
