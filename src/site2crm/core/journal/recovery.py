"""What a folder of segments holds after a clean stop, a kill or a power cut."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from site2crm.core.journal import disk, frame
from site2crm.core.journal.disk import Disk
from site2crm.core.journal.segment import NAME, QUARANTINE_SUFFIX, Segment

_PIECE_BYTES = 1 << 18
_ZEROS = bytes(_PIECE_BYTES)


@dataclass(slots=True)
class Recovered:
    """Segments with records, oldest first; files of zeros whose space can be used again."""

    segments: list[Segment] = field(default_factory=list)
    blanks: list[Path] = field(default_factory=list)
    last_number: int = 0
    last_sequence: int = 0


def recover(folder: Path, *, target: Disk) -> Recovered:
    """Find every good record, cut torn tails, set damaged bytes aside. Never raises for the content of a file."""
    found = Recovered()
    for path in sorted(folder.iterdir()):
        name = NAME.fullmatch(path.name)
        if name and path.is_file():
            found.last_number = max(found.last_number, int(name[1]))
            try:
                _take(path, int(name[1]), found=found, target=target)
            except OSError as error:
                target.alarm("journal.unreadable", f"{path} was left alone: {error}")
        elif path.suffix == ".tmp":
            path.unlink()
        elif path.suffix != QUARANTINE_SUFFIX:
            target.alarm("journal.stray_file", f"{path} is not part of the journal and was left alone")
    disk.sync_folder(folder)
    return found


def _take(path: Path, number: int, *, found: Recovered, target: Disk) -> None:
    size = path.stat().st_size
    segment = Segment(path, number, frame.key_of(path.stem), size)
    footer = _footer(segment)
    if footer is not None:
        segment.end = size - frame.HEADER_BYTES
        last_sequence = footer.sequence
    else:
        segment.fd = os.open(path, os.O_RDWR)
        try:
            last_sequence = _scan(segment, found=found, target=target)
        finally:
            segment.abandon()
    found.last_sequence = max(found.last_sequence, last_sequence)
    if segment.end:
        found.segments.append(segment)


def _footer(segment: Segment) -> frame.Frame | None:
    if segment.size < frame.HEADER_BYTES:
        return None
    with segment.path.open("rb") as file:
        file.seek(-frame.HEADER_BYTES, os.SEEK_END)
        last = frame.frame_at(segment.key, file.read(), 0)
    return None if last is None or last.data else last


def _scan(segment: Segment, *, found: Recovered, target: Disk) -> int:
    """Set the end of a segment that was being written, and seal it; returns its last sequence."""
    if _is_blank(segment):
        found.blanks.append(segment.path)
        return 0
    data = segment.path.read_bytes()
    last_sequence, is_saved = 0, True
    for piece in frame.scan(segment.key, data):
        if isinstance(piece, frame.Gap):
            is_saved &= segment.quarantine(piece, data[piece.offset : piece.end], target=target)
        else:
            segment.end, last_sequence = piece.end, piece.sequence
    if segment.end == 0 and is_saved:
        segment.remove()
    elif is_saved:
        _seal(segment, last_sequence, target=target)
    return last_sequence


def _is_blank(segment: Segment) -> bool:
    """Whether the file is all zeros. In pieces that fit the processor's cache: a start reads little else."""
    piece = bytearray(_PIECE_BYTES)
    with segment.path.open("rb", buffering=0) as file:
        while count := file.readinto(piece):
            if piece[:count] != _ZEROS[:count]:
                return False
    return segment.size > 0


def _seal(segment: Segment, last_sequence: int, *, target: Disk) -> None:
    try:
        target.sync(segment.descriptor())  # a killed process may have left good frames that were never synced
        segment.seal(segment.end, last_sequence=last_sequence)
    except OSError as error:
        target.alarm("journal.sync_failed", f"{segment.path} could not be sealed: {error}")
