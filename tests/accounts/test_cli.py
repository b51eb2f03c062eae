"""`admin`, `org` and `key`, as a script calls them: each in a process of its own."""

import json
import subprocess
from pathlib import Path

import pytest

from site2crm.app import Instance
from tests import cast, only_once, records, server
from tests.accounts.browser import PASSWORD, browser, log_in
from tests.cast import Person


def run(folder: Path, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    return server.ended(
        [*server.COLD, *arguments, "--data-dir", str(folder / "data"), "--json"],
        cwd=folder,
        env=server.environment() | {"SITE2CRM__DATABASE__URL": records.url_of(folder)},
        stdin=typed,
    )


def answer(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    assert done.returncode == 0, done.stderr
    made: dict[str, str] = json.loads(done.stdout)
    return made


async def test_an_empty_folder_becomes_an_installation_one_can_use(tmp_path: Path) -> None:
    admin = answer(
        run(tmp_path, "admin", "create", "--email", "olga@agency.example", "--password-stdin", typed=f"{PASSWORD}\n")
    )
    org = answer(run(tmp_path, "org", "create", "--name", "Acme", "--slug", "acme", "--owner", "Olga@Agency.example"))
    key = answer(run(tmp_path, "key", "create", "--org", "acme", "--scopes", "all"))

    async with cast.an_instance(tmp_path) as instance, browser(instance) as web, cast.client(instance) as api:
        me = await api.get("/api/v1/me", headers={"Authorization": f"Bearer {key['key']}"})
        assert (await log_in(web, "olga@agency.example", PASSWORD)).status_code == 303

    assert admin.keys() == {"id"}
    assert (org.keys(), org["slug"]) == ({"id", "slug"}, "acme")
    assert me.json()["org"]["id"] == org["id"]
    assert "org:write" in me.json()["permissions"]


async def test_they_work_beside_the_running_server(instance: Instance, alice: Person, tmp_path: Path) -> None:
    key = answer(run(tmp_path, "key", "create", "--org", "acme", "--scopes", "leads:read, forms:write", "--name", "CI"))
    answer(run(tmp_path, "admin", "reset-password", "--email", alice.email, "--password-stdin", typed=PASSWORD))

    me = await alice.api.get("/api/v1/me", headers={"Authorization": f"Bearer {key['key']}"})
    assert me.json()["permissions"] == ["forms:write", "leads:read"]
    assert (await alice.web.get("/profile")).status_code == 303
    async with browser(instance) as web:
        assert (await log_in(web, alice.email, PASSWORD)).status_code == 303


@pytest.mark.parametrize(
    ("arguments", "typed", "code", "words"),
    [
        (["admin", "create", "--email", "alice@acme.example", "--password-stdin"], PASSWORD, 1, "has an account"),
        (["admin", "create", "--email", "x@y.example", "--password-stdin"], "short", 1, "At least 12"),
        (["admin", "create", "--email", "nonsense", "--password-stdin"], PASSWORD, 1, "e-mail"),
        (["admin", "create", "--email", "x@y.example"], "", 2, "--password-stdin"),
        (["admin", "create"], "", 2, "--email"),
        (["admin", "reset-password", "--email", "no@one.example", "--password-stdin"], PASSWORD, 1, "Nobody"),
        (["org", "create", "--name", "B", "--owner", "no@one.example"], "", 1, "admin create"),
        (["org", "create", "--name", "B", "--slug", "acme", "--owner", "alice@acme.example"], "", 1, "taken"),
        (["key", "create", "--org", "nowhere", "--scopes", "all"], "", 1, "nowhere"),
        (["key", "create", "--org", "acme", "--scopes", "leads:burn"], "", 1, "leads:burn"),
        (["key", "create", "--org", "acme", "--scopes", "all", "--config", "missing.toml"], "", 3, "missing.toml"),
    ],
)
async def test_what_is_wrong_is_said_with_its_exit_code(
    alice: Person, tmp_path: Path, arguments: list[str], typed: str, code: int, words: str
) -> None:
    done = run(tmp_path, *arguments, typed=typed)

    assert done.returncode == code, done.stderr
    assert words.lower() in done.stderr.lower()
    assert "Traceback" not in done.stderr
    assert PASSWORD not in done.stderr


@pytest.mark.only_once(only_once.OF_A_FILE)
async def test_a_broken_database_is_exit_4(tmp_path: Path) -> None:
    run(tmp_path, "key", "create", "--org", "acme", "--scopes", "all")  # makes the folder and its key
    (tmp_path / "data" / "site2crm.db").write_bytes(b"this is no database, and long enough to be read as one" * 100)

    done = run(tmp_path, "key", "create", "--org", "acme", "--scopes", "all")

    assert done.returncode == 4, done.stderr
