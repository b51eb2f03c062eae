"""The writer of the events stream: a copy into mapped, allocated, zeroed memory. The kernel keeps it at kill -9."""

import mmap
from collections import deque
from collections.abc import Callable

from site2crm.core.journal import disk, frame
from site2crm.core.journal.disk import Disk
from site2crm.core.journal.segment import Segment
from site2crm.core.journal.stream import Stream
from site2crm.kit import clock

_RESERVE_SEGMENTS = 4  # free disk space that is left to the other stream


class _Mapped:
    """A segment, its memory, and how far this run may write."""

    __slots__ = ("memory", "offset", "room_end", "segment")

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.memory = mmap.mmap(segment.descriptor(), segment.size)
        self.room_end = segment.room_end
        self.offset = 0


class MappedWriter:
    """`append` belongs to the event loop, everything else to the sync thread."""

    def __init__(self, stream: Stream, *, cap_bytes: int, target: Disk, wake: Callable[[], None]) -> None:
        self.dropped = 0
        self.is_dirty = False
        self._stream = stream
        self._cap_bytes = cap_bytes
        self._disk = target
        self._wake = wake
        self._active: _Mapped | None = None
        self._spare: _Mapped | None = None
        self._retired: deque[_Mapped] = deque()
        self._is_short = False

    def append(self, data: bytes) -> bool:
        """Copy one record; False when it was dropped for want of a segment."""
        self._stream.check(data)
        active = self._active
        size = frame.HEADER_BYTES + len(data)
        if active is None or active.offset + size > active.room_end:
            active = self._rotate()
            if active is None:
                self.dropped += 1
                return False
        stream, segment, start = self._stream, active.segment, active.offset
        stream.sequence += 1
        active.memory[start : start + size] = frame.encode(
            segment.key, data, sequence=stream.sequence, unix_ms=int(clock.unix() * 1000)
        )
        active.offset = segment.end = start + size
        if not self.is_dirty:
            self.is_dirty = True
            self._wake()
        return True

    def _rotate(self) -> _Mapped | None:
        if self._spare is None:
            return None
        if self._active is not None:
            self._retired.append(self._active)
        self._active, self._spare = self._spare, None
        return self._active

    @property
    def needs_space(self) -> bool:
        """Whether `prepare` should be tried again."""
        return self._spare is None

    def prepare(self) -> None:
        """Keep one segment in reserve, below the cap and only while the disk has space for the other stream."""
        if self._spare is not None:
            return
        try:
            shortage = self._shortage()
            if not shortage:
                self._spare = self._map(self._stream.create())
        except OSError as error:
            shortage = str(error)
        if shortage and not self._is_short:
            self._disk.alarm("journal.events_short", f"events will be dropped when the segment is full: {shortage}")
        self._is_short = bool(shortage)

    def _map(self, segment: Segment) -> _Mapped:
        try:
            return _Mapped(segment)
        except OSError:
            self._stream.discard([segment])
            raise

    def _shortage(self) -> str:
        if self._stream.bytes_on_disk() + self._stream.segment_bytes > self._cap_bytes:
            return f"the cap of {self._cap_bytes} bytes is reached"
        if disk.free_bytes(self._stream.folder) < _RESERVE_SEGMENTS * self._stream.segment_bytes:
            return "the disk is nearly full"
        return ""

    def sync(self) -> None:
        """Make everything durable that was appended before this call."""
        self.is_dirty = False
        while self._retired:
            self._retire(self._retired.popleft())
        active = self._active
        if active is None or active.room_end == 0:
            return
        try:
            self._disk.sync(active.segment.descriptor())
        except OSError as error:
            active.room_end = 0  # the next append goes to another segment
            self._disk.alarm("journal.sync_failed", f"{active.segment.path} is given up after {error}")

    def close(self) -> None:
        """Sync and seal; no append may follow."""
        self.sync()
        for mapped in (self._active, self._spare):
            if mapped is not None:
                self._retire(mapped)
        self._active = self._spare = None

    def _retire(self, mapped: _Mapped) -> None:
        """An unused segment stays as it is, for the next run."""
        mapped.memory.close()
        segment = mapped.segment
        try:
            if mapped.offset and mapped.room_end:
                self._disk.sync(segment.descriptor())
                segment.seal(mapped.offset, last_sequence=self._stream.sequence)
        except OSError as error:
            self._disk.alarm("journal.sync_failed", f"{segment.path} could not be sealed: {error}")
        finally:
            segment.abandon()
