"""Trials that the tests make already: run by name, with what they sent counted."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.server import ROOT, environment

TOLD = "SITE2CRM_SCOREBOARD_TOLD"
KEYS = "SITE2CRM_SCOREBOARD_KEYS"


@dataclass
class Tried:
    passed: int = 0
    skipped: int = 0
    failed: list[str] = field(default_factory=list)
    requests: int = 0
    server_errors: int = 0


def trials(folder: Path, *tests: str) -> Tried:
    """Of files or node ids; `requests` are those of HTTP clients, whichever app they talk to."""
    told = folder / "told.json"
    words = [sys.executable, "-m", "pytest", "-q", "-p", "tests.scoreboard.counting", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*words, f"--basetemp={folder / 'pytest'}", *tests],
        cwd=ROOT,
        env={**environment(), TOLD: str(told)},
        capture_output=True,
        text=True,
        check=False,
    )
    if not told.exists():
        return Tried(failed=[f"pytest ended with {done.returncode}", *done.stdout.splitlines()[-20:]])
    tried = Tried(**json.loads(told.read_text()))
    if not tried.passed and not tried.failed:
        tried.failed.append("no test was run")
    return tried


def told_to() -> Path:
    return Path(os.environ[TOLD])
