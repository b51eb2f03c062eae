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
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from site2crm.core import migrate
from site2crm.core.config_types import Secret

SQLITE, POSTGRESQL = "sqlite", "postgresql"
VARIABLE = "SITE2CRM_TEST_DATABASE"
TEMPLATE = "site2crm_template"
USER = "site2crm"

_numbers = itertools.count(1)
_made: dict[Path, str] = {}


def kind() -> str:
    return os.environ.get(VARIABLE, SQLITE)


def on_postgresql() -> bool:
    return kind() == POSTGRESQL


def url_of(folder: Path) -> str:
    """What `[database] url` says for an instance in this folder; the same for the same folder."""
    if not on_postgresql():
        return SQLITE
    return url_in(cluster(), folder)


def url_in(server: "Cluster", folder: Path) -> str:
    if folder not in _made:
        _made[folder] = server.create()
    return server.url(_made[folder])


def forget() -> None:
    """Drop what a test has made."""
    while _made:
        _, name = _made.popitem()
        cluster().drop(name)


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
    made = Cluster(Path(tempfile.mkdtemp(prefix="s2c-pg-", dir="/tmp")))
    made.initialise()
    made.start()
    return made


@dataclass
class Cluster:
    """A PostgreSQL server in a folder, run by somebody who is not root: it refuses root."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self, database: str) -> str:
        return f"postgresql://{USER}@/{database}?host={self.folder}"

    def initialise(self) -> None:
        if os.geteuid() == 0:
            shutil.chown(self.folder, *_unprivileged())
        words = ["initdb", "-D", str(self.data), "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"]
        # Not in the order of bytes, as most servers: what needs that order has to say so.
        words += ["--locale", "C.UTF-8", "--locale-provider", "icu", "--icu-locale", "en-US"]
        self._run(words)
        chosen = {
            "listen_addresses": "''",
            "unix_socket_directories": f"'{self.folder}'",
            "fsync": "off",
            "full_page_writes": "off",
            "autovacuum": "off",
            "max_connections": "200",
            "shared_buffers": "64MB",
            **self.settings,
        }
        with (self.data / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in chosen.items())

    def start(self) -> None:
        self._run(["pg_ctl", "-D", str(self.data), "-w", "-l", str(self.folder / "log"), "start"])

    def stop(self, mode: str = "fast") -> None:
        """`immediate` is as a kill: no goodbye to the clients."""
        self._run(["pg_ctl", "-D", str(self.data), "-w", "-m", mode, "stop"])

    def create(self) -> str:
        name = f"t{os.getpid()}_{next(_numbers)}"
        self.psql(f'CREATE DATABASE "{name}" TEMPLATE {TEMPLATE}')
        return name

    def drop(self, name: str) -> None:
        self.psql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def psql(self, statement: str, database: str = "postgres") -> str:
        """The answer as lines of values separated by `|`."""
        words = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder), "-U", USER]
        return self._run([*words, "-c", statement, database])

    def remove(self) -> None:
        subprocess.run(
            [program("pg_ctl"), "-D", str(self.data), "-m", "immediate", "stop"],
            **_as_nobody(),
            capture_output=True,
            check=False,
        )
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, words: list[str]) -> str:
        # Files, not pipes: the server that pg_ctl starts would keep a pipe open
        with tempfile.TemporaryFile("w+") as out:
            done = subprocess.run(
                [program(words[0]), *words[1:]], **_as_nobody(), stdout=out, stderr=out, cwd="/", check=False
            )
            out.seek(0)
            said = out.read()
        assert done.returncode == 0, f"{words}: {said}"
        return said.strip()


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
