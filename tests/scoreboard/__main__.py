"""The runner: each discipline in a process of its own, a line for each as it ends, and a verdict.

`python -m tests.scoreboard [--only slow-clients,power-cuts] [--seed N]`. Exit code 1 if anything is not 0.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.scoreboard import (
    disk_errors,
    disk_full,
    duplicates,
    hostile_crm,
    kills,
    outage,
    power_cuts,
    schema,
    security,
    slow_clients,
)
from tests.scoreboard.score import Score
from tests.server import ROOT

DISCIPLINES: dict[str, Callable[[Path, int], Score]] = {
    "power-cuts": power_cuts.run,
    "kill-9": kills.run,
    "disk-full": disk_full.run,
    "disk-errors": disk_errors.run,
    "crm-down": outage.run,
    "hostile-crm": hostile_crm.run,
    "duplicates": duplicates.run,
    "schemathesis": schema.run,
    "slow-clients": slow_clients.run,
    "ssrf-and-hosts": security.run_ssrf_and_hosts,
    "tenants": security.run_tenants,
}
AT_MOST_S = 600
COLUMNS = "{:<15} {:>5} {:>5} {:>5} {:>6}  {:>5}  {}"
RESULT = "scoreboard result: "
IN_OWN_MOUNTS = "SITE2CRM_SCOREBOARD_MOUNTS"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.scoreboard")
    parser.add_argument("--only", default="", help="names, separated by commas: " + ", ".join(DISCIPLINES))
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--here", help=argparse.SUPPRESS)  # one of them, in this process
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.here:
        print(RESULT + json.dumps(asdict(DISCIPLINES[chosen.here](chosen.folder, chosen.seed))))
        return 0
    names = [name for name in chosen.only.replace(" ", "").split(",") if name] or list(DISCIPLINES)
    if unknown := set(names) - set(DISCIPLINES):
        parser.error(f"{', '.join(sorted(unknown))}: there is only {', '.join(DISCIPLINES)}")
    _keep_mounts_to_ourselves()
    return _all(names, chosen.seed)


def _keep_mounts_to_ourselves() -> None:
    """In a mount namespace that ends with this process: no file system outlives a run, however it ends."""
    if os.geteuid() != 0 or IN_OWN_MOUNTS in os.environ or not (unshare := shutil.which("unshare")):
        return
    words = [unshare, "--mount", "--propagation", "private"]
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        return
    environment = {**os.environ, IN_OWN_MOUNTS: "1"}
    os.execve(unshare, [*words, sys.executable, "-m", "tests.scoreboard", *sys.argv[1:]], environment)


def _all(names: Sequence[str], seed: int) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by way of `finally`: what was started is ended
    begun = time.monotonic()
    print(f"seed {seed}")
    print(COLUMNS.format("discipline", "lost", "twice", "cross", "errors", "s", "what was tried"), flush=True)
    scores = {}
    for name in names:
        started = time.monotonic()
        scores[name] = _apart(name, seed)
        _show(name, scores[name], time.monotonic() - started)
    return verdict(scores, time.monotonic() - begun)


def _apart(name: str, seed: int) -> Score:
    """In a process of its own, which is ended with all that it has started if it takes too long."""
    with tempfile.TemporaryDirectory(prefix="s2c-scoreboard-", ignore_cleanup_errors=True) as folder:
        log = Path(folder) / "log"
        words = [sys.executable, "-m", "tests.scoreboard", "--here", name, "--folder", folder, "--seed", str(seed)]
        with log.open("w") as output:
            process = subprocess.Popen(words, cwd=ROOT, stdout=output, stderr=output, start_new_session=True)
            try:
                process.wait(AT_MOST_S)
            except subprocess.TimeoutExpired:
                return Score(problems=[f"no end after {AT_MOST_S} s", *_tail(log)])
            finally:
                _end(process)
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.startswith(RESULT)]
        if process.returncode or not lines:
            return Score(problems=[f"ended with {process.returncode}", *_tail(log)])
        return Score(**json.loads(lines[-1].removeprefix(RESULT)))


def _end(process: "subprocess.Popen[bytes]") -> None:
    """It and the servers it has started: they are of its session."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def _tail(log: Path) -> list[str]:
    return log.read_text(errors="replace").splitlines()[-25:]


def _show(name: str, score: Score, took_s: float) -> None:
    if score.not_run:
        print(COLUMNS.format(name, "-", "-", "-", "-", "-", f"not run: {score.not_run}"), flush=True)
        return
    print(COLUMNS.format(name, *score.numbers, f"{took_s:.0f}", score.trials))
    for line in filter(None, [score.note, *score.problems]):
        print(f"{'':<15} {line}")
    sys.stdout.flush()


def verdict(scores: dict[str, Score], took_s: float) -> int:
    """The exit code. What could not be run is named, and is neither passed nor failed."""
    tried = [score for score in scores.values() if not score.not_run]
    lost, doubled, crossed, errors = (sum(score.numbers[column] for score in tried) for column in range(4))
    failed = [name for name, score in scores.items() if not score.well]
    missing = [name for name, score in scores.items() if score.not_run]
    print(f"\n{lost} lost, {doubled} doubled, {crossed} crossed, {errors} server errors; {took_s:.0f} s")
    if missing:
        print(f"not run: {', '.join(missing)}")
    if failed or not tried:
        print(f"FAILED: {', '.join(failed)}" if failed else "FAILED: nothing could be tried")
        return 1
    print(f"{len(tried)} of {len(scores)} tried, all as promised")
    return 0


if __name__ == "__main__":
    sys.exit(main())
