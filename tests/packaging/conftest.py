"""What `make binary` has built, as the smoke tests use it: unpacked, and run with no Python in reach."""

import os
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from site2crm import __version__
from tests.server import ROOT, Server

DIST = ROOT / "dist"
NAME = f"site2crm-{__version__}-linux-{os.uname().machine}"
ARCHIVE, SINGLE_FILE = DIST / f"{NAME}.tar.xz", DIST / "site2crm"
TOOLS = ("sh", "tail", "tar", "gzip", "mkdir", "mktemp", "mv", "rm", "find")
"""All that the single file may ask for; the folder needs nothing."""


@dataclass
class Frozen(Server):
    """The product as a stranger has it: a program, an empty folder, nothing of ours in the environment."""

    patience_s: float = 120
    program: Path = Path()
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, *words: str) -> list[str]:
        return [str(self.program), *words]

    def surroundings(self) -> dict[str, str]:
        return self.environment

    def elsewhere(self, folder: Path, *, config: str | None = None) -> "Frozen":
        """The same program on another machine: another folder and port."""
        chosen = self.config if config is None else config
        return Frozen(folder, config=chosen, program=self.program, environment=self.environment)


@pytest.fixture(scope="session")
def folder_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program in the folder."""
    target = tmp_path_factory.mktemp("folder")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(target, filter="data")
    return target / NAME / "site2crm"


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A PATH with the few tools that the single file needs; no Python, no HOME of ours."""
    tools, home = tmp_path_factory.mktemp("bin"), tmp_path_factory.mktemp("home")
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None, tool
        (tools / tool).symlink_to(found)
    assert shutil.which("python3", path=str(tools)) is None
    return {"PATH": str(tools), "HOME": str(home)}


@pytest.fixture(params=["folder", "single file"])
def frozen(
    request: pytest.FixtureRequest, tmp_path: Path, folder_build: Path, bare: dict[str, str]
) -> Iterator[Frozen]:
    program = folder_build if request.param == "folder" else SINGLE_FILE
    server = Frozen(tmp_path / "empty", program=program, environment=bare)
    yield server
    server.kill()
