"""What the package and the archive hold besides the program, tried with a program of one line in the place of ours."""

import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.server import ROOT

EXAMPLES = sorted(path.name for path in (ROOT / "packaging" / "examples").glob("*.toml"))
FREEZER = """#!/bin/sh
mkdir -p build/dist/site2crm/_internal
printf '#!/bin/sh\\necho ok\\n' >build/dist/site2crm/site2crm
chmod 755 build/dist/site2crm/site2crm
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "packaging", tmp_path / "packaging")
    (tmp_path / "src" / "site2crm").mkdir(parents=True)
    shutil.copy(ROOT / "src" / "site2crm" / "__init__.py", tmp_path / "src" / "site2crm")
    freezer = tmp_path / "build" / "venv" / "bin" / "python"
    freezer.parent.mkdir(parents=True)
    freezer.write_text(FREEZER)
    freezer.chmod(0o755)
    return tmp_path


def run(checkout: Path, script: str, *words: str) -> None:
    done = subprocess.run(
        ["sh", f"packaging/{script}", *words], cwd=checkout, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_archive_has_an_example_for_each_crm(checkout: Path) -> None:
    run(checkout, "make_binary.sh")
    [archive] = (checkout / "dist").glob("*.tar.xz")
    with tarfile.open(archive) as opened:
        names = [Path(name).parts[1:] for name in opened.getnames()]
    assert sorted(parts[1] for parts in names if len(parts) == 2 and parts[0] == "examples") == EXAMPLES
    assert ("site2crm.toml",) in names


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="this system makes no Debian packages")
def test_the_package_has_them_where_debian_keeps_examples(checkout: Path) -> None:
    run(checkout, "make_binary.sh", "folder")
    run(checkout, "make_deb.sh")
    [package] = (checkout / "dist").glob("*.deb")
    told = subprocess.run(["dpkg-deb", "-c", package], capture_output=True, text=True, timeout=60, check=True).stdout
    assert sorted(re.findall(r"\./usr/share/doc/site2crm/examples/(\S+\.toml)", told)) == EXAMPLES
    assert "-rw-r--r-- root/root" in next(line for line in told.splitlines() if line.endswith("/examples/hubspot.toml"))
    assert "./opt/site2crm/site2crm\n" in told
    assert "./opt/site2crm/examples" not in told
    assert "./etc/site2crm/site2crm.toml" in told
