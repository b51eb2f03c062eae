"""One file of a stream: `<number>-<epoch>.seg`, allocated in full before use, cut to its content when sealed."""

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from site2crm.core.journal import disk, frame
from site2crm.core.journal.disk import Disk
from site2crm.kit import clock

NAME = re.compile(r"(\d{16})-([0-9a-f]{16})\.seg")
QUARANTINE_SUFFIX = ".corrupt"


@dataclass(eq=False, slots=True)
class Segment:
    """Written, sealed and removed by the sync thread only; readers stay below `end`."""

    path: Path
    number: int
    key: frame.Key
    size: int  # on disk
    end: int = 0  # what readers may see
    fd: int | None = None  # None: nobody writes here any more

    @property
    def room_end(self) -> int:
        """Frames must end here, so that the footer fits."""
        return self.size - frame.HEADER_BYTES

    def descriptor(self) -> int:
        """The descriptor of a segment that is still being written."""
        assert self.fd is not None, "the segment is sealed"
        return self.fd

    def pread(self, offset: int, size: int) -> bytes:
        """Up to `size` readable bytes. Not through a mapping: a page fault would hold the GIL for a disk read."""
        with self.path.open("rb", buffering=0) as file:
            return os.pread(file.fileno(), min(size, self.end - offset), offset)

    def seal(self, end: int, *, last_sequence: int) -> None:
        """End the segment for good; the footer spares the next opening a scan, so it needs no sync."""
        fd = self.descriptor()
        footer = frame.encode(self.key, b"", sequence=last_sequence, unix_ms=int(clock.unix() * 1000))
        try:
            disk.write_all(fd, footer, offset=end)
            os.ftruncate(fd, end + len(footer))
            self.size = end + len(footer)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close the descriptor and leave the file as it is."""
        if self.fd is not None:
            with contextlib.suppress(OSError):  # a late write error; what readers may see was synced before
                os.close(self.fd)
            self.fd = None

    def remove(self) -> None:
        """Delete the file; the caller syncs the folder."""
        self.abandon()
        self.path.unlink(missing_ok=True)

    def quarantine(self, gap: frame.Gap, data: bytes, *, target: Disk) -> bool:
        """Keep damaged bytes in a file of their own, once; False if there was no space for it."""
        path = self.path.with_name(f"{self.path.stem}.{gap.offset}{QUARANTINE_SUFFIX}")
        if path.exists():
            return True
        what = "an unfinished or damaged end" if gap.is_tail else "damaged bytes between good records"
        code = "journal.torn_tail" if gap.is_tail else "journal.damaged"
        text = f"{self.path} has {what} ({len(data)} bytes at {gap.offset})"
        try:
            disk.write_file(path, data)
        except OSError as error:
            target.alarm(code, f"{text}; they could not be set aside: {error}")
            return False
        target.alarm(code, f"{text}; kept in {path.name}")
        return True


def create(folder: Path, number: int, *, epoch: str, size: int, target: Disk, reuse: Path | None) -> Segment:
    """A segment of zeros with real disk space behind it: on a hole, a full disk would be SIGBUS for a mapping.

    `reuse` is a file of zeros left by the last run: its space is kept, its name is not, because an old position may
    point into what a power cut took out of it.
    """
    path = folder / f"{number:016d}-{epoch}.seg"
    if reuse is not None:
        reuse.rename(path)
    fd = os.open(path, os.O_RDWR | (0 if reuse is not None else os.O_CREAT | os.O_EXCL), 0o600)
    try:
        target.allocate(fd, 0, size)
        disk.sync_folder(folder)
    except OSError:
        os.close(fd)
        path.unlink()
        raise
    return Segment(path, number, frame.key_of(path.stem), size, fd=fd)
