"""The bytes of a segment: frames back to back, then zeros; a sealed segment ends with a frame of length zero.

Magic and checksum seed come from the segment's name, which holds a random epoch: a visitor who posts bytes that look
like a frame cannot pass them off as a record when a damaged segment is searched for its next good frame.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

_BODY = struct.Struct("<IQQ")  # payload length, sequence, unix milliseconds
_HEAD = struct.Struct("<4sIIQQ")  # magic, checksum, body
HEADER_BYTES = _HEAD.size
MAX_PAYLOAD_BYTES = 8 * 1024 * 1024


class Key(NamedTuple):
    """What makes a frame belong to one segment."""

    magic: bytes
    seed: int


class Frame(NamedTuple):
    """A frame whose checksum is right; without data it is the footer."""

    offset: int
    end: int
    sequence: int
    unix_ms: int
    data: bytes


class Gap(NamedTuple):
    """Bytes that are no frame; `is_tail` when no good frame follows."""

    offset: int
    end: int
    is_tail: bool


def key_of(name: str) -> Key:
    """The key of the segment with this name."""
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return Key(digest[:4], int.from_bytes(digest[4:]))


def encode(key: Key, data: bytes, *, sequence: int, unix_ms: int) -> bytes:
    """The frame of one payload."""
    body = _BODY.pack(len(data), sequence, unix_ms)
    checksum = zlib.crc32(data, zlib.crc32(body, key.seed))
    return b"%b%b%b%b" % (key.magic, checksum.to_bytes(4, "little"), body, data)


def frame_at(key: Key, buffer: bytes, offset: int) -> Frame | None:
    """The frame that starts at `offset` of the buffer, if there is a whole and good one."""
    start = offset + HEADER_BYTES
    if start > len(buffer):
        return None
    magic, checksum, length, sequence, unix_ms = _HEAD.unpack_from(buffer, offset)
    end = start + length
    if magic != key.magic or end > len(buffer):
        return None
    data = buffer[start:end]
    if zlib.crc32(data, zlib.crc32(buffer[offset + 8 : start], key.seed)) != checksum:
        return None
    return Frame(offset, end, sequence, unix_ms, data)


def scan(key: Key, buffer: bytes, offset: int = 0) -> Iterator[Frame | Gap]:
    """Good frames in order, and the gaps between them; ends at the footer or where only zeros are left."""
    while offset < len(buffer):
        frame = frame_at(key, buffer, offset)
        if frame is None:
            gap = _gap(key, buffer, offset)
            if gap.end > gap.offset:
                yield gap
            if gap.is_tail:
                return
            offset = gap.end
        elif not frame.data:
            return
        else:
            yield frame
            offset = frame.end


def _gap(key: Key, buffer: bytes, offset: int) -> Gap:
    candidate = buffer.find(key.magic, offset + 1)
    while candidate != -1:
        if frame_at(key, buffer, candidate) is not None:
            return Gap(offset, candidate, is_tail=False)
        candidate = buffer.find(key.magic, candidate + 1)
    return Gap(offset, offset + len(buffer[offset:].rstrip(b"\0")), is_tail=True)
