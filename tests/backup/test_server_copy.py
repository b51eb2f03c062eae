"""Backups of an instance whose records are in PostgreSQL: made under its eyes, restored on either database."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests import records
from tests.server import Server, run

PEOPLE = 30
Database = Callable[[str], str]


@pytest.fixture
def database() -> Iterator[Database]:
    """Makes an empty database, and gives its address."""
    cluster, made = records.cluster(), list[str]()

    def make(name: str) -> str:
        cluster.psql(f"CREATE DATABASE {name}")
        made.append(name)
        return cluster.url(name)

    yield make
    for name in made:
        cluster.drop(name)


def on(url: str) -> str:
    return f'[database]\nurl = "{url}"\n'


def served(server: Server) -> str:
    """Thirty leads, a link and a click; the archive that was made meanwhile."""
    with server.an_org() as api:
        key = api.post("/api/v1/forms", json={"name": "Contact"}).json()["key"]
        api.post("/api/v1/links", json={"url": "https://www.example.com/", "slug": "spring"}).raise_for_status()
        api.get("/spring", follow_redirects=False)
        for number in range(PEOPLE):
            assert api.post(f"/f/{key}", data={"email": f"ada{number}@example.com"}).status_code == 201
        return server.cli("backup", "create")["backup"]


def emails(server: Server) -> set[str]:
    """With a key of the org that the backup has: made anew, keys are shown once."""
    key = server.cli("key", "create", "--org", "acme", "--scopes", "all")["key"]
    headers = {"Authorization": f"Bearer {key}"}
    found = httpx.get(f"{server.url}/api/v1/leads", params={"limit": 200}, headers=headers).json()
    assert httpx.get(f"{server.url}/spring").status_code == 302
    return {lead["email"] for lead in found["data"]}


def test_it_is_restored_on_postgresql_and_on_sqlite(tmp_path: Path, database: Database) -> None:
    first = Server(tmp_path / "first", on(database("backed_up"))).start()
    name = served(first)
    archive = first.folder / "data" / "backups" / name
    assert first.stop() == 0
    everybody = {f"ada{number}@example.com" for number in range(PEOPLE)}
    key = (first.folder / "data" / "secret.key").read_text()

    for place, url in (("again", on(database("restored"))), ("file", on("sqlite"))):
        second = Server(tmp_path / place, url)
        (second.folder / "data").mkdir(parents=True)
        (second.folder / "data" / "secret.key").write_text(key)
        (second.folder / "data" / "secret.key").chmod(0o600)
        (second.folder / "site2crm.toml").write_text(url)
        told = second.cli("restore", str(archive))
        assert told["restored"]
        assert (second.folder / "data" / "site2crm.db").exists() is (place == "file")
        second.start()
        try:
            assert emails(second) == everybody
        finally:
            second.stop()


def test_a_database_that_holds_something_is_not_restored_over(tmp_path: Path, database: Database) -> None:
    url = on(database("occupied"))
    server = Server(tmp_path, url).start()
    name = served(server)
    server.stop()
    before = sorted(path.name for path in (tmp_path / "data").iterdir())

    for more in ([], ["--dry-run"]):
        refused = run(["restore", name, "--replace", *more, "--config", str(tmp_path / "site2crm.toml")], tmp_path)
        assert refused.returncode == 1
        assert "[database] url" in refused.stderr
        assert "Traceback" not in refused.stderr
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == before


def test_a_server_that_is_away_leaves_the_shelf_as_it_was(tmp_path: Path, database: Database) -> None:
    server = Server(tmp_path, on(database("away"))).start()
    name = served(server)
    server.stop()
    (tmp_path / "site2crm.toml").write_text(on("postgresql://nobody:secret@127.0.0.1:1/nothing"))

    refused = run(["backup", "create", "--config", str(tmp_path / "site2crm.toml")], tmp_path)
    listed = run(["backup", "list", "--json", "--config", str(tmp_path / "site2crm.toml")], tmp_path)

    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert "secret" not in refused.stderr
    assert [backup["name"] for backup in json.loads(listed.stdout)["backups"]] == [name]
