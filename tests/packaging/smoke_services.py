"""Each library that is loaded late, inside the binary, against what it is for. Named in `core/heavy.py`.

The data engines, the e-mail checks, the HTTP client and the S3 store are in the story of `smoke.py`.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests import records, s3
from tests.packaging.conftest import Frozen
from tests.packaging.smoke import config, leads, send_a_lead, until
from tests.records import Cluster
from tests.services import Receiver, Redis, Sentry

pytestmark = pytest.mark.timeout(900)

DATABASE = "site2crm_moved"


@pytest.fixture
def folder(tmp_path: Path, folder_build: Path, bare: dict[str, str]) -> Iterator[Frozen]:
    server = Frozen(tmp_path / "empty", program=folder_build, environment=bare)
    yield server
    server.kill()


@pytest.fixture
def postgresql() -> Iterator[Cluster]:
    cluster = records.new_cluster()
    cluster.psql(f"CREATE DATABASE {DATABASE}")
    yield cluster
    cluster.remove()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    found = Redis(tmp_path).start()
    yield found
    found.stop()


@pytest.fixture
def sentry() -> Iterator[Sentry]:
    found = Sentry()
    yield found
    found.stop()


def test_postgresql_takes_the_records_and_serves_them(folder: Frozen, postgresql: Cluster) -> None:
    folder.start()
    with folder.an_org() as api:
        form = api.post("/api/v1/forms", json={"name": "Contact"}).json()["key"]
        send_a_lead(folder, form, "first@example.com")
        until(lambda: leads(api) == ["first@example.com"])
        folder.stop()
        address = postgresql.url(DATABASE)
        moved = subprocess.run(
            folder.command("move", "--to", address, "--config", str(folder.folder / "site2crm.toml")),
            env=folder.environment, cwd=folder.folder, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert moved.returncode == 0, moved.stdout + moved.stderr

        folder.config = f'[database]\nurl = "{address}"\n'
        folder.start()
        send_a_lead(folder, form, "second@example.com")
        until(lambda: leads(api) == ["second@example.com", "first@example.com"])
    assert folder.stop() == 0


def test_redis_shares_the_limits(folder: Frozen, redis: Redis) -> None:
    folder.config = f'[limits]\nurl = "{redis.url.reveal()}"\n'
    folder.start()

    until(lambda: "site2crm_limits_shared 1" in httpx.get(f"{folder.url}/metrics").text)


def test_sentry_hears_of_an_error(folder: Frozen, sentry: Sentry) -> None:
    folder.config = f'[log]\nsentry_dsn = "{sentry.dsn.reveal()}"\n'
    folder.start()

    told = httpx.post(f"{folder.url}/t/error", json={"message": "it broke"}, headers={"Origin": folder.url})
    assert told.status_code == 204
    assert [event["logentry"]["formatted"] for event in sentry.events(1)] == ["it broke"]


def test_a_collector_is_told_traces(folder: Frozen) -> None:
    collector = Receiver()
    try:
        folder.config = f'[log]\ntraces_url = "http://127.0.0.1:{collector.server.server_port}"\n'
        folder.start()
        assert httpx.get(f"{folder.url}/login").status_code == 200
        read = ExportTraceServiceRequest.FromString(collector.wait_for(1)[0])
    finally:
        collector.stop()
    spans = [span.name for one in read.resource_spans for scope in one.scope_spans for span in scope.spans]
    assert spans


def test_doctor_and_check_look_at_all_of_it(folder: Frozen, redis: Redis) -> None:
    with s3.store() as store:
        folder.config = f'[limits]\nurl = "{redis.url.reveal()}"\n{config(store)}'
        folder.start()
        for verb in (("doctor", "--deep"), ("check", "--online")):
            found = {each["check"]: each for each in folder.cli(*verb)["checks"]}  # type: ignore[index,attr-defined]
            assert {name for name, each in found.items() if each["level"] == "failed"} == set()
            assert found["limits"]["level"] == found["backup store"]["level"] == "ok"
