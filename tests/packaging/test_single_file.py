"""The one file that unpacks itself: tried here with a folder of one small program; `make test-binary` takes the real one."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.server import ROOT

MAKE = ROOT / "packaging" / "make_single_file.sh"
PROGRAM = '#!/bin/sh\necho "$$ $SITE2CRM_SINGLE_FILE $(dirname "$0") $*"\n'


@pytest.fixture
def single(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    (folder / "_internal").mkdir(parents=True)
    (folder / "_internal" / "a file").write_bytes(os.urandom(200_000))
    (folder / "site2crm").write_text(PROGRAM)
    (folder / "site2crm").chmod(0o755)
    return made(folder, tmp_path / "site2crm")


def made(folder: Path, target: Path) -> Path:
    subprocess.run(["sh", MAKE, folder, "1.2.3", target], check=True, timeout=30)
    return target


def call(single: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    known = {"PATH": "/usr/bin:/bin", "HOME": str(single.parent / "home"), **environment}
    return subprocess.run(
        [single, *words], env=known, cwd=single.parent, capture_output=True, text=True, timeout=30, check=False
    )


def builds(single: Path) -> list[str]:
    return sorted(path.name for path in (single.parent / "home" / ".cache" / "site2crm").iterdir())


def test_it_unpacks_once_and_goes_on_in_the_same_process(single: Path) -> None:
    first = call(single, "version", "--json")
    second = subprocess.Popen(
        [single, "a b"], env={"PATH": "/usr/bin:/bin", "HOME": str(single.parent / "home")}, stdout=subprocess.PIPE
    )
    told = second.communicate(timeout=30)[0].decode().split(maxsplit=3)

    assert "unpacking" in first.stderr
    assert first.stdout.rstrip().endswith("version --json")
    assert told[0] == str(second.pid)
    assert told[1] == str(single)
    assert told[2].endswith(builds(single)[0])
    assert told[3] == "a b\n"
    assert len(builds(single)) == 1
    assert builds(single)[0].startswith("1.2.3-")


def test_the_same_folder_gives_the_same_bytes(single: Path, tmp_path: Path) -> None:
    again = made(tmp_path / "folder", tmp_path / "again")

    assert again.read_bytes() == single.read_bytes()


def test_another_build_of_the_same_version_is_not_taken_for_it(single: Path, tmp_path: Path) -> None:
    call(single)
    (tmp_path / "folder" / "site2crm").write_text(PROGRAM + "echo new\n")

    assert call(made(tmp_path / "folder", single)).stdout.endswith("new\n")
    assert len(builds(single)) == 2


def test_many_first_starts_at_once_all_work(single: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(single.parent / "home")}
    started = [subprocess.Popen([single], env=environment, stdout=subprocess.PIPE, text=True) for _ in range(8)]

    assert [process.communicate(timeout=30)[0].split()[0] for process in started] == [str(p.pid) for p in started]
    assert len(builds(single)) == 1


def test_what_another_start_is_unpacking_is_left_to_it(single: Path) -> None:
    other = single.parent / "home" / ".cache" / "site2crm" / ".unpacking.other"
    other.mkdir(parents=True)
    os.utime(other, (0, 0))  # as tar does: the time in the archive

    call(single)

    assert other.is_dir()


def test_an_unpacking_that_was_killed_is_no_build(single: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(single.parent / "home")}
    for number in (signal.SIGTERM, signal.SIGKILL):
        process = subprocess.Popen([single], env=environment, start_new_session=True, stderr=subprocess.PIPE)
        assert process.stderr is not None
        process.stderr.readline()
        os.killpg(process.pid, number)
        process.communicate(timeout=30)

    assert call(single).returncode == 0


def test_a_file_that_is_cut_off_is_refused(single: Path) -> None:
    whole = single.read_bytes()
    single.write_bytes(whole[:-1000])

    refused = call(single)
    assert refused.returncode == 1
    assert "cut off" in refused.stderr
    assert builds(single) == []


def test_without_a_home_it_asks_for_a_folder(single: Path, tmp_path: Path) -> None:
    refused = call(single, HOME="")

    assert refused.returncode == 1
    assert "SITE2CRM_UNPACK" in refused.stderr
    assert call(single, HOME="", SITE2CRM_UNPACK=str(tmp_path / "chosen")).returncode == 0
    assert call(single, HOME="", CACHE_DIRECTORY=str(tmp_path / "systemd")).returncode == 0
    assert len(list((tmp_path / "systemd").iterdir())) == 1


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="only root can mount")
def test_a_folder_where_nothing_may_run_is_named_and_left_clean(single: Path, tmp_path: Path) -> None:
    shut = tmp_path / "noexec"
    shut.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "noexec", "tmpfs", shut], check=False).returncode:
        pytest.skip("this machine does not let root mount")
    try:
        refused = call(single, SITE2CRM_UNPACK=str(shut))
        assert refused.returncode == 1
        assert "noexec" in refused.stderr
        assert list(shut.iterdir()) == []
    finally:
        subprocess.run(["umount", shut], check=True)
