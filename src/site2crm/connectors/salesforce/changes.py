"""Reading what changed, oldest first, in pages that begin where the last one ended (crm/salesforce.md 7).

A page goes on behind the last row's moment and id, not by a locator: those expire, and a backfill may take days.
"""

from collections.abc import Collection, Sequence
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time, timedelta
from typing import NamedTuple

import msgspec

from site2crm.connectors.salesforce import soql
from site2crm.connectors.salesforce.client import Client, Row
from site2crm.kit import clock

OVERLAP = timedelta(minutes=5)
"""A change that was being saved while we read may carry an earlier moment."""
PAGE = 2_000
_BEGINNING = datetime(1999, 1, 1, tzinfo=UTC)


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where to go on: behind this row; or, at the beginning of a sync, from this moment on."""

    at: datetime
    id: str = ""

    @classmethod
    def of(cls, since: datetime | None, cursor: str | None) -> "Place":
        """Raises nothing: a cursor that is not ours begins at `since`."""
        if cursor:
            try:
                return msgspec.json.decode(cursor, type=cls)
            except msgspec.DecodeError:
                pass
        return cls(since - OVERLAP if since else _BEGINNING)

    @property
    def cursor(self) -> str:
        return msgspec.json.encode(self).decode()

    @property
    def test(self) -> str:
        at = soql.moment(self.at)
        if not self.id:
            return f"SystemModstamp >= {at}"
        return f"SystemModstamp >= {at} AND (SystemModstamp > {at} OR Id > {soql.text(self.id)})"


class Changed(NamedTuple):
    """`place`: where the next page begins, or the next sync."""

    rows: list[Row]
    place: Place
    more: bool
    total: int | None


async def read(
    client: Client,
    columns: Sequence[str],
    table: str,
    *,
    place: Place,
    only: str = "",
    optional: Collection[str] = (),
    counts: bool = False,
) -> Changed:
    """One page, the deleted and the archived ones too. To count them all is a query of its own."""
    where = f"WHERE {only} AND {place.test}" if only else f"WHERE {place.test}"
    rest = f"{where} ORDER BY SystemModstamp, Id LIMIT {PAGE}"
    total = None
    if counts:
        counted = await client.page(soql.select(("COUNT()",), table, where), deleted_too=True)
        total = counted.total
    page = await client.select(columns, table, rest=rest, optional=optional, deleted_too=True)
    more = page.next is not None or len(page.items) >= PAGE
    if not page.items:
        return Changed([], _rewound(place), False, total)
    last = page.items[-1]
    place = Place(moment(last.get("SystemModstamp")) or place.at, str(last.get("Id") or ""))
    return Changed(page.items, place if more else _rewound(place), more, total)


def moment(value: object) -> datetime | None:
    """`2026-11-21T10:15:30.000+0000`."""
    if not isinstance(value, str) or not value:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return clock.as_utc(found if found.tzinfo else found.replace(tzinfo=UTC))


def day(value: object) -> date | None:
    try:
        found = date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found and MINYEAR < found.year < MAXYEAR else None


def midnight(value: date | None) -> datetime | None:
    return datetime.combine(value, time(), UTC) if value else None


def _rewound(place: Place) -> Place:
    """For the next sync."""
    return Place(place.at - OVERLAP) if place.id else place
