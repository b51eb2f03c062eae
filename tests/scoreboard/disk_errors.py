"""Syncs and writes of the server fail while leads come in and links are clicked; then it is killed, and all is counted.

A small library (`faults.c`) stands between the server and the C library. After a failed sync it throws away what was
written since the last good one, as a kernel may, and looks whether the journal uses that descriptor again.
"""

import asyncio
import errno
import mmap
import shutil
import struct
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests import chaos
from tests.scoreboard.power_cuts import score_of
from tests.scoreboard.score import Score, none_run
from tests.scoreboard.visitors import Answers, Clicks, clicking, posting
from tests.server import Server

SUBMISSIONS, EVENTS = "/submissions/", "/events/"
RECORDS, EVENT_STORE = "/site2crm.db", "/events.duckdb"
RECOVERY_S = 15
COUNTED_S = 30


@dataclass(frozen=True)
class Fault:
    """So many calls on files whose path has `part` fail, `times` times over."""

    part: str
    error: int = errno.EIO
    syncs: int = 0
    writes: int = 0
    short: int = 0
    times: int = 1
    may_refuse: bool = False
    """Whether a visitor may be told to come back: only when a new segment fails as well."""

    def __str__(self) -> str:
        said = {"syncs": self.syncs, "writes": self.writes, "short writes": self.short}
        what = ", ".join(f"{count} {name}" for name, count in said.items() if count)
        return f"{errno.errorcode[self.error]} for {what} of {self.part.strip('/')}, {self.times} times"


FAULTS = (
    Fault(SUBMISSIONS, syncs=1, times=12),
    Fault(SUBMISSIONS, writes=1, times=8),
    Fault(SUBMISSIONS, writes=1, error=errno.ENOSPC, times=4),
    Fault(SUBMISSIONS, short=4, times=8),
    Fault(SUBMISSIONS, syncs=20, times=3, may_refuse=True),
    Fault(SUBMISSIONS, writes=20, times=3, may_refuse=True),
    Fault(EVENTS, syncs=1, times=6),
    Fault(EVENTS, syncs=20, times=2),
    Fault(RECORDS, syncs=1, times=10),
    Fault(RECORDS, syncs=20, times=2),
    Fault(RECORDS, writes=1, times=10),
    Fault(RECORDS, writes=20, error=errno.ENOSPC, times=2),
    Fault(RECORDS, short=3, times=4),
    Fault(EVENT_STORE, writes=2, times=3),
    Fault(EVENT_STORE, syncs=2, times=3),
)


class Plan:
    """What shall fail, and what has failed: memory that is shared with the server."""

    LAYOUT = struct.Struct("=10i64s")

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(bytes(self.LAYOUT.size))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), self.LAYOUT.size)

    def arm(self, fault: Fault) -> None:
        told = self._memory[20:40]
        numbers = struct.pack("=5i", fault.syncs, fault.writes, fault.short, fault.error, 1)
        self._memory[:] = numbers + told + fault.part.encode().ljust(64, b"\0")

    def disarm(self) -> None:
        self._memory[:12] = bytes(12)

    @property
    def left(self) -> int:
        return sum(self.LAYOUT.unpack(self._memory[:])[:3])

    @property
    def told(self) -> tuple[int, ...]:
        """Failed syncs, failed writes, shortened writes, pieces thrown away, descriptors used again."""
        return self.LAYOUT.unpack(self._memory[:])[5:10]


@dataclass
class FaultyServer(Server):
    """With the library before the C library."""

    preloaded: dict[str, str] = field(default_factory=dict)

    def surroundings(self) -> dict[str, str]:
        return {**super().surroundings(), **self.preloaded}


def run(folder: Path, seed: int) -> Score:
    if shutil.which("cc") is None:
        return none_run("there is no C compiler to build the library that lets calls fail")
    plan = Plan(folder / "plan")
    preloaded = {"LD_PRELOAD": str(compiled(folder)), "SITE2CRM_FAULTS": str(plan.path)}
    with chaos.fake_hubspot() as crm:
        server = FaultyServer(folder / "server", chaos.config(crm), preloaded=preloaded).start()
        try:
            return _tried(server, plan, crm)
        finally:
            server.stop()


def compiled(folder: Path) -> Path:
    """The library, for this machine."""
    library, source = folder / "faults.so", Path(__file__).with_name("faults.c")
    flags = ("-shared", "-fPIC", "-O2", "-Wall", "-Werror")
    subprocess.run(["cc", *flags, "-o", library, source, "-ldl", "-lpthread"], check=True)
    return library


def _tried(server: FaultyServer, plan: Plan, crm: str) -> Score:
    answers, clicks, problems = Answers(), Clicks(), list[str]()
    with server.an_org() as api:
        path = chaos.with_form_and_crm(api)
        link = api.post("/api/v1/links", json={"url": "https://www.example.com/"}).json()
        for number, fault in enumerate(FAULTS):
            problems += asyncio.run(_one(server, plan, fault, path, link["slug"], answers, clicks, f"f{number}"))
        server.kill()
        server.preloaded.clear()
        server.start()
        counted = _clicks_counted(api, link["id"], clicks.served)
    outcome = chaos.Outcome(acknowledged=answers.acknowledged)
    chaos.settle(server, outcome)
    chaos.count(server, crm, outcome)
    return _scored(outcome, plan, answers, clicks, counted, problems)


async def _one(
    server: Server, plan: Plan, fault: Fault, path: str, slug: str, answers: Answers, clicks: Clicks, prefix: str
) -> list[str]:
    """What went wrong with this fault, in words."""
    refused, before = answers.put_off, plan.told
    async with clicking(f"{server.url}/{slug}", clicks), posting(server.url + path, answers, prefix=prefix):
        for _ in range(fault.times):
            plan.arm(fault)
            until = time.monotonic() + 1.5
            while plan.left and time.monotonic() < until:
                await asyncio.sleep(0.005)
            plan.disarm()
            await asyncio.sleep(0.05)
        already, until = len(answers.acknowledged), time.monotonic() + RECOVERY_S
        while len(answers.acknowledged) < already + 20 and time.monotonic() < until:
            await asyncio.sleep(0.02)
    problems = []
    if sum(plan.told[:3]) == sum(before[:3]):
        problems.append(f"{fault}: nothing has failed, so nothing was tried")
    if answers.put_off > refused and not fault.may_refuse:
        problems.append(f"{fault}: {answers.put_off - refused} visitors were told to come back")
    if len(answers.acknowledged) < already + 20:
        problems.append(f"{fault}: no leads were taken in {RECOVERY_S} s afterwards")
    return problems


def _clicks_counted(api: httpx.Client, link_id: str, at_least: int) -> int:
    """Once the server has caught up."""
    until = time.monotonic() + COUNTED_S
    while True:
        answer = api.get("/api/v1/analytics/totals", params={"metric": "clicks", "link": link_id, "bots": "all"})
        value = int(answer.json()["value"]) if answer.status_code == 200 else 0
        if value >= at_least or time.monotonic() > until:
            return value
        time.sleep(0.2)


def _scored(
    outcome: chaos.Outcome, plan: Plan, answers: Answers, clicks: Clicks, counted: int, problems: list[str]
) -> Score:
    syncs, writes, short, dropped, used_again = plan.told
    failed = f"{syncs} syncs and {writes} writes failed, {short} were cut short"
    score = score_of(outcome, f"{failed}; {len(answers.acknowledged):,} leads acknowledged, {clicks.served:,} clicks")
    score.note = f"{dropped:,} pieces that were not synced thrown away; {answers.put_off:,} visitors told to come back"
    score.errors = len(answers.wrong) + answers.unanswered + len(clicks.wrong)
    score.problems += [*problems, *answers.wrong[:5], *clicks.wrong[:5]]
    if missing := max(0, clicks.served - counted):
        score.lost += missing
        score.problems.append(f"{missing} of {clicks.served} clicks are not counted")
    if used_again:
        score.problems.append(f"{used_again} times a descriptor was used again whose sync had failed")
    return score
