"""`site2crm check --online`: what the configuration names is asked, the fault is named, and nothing is changed."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from click.testing import CliRunner

from site2crm.app import Instance
from site2crm.commands.check import command
from site2crm.commands.options import Exit
from site2crm.ops import checks_connections, proof
from tests import records, s3
from tests.cast import Person
from tests.records import Cluster
from tests.server import Server, free_port
from tests.services import Crm, Redis

LOOPBACK = '[outbound]\nallow_private = ["127.0.0.1"]\n'


def check(folder: Path, text: str = "") -> tuple[int, dict[str, dict[str, str]]]:
    """The exit code, and the findings by name."""
    path = folder / "site2crm.toml"
    if text or not path.exists():
        path.write_text(f'[server]\nlisten = "127.0.0.1:1"\n{text}')
    done = CliRunner().invoke(command, ["--config", str(path), "--json", "--online"])
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert all(each["cure"] for each in told["checks"] if each["level"] != "ok")
    assert told["ok"] == (done.exit_code == 0)
    return done.exit_code, {each["check"]: each for each in told["checks"]}


def test_before_the_first_start_there_is_nothing_to_complain_of(tmp_path: Path) -> None:
    code, found = check(tmp_path)

    assert (code, found["database"]["level"], found["server"]["says"]) == (Exit.OK, "ok", "is stopped")
    assert "limits" not in found
    assert not (tmp_path / "data").exists()


def test_without_online_nobody_is_asked(tmp_path: Path) -> None:
    (tmp_path / "site2crm.toml").write_text('[limits]\nurl = "redis://127.0.0.1:1/0"\n')
    done = CliRunner().invoke(command, ["--config", str(tmp_path / "site2crm.toml"), "--json"])

    assert (done.exit_code, "checks" in json.loads(done.stdout)) == (Exit.OK, False)


def test_a_person_reads_a_line_for_each(tmp_path: Path) -> None:
    nobody = 'url = "redis://127.0.0.1:1/0"'
    (tmp_path / "site2crm.toml").write_text(f'[server]\nlisten = "127.0.0.1:1"\n[limits]\n{nobody}\n')
    done = CliRunner().invoke(command, ["--config", str(tmp_path / "site2crm.toml"), "--online"])

    assert done.exit_code == Exit.FAILED
    assert "failed   limits" in done.stdout
    assert "-> start it, and look at [limits] url" in done.stdout
    assert "1 failed" in done.stdout.splitlines()[-1]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = records.new_cluster()
    made.psql("CREATE DATABASE acme")
    yield made
    made.remove()


def test_a_postgresql_that_answers_and_one_that_is_away(tmp_path: Path, cluster: Cluster) -> None:
    text = f'[database]\nurl = "{cluster.url("acme")}"\n'
    code, found = check(tmp_path, text)
    assert (code, found["database"]["level"], found["schema"]["level"]) == (Exit.OK, "ok", "ok")

    code, found = check(tmp_path, text.replace("/acme?", "/nowhere?"))
    assert (code, found["database"]["level"]) == (Exit.DATABASE, "failed")
    cluster.stop()
    assert check(tmp_path, text)[0] == Exit.DATABASE


def test_a_damaged_database(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "site2crm.db").write_bytes(b"this is no database" * 400)
    (tmp_path / "data" / "secret.key").write_text("a" * 43 + "=")
    (tmp_path / "data" / "secret.key").chmod(0o600)

    code, found = check(tmp_path)
    assert (code, found["database"]["level"]) == (Exit.DATABASE, "failed")


def test_a_redis_that_answers_one_that_is_full_and_one_that_is_away(tmp_path: Path) -> None:
    redis = Redis(tmp_path).start()
    try:
        text = f'[limits]\nurl = "{redis.url.reveal()}"\n'
        assert check(tmp_path, text)[1]["limits"]["level"] == "ok"
    finally:
        redis.stop()
    code, found = check(tmp_path, text)
    assert (code, found["limits"]["level"]) == (Exit.FAILED, "failed")


def test_a_password_of_redis_is_not_told(tmp_path: Path) -> None:
    _, found = check(tmp_path, '[limits]\nurl = "redis://:s3cr3t@127.0.0.1:1/0"\n')

    assert found["limits"]["level"] == "failed"
    assert "s3cr3t" not in json.dumps(found)


def test_an_s3_store_is_written_read_and_left_as_it_was(tmp_path: Path) -> None:
    with s3.store() as url:
        code, found = check(tmp_path, _store(f"{url}/{s3.BUCKET}/site"))
        assert (code, found["backup store"]["level"]) == (Exit.OK, "ok")
        assert s3.client(url).list_objects_v2(Bucket=s3.BUCKET)["KeyCount"] == 0

        code, found = check(tmp_path, _store(f"{url}/no-such-bucket"))
        assert (code, found["backup store"]["level"]) == (Exit.FAILED, "failed")
        assert s3.SECRET not in found["backup store"]["says"]


def _store(place: str) -> str:
    keys = f's3_key_id = "{s3.KEY_ID}"\ns3_secret = "{s3.SECRET}"\n'
    return f'[backup]\nkey = "{"a" * 43}="\ns3 = "{place}"\n{keys}'


def test_a_mail_server_that_takes_us_and_one_that_is_away(tmp_path: Path) -> None:
    controller = Controller(Sink(), hostname="127.0.0.1", port=free_port())
    controller.start()
    text = f'[mail]\nurl = "smtp://127.0.0.1:{controller.port}"\nfrom = "a@acme.example"\n'
    assert check(tmp_path, text)[1]["mail"]["level"] == "ok"
    controller.stop()
    assert check(tmp_path, text)[1]["mail"]["level"] == "failed"


def test_another_installation_at_our_address_is_told_from_ours(tmp_path: Path) -> None:
    ours, theirs = Server(tmp_path / "ours"), Server(tmp_path / "theirs")
    ours.config = f'public_url = "http://127.0.0.1:{ours.port}"\n'
    try:
        ours.start()
        theirs.start()
        code, found = check(ours.folder)
        assert (code, found["public address"]["says"][-17:]) == (Exit.OK, " is answered here")

        ours.config = f'public_url = "http://127.0.0.1:{theirs.port}"\n'
        ours.configure()
        code, found = check(ours.folder)
        assert (code, found["public address"]["level"]) == (Exit.FAILED, "failed")
        assert "another Site2CRM" in found["public address"]["says"]
    finally:
        ours.stop()
        theirs.stop()


async def test_who_is_not_asked_says_ok_and_each_challenge_has_its_own_answer(nobody: httpx.AsyncClient) -> None:
    answers = [(await nobody.get("/livez", params={"challenge": word})).text for word in ("", "one", "two", "one")]

    assert answers[0] == "ok"
    assert answers[1] == answers[3] != answers[2]
    assert len(answers[1]) == len("ok ") + 64


async def test_a_key_from_before_still_proves_it(instance: Instance) -> None:
    challenge = proof.Challenge(instance.machine.settings)

    assert challenge.is_met_by(f"ok {proof.answer(instance.machine.vault, challenge.text)}".encode())
    assert not challenge.is_met_by(b"ok")
    assert not challenge.is_met_by(f"ok {proof.answer(instance.machine.vault, 'another')}".encode())


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[Server, Crm]]:
    crm = Crm()
    server = Server(tmp_path / "instance", config=LOOPBACK).start()
    yield server, crm
    server.stop()
    crm.stop()


def test_the_running_server_asks_the_crms(served: tuple[Server, Crm]) -> None:
    server, crm = served
    assert check(server.folder)[1]["connection"]["says"] == "no CRM is connected yet"
    with server.an_org() as api:
        made = api.post("/api/v1/connections", json=_webhook(crm))
        assert made.json()["state"] == "active", made.text

    code, found = check(server.folder)
    assert (code, found["connection"]["level"], len(crm.bodies)) == (Exit.OK, "ok", 2)
    crm.stop()
    code, found = check(server.folder)
    assert (code, found["connection"]["level"]) == (Exit.OK, "warning")  # it may pass: leads are tried again


async def test_those_of_every_organisation_are_asked(alice: Person, charlie: Person, instance: Instance) -> None:
    for person in (alice, charlie):
        made = await person.api.post("/api/v1/connections", json={"kind": "inbox", "name": "Box"})
        assert made.status_code == 201, made.text

    told = await checks_connections.examine(instance.machine, {})
    assert sorted(found["says"].partition(":")[0] for found in told["checks"]) == ["acme", "other"]


def _webhook(crm: Crm) -> dict[str, object]:
    return {"kind": "webhook", "name": "Ours", "settings": {"url": crm.url, "secret": crm.secret}}


async def test_a_dead_token_is_told_and_the_connection_left_as_it_is(alice: Person, instance: Instance) -> None:
    machine = instance.machine
    made = await alice.api.post("/api/v1/connections", json={"kind": "inbox", "name": "Box"})
    async with machine.session() as session:
        [ref] = await checks_connections.queries.everywhere(session)
        connection = await checks_connections.connectors.get(session, ref.org_id, ref.id)
        connection.secrets = "v1:00000000:AAAA:AAAA"

    told = await checks_connections.examine(machine, {})
    [found] = told["checks"]
    assert (found["level"], "cannot be read" in found["says"]) == ("failed", True)
    assert f"/o/acme/crms/{ref.id}" in found["cure"]
    assert (await alice.api.get(f"/api/v1/connections/{made.json()['id']}")).json()["state"] == "active"


async def test_a_property_that_the_crm_does_not_have_is_named(alice: Person, instance: Instance) -> None:
    mapping = {"email": "email", "phone": "no_such_property"}
    made = await alice.api.post("/api/v1/connections", json={"kind": "inbox", "name": "Box", "mapping": mapping})
    assert made.status_code == 201, made.text

    [found] = (await checks_connections.examine(instance.machine, {}))["checks"]
    assert (found["level"], "no_such_property" in found["says"]) == ("warning", True)
