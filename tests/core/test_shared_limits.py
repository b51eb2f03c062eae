"""Two nodes and a real Redis: they share what they count, wait for nothing, and go on without it."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from site2crm.core import tasks
from site2crm.core.config import Secret
from site2crm.core.ratelimit import Backoff, Limits
from site2crm.core.shared_limits import SharedLimits
from tests import cast
from tests.services import Redis

HOME, OFFICE = "198.51.100.7", "203.0.113.9"
PATIENCE_S = 15


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    found = Redis(tmp_path)
    yield found.start()
    found.stop()


class Node:
    def __init__(self, url: Secret) -> None:
        self.limits, self.backoff = Limits(), Backoff()
        self.shared = SharedLimits(url, self.limits, self.backoff, mac=lambda key: f"hashed-{len(key)}-{hash(key)}")

    def take(self, key: str = "key", *, limit: int = 10, per_s: int = 60) -> bool:
        return self.limits.take(key, limit=limit, per_s=per_s).allowed


@asynccontextmanager
async def nodes(url: Secret, count: int = 2) -> AsyncIterator[list[Node]]:
    made = [Node(url) for _ in range(count)]
    running = [tasks.running(f"node {number}", node.shared.run()) for number, node in enumerate(made)]
    for one in running:
        await one.__aenter__()
    try:
        yield made
    finally:
        for one in running:
            await one.__aexit__(None, None, None)


async def until(condition: object, *, what: str) -> None:
    assert callable(condition)
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0.01)
    except TimeoutError:
        pytest.fail(what)


async def shared(*found: Node) -> None:
    await until(lambda: all(node.shared.is_shared for node in found), what="never shared")


async def told(node: Node) -> None:
    """What it has taken has reached Redis, and Redis's answer has come back."""
    found = node.shared
    await until(lambda: not node.limits._untold and found.learned == found.asked > 0, what="never told")


async def test_what_one_node_took_the_other_does_not_have(redis: Redis) -> None:
    async with nodes(redis.url) as (one, other):
        await shared(one, other)
        assert [one.take() for _ in range(11)] == [True] * 10 + [False]
        await told(one)
        assert other.take()  # it has not heard of the key: this is the one that it pays for sharing without waiting
        await told(other)
        assert not other.take()
        assert other.take("another key")


async def test_in_a_moment_more_may_pass_but_the_debt_is_kept(redis: Redis) -> None:
    async with nodes(redis.url) as (one, other):
        await shared(one, other)
        for node in (one, other):
            assert all(node.take() for _ in range(5))
        await told(one)
        await told(other)
        assert not other.take()  # whose answer came last knows of all ten
        assert sum(one.take() for _ in range(20)) <= 5
        await told(one)
        assert not one.take()


async def test_guesses_at_a_password_are_counted_over_all_nodes(redis: Redis) -> None:
    async with nodes(redis.url) as (one, other):
        await shared(one, other)
        for _ in range(5):
            assert one.backoff.attempt("ann@acme.example", HOME) == 0
        await asyncio.sleep(0.2)
        assert other.backoff.attempt("ann@acme.example", OFFICE) == 0
        await until(lambda: other.backoff.attempt("ann@acme.example", OFFICE) > 0, what="guesses are not shared")


async def test_a_login_forgets_them_everywhere(redis: Redis) -> None:
    async with nodes(redis.url) as (one, other):
        await shared(one, other)
        for _ in range(4):
            one.backoff.attempt("ann@acme.example", HOME)
        one.backoff.succeeded("ann@acme.example", HOME)
        await asyncio.sleep(0.2)
        assert other.backoff.attempt("ann@acme.example", OFFICE) == 0
        await asyncio.sleep(0.2)
        assert other.backoff.attempt("ann@acme.example", OFFICE) == 0


async def test_without_redis_each_counts_for_itself_and_shares_again_when_it_is_back(redis: Redis) -> None:
    async with nodes(redis.url) as (one, other):
        await shared(one, other)
        redis.stop()
        assert [one.take() for _ in range(11)] == [True] * 10 + [False]
        assert [other.take() for _ in range(11)] == [True] * 10 + [False]
        await until(lambda: not one.shared.is_shared, what="did not notice")
        redis.start()
        await shared(one, other)
        assert all(one.take("later") for _ in range(10))
        await told(one)
        other.take("later")
        await told(other)
        assert not other.take("later")


async def test_a_redis_that_hangs_keeps_nobody(redis: Redis) -> None:
    """Frozen, it accepts and never answers: the worst of all."""
    async with nodes(redis.url) as (one, other):
        await shared(one, other)
        redis.signal(signal.SIGSTOP)
        assert all(one.take(f"key {number}") for number in range(1000))
        await until(lambda: not one.shared.is_shared, what="did not notice")
        redis.signal(signal.SIGCONT)
        await shared(one)


async def test_nothing_readable_reaches_redis(redis: Redis, tmp_path: Path) -> None:
    async with cast.an_instance(tmp_path, limits__url=redis.url.reveal()) as instance:
        shared_limits = instance.machine.get(SharedLimits)
        await until(lambda: shared_limits.is_shared, what="never shared")
        instance.machine.limits.take("reset for ann@acme.example", limit=3, per_s=60)
        await until(lambda: shared_limits.learned > 0, what="never told")
        listed = subprocess.run(
            ["/usr/bin/redis-cli", "-s", str(redis.socket), "keys", "*"], capture_output=True, text=True, check=True
        ).stdout
    assert "s2c:" in listed
    assert "ann" not in listed


async def test_an_address_where_nobody_is_costs_nothing(tmp_path: Path) -> None:
    async with cast.an_instance(tmp_path, limits__url="redis://127.0.0.1:1/0") as instance:
        assert [instance.machine.limits.take("k", limit=2, per_s=60).allowed for _ in range(3)] == [True, True, False]


def test_the_library_is_not_loaded_unless_it_is_configured() -> None:
    program = "import sys, site2crm.app; print('redis' in sys.modules, 'sentry_sdk' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ)
    assert run.stdout.split() == ["False", "False"]
