"""The journal in a backup: what its segments hold, and how a new journal is made of it.

A restored journal gets a new epoch, so that no consumer takes its old position for a place in it, and holds only what
lies behind the positions of the restored stores. Beside the copied segments it takes those that are still in the
folder that is replaced: an accepted lead that waits there is not in any backup.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from site2crm.core.backup.records import Stored
from site2crm.core.journal import disk, frame
from site2crm.core.journal.contract import EVENTS, SUBMISSIONS, Position
from site2crm.core.journal.frame import Frame
from site2crm.core.journal.segment import NAME

FOLDER = "journal"
STREAMS = (SUBMISSIONS, EVENTS)
EPOCH = "epoch"


class _File(NamedTuple):
    path: Path
    number: int
    epoch: str


def copy(source: Path, target: Path) -> None:
    """Copy what the segments of all instances hold, cut behind the last whole record.

    Segments that vanish meanwhile were stored by their consumer: they are in the copies that are made after this.
    """
    for instance in _folders(source):
        for stream in STREAMS:
            (target / instance.name / stream).mkdir(parents=True, exist_ok=True)
            for one in _segments(instance / stream):
                _copy(one, target / instance.name / stream / one.path.name)


def count(journal: Path) -> dict[str, int]:
    """Records in each stream, of all instances."""
    return {
        stream: sum(len(_frames(one.path)) for home in _folders(journal) for one in _segments(home / stream))
        for stream in STREAMS
    }


def rebuild(target: Path, *, sources: Sequence[Path], stored: Mapping[str, Sequence[Stored]]) -> dict[str, int]:
    """A new journal of one instance at `target`, from the folders of it in `sources`; how many records it holds.

    `stored`: for each stream, how far its consumers have come in the restored stores. Of an epoch that none of them
    knows everything is taken.
    """
    epoch = secrets.token_hex(8)
    written = {}
    for stream in STREAMS:
        home = target / stream
        home.mkdir(mode=0o700, parents=True)
        passed: dict[str, Position] = {}
        for each in stored.get(stream, ()):
            passed[each.epoch] = min(each.position, passed.get(each.epoch, each.position))
        written[stream] = _rewrite(home, [source / stream for source in sources], epoch=epoch, passed=passed)
        disk.sync_folder(home)
    disk.write_file(target / EPOCH, epoch.encode())
    return written


def _rewrite(home: Path, sources: Sequence[Path], *, epoch: str, passed: dict[str, Position]) -> int:
    """One new segment for each old one that holds something that is still to be applied."""
    by_name: dict[str, list[_File]] = {}
    for source in sources:
        for one in _segments(source):
            by_name.setdefault(one.path.name, []).append(one)
    sequence = number = 0
    for name in sorted(by_name, key=lambda name: (by_name[name][0].number, name)):
        copies = by_name[name]
        behind = passed.get(copies[0].epoch)
        merged = {found.offset: found for one in copies for found in _frames(one.path)}
        wanted = [merged[at] for at in sorted(merged) if behind is None or Position(copies[0].number, at) >= behind]
        number = max(number + 1, copies[0].number)
        if wanted:
            _write(home / f"{number:016d}-{epoch}.seg", wanted, sequence=sequence)
            sequence += len(wanted)
    return sequence


def _write(path: Path, frames: Sequence[Frame], *, sequence: int) -> None:
    """A sealed segment, as the journal would have left it."""
    key = frame.key_of(path.stem)
    parts = [
        frame.encode(key, each.data, sequence=sequence + number, unix_ms=each.unix_ms)
        for number, each in enumerate(frames, start=1)
    ]
    footer = frame.encode(key, b"", sequence=sequence + len(frames), unix_ms=frames[-1].unix_ms)
    disk.write_file(path, b"".join([*parts, footer]))


def _copy(one: _File, target: Path) -> None:
    try:
        data = one.path.read_bytes()
    except FileNotFoundError:
        return
    end = max((found.end for found in _good(one.path, data)), default=0)
    if end:
        target.write_bytes(data[:end])
        target.chmod(0o600)


def _frames(path: Path) -> list[Frame]:
    return list(_good(path, path.read_bytes()))


def _good(path: Path, data: bytes) -> Iterator[Frame]:
    """A damaged stretch is passed over, as the journal does when it opens."""
    return (piece for piece in frame.scan(frame.key_of(path.stem), data) if isinstance(piece, Frame))


def _folders(journal: Path) -> list[Path]:
    return sorted(path for path in journal.iterdir() if path.is_dir()) if journal.is_dir() else []


def _segments(folder: Path) -> list[_File]:
    found = [(path, NAME.fullmatch(path.name)) for path in folder.iterdir()] if folder.is_dir() else []
    return sorted((_File(path, int(name[1]), name[2]) for path, name in found if name), key=lambda one: one.number)
