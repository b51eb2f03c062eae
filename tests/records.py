"""Which database the tests' records are in, and the PostgreSQL that they start for it.

`pytest --database postgresql` (or SITE2CRM_TEST_DATABASE=postgresql) runs what touches the records on a cluster of its
own: in a temporary folder, on a socket in it, without fsync. Each folder of a test has a database of its own there.
"""

import asyncio
import atexit
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from site2crm.core import migrate
from site2crm.core.config_types import Secret

SQLITE, POSTGRESQL = "sqlite", "postgresql"
VARIABLE = "SITE2CRM_TEST_DATABASE"
TEMPLATE = "site2crm_template"
USER = "site2crm"
READY_S = 60

_numbers = itertools.count(1)
_made: dict[Path, str] = {}
_asked = 0


def kind() -> str:
    return os.environ.get(VARIABLE, SQLITE)


def on_postgresql() -> bool:
    return kind() == POSTGRESQL


def times_asked() -> int:
    """How often somebody wanted to know where records are."""
    return _asked


def url_of(folder: Path) -> str:
    """What `[database] url` says for an instance in this folder; the same for the same folder."""
    global _asked
    _asked += 1
    if not on_postgresql():
        return SQLITE
    return url_in(cluster(), folder)


def url_in(server: "Cluster", folder: Path) -> str:
    if folder not in _made:
        _made[folder] = server.create()
    return server.url(_made[folder])


def copy(source: Path, target: Path) -> None:
    """The records of a folder in which nothing runs, for another one. SQLite's lie in the folder itself."""
    if on_postgresql():
        _made[target] = cluster().create(_made[source])


@contextmanager
def of_its_own() -> Iterator[None]:
    """Drop what is made meanwhile, and leave what was there: it belongs to a wider fixture."""
    before = set(_made)
    yield
    for folder in _made.keys() - before:
        cluster().drop(_made.pop(folder))


@lru_cache(maxsize=1)
def cluster() -> "Cluster":
    """The one of this test process, with a migrated template."""
    made = new_cluster()
    atexit.register(made.remove)
    made.psql(f"CREATE DATABASE {TEMPLATE}")
    with ThreadPoolExecutor(1) as beside:  # the first test may be inside a running loop already
        beside.submit(asyncio.run, migrate.bring_up(Secret(made.url(TEMPLATE)), Path())).result()
    return made


def new_cluster() -> "Cluster":
    """Started, and empty. Not in pytest's folder, which only root may enter; `remove` it."""
    made = Cluster(Path(tempfile.mkdtemp(prefix="s2c-pg-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT", "/tmp"))))
    made.initialise()
    made.start()
    return made


@dataclass
class Cluster:
    """A PostgreSQL server in a folder, run by somebody who is not root: it refuses root."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None
    client: subprocess.Popen[str] | None = None
    """Kept for what each test asks: to start one costs more than most of it."""

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self, database: str) -> str:
        return f"postgresql://{USER}@/{database}?host={self.folder}"

    def initialise(self) -> None:
        if os.geteuid() == 0:
            shutil.chown(self.folder, *_unprivileged())
        words = [program("initdb"), "-D", str(self.data), "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"]
        # Not in the order of bytes, as most servers: what needs that order has to say so.
        words += ["--locale", "C.UTF-8", "--locale-provider", "icu", "--icu-locale", "en-US"]
        done = _run(words)
        assert done.returncode == 0, done.stdout + done.stderr
        chosen = {
            "listen_addresses": "''",
            "unix_socket_directories": f"'{self.folder}'",
            "fsync": "off",
            "full_page_writes": "off",
            "autovacuum": "off",
            "max_connections": "200",
            "shared_buffers": "64MB",
        }
        with (self.data / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in chosen.items())

    def start(self) -> None:
        # However the tests end: a server that outlives them keeps its folder and its memory.
        words = ["setpriv", "--pdeathsig", "QUIT", program("postgres"), "-D", str(self.data)]
        log = (self.folder / "log").open("a")
        self.process = subprocess.Popen(words, **_as_nobody(), stdout=log, stderr=log, cwd="/")
        until = time.monotonic() + READY_S
        while self._asked("SELECT 1", "postgres").returncode:
            assert time.monotonic() < until and self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT is a stop; SIGQUIT is as a kill, without goodbye to the clients."""
        if self.client is not None:
            with self.client:
                self.client.kill()
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=30)
        self.process = self.client = None

    def create(self, template: str = TEMPLATE) -> str:
        name = f"t{os.getpid()}_{next(_numbers)}"
        self._tell(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {self._how};')
        return name

    def drop(self, name: str) -> None:
        self._tell(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE);')

    def psql(self, statement: str, database: str = "postgres") -> str:
        """The answer as lines of values separated by `|`."""
        done = self._asked(statement, database)
        assert done.returncode == 0, f"{statement}: {done.stderr}"
        return done.stdout.strip()

    @cached_property
    def _how(self) -> str:
        """File by file: through the log, as since version 15, each copy costs the server a tenth of a second."""
        return "STRATEGY FILE_COPY" if int(self.psql("SHOW server_version_num")) >= 150_000 else ""

    def _tell(self, statement: str) -> None:
        if self.client is None:
            self.client = subprocess.Popen(
                self.asking("postgres"),
                **_as_nobody(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd="/",
            )
        assert self.client.stdin
        assert self.client.stdout
        self.client.stdin.write(f"{statement}\n\\echo done\n")
        self.client.stdin.flush()
        assert self.client.stdout.readline() == "done\n", statement  # it has said why, and ended

    def remove(self) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def asking(self, database: str) -> list[str]:
        """A client; it takes statements by `-c`, or as its input."""
        words = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder), "-U", USER, "-d", database]
        return [program("psql"), *words]

    def _asked(self, statement: str, database: str) -> "subprocess.CompletedProcess[str]":
        return _run([*self.asking(database), "-c", statement])


def _run(words: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(words, **_as_nobody(), capture_output=True, text=True, cwd="/", check=False)


def program(name: str) -> str:
    """Debian keeps them in a folder for each version."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    if found:
        return str(found[-1])
    path = shutil.which(name)
    assert path is not None, f"{name} is missing:  sudo apt-get install -y postgresql"
    return path


def _unprivileged() -> tuple[int, int]:
    found = pwd.getpwnam("postgres")
    return found.pw_uid, found.pw_gid


def _as_nobody() -> dict[str, int | list[int]]:
    if os.geteuid() != 0:
        return {}
    user, group = _unprivileged()
    return {"user": user, "group": group, "extra_groups": []}
