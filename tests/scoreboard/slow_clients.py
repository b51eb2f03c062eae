"""A thousand clients that never come to an end, and a few good ones: they are served as if the others were not there."""

import asyncio
import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests import chaos
from tests.scoreboard.score import Score
from tests.server import ROOT, Server, environment

HEADERS, BODIES = 500, 500
GOOD = 8
ROUND_S = 6.0
ROUNDS = 2
"""Each of them with the slow ones and without, in turn."""
CUT_OFF_AFTER_S = 21
"""Headers are given 10 s and bodies 20 s, so by then all of them were cut off once."""
PAUSE_S = 0.02
SLOWER_AT_MOST = 3.0
"""The p99 with them, beside the one without. Generous: five hundred connects a round cost something on two cores."""
CLEARLY_FAST_S = 0.1

_numbers = itertools.count()


@dataclass
class Seen:
    took_s: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    leads: int = 0

    def p(self, percent: int) -> float:
        return statistics.quantiles(self.took_s, n=100)[percent - 1]


def run(folder: Path, seed: int) -> Score:
    server = Server(folder, "[intake]\nper_address_per_minute = 1000000\n").start()
    try:
        with server.an_org() as api:
            form = f"/f/{api.post('/api/v1/forms', json={'name': 'Contact'}).json()['key']}"
            link = "/" + api.post("/api/v1/links", json={"url": "https://www.example.com/"}).json()["slug"]
            warm, alone, among = Seen(), Seen(), Seen()
            asyncio.run(_good(server, form, link, warm, for_s=2))
            cut_off = 0
            for _ in range(ROUNDS):
                asyncio.run(_good(server, form, link, alone, for_s=ROUND_S))
                with dripping(server, form) as told:
                    asyncio.run(_good(server, form, link, among, for_s=ROUND_S))
                    if not cut_off:
                        time.sleep(max(0.0, CUT_OFF_AFTER_S - ROUND_S))
                cut_off += told[0]
            missing = _missing(server, warm.leads + alone.leads + among.leads)
    finally:
        server.stop()
    return _scored(alone, among, cut_off, missing)


@contextmanager
def dripping(server: Server, path: str) -> Iterator[list[int]]:
    """While the block runs, all of them hold a connection. Afterwards: how many times one was cut off."""
    words = [sys.executable, "-m", "tests.scoreboard.drips", str(server.port), str(HEADERS), str(BODIES), path]
    told: list[int] = []
    with subprocess.Popen(
        words, cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            assert int(process.stdout.readline()) == HEADERS + BODIES
            yield told
            process.stdin.write("\n")
            process.stdin.flush()
            told += map(int, process.stdout.readline().split())
        finally:
            process.kill()


async def _good(server: Server, form: str, link: str, seen: Seen, *, for_s: float) -> None:
    """People who click, post and log in, and wait for each answer."""
    until = time.monotonic() + for_s

    async def one() -> None:
        async with httpx.AsyncClient(base_url=server.url, timeout=20) as client:
            while time.monotonic() < until:
                email = f"good{next(_numbers)}@example.com"
                await _timed(client, "GET", link, 302, seen)
                seen.leads += await _timed(client, "POST", form, 201, seen, data={"email": email})
                await _timed(client, "GET", "/login", 200, seen)
                await asyncio.sleep(PAUSE_S)
        async with httpx.AsyncClient(base_url=server.url, timeout=20) as client:
            await _timed(client, "GET", "/login", 200, seen)  # a new connection gets in as well

    await asyncio.gather(*(one() for _ in range(GOOD)))


async def _timed(
    client: httpx.AsyncClient, method: str, path: str, status: int, seen: Seen, *, data: dict[str, str] | None = None
) -> bool:
    begun = time.perf_counter()
    try:
        answer = await client.request(method, path, data=data)
    except httpx.HTTPError as error:
        seen.failed.append(f"{method} {path}: {error!r}")
        return False
    seen.took_s.append(time.perf_counter() - begun)
    if answer.status_code != status:
        seen.failed.append(f"{method} {path}: {answer.status_code}")
    return answer.status_code == status


def _missing(server: Server, wanted: int) -> int:
    """Leads that are not there though everything had time to be applied."""
    until = time.monotonic() + chaos.SETTLE_S
    while (found := chaos.progress(server)[0]) < wanted and time.monotonic() < until:
        time.sleep(0.2)
    return max(0, wanted - found)


def _scored(alone: Seen, among: Seen, cut_off: int, missing: int) -> Score:
    ratio = among.p(99) / alone.p(99)
    good = len(alone.took_s) + len(among.took_s)
    score = Score(f"{HEADERS} slow headers and {BODIES} slow bodies, {cut_off:,} cut off; {good:,} good requests")
    score.lost = missing
    score.errors = len(alone.failed) + len(among.failed)
    score.note = (
        f"good ones among them / alone: p50 {among.p(50) * 1000:.1f} / {alone.p(50) * 1000:.1f} ms, "
        f"p99 {among.p(99) * 1000:.1f} / {alone.p(99) * 1000:.1f} ms ({ratio:.1f}x)"
    )
    score.problems += (alone.failed + among.failed)[:5]
    if cut_off < HEADERS + BODIES:
        score.problems.append(f"only {cut_off} of {HEADERS + BODIES} were ever cut off")
    if ratio > SLOWER_AT_MOST and among.p(99) > CLEARLY_FAST_S:
        score.problems.append(f"good clients waited {ratio:.1f} times as long among slow ones")
    return score
