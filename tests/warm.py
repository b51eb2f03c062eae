"""The product's command line in processes that are forked from one which has imported it.

Importing it anew takes a second of computing, and the tests run it some hundreds of times. What runs is the same: a
process of its own with its own folder, environment, streams, signals and exit code; only what is loaded at the start
was loaded before. Tests that ask what a start loads or costs, and everything outside of pytest, start from nothing.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from site2crm import cli

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 1 << 18
PROGRAM = "python -m site2crm"


class Process:
    """As much of Popen as tests use."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self.pid = int(line.recv(64))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            try:
                self._hear(timeout)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0) from None
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def _hear(self, timeout: float | None) -> None:
        self._line.settimeout(timeout)
        self.returncode = int(self._line.recv(64))
        self._line.close()


def start(words: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: int, stdout: int, stderr: int) -> Process:
    """`site2crm <words>`, with these descriptors for its streams."""
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        request = json.dumps({"words": list(words), "cwd": str(cwd), "env": dict(env)}).encode()
        assert len(request) < LONGEST
        socket.send_fds(_mother(), [request], [theirs.fileno(), stdin, stdout, stderr])
    return Process(mine)


@lru_cache(maxsize=1)
def _mother() -> socket.socket:
    """The process that others are forked from; it ends when this one does."""
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        theirs.set_inheritable(True)
        env = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PYTHONUNBUFFERED": "1"}
        words = [sys.executable, "-m", "tests.warm", str(theirs.fileno())]
        process = subprocess.Popen(words, cwd=ROOT, env=env, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
    atexit.register(process.wait)
    atexit.register(mine.close)  # the last to be registered is the first to be called
    return mine


def _serve(line: socket.socket) -> list[str] | None:
    """In the mother: never returns but at the end. In a child: returns the words."""
    for name in cli.VERBS:
        importlib.import_module(f"site2crm.commands.{name}")
    gc.freeze()  # or each child would copy all of it when it looks for garbage
    while True:
        request, fds, _, _ = socket.recv_fds(line, LONGEST, 4)
        if not request:
            return None
        if os.fork() == 0:
            line.close()
            return _minded(json.loads(request), fds)
        for fd in fds:
            os.close(fd)
        _bury()


def _minded(request: dict[str, object], fds: list[int]) -> list[str]:
    """A parent for each, which waits for it and tells how it ended."""
    told = socket.socket(fileno=fds[0])
    pid = os.fork()
    if pid == 0:
        told.close()
        return _dressed(request, fds[1:])
    for fd in fds[1:]:
        os.close(fd)
    told.send(b"%d" % pid)
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(OSError):  # nobody waits for it any more
        told.send(b"%d" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _dressed(request: dict[str, object], fds: list[int]) -> list[str]:
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
        os.close(fd)
    words, env = request["words"], request["env"]
    assert isinstance(words, list)
    assert isinstance(env, dict)
    os.chdir(str(request["cwd"]))
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    sys.stdin = open(0)  # noqa: SIM115 - the old one may have read ahead
    return words


def _bury() -> None:
    """Those of the minders that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _ended(words: list[str]) -> int:
    """As at the end of a process, but for taking apart what was imported, which costs more than most verbs."""
    code: object = 0
    try:
        cli.main(words, prog_name=PROGRAM)
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - whatever it is, as the interpreter does
        traceback.print_exc()
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    if (chosen := _serve(socket.socket(fileno=int(sys.argv[1])))) is not None:
        sys.argv = [PROGRAM, *chosen]
        os._exit(_ended(chosen))
