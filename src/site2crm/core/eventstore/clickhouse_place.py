"""How far a journal has been carried into ClickHouse: a small file beside the journal.

ClickHouse knows no transaction over rows and position. So it is written down first where the batch ends that is about
to be sent, and afterwards that it was. A process that dies in between finds the end again: the same rows are sent once
more, as one batch, under the same token, by which ClickHouse knows them.
"""

from pathlib import Path

import msgspec

from site2crm.core import log
from site2crm.core.journal import disk
from site2crm.core.journal.contract import Position

NAME = "events.clickhouse.json"

_log = log.get("events")


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Of one consumer, in one life of the journal. `done` is behind the last row that is stored; `begun` the end of
    the batch that may be."""

    epoch: str
    done: tuple[int, int] | None = None
    begun: tuple[int, int] | None = None
    unsure_before: float
    """Unix seconds. Rows from before may be stored although this file knows nothing of it: it was lost, or the journal
    comes from a backup. So they are looked for by their ids first."""


class Places:
    """Read and written in threads, by one consumer each."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / NAME
        self._known: dict[str, Place] | None = None

    def get(self, consumer: str) -> Place | None:
        if self._known is None:
            self._known = read(self._path)
        return self._known.get(consumer)

    def put(self, consumer: str, place: Place) -> None:
        """On the disk when it returns."""
        known = {**(self._known or read(self._path)), consumer: place}
        disk.write_file(self._path, msgspec.json.encode(known) + b"\n")
        self._known = known


def read(path: Path) -> dict[str, Place]:
    """Of every consumer; nothing where there is no file, or a damaged one: then ids are compared."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Place])
    except FileNotFoundError:
        return {}
    except msgspec.MsgspecError as error:
        _log.warning("events.place_unreadable", file=str(path), error=str(error))
        return {}


def position(pair: tuple[int, int] | None) -> Position | None:
    return Position(*pair) if pair else None
