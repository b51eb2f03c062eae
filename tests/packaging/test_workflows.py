"""The workflows, read as a careful stranger would: what they run is there, and nobody else decides what that is."""

import re
from typing import Any

import pytest
import yaml

from tests.server import ROOT

FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEXTS = {path.name: path.read_text() for path in FILES}
PINNED = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def jobs(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(TEXTS[name])["jobs"]
    return found


@pytest.mark.parametrize("name", TEXTS)
def test_every_action_is_pinned_by_its_commit(name: str) -> None:
    used = re.findall(r"uses: (.+)", TEXTS[name])

    assert used
    assert [line for line in used if not PINNED.fullmatch(line)] == []


@pytest.mark.parametrize("name", TEXTS)
def test_only_who_publishes_may_write_and_every_job_ends(name: str) -> None:
    read = yaml.safe_load(TEXTS[name])

    assert read["permissions"] == {"contents": "read"}
    writing = {job for job, said in read["jobs"].items() if "write" in said.get("permissions", {}).values()}
    assert writing <= {"image", "publish"}
    assert all(said["timeout-minutes"] for said in read["jobs"].values())


@pytest.mark.parametrize("name", TEXTS)
def test_every_target_that_is_made_is_in_the_makefile(name: str) -> None:
    steps = [step.get("run", "") for job in jobs(name).values() for step in job["steps"]]
    made = {target for run in steps for target in re.findall(r"(?:^|&& |sudo )make ([a-z-]+)", run)}
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert made <= targets


def test_nothing_is_published_before_all_was_tried() -> None:
    release = jobs("release.yml")

    assert set(release["image"]["needs"]) == {"test", "binary"}
    assert release["publish"]["needs"] == "image"
    steps = [step.get("run", "") for job in release.values() for step in job["steps"]]
    for wanted in (".ci/run", "make test-postgresql", "make scoreboard", "make test-binary", "make deb", "make image"):
        assert any(wanted in run for run in steps), wanted
