"""The writer of the submissions stream: a group of records, one write, one sync. Runs in the sync thread."""

from collections.abc import Sequence

from site2crm.core.journal import disk, frame
from site2crm.core.journal.contract import JournalBroken, JournalFull, Position
from site2crm.core.journal.disk import Disk
from site2crm.core.journal.segment import Segment
from site2crm.core.journal.stream import Stream
from site2crm.kit import clock

Outcome = Position | JournalFull | JournalBroken
_ATTEMPTS = 2


class DurableWriter:
    """Keeps one segment to write and one in reserve, so that a full disk is noticed while there is still room."""

    def __init__(self, stream: Stream, *, target: Disk) -> None:
        self._stream = stream
        self._disk = target
        self._active: Segment | None = None
        self._spare: Segment | None = None
        self._offset = 0
        self._is_short = False

    @property
    def needs_space(self) -> bool:
        """Whether `prepare` should be tried again."""
        return self._active is None or self._spare is None

    def prepare(self) -> None:
        """Allocate ahead; alarms once when the disk is full, and goes on with the room that is left."""
        try:
            if self._active is None:
                self._active, self._spare, self._offset = self._spare or self._stream.create(), None, 0
            self._spare = self._spare or self._stream.create()
        except OSError as error:
            if not self._is_short:
                self._disk.alarm("journal.disk_full", f"no space for the next segment: {error}")
            self._is_short = True
        else:
            self._is_short = False

    def commit(self, group: Sequence[bytes]) -> list[Outcome]:
        """Write and sync all records; an outcome for each, in order.

        After a failure the descriptor is never used again: a later sync of it would report success for pages that the
        kernel has given up. What was not acknowledged goes into a new segment, once.
        """
        outcomes: list[Outcome] = []
        failures, shortage = 0, None
        while len(outcomes) < len(group):
            rest = group[len(outcomes) :]
            if shortage is not None and not self._fits(rest[0]):
                outcomes.append(_failure(shortage))
                continue
            try:
                segment = self._segment_for(rest[0])
            except OSError as error:
                shortage = error  # smaller records may still fit into the room that is left
                continue
            try:
                outcomes += self._write(rest, segment=segment)
            except OSError as error:
                self._give_up(segment, error)
                failures += 1
                if failures == _ATTEMPTS:
                    return outcomes + [_failure(error) for _ in rest]
        return outcomes

    def close(self) -> None:
        """Seal what was written; an unused reserve stays for the next run."""
        if self._active is not None and self._offset:
            self._seal(self._active)
        for unused in (self._active, self._spare):
            if unused is not None:
                unused.abandon()
        self._active = self._spare = None

    def _fits(self, record: bytes) -> bool:
        active = self._active
        return active is not None and self._offset + frame.HEADER_BYTES + len(record) <= active.room_end

    def _segment_for(self, record: bytes) -> Segment:
        """Raises OSError when a new segment is needed and there is no space for it."""
        if self._active is not None and self._fits(record):
            return self._active
        fresh = self._spare or self._stream.create()
        if self._active is not None:
            self._seal(self._active)
        self._active, self._spare, self._offset = fresh, None, 0
        return fresh

    def _write(self, records: Sequence[bytes], *, segment: Segment) -> list[Position]:
        """As many records as fit into the segment, the first one always."""
        unix_ms, sequence, end = int(clock.unix() * 1000), self._stream.sequence, self._offset
        frames: list[bytes] = []
        positions: list[Position] = []
        for record in records:
            if end + frame.HEADER_BYTES + len(record) > segment.room_end:
                break
            sequence += 1
            frames.append(frame.encode(segment.key, record, sequence=sequence, unix_ms=unix_ms))
            positions.append(Position(segment.number, end))
            end += len(frames[-1])
        disk.write_all(segment.descriptor(), b"".join(frames), offset=self._offset)
        self._disk.sync(segment.descriptor())
        self._stream.sequence, self._offset = sequence, end
        segment.end = end  # readers see it from here on
        return positions

    def _seal(self, segment: Segment) -> None:
        self._active = None
        try:
            segment.seal(self._offset, last_sequence=self._stream.sequence)
        except OSError as error:
            self._disk.alarm("journal.sync_failed", f"{segment.path} could not be sealed: {error}")

    def _give_up(self, segment: Segment, error: OSError) -> None:
        self._disk.alarm("journal.sync_failed", f"{segment.path} is given up after {error}")
        self._active = None
        segment.abandon()
        if segment.end == 0:
            self._stream.discard([segment])


def _failure(error: OSError) -> JournalFull | JournalBroken:
    return JournalFull(str(error)) if disk.is_full(error) else JournalBroken(str(error))
