"""The segments of one stream: creating, reading in order, removing what was passed."""

from pathlib import Path
from typing import NamedTuple

from site2crm.core.journal import disk, frame, segment
from site2crm.core.journal.contract import Position, Record, StreamStats
from site2crm.core.journal.disk import Disk
from site2crm.core.journal.recovery import Recovered
from site2crm.core.journal.segment import Segment
from site2crm.kit import clock

_WINDOW_BYTES = 256 * 1024


class Located(NamedTuple):
    """A frame and the segment it lies in."""

    segment: Segment
    frame: frame.Frame

    def record(self) -> Record:
        number = self.segment.number
        return Record(Position(number, self.frame.offset), Position(number, self.frame.end), self.frame.data)


class Stream:
    """`segments` is replaced, never changed in place, and by the sync thread only: readers need no lock."""

    def __init__(self, folder: Path, found: Recovered, *, epoch: str, segment_bytes: int, target: Disk) -> None:
        self.folder = folder
        self.segment_bytes = segment_bytes
        self.max_payload = min(frame.MAX_PAYLOAD_BYTES, segment_bytes - 2 * frame.HEADER_BYTES)
        self.segments = found.segments
        self.sequence = found.last_sequence
        self.passed: Position | None = None
        self._epoch = epoch
        self._disk = target
        self._blanks = [path for path in found.blanks if path.stat().st_size == segment_bytes]
        for path in set(found.blanks) - set(self._blanks):
            path.unlink()
        # From the clock, so that a number is never used twice, whatever was deleted or restored meanwhile.
        self._number = max(found.last_number, int(clock.unix() * 1000))

    def check(self, data: bytes) -> None:
        """Refuse what cannot be framed."""
        if not 0 < len(data) <= self.max_payload:
            raise ValueError(f"a record holds 1 to {self.max_payload} bytes, not {len(data)}")

    def create(self) -> Segment:
        """A fresh segment behind all others; OSError when there is no space."""
        self._number += 1
        fresh = segment.create(
            self.folder,
            self._number,
            epoch=self._epoch,
            size=self.segment_bytes,
            target=self._disk,
            reuse=self._blanks.pop() if self._blanks else None,
        )
        self.segments = [*self.segments, fresh]
        return fresh

    def discard(self, unwanted: list[Segment]) -> None:
        """Remove segments and their files."""
        self.segments = [one for one in self.segments if one not in unwanted]
        for one in unwanted:
            one.remove()
        disk.sync_folder(self.folder)

    def advance(self, position: Position) -> None:
        """The consumer has stored everything before this position."""
        if self.passed is None or position > self.passed:
            self.passed = position

    def passed_segments(self) -> list[Segment]:
        """Finished segments that lie wholly before the consumer."""
        if self.passed is None:
            return []
        here = self.passed
        return [one for one in self.segments if one.fd is None and Position(one.number, one.end) <= here]

    def has(self, start: Position | None) -> bool:
        """Whether there is something to read from `start` on."""
        return any(one.end > _offset(one, start) for one in reversed(self.segments))

    def read(self, start: Position | None, *, limit: int, max_bytes: int) -> list[Record]:
        """Records from `start` on; at least one if there is any, however large."""
        return [found.record() for found in self._frames(start, limit=limit, max_bytes=max_bytes)]

    def stats(self) -> StreamStats:
        """Reads one frame from the disk, to know how old the oldest unread record is."""
        unread = self._frames(self.passed, limit=1, max_bytes=1)
        return StreamStats(
            bytes=self.bytes_on_disk(),
            segments=len(self.segments),
            lag_records=self.sequence - unread[0].frame.sequence + 1 if unread else 0,
            lag_bytes=sum(max(0, one.end - _offset(one, self.passed)) for one in self.segments),
            oldest_unread_s=max(0.0, clock.unix() - unread[0].frame.unix_ms / 1000) if unread else 0.0,
            quarantined_files=sum(1 for _ in self.folder.glob("*" + segment.QUARANTINE_SUFFIX)),
        )

    def bytes_on_disk(self) -> int:
        return sum(one.size for one in self.segments)

    def _frames(self, start: Position | None, *, limit: int, max_bytes: int) -> list[Located]:
        found: list[Located] = []
        for one in self.segments:
            offset = _offset(one, start)
            if offset >= one.end:
                continue
            try:
                is_full = self._collect(found, one, offset=offset, limit=limit, max_bytes=max_bytes)
            except FileNotFoundError:
                self._miss(one)
                continue
            if is_full:
                break
        return found

    def _collect(self, found: list[Located], one: Segment, *, offset: int, limit: int, max_bytes: int) -> bool:
        """Add the frames of one segment; True when there is no need to look at the next."""
        window = _Window(one)
        taken = sum(each.frame.end - each.frame.offset for each in found)
        while offset < one.end:
            if len(found) == limit:
                return True
            piece = window.piece_at(offset)
            if isinstance(piece, frame.Gap):
                offset = self._skip(one, piece)
                continue
            taken += piece.end - piece.offset
            if found and taken > max_bytes:
                return True
            found.append(Located(one, piece))
            offset = piece.end
        return False

    def _miss(self, one: Segment) -> None:
        """A consumer that waits for a deleted file would wait for ever."""
        if one in self.segments and one.end:
            one.end = 0
            self._disk.alarm("journal.missing", f"{one.path} was deleted by somebody else; its records are lost")

    def _skip(self, one: Segment, gap: frame.Gap) -> int:
        """Set damaged bytes aside and go on behind them; without a good frame behind them the segment ends before."""
        data = one.pread(gap.offset, gap.end - gap.offset)
        one.quarantine(gap, data, target=self._disk)
        if gap.is_tail:
            one.end = gap.offset
        return gap.end


class _Window:
    """Reads a segment in steps, in one large step where a frame or a damaged stretch asks for it."""

    def __init__(self, source: Segment) -> None:
        self._source = source
        self._start = 0
        self._bytes = b""

    def piece_at(self, offset: int) -> frame.Frame | frame.Gap:
        good = self._good(offset)
        if good is None:
            self._load(offset, _WINDOW_BYTES)
            good = self._good(offset)
        if good is None:
            self._load(offset, self._source.size)
            return self._first_piece()
        return good

    def _load(self, offset: int, size: int) -> None:
        self._start, self._bytes = offset, self._source.pread(offset, size)

    def _good(self, offset: int) -> frame.Frame | None:
        found = frame.frame_at(self._source.key, self._bytes, offset - self._start)
        return self._moved(found) if found is not None else None

    def _first_piece(self) -> frame.Frame | frame.Gap:
        nothing = frame.Gap(0, len(self._bytes), is_tail=True)
        first = next(frame.scan(self._source.key, self._bytes), nothing)
        if isinstance(first, frame.Frame):
            return self._moved(first)
        return first._replace(offset=first.offset + self._start, end=first.end + self._start)

    def _moved(self, found: frame.Frame) -> frame.Frame:
        return frame.Frame(found.offset + self._start, found.end + self._start, *found[2:])


def _offset(one: Segment, start: Position | None) -> int:
    """Where reading from `start` begins in this segment; its end if `start` lies behind it."""
    if start is None or one.number > start.segment:
        return 0
    return start.offset if one.number == start.segment else one.end
