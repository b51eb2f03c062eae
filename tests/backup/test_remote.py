"""Copies in an S3-compatible store: a real server of the protocol, in this process."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from site2crm.core.backup import shelf, upkeep
from site2crm.core.backup.errors import BackupFailed
from site2crm.core.backup.remote import Remote
from site2crm.core.config import ConfigInvalid, Settings
from site2crm.kit import clock
from tests import s3
from tests.backup.conftest import KEY, made, settings_of
from tests.s3 import BUCKET

PART_BYTES = 5 * 1024 * 1024


@pytest.fixture
def store() -> Iterator[str]:
    with s3.store() as url:
        yield url


def with_store(folder: Path, url: str, **flags: str) -> Settings:
    place = f"{url}/{BUCKET}/site"
    return settings_of(
        folder, backup__key=KEY, backup__s3=place, backup__s3_key_id="id", backup__s3_secret="secret", **flags
    )


def test_a_backup_is_sent_listed_and_fetched_again(at_rest: Path, store: str) -> None:
    settings = with_store(at_rest, store)
    backup = made(settings)
    whole = backup.path.read_bytes()

    assert upkeep.send(settings, backup.name)
    backup.path.unlink()

    assert Remote(settings).names() == {backup.name: len(whole)}
    assert upkeep.find(settings, backup.name).read_bytes() == whole


def test_a_large_one_goes_in_parts(at_rest: Path, store: str) -> None:
    settings = with_store(at_rest, store)
    path = at_rest / "site2crm-20261122T031500Z.tar.gz.enc"
    path.write_bytes(os.urandom(3 * PART_BYTES + 17))

    Remote(settings, part_bytes=PART_BYTES).put(path)

    client = s3.client(store)
    assert client.head_object(Bucket=BUCKET, Key=f"site/{path.name}")["ETag"].strip('"').endswith("-4")
    (at_rest / "back").mkdir()
    assert Remote(settings).fetch(path.name, at_rest / "back").read_bytes() == path.read_bytes()


def test_old_ones_are_let_go_there_too_and_other_files_left_alone(at_rest: Path, store: str) -> None:
    settings = with_store(at_rest, store, backup__keep_days="1", backup__keep_weeks="0")
    remote, now = Remote(settings), clock.now()
    for days in (0, 40, 50):
        name = shelf.name_of(now - timedelta(days=days), "", encrypted=True)
        (at_rest / name).write_bytes(b"x")
        remote.put(at_rest / name)
    client = s3.client(store)
    client.put_object(Bucket=BUCKET, Key="site/notes.txt", Body=b"mine")

    upkeep.prune(settings)

    assert list(remote.names()) == [shelf.name_of(now, "", encrypted=True)]
    assert client.get_object(Bucket=BUCKET, Key="site/notes.txt")["Body"].read() == b"mine"


def test_a_store_that_is_not_there_is_told_in_a_sentence(at_rest: Path, store: str) -> None:
    settings = settings_of(
        at_rest,
        backup__key=KEY,
        backup__s3=f"{store}/no-such-bucket",
        backup__s3_key_id="id",
        backup__s3_secret="s3cr3t",
    )
    backup = made(settings)

    with pytest.raises(BackupFailed, match="could not be sent") as told:
        upkeep.send(settings, backup.name)

    assert "s3cr3t" not in str(told.value)
    assert backup.path.exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (
            {"backup__s3": "https://s3.example/bucket", "backup__s3_key_id": "i", "backup__s3_secret": "s"},
            "write a key",
        ),
        ({"backup__s3": "https://s3.example", "backup__key": KEY}, "bucket is missing"),
        ({"backup__s3": "https://s3.example/bucket", "backup__key": KEY}, "the store needs it"),
        ({"backup__s3": "http://s3.example/bucket", "backup__key": KEY}, "plain http"),
        ({"backup__key": "short"}, "32 bytes"),
    ],
)
def test_a_store_that_cannot_work_is_refused_with_the_cure(tmp_path: Path, flags: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigInvalid, match=words):
        settings_of(tmp_path, **flags)
