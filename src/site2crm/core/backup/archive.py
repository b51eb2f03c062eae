"""The file: a tar of plain files, compressed with gzip, encrypted where there is a key. `tar xzf` opens a plain one.

Written and read as a stream. The reader trusts nothing: it takes the first member for the table of contents, and then
exactly the files that stand there, in that order, with these sizes and sums, under names that can only be ours. It
reads the blocks of the tar itself, because the library's reader follows links, takes any path, and loads extended
headers whole, whatever size they claim.
"""

import contextlib
import hashlib
import os
import re
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from site2crm.core.backup import manifest as manifests
from site2crm.core.backup.errors import BackupFailed, CorruptArchive
from site2crm.core.backup.manifest import Manifest, Member
from site2crm.core.backup.sealing import MAGIC, SealedReader, SealingWriter

MANIFEST = "manifest.json"
_NAME = re.compile(
    r"records/site2crm\.db|events/events\.(duckdb(\.wal)?|clickhouse\.json)|secret\.key"
    r"|journal/[a-z0-9][a-z0-9-]{0,63}/(submissions|events)/\d{16}-[0-9a-f]{16}\.seg"
)
_BLOCK = tarfile.BLOCKSIZE
_STEP_BYTES = 1024 * 1024
_GZIP_HEAD = b"\x1f\x8b\x08\0\0\0\0\0\x04\xff"  # no name, no time: always these bytes, so a changed one is noticed
_LEVEL = 1
_RAW_DEFLATE = -15


class Source(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class Entry(NamedTuple):
    """What the next file of the tar is; `chunks` must be read before the next one."""

    member: Member
    chunks: Iterator[bytes]


def write(path: Path, manifest: Manifest, *, files: Path, key: bytes | None, check: Callable[[], None]) -> None:
    """The members of the manifest, from the folder `files`, into a new file; synced. `check` is called at every
    step, and stops it by raising."""
    with path.open("xb") as target:
        os.chmod(path, 0o600)  # noqa: PTH101 - before the first byte
        seal = SealingWriter(target, key) if key else None
        out = _Compressing(seal or target, check)
        told = manifests.encode(manifest)
        _put(out, MANIFEST, [told], size=len(told))
        for member in manifest.members:
            _put(out, member.name, _steps(files / member.name), size=member.bytes)
        out.write(bytes(2 * _BLOCK))
        out.finish()
        if seal:
            seal.finish()
        target.flush()
        os.fsync(target.fileno())


@contextlib.contextmanager
def reading(path: Path, *, key: bytes | None) -> Iterator[tuple[Manifest, Iterator[Entry]]]:
    """The table of contents, then the files. Raises CorruptArchive or WrongKey as soon as something is not right.

    Who reads to the end knows that all is there and as it was written: sizes, sums and the end are checked.
    """
    with path.open("rb") as file:
        is_sealed = file.read(len(MAGIC)) == MAGIC
        file.seek(0)
        stream = _Inflating(SealedReader(file, key) if is_sealed else file)
        head = _next(stream)
        if head is None or head.name != MANIFEST or head.size > manifests.MAX_BYTES:
            raise CorruptArchive("It does not begin with a table of contents: no backup of Site2CRM.")
        manifest = manifests.decode(b"".join(_content(stream, head.size)))
        for member in manifest.members:
            if not _NAME.fullmatch(member.name):
                raise CorruptArchive(f"It holds {member.name[:200]!r}, which is no part of a backup.")
        yield manifest, _entries(stream, manifest.members)


def member_of(root: Path, name: str) -> Member:
    """Size and sum of a file that is to become a member."""
    digest, size = hashlib.sha256(), 0
    for step in _steps(root / name):
        digest.update(step)
        size += len(step)
    return Member(name, size, digest.hexdigest())


def _entries(stream: "_Inflating", members: Sequence[Member]) -> Iterator[Entry]:
    for member in members:
        head = _next(stream)
        if head is None or head.name != member.name or head.size != member.bytes:
            found = "its end" if head is None else repr(head.name[:200])
            raise CorruptArchive(f"Where {member.name} should be, with {member.bytes:,} bytes, it has {found}.")
        yield Entry(member, _checked(stream, member))
    if _next(stream) is not None:
        raise CorruptArchive("It holds more than its table of contents says.")
    stream.expect_end()


def _checked(stream: "_Inflating", member: Member) -> Iterator[bytes]:
    digest = hashlib.sha256()
    for chunk in _content(stream, member.bytes):
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != member.sha256:
        raise CorruptArchive(f"{member.name} is not what was written: its checksum is wrong.")


def _next(stream: "_Inflating") -> tarfile.TarInfo | None:
    """The next header; None at the end. Only plain files are known here: a link is a damaged archive."""
    block = stream.take(_BLOCK)
    if block == bytes(_BLOCK):
        if stream.take(_BLOCK) != bytes(_BLOCK):
            raise CorruptArchive("Its end is damaged.")
        return None
    try:
        head = tarfile.TarInfo.frombuf(block, "ascii", "strict")
    except (tarfile.HeaderError, ValueError):
        raise CorruptArchive("A file's head in it is damaged.") from None
    if head.type != tarfile.REGTYPE or head.size < 0:
        raise CorruptArchive(f"It holds {head.name[:200]!r}, which is no plain file.")
    return head


def _content(stream: "_Inflating", size: int) -> Iterator[bytes]:
    left = size
    while left:
        chunk = stream.take(min(left, _STEP_BYTES))
        left -= len(chunk)
        yield chunk
    padding = -size % _BLOCK
    if padding and stream.take(padding) != bytes(padding):
        raise CorruptArchive("There are bytes between its files.")


def _put(out: "_Compressing", name: str, content: Iterable[bytes], *, size: int) -> None:
    head = tarfile.TarInfo(name)
    head.size, head.mode = size, 0o600
    out.write(head.tobuf(tarfile.GNU_FORMAT, "ascii", "strict"))
    written = 0
    for part in content:
        out.write(part)
        written += len(part)
    if written != size:
        raise BackupFailed(f"{name} changed while it was written.")
    out.write(bytes(-written % _BLOCK))


def _steps(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while step := file.read(_STEP_BYTES):
            yield step


class _Target(Protocol):
    def write(self, data: bytes, /) -> int: ...


class _Compressing:
    """gzip with a head that never differs; the library's writes the time into it."""

    def __init__(self, target: _Target | BinaryIO, check: Callable[[], None]) -> None:
        self._target = target
        self._check = check
        self._deflate = zlib.compressobj(_LEVEL, wbits=_RAW_DEFLATE)
        self._sum = 0
        self._size = 0
        target.write(_GZIP_HEAD)

    def write(self, data: bytes) -> None:
        self._check()
        self._sum, self._size = zlib.crc32(data, self._sum), self._size + len(data)
        self._target.write(self._deflate.compress(data))

    def finish(self) -> None:
        tail = self._sum.to_bytes(4, "little") + (self._size & 0xFFFFFFFF).to_bytes(4, "little")
        self._target.write(self._deflate.flush() + tail)


class _Inflating:
    """Takes exact numbers of bytes out of the compressed stream, never more than was asked for."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._inflate = zlib.decompressobj(wbits=_RAW_DEFLATE)
        self._sum = 0
        self._size = 0
        raw = b""
        while len(raw) < len(_GZIP_HEAD) and (more := source.read(_STEP_BYTES)):
            raw += more
        if not raw.startswith(_GZIP_HEAD):
            raise CorruptArchive("It is no backup of Site2CRM, or its beginning is damaged.")
        self._raw = raw[len(_GZIP_HEAD) :]

    def take(self, size: int) -> bytes:
        parts, left = [], size
        while left:
            part = self._some(left)
            parts.append(part)
            left -= len(part)
        data = b"".join(parts)
        self._sum, self._size = zlib.crc32(data, self._sum), self._size + len(data)
        return data

    def expect_end(self) -> None:
        """The stream ends here, with its own sum and size, and nothing stands behind it."""
        if not self._inflate.eof and self._inflated(1):
            raise CorruptArchive("There is something behind its end.")
        tail = self._inflate.unused_data
        while more := self._source.read(_STEP_BYTES):
            tail += more
            if len(tail) > _STEP_BYTES:
                break
        tail_wanted = self._sum.to_bytes(4, "little") + (self._size & 0xFFFFFFFF).to_bytes(4, "little")
        if not self._inflate.eof or tail != tail_wanted:
            raise CorruptArchive("Its end is damaged, or cut off.")

    def _some(self, most: int) -> bytes:
        found = self._inflated(most)
        if not found:
            raise CorruptArchive("It is cut off.")
        return found

    def _inflated(self, most: int) -> bytes:
        """At least one byte, unless the stream is over."""
        while not self._inflate.eof:
            raw = self._raw or self._source.read(_STEP_BYTES)
            try:
                found = self._inflate.decompress(raw, most)
            except zlib.error as error:
                raise CorruptArchive(f"It is damaged ({error}).") from None
            self._raw = self._inflate.unconsumed_tail
            if found:
                return found
            if not raw:
                return b""
        return b""
