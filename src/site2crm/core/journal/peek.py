"""A look at a journal without opening it, while nobody or somebody else writes it. Changes nothing."""

from pathlib import Path
from typing import NamedTuple

from site2crm.core import folder
from site2crm.core.journal import frame
from site2crm.core.journal.contract import Position
from site2crm.core.journal.frame import Frame
from site2crm.core.journal.segment import NAME, QUARANTINE_SUFFIX


class Waiting(NamedTuple):
    """What a consumer has before it. `oldest`: unix seconds, None when nothing waits."""

    records: int
    oldest: float | None
    quarantined_files: int


def homes(data_dir: Path) -> list[Path]:
    """The journals of a data folder; more than one where a process has followed another."""
    journal = data_dir / folder.JOURNAL
    return sorted(home for home in journal.iterdir() if home.is_dir()) if journal.is_dir() else []


def epoch(home: Path) -> str:
    """Of the journal in this folder; empty if there is none."""
    path = home / "epoch"
    return path.read_text("ascii", "replace").strip() if path.exists() else ""


def waiting(home: Path, stream: str, after: Position | None) -> Waiting:
    """The records of a stream from `after` on, None for all."""
    folder = home / stream
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    found = [piece for path in paths if (piece := NAME.fullmatch(path.name))]
    records, oldest = 0, None
    for name in found:
        number = int(name[1])
        if after is not None and number < after.segment:
            continue
        start = after.offset if after is not None and number == after.segment else 0
        for one in _frames(folder / name[0], start):
            records += 1
            oldest = min(oldest or one.unix_ms / 1000, one.unix_ms / 1000)
    return Waiting(records, oldest, sum(path.name.endswith(QUARANTINE_SUFFIX) for path in paths))


def _frames(path: Path, start: int) -> list[Frame]:
    data = path.read_bytes()
    pieces = frame.scan(frame.key_of(path.stem), data, start)
    return [piece for piece in pieces if isinstance(piece, Frame)]
