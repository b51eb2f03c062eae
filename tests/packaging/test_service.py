"""The systemd unit: what is shipped is what `site2crm service` prints, and systemd takes it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from site2crm.commands import service
from tests.server import ROOT, run

PACKAGED = ROOT / "packaging" / "systemd" / "site2crm.service"
CONFIG, DATA = Path("/etc/site2crm/site2crm.toml"), Path("/var/lib/site2crm")
MOST_EXPOSED = 2.0
"""By systemd's own measure, of 10; a service without any protection has 9.6."""

analyze = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")


def unit(called: str = "/usr/bin/site2crm", data_dir: Path = DATA, port: int = 8080) -> str:
    return service.render([called], CONFIG, data_dir, user="site2crm", port=port, unpacks=False)


def test_the_shipped_unit_is_the_printed_one() -> None:
    assert PACKAGED.read_text() == unit()


def test_the_shipped_template_is_the_printed_one_and_starts_by_port() -> None:
    template = service.render(
        ["/usr/bin/site2crm"], CONFIG, DATA, user="site2crm", port=8080, unpacks=False, host="127.0.0.1"
    )
    assert PACKAGED.with_name("site2crm@.service").read_text() == template
    assert f"serve --config {CONFIG} --listen 127.0.0.1:%i --standby\n" in template
    assert (
        template.partition("[Unit]")[2].replace(" --listen 127.0.0.1:%i --standby", "") == unit().partition("[Unit]")[2]
    )


@analyze
@pytest.mark.parametrize(("name", "host"), [("site2crm.service", ""), ("site2crm@8081.service", "127.0.0.1")])
def test_systemd_finds_nothing_wrong(tmp_path: Path, name: str, host: str) -> None:
    path = tmp_path / name
    # It looks whether the program is there
    path.write_text(service.render(["/bin/true"], CONFIG, DATA, user="site2crm", port=8080, unpacks=False, host=host))

    checked = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


@analyze
def test_systemd_calls_it_well_protected() -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(PACKAGED)]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout

    exposure = re.search(r"exposure level.*: ([0-9.]+)", told)
    assert exposure is not None, told
    assert float(exposure[1]) <= MOST_EXPOSED


def test_it_is_written_for_this_installation(tmp_path: Path) -> None:
    (tmp_path / "site2crm.toml").write_text('[data]\ndir = "kept here"\n')

    printed = run(["service", "--user", "crm"], tmp_path)
    lines = printed.stdout.splitlines()
    assert f"ExecStart={sys.executable} -m site2crm serve --config {tmp_path}/site2crm.toml" in lines
    assert f'ReadWritePaths="{tmp_path}/kept here"' in lines
    assert "User=crm" in lines


def test_without_a_configuration_it_says_how_to_get_one(tmp_path: Path) -> None:
    refused = run(["service"], tmp_path)

    assert refused.returncode == 3
    assert "site2crm init" in refused.stderr


def test_a_script_gets_it_as_json(tmp_path: Path) -> None:
    run(["init"], tmp_path)

    assert json.loads(run(["service", "--json"], tmp_path).stdout)["unit"].startswith("#")


def test_below_port_1024_it_may_bind_and_nothing_more() -> None:
    assert "CapabilityBoundingSet=CAP_NET_BIND_SERVICE\nAmbientCapabilities=CAP_NET_BIND_SERVICE" in unit(port=80)
    assert "CapabilityBoundingSet=\n" in unit()


def test_what_lies_in_a_home_can_be_read_there() -> None:
    assert "ProtectHome=read-only" in unit("/home/ann/site2crm/site2crm")
    assert "ProtectHome=read-only" in unit(data_dir=Path("/home/ann/data"))
    assert "ProtectHome=yes" in unit()


def test_signs_that_systemd_would_read_are_written_so_that_it_does_not() -> None:
    assert 'ExecStart="/opt/our crm/100%%" serve' in unit("/opt/our crm/100%")


def test_the_single_file_unpacks_where_systemd_lets_it() -> None:
    printed = service.render(["/usr/local/bin/site2crm"], CONFIG, DATA, user="site2crm", port=8080, unpacks=True)

    assert "CacheDirectory=site2crm" in printed.splitlines()
