"""The version number stands in one place; everything else asks for it."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

from site2crm import __version__
from tests.server import ROOT, run

DECLARED = "src/site2crm/__init__.py"


def test_the_number_is_written_once() -> None:
    """A lock or a vendor's file may have the same number for something else; ours stands beside our name."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    mine = re.compile(rf"""(site2crm|__version__|^version)[^\n]{{0,20}}\b{re.escape(__version__)}\b""", re.M | re.I)

    found = [name for name in files.split("\0") if name and mine.search((ROOT / name).read_bytes().decode("latin-1"))]
    assert found == [DECLARED]


def test_the_package_takes_it_from_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())

    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["hatch"]["version"]["path"] == DECLARED


def test_the_makefile_takes_it_from_there() -> None:
    told = subprocess.run(["make", "-n", "image"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert f"site2crm:{__version__} " in told


def test_version_tells_what_it_is_made_of(tmp_path: Path) -> None:
    told = json.loads(run(["version", "--json"], tmp_path).stdout)

    assert told.keys() == {"version", "python", "sqlite", "duckdb"}
    assert told["version"] == __version__
    assert f"SQLite {told['sqlite']}, DuckDB {told['duckdb']}" in run(["version"], tmp_path).stdout
