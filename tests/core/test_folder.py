"""The two places of a data folder: who serves it, and who waits to follow."""

import shutil
from pathlib import Path

import pytest

from site2crm.core import folder
from site2crm.core.folder import LOCK, STANDBY, FolderHeld, Place


def test_one_process_has_a_place_and_says_who_it_is(tmp_path: Path) -> None:
    with Place(tmp_path, LOCK) as first, Place(tmp_path, LOCK) as second:
        assert first.take(listen="127.0.0.1:8080")
        assert not second.take()
        assert second.told().listen == "127.0.0.1:8080"
        assert not second.told().leaves
        first.leave()
        assert second.told().leaves
        first.close()
        assert second.take(listen="127.0.0.1:8081")
        assert second.told() == second.told()._replace(listen="127.0.0.1:8081", leaves=False)


@pytest.mark.parametrize("line", [b"", b"\n", b"4711\n", b"nobody knows\n", b"\xff\xfe"])
def test_what_an_older_version_or_a_torn_write_says_is_read(tmp_path: Path, line: bytes) -> None:
    (tmp_path / LOCK).write_bytes(line)
    with Place(tmp_path, LOCK) as place:
        told = place.told()
    assert told.pid == (4711 if line == b"4711\n" else 0)
    assert not told.leaves


def test_who_must_be_alone_is_kept_out_by_a_standby(tmp_path: Path) -> None:
    with Place(tmp_path, STANDBY) as waits:
        assert waits.take(listen="127.0.0.1:8081")
        with pytest.raises(FolderHeld, match="stands by"), folder.held(tmp_path):
            pass
    with folder.held(tmp_path), pytest.raises(FolderHeld, match="already being served"), folder.held(tmp_path):
        pass


def test_the_one_who_serves_sees_who_waits(tmp_path: Path) -> None:
    assert folder.waiting(tmp_path) is None
    with Place(tmp_path, STANDBY) as waits:
        assert folder.waiting(tmp_path) is None
        assert waits.take(listen="127.0.0.1:8081")
        found = folder.waiting(tmp_path)
        assert found is not None
        assert found.listen == "127.0.0.1:8081"


def test_a_node_keeps_its_name_and_a_copy_of_its_folder_has_another(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    name = folder.node(one)
    shutil.copytree(one, two)
    assert folder.node(one) == name
    assert folder.node(two) != name
    assert folder.identity(two) == folder.identity(one)
