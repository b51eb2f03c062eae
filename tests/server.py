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
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests import records

ROOT = Path(__file__).resolve().parents[1]
READY_S = 30
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
    process: subprocess.Popen[str] | None = None
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
        return [sys.executable, "-m", "site2crm", *words]

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
        path = self.configure()
        log = (self.folder / self.log_name).open("a")
        self.process = subprocess.Popen(
            self.command("serve", "--config", str(path), *self.flags),
            cwd=self.folder,
            env=self.surroundings(),
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )
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
        run = subprocess.run(
            self.command(*words, "--json", "--config", str(self.folder / "site2crm.toml")),
            cwd=self.folder,
            env=self.surroundings(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if run.returncode:
            raise AssertionError(f"{words}: exit {run.returncode}\n{run.stdout}\n{run.stderr}")
        answer: dict[str, str] = json.loads(run.stdout.strip().splitlines()[-1])
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
    return subprocess.run(
        [sys.executable, "-m", "site2crm", *words],
        cwd=folder,
        env=environment() | _records_of(words),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _records_of(words: Sequence[str]) -> dict[str, str]:
    """Where the records of the data folder that is named are; SQLite's lie in it."""
    if not records.on_postgresql() or "--data-dir" not in words:
        return {}
    data_dir = Path(words[words.index("--data-dir") + 1])
    return {"SITE2CRM__DATABASE__URL": records.url_of(data_dir.parent)}
