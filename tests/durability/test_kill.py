"""kill -9 under load, a few rounds of it; `make soak` runs fifty."""

import subprocess
from pathlib import Path

from tests import chaos
from tests.server import Server, run


def test_what_was_acknowledged_survives_kill_9_and_reaches_the_crm_once(tmp_path: Path) -> None:
    outcome = chaos.run(tmp_path, rounds=4, seed=20261122)
    assert outcome.acknowledged
    assert outcome.well, outcome.line()


def test_a_second_serve_on_the_same_folder_is_told_that_it_is_busy(tmp_path: Path) -> None:
    server = Server(tmp_path).start()
    try:
        second = run(["serve", "--data-dir", str(tmp_path / "data"), "--listen", "127.0.0.1:0"], tmp_path)
    finally:
        server.stop()
    assert second.returncode == 75
    assert "already being served by process" in second.stderr


def test_a_taken_port_is_said_so(tmp_path: Path) -> None:
    server = Server(tmp_path / "one").start()
    try:
        second = run(["serve", "--data-dir", str(tmp_path / "two"), "--listen", f"127.0.0.1:{server.port}"], tmp_path)
    finally:
        server.stop()
    assert second.returncode == 7
    assert "--listen" in second.stderr


def test_nothing_of_ours_outlives_the_killed_server(tmp_path: Path) -> None:
    server = Server(tmp_path).start()
    assert server.process is not None
    pid = server.process.pid
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    server.kill()
    left = [child for child in children.stdout.split() if Path(f"/proc/{child}").exists()]
    assert left == []


def test_sigterm_ends_it_cleanly(tmp_path: Path) -> None:
    server = Server(tmp_path).start()
    assert server.stop() == 0
