"""That the scoreboard itself can be believed: it fails when something is lost, and its faults are felt."""

import errno
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.scoreboard import disk_errors
from tests.scoreboard.__main__ import verdict
from tests.scoreboard.behaviours import BEHAVIOURS
from tests.scoreboard.disk_errors import Fault, Plan
from tests.scoreboard.score import Score, none_run

WRITER = """
    import os, sys
    before = os.open(sys.argv[2], os.O_RDWR | os.O_CREAT)
    os.fdatasync(before)
    fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
    os.pwrite(fd, b"lost", 0)
    try:
        os.fdatasync(fd)
    except OSError as error:
        print(error.errno)
    os.fdatasync(fd)  # as nobody should
    print(os.pread(fd, 100, 0))
"""


@pytest.mark.parametrize(
    "wrong", [Score(lost=1), Score(doubled=1), Score(crossed=1), Score(errors=1), Score(problems=["it hung"])], ids=str
)
def test_whatever_is_not_zero_fails_the_run(wrong: Score, capsys: pytest.CaptureFixture[str]) -> None:
    assert verdict({"one": Score("well"), "two": wrong}, 1.0) == 1
    assert "FAILED: two" in capsys.readouterr().out


def test_what_was_not_run_is_not_said_to_have_passed(capsys: pytest.CaptureFixture[str]) -> None:
    assert verdict({"one": Score("well"), "two": none_run("no loop device")}, 1.0) == 0
    said = capsys.readouterr().out
    assert "not run: two" in said
    assert "1 of 2 tried" in said


def test_a_run_in_which_nothing_could_be_tried_has_failed() -> None:
    assert verdict({"one": none_run("no loop device")}, 1.0) == 1


def test_a_crm_misbehaves_in_more_than_twenty_ways() -> None:
    assert len({behaviour.name for behaviour in BEHAVIOURS}) == len(BEHAVIOURS) >= 20


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_after_a_failed_sync_what_was_not_synced_is_gone_and_a_second_use_is_noticed(tmp_path: Path) -> None:
    plan = Plan(tmp_path / "plan")
    plan.arm(Fault("/one.seg", syncs=1))
    words = [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path / "one.seg"), str(tmp_path / "two.seg")]
    preloaded = {"LD_PRELOAD": str(disk_errors.compiled(tmp_path)), "SITE2CRM_FAULTS": str(plan.path)}
    said = subprocess.run(words, env=preloaded, capture_output=True, text=True, check=True).stdout
    failed_syncs, _, _, dropped, used_again = plan.told
    assert said == f"{errno.EIO}\n{bytes(4)}\n"
    assert (failed_syncs, dropped, used_again) == (1, 1, 1)
