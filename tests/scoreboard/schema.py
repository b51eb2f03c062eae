"""schemathesis over the API's own description, with real keys, for three quarters of a minute: no 5xx, and nothing but what is described."""

import json
import subprocess
import sys
from pathlib import Path

import httpx

from tests.scoreboard.pytests import KEYS, TOLD
from tests.scoreboard.score import Score
from tests.server import Server, environment

SECONDS = 45
MANY_KEYS = 100
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
SHOWN = 40


def run(folder: Path, seed: int) -> Score:
    server = Server(folder / "server").start()
    try:
        with server.an_org() as api:
            (folder / "keys").write_text("\n".join(keys(api)))
            furnish(api)
            score = _asked(server, folder, seed)
            if api.get("/health").status_code != 200:
                score.problems.append("the server is not well afterwards")
    finally:
        server.stop()
    if "Traceback" in server.log():
        score.problems += ["a traceback in the log:", *server.log().partition("Traceback")[2].splitlines()[:SHOWN]]
    return score


def keys(api: httpx.Client) -> list[str]:
    """Each may ask 600 times a minute."""
    made = [api.post("/api/v1/keys", json={"name": f"Key {n}", "scopes": ["all"]}) for n in range(MANY_KEYS)]
    return [answer.raise_for_status().json()["key"] for answer in made]


def furnish(api: httpx.Client) -> None:
    """One of everything, so that there is something to find and to change."""
    form = api.post("/api/v1/forms", json={"name": "Contact"}).json()
    api.post("/api/v1/links", json={"url": "https://www.example.com/", "slug": "spring"}).raise_for_status()
    api.post("/api/v1/connections", json={"kind": "inbox"}).raise_for_status()
    for number in range(5):
        api.post(f"/f/{form['key']}", json={"email": f"p{number}@example.com"}).raise_for_status()


def _asked(server: Server, folder: Path, seed: int) -> Score:
    told, report = folder / "told.json", folder / "report.json"
    words = [sys.executable, "-m", "schemathesis.cli", "--no-color", "run", f"{server.url}/api/v1/openapi.json"]
    words += ["--max-time", str(SECONDS), "--seed", str(seed), "--checks", ",".join(CHECKS), "--continue-on-failure"]
    words += ["--report-json-path", str(report), "--warnings", "off", "--generation-database", "none"]
    done = subprocess.run(
        words,
        cwd=folder,
        env={**environment(), KEYS: str(folder / "keys"), TOLD: str(told), "SCHEMATHESIS_HOOKS": "tests.scoreboard.schema_hooks"},
        capture_output=True,
        text=True,
        timeout=4 * SECONDS,
        check=False,
    )  # fmt: skip
    statuses = {int(status): count for status, count in json.loads(told.read_text()).items()} if told.exists() else {}
    score = Score(f"{sum(statuses.values()):,} requests: {_in_words(statuses)}")
    score.errors = sum(count for status, count in statuses.items() if status >= 500)
    if done.returncode or not statuses:
        score.problems += [
            f"schemathesis ended with {done.returncode}",
            *done.stdout.splitlines()[-SHOWN:],
            done.stderr,
        ]
    return score


def _in_words(statuses: dict[int, int]) -> str:
    return ", ".join(f"{count:,} x {status}" for status, count in sorted(statuses.items(), key=lambda pair: -pair[1]))
