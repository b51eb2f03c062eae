"""The file: what was written comes back, and nothing else is taken for it."""

import gzip
import io
import json
import resource
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from site2crm.core import migrations
from site2crm.core.backup import create, records, restore
from site2crm.core.backup.create import Made
from site2crm.core.backup.errors import BackupFailed, CorruptArchive, Stopped, WrongKey
from site2crm.core.config import Settings
from tests.backup.conftest import KEY, OTHER_KEY, made, settings_of

Backed = Callable[..., tuple[Settings, Made]]
FLIPS = 60


def read(path: Path, target: Path, key: bytes | None = None) -> None:
    target.mkdir(parents=True, exist_ok=True)
    restore.unpack(path, target, key=key, min_free=0)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_backup_unpacks_to_what_was_there(backed_up: Backed, tmp_path: Path) -> None:
    settings, backup = backed_up()

    read(backup.path, tmp_path / "out")

    assert records.counts(tmp_path / "out" / records.MEMBER) == records.counts(settings.data.dir / "site2crm.db")
    assert backup.counts.tables["lead"] == 5
    assert backup.counts.events == 7
    assert not (tmp_path / "out" / "secret.key").exists()


def test_an_ordinary_tar_opens_a_plain_one(backed_up: Backed) -> None:
    _, backup = backed_up()

    with tarfile.open(backup.path) as opened:
        names = opened.getnames()

    assert names[0] == "manifest.json"
    assert "records/site2crm.db" in names
    assert not any("salt" in name for name in names)


def test_only_its_owner_can_read_it(backed_up: Backed) -> None:
    _, backup = backed_up()

    assert backup.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("flags", [{}, {"backup__key": KEY}], ids=["plain", "encrypted"])
def test_a_flipped_byte_is_refused_wherever_it_is(backed_up: Backed, tmp_path: Path, flags: dict[str, str]) -> None:
    settings, backup = backed_up(**flags)
    whole = backup.path.read_bytes()
    read(backup.path, tmp_path / "whole", create.key_of(settings))
    wanted, accepted = contents(tmp_path / "whole"), []
    for number in range(FLIPS):
        at = number * (len(whole) - 1) // (FLIPS - 1)
        (tmp_path / "flipped").write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            read(tmp_path / "flipped", tmp_path / f"out{number}", create.key_of(settings))
        except (CorruptArchive, WrongKey):
            continue
        if contents(tmp_path / f"out{number}") != wanted:  # a few bits of a compressed stream say nothing
            accepted.append(at)
    assert accepted == []


@pytest.mark.parametrize("flags", [{}, {"backup__key": KEY}], ids=["plain", "encrypted"])
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_one_that_is_cut_off_is_refused(backed_up: Backed, tmp_path: Path, flags: dict[str, str], share: float) -> None:
    settings, backup = backed_up(**flags)
    whole = backup.path.read_bytes()
    (tmp_path / "cut").write_bytes(whole[: int(len(whole) * share)])

    with pytest.raises(CorruptArchive):
        read(tmp_path / "cut", tmp_path / "out", create.key_of(settings))


@pytest.mark.parametrize("flags", [{}, {"backup__key": KEY}], ids=["plain", "encrypted"])
@pytest.mark.parametrize("more", [b"\0", b"more", b"\0" * 2_000_000])
def test_something_behind_its_end_is_refused(
    backed_up: Backed, tmp_path: Path, flags: dict[str, str], more: bytes
) -> None:
    settings, backup = backed_up(**flags)
    (tmp_path / "longer").write_bytes(backup.path.read_bytes() + more)

    with pytest.raises(CorruptArchive):
        read(tmp_path / "longer", tmp_path / "out", create.key_of(settings))


def test_an_encrypted_one_shows_nothing_and_brings_the_secret_key(backed_up: Backed, tmp_path: Path) -> None:
    settings, backup = backed_up(backup__key=KEY)

    read(backup.path, tmp_path / "out", create.key_of(settings))

    assert backup.name.endswith(".enc")
    assert b"SQLite" not in backup.path.read_bytes()
    assert (tmp_path / "out" / "secret.key").read_text() == (settings.data.dir / "secret.key").read_text()


@pytest.mark.parametrize(("key", "words"), [("", "write that key"), (OTHER_KEY, "is the key")])
def test_without_its_key_an_encrypted_one_is_refused_and_names_it(
    backed_up: Backed, tmp_path: Path, key: str, words: str
) -> None:
    _, backup = backed_up(backup__key=KEY)
    other = settings_of(tmp_path, backup__key=key)

    with pytest.raises(WrongKey, match=words):
        read(backup.path, tmp_path / "out", create.key_of(other))


def test_swapped_parts_of_an_encrypted_one_are_refused(tmp_path: Path) -> None:
    from site2crm.core.backup.sealing import CHUNK_BYTES, HEAD_BYTES, SealedReader, SealingWriter

    out, chunk = io.BytesIO(), CHUNK_BYTES + 16
    writer = SealingWriter(out, b"k" * 32)
    writer.write(b"x" * (3 * CHUNK_BYTES + 5))
    writer.finish()
    head, body = out.getvalue()[:HEAD_BYTES], out.getvalue()[HEAD_BYTES:]
    first, second, rest = body[:chunk], body[chunk : 2 * chunk], body[2 * chunk :]
    for forged in (second + first + rest, first + rest, first + first + rest, first + second):
        reader = SealedReader(io.BytesIO(head + forged), b"k" * 32)
        with pytest.raises(CorruptArchive):
            while reader.read():
                pass


def forged(path: Path, members: list[tuple[tarfile.TarInfo, bytes]], told: list[dict[str, object]]) -> Path:
    """An archive by somebody else, with a table of contents that says `told`."""
    manifest = {
        "format": 1, "version": "0.1.0", "schema": migrations.revisions()[-1], "made_at": "2026-11-22T00:00:00Z", "instance": "", "reason": "",
        "secret_key": "", "has_secret_key": False, "counts": {"tables": {}, "events": 0, "journal": {}}, "members": told,
    }  # fmt: skip
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as out:
        head = tarfile.TarInfo("manifest.json")
        content = json.dumps(manifest).encode()
        head.size = len(content)
        out.addfile(head, io.BytesIO(content))
        for info, data in members:
            out.addfile(info, io.BytesIO(data))
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", filename="", mtime=0, compresslevel=1) as out_gz:
        out_gz.write(raw.getvalue())
    path.write_bytes(packed.getvalue())
    return path


def info(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE) -> tuple[tarfile.TarInfo, bytes]:
    head = tarfile.TarInfo(name)
    head.type, head.size = kind, len(data)
    head.linkname = "/etc/passwd" if kind != tarfile.REGTYPE else ""
    return head, data


HOSTILE = {
    "a path upwards": ("../../evil", tarfile.REGTYPE),
    "an absolute path": ("/tmp/evil", tarfile.REGTYPE),
    "a symbolic link": ("records/site2crm.db", tarfile.SYMTYPE),
    "a hard link": ("records/site2crm.db", tarfile.LNKTYPE),
    "a device": ("records/site2crm.db", tarfile.CHRTYPE),
    "a folder": ("records/site2crm.db", tarfile.DIRTYPE),
    "a file of another name": ("authorized_keys", tarfile.REGTYPE),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_member_is_refused_and_nothing_is_written(tmp_path: Path, case: str) -> None:
    name, kind = HOSTILE[case]
    path = forged(tmp_path / "evil.tar.gz", [info(name, b"", kind)], [{"name": name, "bytes": 0, "sha256": ""}])

    with pytest.raises(CorruptArchive):
        read(path, tmp_path / "out")

    assert not [each for each in (tmp_path / "out").rglob("*") if each.is_file() or each.is_symlink()]


def test_more_than_the_disk_holds_is_refused_before_a_byte_is_unpacked(tmp_path: Path) -> None:
    told = [{"name": "records/site2crm.db", "bytes": 10**15, "sha256": ""}]
    path = forged(tmp_path / "bomb.tar.gz", [info("records/site2crm.db", b"x")], told)

    with pytest.raises(BackupFailed, match="unpacks to 1,000,000,000,000,000 bytes"):
        read(path, tmp_path / "out")


def test_a_member_that_is_larger_than_it_is_told_to_be_is_refused(tmp_path: Path) -> None:
    told = [{"name": "records/site2crm.db", "bytes": 10, "sha256": ""}]
    path = forged(tmp_path / "bomb.tar.gz", [info("records/site2crm.db", bytes(50_000_000))], told)

    with pytest.raises(CorruptArchive):
        read(path, tmp_path / "out")

    assert sum(each.stat().st_size for each in (tmp_path / "out").rglob("*") if each.is_file()) == 0


@pytest.mark.parametrize("content", [b"", b"hello", b"\x1f\x8b" + bytes(500), bytes(1_000_000)])
def test_what_is_no_backup_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)

    with pytest.raises(CorruptArchive):
        read(tmp_path / "x", tmp_path / "out")


def test_a_table_of_contents_without_end_is_not_read(tmp_path: Path) -> None:
    told = [{"name": f"{number}" * 100, "bytes": 0, "sha256": ""} for number in range(20_000)]
    path = forged(tmp_path / "big.tar.gz", [], told)

    with pytest.raises(CorruptArchive, match="table of contents"):
        read(path, tmp_path / "out")


def left(settings: Settings) -> list[str]:
    return sorted(path.name for path in (settings.data.dir / "backups").iterdir())


def test_without_room_none_is_begun(at_rest: Path) -> None:
    settings = settings_of(at_rest, data__min_free="1024GiB")

    with pytest.raises(BackupFailed, match="no room"):
        made(settings)

    assert left(settings) == []


def test_a_disk_that_fills_up_meanwhile_costs_no_older_backup(backed_up: Backed) -> None:
    settings, older = backed_up()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))  # a write beyond it fails, as on a full disk
    try:
        with pytest.raises(BackupFailed):
            made(settings, "second")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert left(settings) == [older.name]


def test_one_is_given_up_when_the_server_stops(at_rest: Path) -> None:
    settings, steps = settings_of(at_rest), iter([True, True, False])

    with pytest.raises(Stopped):
        create.create(settings, reason="", copy_events=create.copy_events_at_rest, is_wanted=lambda: next(steps, False))

    assert left(settings) == []
