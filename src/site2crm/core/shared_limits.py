"""Rate limits that several nodes share through a Redis, without any request ever waiting for it.

Each node decides at once, from its own memory, and tells Redis afterwards what was taken: all that was taken within a
few milliseconds in one call, whose answer is how full each bucket is over all nodes. So a node learns of the others'
requests with the first answer about a key. The price is said here: what several nodes admit within the same moment
(`GATHER_S` and a round trip) is admitted; it is owed, so that over any longer time the limit holds.

A Redis that is down, slow or full costs nothing but that: the nodes count for themselves, and it is asked again after a
rest. Redis's own clock counts, so that nodes with different clocks agree; keys are keyed hashes, because what a limit
is for (an address, an e-mail) is nobody else's business.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, NoReturn

from site2crm.core import heavy, log
from site2crm.core.config_types import Secret
from site2crm.core.ratelimit import Backoff, Limits, Taken

GATHER_S = 0.005
WAIT_S = 0.25
"""For an answer; nobody waits meanwhile."""
PROBE_S = 5.0
RESTS_S = (0.5, 5.0)
MOST_IN_A_CALL = 500
PREFIX = "s2c:"

_BUCKETS = """
local t = redis.call('TIME')
local now = t[1] + t[2] / 1000000
local left = {}
for i, key in ipairs(KEYS) do
  local taken, window = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local full = math.max(tonumber(redis.call('GET', key) or 0), now) + taken
  full = math.min(full, now + window)
  redis.call('SET', key, string.format('%.6f', full), 'PX', math.ceil((full - now) * 1000) + 1)
  left[i] = string.format('%.6f', full - now)
end
return left
"""
_ATTEMPTS = """
local counts = {}
for i, key in ipairs(KEYS) do
  if ARGV[i] == '0' then
    redis.call('DEL', key)
    counts[i] = 0
  else
    counts[i] = redis.call('INCRBY', key, ARGV[i])
    redis.call('EXPIRE', key, 3600)
  end
end
return counts
"""

_log = log.get("limits")


async def probe(url: Secret) -> str:
    """Why this Redis cannot be used; empty if it can. Not in its words: they may hold the password."""
    redis = await asyncio.to_thread(heavy.redis)
    client = _client(redis, url, wait_s=PROBE_S)
    try:
        async with asyncio.timeout(PROBE_S):
            await _written(client)
    except (redis.RedisError, OSError, TimeoutError) as error:
        return type(error).__name__
    finally:
        await client.aclose()
    return ""


def _client(redis: ModuleType, url: Secret, *, wait_s: float) -> Any:
    return redis.Redis.from_url(
        url.reveal(),
        socket_timeout=wait_s,
        socket_connect_timeout=wait_s,
        max_connections=2,
        retry=None,
        decode_responses=True,
    )


def _written(client: Any) -> Any:
    """A full or read-only one says no."""
    return client.set(f"{PREFIX}probe", "1", px=1000)


class SharedLimits:
    """`run` for ever, beside the server. `mac` hides what a key is for."""

    def __init__(self, url: Secret, limits: Limits, backoff: Backoff, *, mac: Callable[[str], str]) -> None:
        self._url = url
        self._limits = limits
        self._backoff = backoff
        self._mac = mac
        self._wanted = asyncio.Event()
        self._client: Any = None
        self.is_shared = False
        """Whether Redis answered the last call."""
        self._is_alone = False
        self.asked = self.learned = 0
        """Calls begun, and those whose answer has been taken in."""

    async def run(self) -> NoReturn:
        """Never raises for what Redis does. The library is loaded here, in a thread, after the server has started."""
        self._limits.share(self._wanted.set)
        self._backoff.share(self._wanted.set)
        try:
            redis = await asyncio.to_thread(heavy.redis)
            self._client = _client(redis, self._url, wait_s=WAIT_S)
            await self._keep_up(redis.RedisError)
        finally:
            self._limits.share(None)
            self._backoff.share(None)
            if self._client is not None:
                await self._client.aclose()

    async def _keep_up(self, errors: type[Exception]) -> NoReturn:
        shortest, longest = RESTS_S
        rest_s = shortest
        while True:
            try:
                if not self.is_shared:
                    await self._asked(_written(self._client))
                self._answered()
                rest_s = shortest
                await self._wanted.wait()
                await asyncio.sleep(GATHER_S)
                self._wanted.clear()
                await self._tell()
            except (errors, OSError, TimeoutError) as error:
                self._silent(error)
                await asyncio.sleep(rest_s * random.uniform(0.8, 1.2))  # noqa: S311 - nodes shall not come together
                rest_s = min(2 * rest_s, longest)
                self._limits.taken()  # what was counted while it was down stays here: it would be old news
                self._backoff.tried()

    async def _tell(self) -> None:
        taken = self._limits.taken()
        for start in range(0, len(taken), MOST_IN_A_CALL):
            await self._tell_buckets(taken[start : start + MOST_IN_A_CALL])
        if tried := self._backoff.tried():
            values = [str(count) for count in tried.values()]
            counts = await self._eval(_ATTEMPTS, [self._mac(f"account {key}") for key in tried], values)
            for key, count in zip(tried, counts, strict=True):
                self._backoff.learn(key, int(count))
            self.learned = self.asked

    async def _tell_buckets(self, taken: Sequence[Taken]) -> None:
        values = [text for one in taken for text in (f"{one.taken_s:.6f}", str(one.per_s))]
        left = await self._eval(_BUCKETS, [self._mac(one.key) for one in taken], values)
        for one, left_s in zip(taken, left, strict=True):
            self._limits.learn(one.key, float(left_s))
        self.learned = self.asked

    async def _eval(self, script: str, keys: Sequence[str], values: Sequence[str]) -> Sequence[str]:
        self.asked += 1
        named = [PREFIX + key for key in keys]
        answer: Sequence[str] = await self._asked(self._client.eval(script, len(named), *named, *values))
        return answer

    async def _asked(self, call: Any) -> Any:
        async with asyncio.timeout(2 * WAIT_S):
            return await call

    def _answered(self) -> None:
        if not self.is_shared:
            _log.info("limits.shared")
        self.is_shared, self._is_alone = True, False

    def _silent(self, error: Exception) -> None:
        """Said once, not at each attempt; the text of the error may hold the password."""
        if not self._is_alone:
            _log.warning("limits.for_this_node_alone", error=type(error).__name__)
        self.is_shared, self._is_alone = False, True
