"""`site2crm doctor`: it finds what is wrong, says what to do, exits as it should, and changes nothing."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from site2crm.commands.doctor import command
from site2crm.commands.options import Exit
from site2crm.core import config, sqlite
from site2crm.core.folder import STANDBY, Place
from site2crm.core.journal import peek
from site2crm.ops import checks_network, checks_services
from site2crm.ops.findings import Finding, Level
from tests import cast
from tests.server import Server

Doctor = Callable[..., tuple[int, dict[str, Finding]]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A data folder as a stopped server leaves it."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    config.load(None, env={}, flags={"data.dir": str(data)}).keys()
    shutil.copy(cast.migrated(), data / "site2crm.db")
    return data


@pytest.fixture
def doctor(tmp_path: Path) -> Doctor:
    def ask(text: str = "", *, words: tuple[str, ...] = ("--offline",)) -> tuple[int, dict[str, Finding]]:
        path = tmp_path / "site2crm.toml"
        path.write_text(f'[server]\nlisten = "127.0.0.1:1"\n{text}')
        done = CliRunner().invoke(command, ["--config", str(path), "--json", *words])
        told = json.loads(done.stdout.splitlines()[-1])
        found = [Finding(each["check"], Level(each["level"]), each["says"], each["cure"]) for each in told["checks"]]
        assert all(finding.cure for finding in found if finding.level is not Level.OK)
        return done.exit_code, {finding.check: finding for finding in found}

    return ask


def changed(home: Path, sql: str) -> None:
    connection = sqlite.connect(f"file:{home / 'site2crm.db'}", timeout_s=5)
    connection.execute(sql)
    connection.commit()
    connection.close()


def test_a_stopped_instance_is_well(home: Path, doctor: Doctor) -> None:
    code, found = doctor()
    assert code == Exit.OK
    assert {name for name, finding in found.items() if finding.level is Level.FAILED} == set()
    assert found["server"].says == "is stopped"
    assert found["journal"].level is Level.OK
    assert found["backup"].level is Level.WARNING


def test_a_standby_is_named(home: Path, doctor: Doctor) -> None:
    with Place(home, STANDBY) as standby:
        assert standby.take(listen="127.0.0.1:8081")
        _, found = doctor()
    assert found["standby"].level is Level.OK
    assert f"process {os.getpid()} at 127.0.0.1:8081 waits for the lock" in found["standby"].says


def test_an_empty_folder_is_no_fault(doctor: Doctor) -> None:
    code, found = doctor()
    assert code == Exit.OK
    assert "is not there yet" in found["folder"].says


def test_a_folder_that_others_can_read(home: Path, doctor: Doctor) -> None:
    home.chmod(0o755)
    _, found = doctor()
    assert (found["folder"].level, found["folder"].cure) == (Level.WARNING, f"chmod 700 {home}")


def test_a_lost_key(home: Path, doctor: Doctor) -> None:
    (home / "secret.key").unlink()
    code, found = doctor()
    assert (code, found["key"].level) == (Exit.FAILED, Level.FAILED)
    assert not (home / "secret.key").exists()


def test_a_configuration_with_secrets_that_others_can_read(home: Path, doctor: Doctor, tmp_path: Path) -> None:
    _, found = doctor('metrics_token = "0123456789abcdef0123"\n')
    assert found["configuration"].cure == f"chmod 600 {tmp_path / 'site2crm.toml'}"


def test_too_little_disk(home: Path, doctor: Doctor) -> None:
    code, found = doctor('[data]\nmin_free = "1024GiB"\n')
    assert (code, found["disk"].level) == (Exit.FAILED, Level.FAILED)


@pytest.mark.parametrize("content", [b"this is no database at all" * 400, None])
def test_a_damaged_database(home: Path, doctor: Doctor, content: bytes | None) -> None:
    path = home / "site2crm.db"
    whole = path.read_bytes()
    path.write_bytes(content or whole[:8192] + os.urandom(40_960) + whole[49_152:])
    code, found = doctor()
    assert (code, found["database"].level) == (Exit.DATABASE, Level.FAILED)
    assert "restore" in found["database"].cure


def test_a_schema_of_a_newer_and_of_an_older_version(home: Path, doctor: Doctor) -> None:
    changed(home, "UPDATE alembic_version SET version_num = '9999'")
    code, found = doctor()
    assert (code, found["schema"].level) == (Exit.SCHEMA, Level.FAILED)
    changed(home, "UPDATE alembic_version SET version_num = '0001'")
    code, found = doctor()
    assert (code, found["schema"].level) == (Exit.OK, Level.WARNING)


def test_submissions_that_were_set_aside_and_open_alarms(home: Path, doctor: Doctor) -> None:
    changed(home, "INSERT INTO poison_record VALUES ('psn_1', 'leads', '2026-01-01', x'00', 'ValueError()')")
    changed(
        home,
        "INSERT INTO alarm (id, org_id, code, subject, text, count, first_at, last_at)"
        " VALUES ('alm_1', '', 'x', '', 'The disk fails.', 1, '2026-01-01', '2026-01-01')",
    )
    _, found = doctor()
    assert found["journal"].level is Level.FAILED
    assert (found["alarms"].level, found["alarms"].says) == (Level.WARNING, "The disk fails.")


def test_a_clock_that_was_set_back(home: Path, doctor: Doctor) -> None:
    os.utime(home / "site2crm.db", (time.time() + 86_400, time.time() + 86_400))
    _, found = doctor()
    assert found["clock"].level is Level.FAILED


def test_a_backup_of_yesterday_and_one_of_last_year(home: Path, doctor: Doctor) -> None:
    (home / "backups").mkdir()
    (home / "backups" / "site2crm-20200101T031500Z.tar.gz").touch()
    assert doctor()[1]["backup"].level is Level.WARNING
    (home / "backups" / f"site2crm-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.tar.gz").touch()
    assert doctor()[1]["backup"].level is Level.OK


async def test_what_waits_in_a_journal_is_counted_from_outside(tmp_path: Path) -> None:
    async with cast.an_instance(tmp_path) as instance:
        journal, home = instance.machine.journal, instance.machine.data_dir / "journal" / "main"
        for number in range(3):
            assert journal.append(b"event %d" % number)
        assert peek.waiting(home, "events", None).records == 3
        third = journal.read("events", None, limit=10)[2].position
        assert peek.waiting(home, "events", third).records == 1
        assert peek.epoch(home) == journal.epoch


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("doctor")).start()
    yield running
    running.stop()


def asked(server: Server, *words: str) -> dict[str, dict[str, Any]]:
    found: Any = server.cli("doctor", *words)
    return {each["check"]: each for each in found["checks"]}


def test_a_running_server_is_asked(server: Server) -> None:
    found = asked(server, "--offline")
    assert server.process is not None
    assert f"process {server.process.pid}" in found["server"]["says"]
    assert found["journal"]["level"] == "ok"
    server.an_org()
    httpx.get(f"{server.url}/nowhere-at-all", timeout=5)
    assert "clicks wait" in asked(server, "--offline")["events"]["says"]


async def test_the_public_address_that_is_answered_by_us(server: Server) -> None:
    flags = {"server.public_url": f"http://localhost:{server.port}", "data.dir": str(server.folder / "data")}
    [address] = await checks_network.public_url(config.load(None, env={}, flags=flags), runs=True)
    assert (address.level, address.says) == (Level.OK, f"http://localhost:{server.port} is answered here")


async def test_a_public_address_that_reaches_somebody_else_or_nobody(server: Server) -> None:
    for url, words in [
        ("http://127.0.0.2:9", "does not answer"),
        ("https://no-such-name.invalid", "is unknown"),
        (f"http://127.0.0.2:{server.port}", "does not answer"),
    ]:
        flags = {"server.public_url": url, "server.insecure": "true", "data.dir": str(server.folder / "data")}
        [finding, *_] = await checks_network.public_url(config.load(None, env={}, flags=flags), runs=True)
        assert finding.level is Level.FAILED
        assert words in finding.says


async def test_a_proxy_without_trust_is_told_of() -> None:
    settings = config.load(None, env={}, flags={"server.public_url": "https://leads.acme.example"})
    [finding] = checks_network._behind_a_proxy(settings)
    assert "trusted_proxies" in finding.cure


async def test_a_mail_server_that_is_not_there_and_none_at_all() -> None:
    flags = {"mail.url": "smtp://127.0.0.1:9", "mail.from": "a@b.example"}
    assert (await checks_services._mail(config.load(None, env={}, flags=flags))).level is Level.FAILED
    assert (await checks_services._mail(config.load(None, env={}, flags={}))).level is Level.WARNING
