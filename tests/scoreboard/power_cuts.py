"""The power goes while leads come in: what was acknowledged is on the disk that is left, and reaches the CRM once.

The data lie on an ext4 of their own in a file. What has not been flushed is in the kernel's memory only, so a copy of
the file is what a power cut would leave. Each round goes on from such a copy, and the CRM outlives them all.
"""

import random
import signal
from dataclasses import dataclass
from pathlib import Path

from tests import chaos
from tests.scoreboard.disks import Disk, NoDisk, a_disk
from tests.scoreboard.score import Score, none_run
from tests.server import Server

CUTS = 8
MEGABYTES = 512
UNSYNCED = b"written, and never flushed\n" * 1000


@dataclass
class Power:
    """Cut again and again; each time something unsynced must be gone, or it was no power cut."""

    disk: Disk
    survived: int = 0

    def cut(self, server: Server) -> None:
        assert server.process is not None
        unsynced = self.disk.path / "unsynced"
        unsynced.write_bytes(UNSYNCED)
        server.process.send_signal(signal.SIGSTOP)  # the photograph is of one moment
        photograph = self.disk.photograph()
        server.kill()
        self.disk.become(photograph)
        self.survived += unsynced.exists() and unsynced.read_bytes() == UNSYNCED
        unsynced.unlink(missing_ok=True)


def run(folder: Path, seed: int) -> Score:
    try:
        with a_disk(folder, megabytes=MEGABYTES) as disk:
            return _cut_and_count(disk, seed)
    except NoDisk as why:
        return none_run(f"no file system in a file can be mounted here ({why})")


def _cut_and_count(disk: Disk, seed: int) -> Score:
    power = Power(disk)
    longest_s = random.Random(seed).uniform(1, 2.5)
    outcome = chaos.run(disk.path, rounds=CUTS, seed=seed, longest_s=longest_s, cut=power.cut)
    score = score_of(outcome, f"{CUTS} power cuts, {len(outcome.acknowledged):,} leads acknowledged between them")
    if power.survived:
        score.problems.append(f"at {power.survived} of them what was never flushed was still there: no power cut")
    return score


def score_of(outcome: chaos.Outcome, trials: str) -> Score:
    """A lead counts as lost if it is not here, or not in the CRM."""
    score = Score(trials)
    score.lost = len(outcome.lost | outcome.not_in_crm)
    score.doubled = len(outcome.doubled | outcome.twice_in_crm)
    if not outcome.acknowledged:
        score.problems.append("no lead was acknowledged: nothing was tried")
    if outcome.unsettled:
        score.problems.append(f"{outcome.unsettled} deliveries have come to no end")
    if outcome.integrity != "ok":
        score.problems.append(f"integrity_check: {outcome.integrity}")
    return score
