"""Restoring: nothing lost, nothing doubled, nothing overwritten, and words where it cannot be done."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from site2crm.app import Instance
from site2crm.core import folder, heavy, sqlite
from site2crm.core.backup import event_file, records, restore
from site2crm.core.backup.create import Made
from site2crm.core.backup.errors import BackupFailed, NewerSchema, WrongKey
from site2crm.core.config import Settings
from site2crm.core.eventstore import schema
from site2crm.core.eventstore.duckdb import DuckStore
from site2crm.ops.backups import Backups
from tests.backup.conftest import KEY, applied, fill, made, settings_of
from tests.cast import an_instance, client

Backed = Callable[..., tuple[Settings, Made]]


def elsewhere(root: Path, settings: Settings, **flags: str) -> Settings:
    """Another machine, to which the secret key was brought."""
    (root / "data").mkdir(parents=True)
    shutil.copy(settings.data.dir / "secret.key", root / "data" / "secret.key")
    return settings_of(root, **flags)


def put_back(settings: Settings, path: Path, *, replace: bool = False, new_key: bool = False) -> restore.Restored:
    with folder.held(settings.data.dir):
        return restore.restore(settings, path, replace=replace, new_key=new_key)


def tree(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file() and path.name not in {folder.LOCK, folder.STANDBY})
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


async def what_is_there(root: Path) -> tuple[list[str], int]:
    """E-mails of the leads and number of clicks, once the instance has started and taken up all that waits."""
    async with an_instance(root) as instance:
        await applied(instance)
        rows = await instance.machine.get(DuckStore).engine.read(
            lambda connection: connection.execute("SELECT count(*), count(DISTINCT id) FROM events").fetchall()
        )
        clicks, different = rows[0]
        assert clicks == different
        path = instance.machine.database.path
        leads = [row[0] for row in records._ask(path, "SELECT email FROM lead ORDER BY email")]
    return leads, clicks


async def test_a_restored_instance_starts_with_all_that_was_there(backed_up: Backed, tmp_path: Path) -> None:
    settings, backup = backed_up()
    second = elsewhere(tmp_path / "second", settings)

    done = put_back(second, backup.path)

    assert (done.moved_aside, done.waiting) == ([], {"submissions": 0, "events": 0})
    assert await what_is_there(tmp_path / "second") == ([f"p{n}@example.com" for n in range(5)], 7)
    assert not (second.data.dir / folder.SWAP).exists()
    assert not list(second.data.dir.glob(f"{restore.STAGING}*"))


async def test_what_waited_in_the_journal_is_applied_once_after_the_restore(tmp_path: Path) -> None:
    async with an_instance(tmp_path) as instance:
        await fill(instance, leads=3, clicks=4)
        form, slug = await form_and_link(instance.machine.database.path)
        held = sqlite.connect(f"file:{instance.machine.database.path}", timeout_s=5)
        held.execute("BEGIN IMMEDIATE")  # the leads' consumer has to wait
        async with client(instance) as visitor:
            for number in range(6):
                assert (
                    await visitor.post(f"/f/{form}", data={"email": f"late{number}@example.com"})
                ).status_code == 201
                assert (await visitor.get(f"/{slug}")).status_code == 302
        backup = await while_it_runs(instance)
        held.execute("ROLLBACK")
        held.close()
        await applied(instance)  # the consumer goes on, and removes what it has passed
    second = elsewhere(tmp_path / "second", instance.machine.settings)

    done = put_back(second, backup)

    assert done.waiting["submissions"] == 6
    leads, clicks = await what_is_there(tmp_path / "second")
    assert leads == sorted([*(f"late{n}@example.com" for n in range(6)), *(f"p{n}@example.com" for n in range(3))])
    assert clicks == 10


async def test_a_second_start_after_a_restore_applies_nothing_again(backed_up: Backed, tmp_path: Path) -> None:
    settings, backup = backed_up()
    put_back(elsewhere(tmp_path / "second", settings), backup.path)

    first = await what_is_there(tmp_path / "second")

    assert await what_is_there(tmp_path / "second") == first


async def test_the_restored_journal_has_an_epoch_of_its_own(backed_up: Backed, tmp_path: Path) -> None:
    settings, backup = backed_up()
    second = elsewhere(tmp_path / "second", settings)

    put_back(second, backup.path)

    epochs = {(each.data.dir / "journal" / "main" / "epoch").read_text() for each in (settings, second)}
    assert len(epochs) == 2


async def test_leads_that_wait_in_the_folder_that_is_replaced_are_carried_over(tmp_path: Path) -> None:
    async with an_instance(tmp_path) as instance:
        await fill(instance, leads=2, clicks=2)
        settings = instance.machine.settings
        backup = await while_it_runs(instance)
        form, slug = await form_and_link(instance.machine.database.path)
        held = sqlite.connect(f"file:{instance.machine.database.path}", timeout_s=5)
        held.execute("BEGIN IMMEDIATE")
        async with client(instance) as visitor:
            await visitor.post(f"/f/{form}", data={"email": "after@example.com"})
            await visitor.get(f"/{slug}")
        held.execute("ROLLBACK")
        held.close()

    done = put_back(settings, backup, replace=True)

    assert done.carries_over
    assert await what_is_there(tmp_path) == (["after@example.com", "p0@example.com", "p1@example.com"], 3)


async def test_an_instance_is_not_overwritten_and_replaced_it_is_kept(backed_up: Backed) -> None:
    settings, backup = backed_up()
    before = tree(settings.data.dir)

    with pytest.raises(BackupFailed, match="--replace"):
        put_back(settings, backup.path)
    assert tree(settings.data.dir) == before
    done = put_back(settings, backup.path, replace=True)

    aside = settings.data.dir / done.aside
    assert (aside / "site2crm.db").read_bytes() == before["site2crm.db"]
    assert (aside / "journal" / "main" / "epoch").read_bytes() == before["journal/main/epoch"]
    assert backup.path.exists()


async def test_a_dry_run_changes_nothing_and_tells_what_would_be(backed_up: Backed) -> None:
    settings, backup = backed_up()
    before = tree(settings.data.dir)

    with folder.held(settings.data.dir):
        told = restore.plan(settings, backup.path, replace=True, new_key=False)

    assert "site2crm.db" in told.moved_aside
    assert told.manifest.counts.tables["lead"] == 5
    assert tree(settings.data.dir) == before


async def test_a_power_cut_between_two_renames_is_mended_by_whoever_comes_next(backed_up: Backed) -> None:
    settings, backup = backed_up()
    data = settings.data.dir
    done = put_back(settings, backup.path, replace=True)
    (data / "staged").mkdir()  # as if the power had gone after the second of four moves
    (data / "site2crm.db").rename(data / "staged" / "site2crm.db")
    moves = [
        ("site2crm.db", f"{done.aside}/site2crm.db"), ("nothing", f"{done.aside}/nothing"),
        ("staged/site2crm.db", "site2crm.db"), ("staged/other", "other"),
    ]  # fmt: skip
    (data / folder.SWAP).write_text(json.dumps(moves))
    (data / "staged" / "other").write_text("x")

    with folder.held(data):
        pass

    assert (data / "site2crm.db").exists()
    assert (data / "other").read_text() == "x"
    assert not (data / folder.SWAP).exists()


async def test_without_the_secret_key_it_is_refused_in_words_and_a_new_one_can_be_made(
    backed_up: Backed, tmp_path: Path
) -> None:
    _, backup = backed_up()
    (tmp_path / "second" / "data").mkdir(parents=True)
    second = settings_of(tmp_path / "second")

    with pytest.raises(WrongKey, match=r"Put that secret\.key into .* --new-key"):
        put_back(second, backup.path)
    assert not (second.data.dir / "site2crm.db").exists()
    put_back(second, backup.path, new_key=True)

    assert (second.data.dir / "secret.key").exists()
    assert len((await what_is_there(tmp_path / "second"))[0]) == 5


async def test_an_encrypted_backup_brings_its_secret_key(backed_up: Backed, tmp_path: Path) -> None:
    settings, backup = backed_up(backup__key=KEY)
    (tmp_path / "second" / "data").mkdir(parents=True)
    second = settings_of(tmp_path / "second", backup__key=KEY)

    done = put_back(second, backup.path)

    assert done.takes_key
    assert (second.data.dir / "secret.key").read_text() == (settings.data.dir / "secret.key").read_text()
    assert (second.data.dir / "secret.key").stat().st_mode & 0o777 == 0o600


async def test_a_backup_of_a_newer_version_is_refused(at_rest: Path, tmp_path: Path) -> None:
    settings = settings_of(at_rest)
    path = settings.data.dir / "site2crm.db"
    written = sqlite.connect(f"file:{path}", timeout_s=5)
    written.execute("UPDATE alembic_version SET version_num = '9999'")
    written.commit()
    written.close()
    backup = made(settings)

    with pytest.raises(NewerSchema, match="upgrade Site2CRM"):
        put_back(elsewhere(tmp_path / "second", settings), backup.path)


async def while_it_runs(instance: Instance) -> Path:
    """As the server makes it, with its event store open."""
    done = await instance.machine.get(Backups).make(verify=False)
    return instance.machine.data_dir / "backups" / done.backup


def test_the_store_of_an_earlier_version_is_counted_too(tmp_path: Path) -> None:
    """Its one table is divided when the server opens it."""
    columns = ", ".join(f"{name} {kind} NOT NULL" for name, kind in schema.COLUMNS.items())
    store = heavy.duckdb().connect(str(tmp_path / "events.duckdb"))
    store.execute(f"CREATE TABLE event ({columns})")
    for table in ("event", "sample"):
        values = ", ".join("'2026-11-22'" if kind == "TIMESTAMP" else "'1'" for kind in schema.COLUMNS.values())
        store.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")
        store.execute(f"INSERT INTO {table} VALUES ({values})")
    store.close()

    assert event_file.count(tmp_path / "events.duckdb") == 1


async def form_and_link(path: Path) -> tuple[str, str]:
    [form] = [row[0] for row in records._ask(path, "SELECT key FROM form")]
    [slug] = [row[0] for row in records._ask(path, "SELECT slug FROM link")]
    return form, slug
