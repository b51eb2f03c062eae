"""What callers of the journal see: positions, records, errors, figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

SUBMISSIONS = "submissions"
EVENTS = "events"


class Position(NamedTuple):
    """A place in a stream; totally ordered within an epoch. Segment numbers never repeat, even if all files vanish."""

    segment: int
    offset: int


class Record(NamedTuple):
    """`next` is the position to store once this record is applied."""

    position: Position
    next: Position
    data: bytes


class JournalFull(Exception):
    """The disk is full, the preallocated space too. Nothing was acknowledged: answer 503 with Retry-After."""


class JournalBroken(Exception):
    """Write or sync failed, in a fresh segment too. Nothing was acknowledged: answer 503."""


class JournalInUse(Exception):
    """Another process writes this instance's journal."""


@dataclass(frozen=True, slots=True)
class StreamStats:
    """`lag_*` and `oldest_unread_s` count what is readable and not yet released."""

    bytes: int
    segments: int
    lag_records: int
    lag_bytes: int
    oldest_unread_s: float
    quarantined_files: int


@dataclass(frozen=True, slots=True)
class JournalStats:
    """Counters run from the opening of the journal."""

    submissions: StreamStats
    events: StreamStats
    dropped_events: int
    syncs: int
    sync_errors: int


class Readable(Protocol):
    """What a consumer reads: the journal that this process writes, or one that somebody has left."""

    @property
    def instance(self) -> str: ...
    @property
    def epoch(self) -> str: ...
    @property
    def appended(self) -> Mapping[str, int]: ...
    def read(self, stream: str, start: Position | None, *, limit: int, max_bytes: int = ...) -> list[Record]: ...
    async def wait(self, stream: str, after: Position | None) -> bool: ...
    def release(self, stream: str, position: Position) -> None: ...
