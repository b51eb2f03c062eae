"""The disk fills up under load, and is emptied again: forms go on or say when to come back, links go on, nobody is lost."""

import asyncio
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests import chaos
from tests.scoreboard.disks import MEGABYTE, Disk, NoDisk, a_disk
from tests.scoreboard.power_cuts import score_of
from tests.scoreboard.score import Score, none_run
from tests.scoreboard.visitors import Answers, Clicks, clicking, posting
from tests.server import Server

MEGABYTES = 1024
TIMES = 2
MOST_S = 40
"""Until the space that was set aside for submissions is used up as well."""
RECOVERY_S = 15
MESSAGE = "x" * 60_000
"""Long ones: they use up in seconds what was set aside."""


@dataclass
class Tale:
    """What was seen while the disk was full."""

    answers: Answers = field(default_factory=Answers)
    clicks: Clicks = field(default_factory=Clicks)
    taken_while_full: int = 0
    recovered_s: list[float] = field(default_factory=list)


def run(folder: Path, seed: int) -> Score:
    try:
        with a_disk(folder, megabytes=MEGABYTES) as disk, chaos.fake_hubspot() as crm:
            server = Server(disk.path, chaos.config(crm)).start()
            try:
                return _tried(disk, server, crm)
            finally:
                server.stop()
    except NoDisk as why:
        return none_run(f"no file system in a file can be mounted here ({why})")


def _tried(disk: Disk, server: Server, crm: str) -> Score:
    with server.an_org() as api:
        path = chaos.with_form_and_crm(api)
        slug = api.post("/api/v1/links", json={"url": "https://www.example.com/"}).json()["slug"]
        tale = Tale()
        for number in range(TIMES):
            asyncio.run(_filled_and_emptied(disk, server.url + path, f"{server.url}/{slug}", tale, f"full{number}"))
    outcome = chaos.Outcome(acknowledged=tale.answers.acknowledged)
    chaos.settle(server, outcome)
    chaos.count(server, crm, outcome)
    answers = tale.answers
    trials = (
        f"filled {TIMES} times: {len(answers.acknowledged):,} leads acknowledged, {tale.taken_while_full:,} of them"
    )
    score = score_of(
        outcome, f"{trials} while full; {answers.put_off:,} told to come back; {tale.clicks.served:,} clicks"
    )
    score.errors = len(answers.wrong) + answers.unanswered + len(tale.clicks.wrong)
    score.problems += [*answers.wrong[:5], *tale.clicks.wrong[:5]]
    if answers.unanswered:
        score.problems.append(f"{answers.unanswered} posts got no answer")
    score.note = (
        f"took leads again {', '.join(f'{s:.1f}' for s in tale.recovered_s)} s after there was space, unrestarted"
    )
    return score


async def _filled_and_emptied(disk: Disk, form: str, link: str, tale: Tale, prefix: str) -> None:
    before = Answers()
    async with posting(form, before, prefix=f"{prefix}before"):
        await asyncio.sleep(1)
    tale.answers.acknowledged |= before.acknowledged
    ballast = disk.path / "ballast"
    async with clicking(link, tale.clicks), posting(form, tale.answers, prefix=prefix, message=MESSAGE):
        already, refused = len(tale.answers.acknowledged), tale.answers.put_off
        fill(ballast)
        until = time.monotonic() + MOST_S
        while time.monotonic() < until and tale.answers.put_off < refused + 200:
            await asyncio.sleep(0.05)
        tale.taken_while_full += len(tale.answers.acknowledged) - already
        ballast.unlink()
        tale.recovered_s.append(await _recovery(tale.answers))


async def _recovery(answers: Answers) -> float:
    """Seconds until posts are taken again."""
    begun, already = time.monotonic(), len(answers.acknowledged)
    while len(answers.acknowledged) < already + 50:
        if time.monotonic() > begun + RECOVERY_S:
            answers.wrong.append(f"no lead was taken within {RECOVERY_S} s after there was space again")
            break
        await asyncio.sleep(0.02)
    return time.monotonic() - begun


def fill(ballast: Path) -> None:
    """To the last block: what the server frees meanwhile is taken, too."""
    with ballast.open("wb") as file:
        size, step = 0, 16 * MEGABYTE
        while step >= 4096:
            try:
                os.posix_fallocate(file.fileno(), size, step)
            except OSError:
                step //= 2
            else:
                size += step
