"""A real `site2crm serve` in a process of its own, for tests that kill it."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx

from tests import records, warm

ROOT = Path(__file__).resolve().parents[1]
READY_S = 120
LONGEST_S = 60
COLD = [sys.executable, "-m", "site2crm"]
STARTS_WARM = "SITE2CRM_TEST_WARM"
SETUP = re.compile(r"http://\S+/setup/\S+")


def free_port() -> int:
    """A port nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(*first: Path) -> dict[str, str]:
    """As on a user's machine, where compiled modules are kept from one start to the next."""
    path = ":".join(str(folder) for folder in (*first, ROOT / "src", ROOT))
    mine = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**mine, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


@dataclass
class Server:
    """Started with `start`, ended by its own pid with `stop` or `kill`."""

    folder: Path
    config: str = ""
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | warm.Process | None = None
    setup_url: str = ""
    path: Sequence[Path] = ()
    """Folders that the server's Python looks into first."""
    patience_s: float = READY_S
    flags: Sequence[str] = ()
    """Further words of `serve`."""
    log_name: str = "server.log"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self, *words: str) -> list[str]:
        return [*COLD, *words]

    def surroundings(self) -> dict[str, str]:
        """The environment it runs in."""
        return environment(*self.path)

    def configure(self) -> Path:
        """Write its site2crm.toml."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "site2crm.toml"
        url = "" if "[database]" in self.config else f'[database]\nurl = "{records.url_of(self.folder)}"\n'
        path.write_text(f'[server]\nlisten = "127.0.0.1:{self.port}"\n{self.config}\n{url}')
        return path

    def start(self, *, wait: bool = True) -> "Server":
        words = self.command("serve", "--config", str(self.configure()), *self.flags)
        with (self.folder / self.log_name).open("a") as log, Path(os.devnull).open() as nothing:
            self.process = begun(words, cwd=self.folder, env=self.surroundings(), streams=(nothing, log, log))
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, path: str = "/readyz") -> None:
        until = time.monotonic() + self.patience_s
        while time.monotonic() < until:
            assert self.process is not None
            if self.process.poll() is not None:
                raise AssertionError(f"serve ended with {self.process.returncode}:\n{self.log()[-4000:]}")
            if self._answers(path):
                found = SETUP.search(self.log())
                self.setup_url = found[0] if found else ""
                return
            time.sleep(0.02)
        raise AssertionError(f"not ready in {self.patience_s} s:\n{self.log()[-4000:]}")

    def _answers(self, path: str) -> bool:
        """Asked without httpx, whose clients read certificates: that would take the core from who is starting."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", path)
            return connection.getresponse().status == 200
        return False

    def log(self) -> str:
        return (self.folder / self.log_name).read_text()

    def kill(self) -> None:
        """As the power does: no warning."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """As systemd does. Returns the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: int) -> int:
        if self.process is None:
            return 0
        self.process.send_signal(number)
        code = self.process.wait(timeout=30)
        self.process = None
        return code

    def cli(self, *words: str, stdin: str = "") -> dict[str, str]:
        """A verb with --json on this server's folder."""
        command = self.command(*words, "--json", "--config", str(self.folder / "site2crm.toml"))
        done = ended(command, cwd=self.folder, env=self.surroundings(), stdin=stdin)
        if done.returncode:
            raise AssertionError(f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        answer: dict[str, str] = json.loads(done.stdout.strip().splitlines()[-1])
        return answer

    def an_org(self, slug: str = "acme") -> httpx.Client:
        """An owner, an org and a client with a key to all of it."""
        email = f"owner@{slug}.example"
        self.cli("admin", "create", "--email", email, "--password-stdin", stdin="correct horse battery\n")
        self.cli("org", "create", "--name", slug.title(), "--slug", slug, "--owner", email)
        key = self.cli("key", "create", "--org", slug, "--scopes", "all")["key"]
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {key}"}, timeout=30)


def run(words: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """The command line, as a person runs it."""
    return ended([*COLD, *words], cwd=folder, env=environment() | _records_of(words))


def ended(
    words: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run to its end."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin.encode())
        given.seek(0)
        process = begun(words, cwd=cwd, env=env, streams=(given, out, err))
        try:
            code = process.wait(LONGEST_S)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            raise
        said = [file.seek(0) or file.read().decode() for file in (out, err)]
    return subprocess.CompletedProcess(words, code, *said)


def begun(
    words: Sequence[str], *, cwd: Path, env: Mapping[str, str], streams: tuple[IO[Any], IO[Any], IO[Any]]
) -> subprocess.Popen[bytes] | warm.Process:
    """Forked from a process that has imported the product, in pytest; from nothing elsewhere, and for what needs it."""
    given, out, err = streams
    if STARTS_WARM in os.environ and list(words[:3]) == COLD and env["PYTHONPATH"] == environment()["PYTHONPATH"]:
        fds = {"stdin": given.fileno(), "stdout": out.fileno(), "stderr": err.fileno()}
        return warm.start(words[3:], cwd=cwd, env=env, **fds)
    return subprocess.Popen(words, cwd=cwd, env=env, stdin=given, stdout=out, stderr=err)


def _records_of(words: Sequence[str]) -> dict[str, str]:
    """Where the records of the data folder that is named are; SQLite's lie in it."""
    if not records.on_postgresql() or "--data-dir" not in words:
        return {}
    data_dir = Path(words[words.index("--data-dir") + 1])
    return {"SITE2CRM__DATABASE__URL": records.url_of(data_dir.parent)}
