"""The verbs, as a person runs them: exit codes, words, JSON."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from site2crm.core import migrations, sqlite
from site2crm.core.backup.create import Made
from site2crm.core.config import Settings
from tests.server import Server, run

Backed = Callable[..., tuple[Settings, Made]]


def test_a_running_server_is_backed_up_verified_and_not_restored_over(tmp_path: Path) -> None:
    server = Server(tmp_path).start()
    try:
        with server.an_org() as api:
            key = api.post("/api/v1/forms", json={"name": "Contact"}).json()["key"]
            assert api.post(f"/f/{key}", data={"email": "ada@example.com"}).status_code == 201
        made = server.cli("backup", "create")
        listed = server.cli("backup", "list")
        refused = run(["restore", made["backup"], "--replace", "--data-dir", str(tmp_path / "data")], tmp_path)
    finally:
        server.stop()
    assert made["verified"] is True
    assert listed["backups"][0]["name"] == made["backup"]  # type: ignore[index,call-overload]
    assert listed["backups"][0]["verified_at"]  # type: ignore[index,call-overload]
    assert refused.returncode == 75
    assert "already being served" in refused.stderr
    assert not (tmp_path / "data" / "control.sock").exists()


def test_a_damaged_one_ends_with_8_and_is_marked(backed_up: Backed, tmp_path: Path) -> None:
    settings, backup = backed_up()
    whole = bytearray(backup.path.read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    backup.path.write_bytes(whole)
    place = ["--data-dir", str(settings.data.dir)]

    verified = run(["backup", "verify", *place], tmp_path)
    restored = run(["restore", backup.name, "--replace", *place], tmp_path)
    listed = run(["backup", "list", "--json", *place], tmp_path)

    assert (verified.returncode, restored.returncode) == (8, 8)
    assert "site2crm: " in verified.stderr
    assert "Traceback" not in verified.stderr + restored.stderr
    assert json.loads(listed.stdout)["backups"][0]["fault"]
    assert (settings.data.dir / "site2crm.db").exists()


def test_verify_boots_it_and_says_what_it_holds(backed_up: Backed, tmp_path: Path) -> None:
    settings, _ = backed_up()

    answer = run(["backup", "verify", "--json", "--data-dir", str(settings.data.dir)], tmp_path)

    assert answer.returncode == 0, answer.stderr
    told = json.loads(answer.stdout.splitlines()[-1])
    assert (told["ok"], told["leads"], told["events"], told["set_aside"]) == (True, 5, 7, 0)
    assert not list((settings.data.dir / "backups").glob(".checking-*"))


def test_restore_refuses_an_instance_and_tells_what_it_would_do(backed_up: Backed, tmp_path: Path) -> None:
    settings, backup = backed_up()
    place = ["--json", "--data-dir", str(settings.data.dir)]

    refused = run(["restore", str(backup.path), *place], tmp_path)
    told = run(["restore", str(backup.path), "--replace", "--dry-run", *place], tmp_path)

    assert (refused.returncode, told.returncode) == (1, 0)
    assert "--replace" in refused.stderr
    answer = json.loads(told.stdout)
    assert (answer["restored"], answer["leads"]) == (False, 5)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    place = ["--data-dir", str(tmp_path / "data")]

    assert "holds no instance" in run(["backup", "create", *place], tmp_path).stderr
    assert "There is no backup yet" in run(["backup", "verify", *place], tmp_path).stderr
    assert "There is no nothing.tar.gz" in run(["restore", "nothing.tar.gz", *place], tmp_path).stderr
    assert run(["backup", "list", *place], tmp_path).stdout == "There is no backup yet.\n"


def test_a_migration_is_rehearsed_on_a_copy(at_rest: Path, tmp_path: Path) -> None:
    before = (at_rest / "data" / "site2crm.db").read_bytes()

    answer = run(["migrate", "rehearse", "--json", "--data-dir", str(at_rest / "data")], tmp_path)

    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout.splitlines()[-1])["rows"] > 5
    assert (at_rest / "data" / "site2crm.db").read_bytes() == before


def test_a_migration_that_fails_leaves_the_old_state_a_backup_and_words(at_rest: Path, tmp_path: Path) -> None:
    """The schema has what the last change would make, but says that it has not, so that it cannot succeed."""
    before, last = migrations.revisions()[-2:]
    data = at_rest / "data"
    path = data / "site2crm.db"
    written = sqlite.connect(f"file:{path}", timeout_s=5)
    written.execute("UPDATE alembic_version SET version_num = ?", (before,))
    written.commit()
    tables = written.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    written.close()

    rehearsed = run(["migrate", "rehearse", "--data-dir", str(data)], tmp_path)
    failed = run(["serve", "--data-dir", str(data), "--listen", "127.0.0.1:0"], tmp_path)

    assert (rehearsed.returncode, failed.returncode) == (5, 5)
    assert "was not touched" in rehearsed.stderr
    assert f"Nothing was changed: the database is still at {before}" in failed.stderr
    left = sqlite.connect(f"file:{path}?mode=ro", timeout_s=5)
    assert left.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall() == tables
    left.close()
    assert [each.name.partition("Z-")[2] for each in (data / "backups").glob("*.gz")] == [f"before-{last}.tar.gz"]
    shutil.rmtree(data)
