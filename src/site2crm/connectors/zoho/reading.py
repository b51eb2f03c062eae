"""Walks a module in the order of its changes: by COQL, by time and then id, and after that what was deleted.

Not by offset: that ends at 100,000 rows, and rows that change meanwhile would push others over the edge.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
from msgspec import Struct

from site2crm.connectors.contract import CrmError, ErrorClass
from site2crm.connectors.zoho.answers import Item, ZohoError
from site2crm.connectors.zoho.client import Client, moment, quoted, records_of, written_time
from site2crm.kit import clock

OVERLAP = timedelta(minutes=5)
ROWS = 2000
"""In one call, for three credits; 200 would cost one."""
_DELETED_ROWS = 200
_TOO_FAR = ("PAGINATION_LIMIT_EXCEEDED", "DISCRETE_PAGINATION_LIMIT_EXCEEDED")
"""Pages end at 2,000 rows (crm/zoho.md 7.2). What was deleted beyond them the nightly comparison finds missing."""
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class Cursor(Struct, frozen=True, omit_defaults=True):
    """Where the walk is. `page` 0: among the rows, from 1 on: among the deleted ones; `without` these columns."""

    at: datetime
    gone_since: datetime
    id: str = ""
    page: int = 0
    read_at: datetime | None = None
    without: tuple[str, ...] = ()


class Part(NamedTuple):
    """One page: changed rows, deleted ones, or the last of the former and the first of the latter."""

    rows: Sequence[Item]
    deleted: Sequence[Item]
    cursor: str
    more: bool


async def read_part(
    client: Client,
    module: str,
    columns: Sequence[str],
    *,
    optional: Sequence[str],
    since: datetime | None,
    cursor: str | None,
) -> Part:
    """`optional` columns are not in every account. Raises CrmError."""
    where = _opened(cursor) if cursor else _begun(since)
    rows: Sequence[Item] = ()
    if not where.page:
        rows, where = await _changed(client, module, columns, optional, where)
    if not where.page:
        return Part(rows, (), _closed(where), more=True)
    return (await _deleted(client, module, where))._replace(rows=rows)


async def _changed(
    client: Client, module: str, columns: Sequence[str], optional: Sequence[str], where: Cursor
) -> tuple[Sequence[Item], Cursor]:
    while True:
        asked = ["id", *columns, *(name for name in optional if name not in where.without)]
        try:
            rows, more = await client.query(_query(module, asked, where))
            break
        except ZohoError as error:
            if error.column not in optional or error.column in where.without:
                raise
            where = msgspec.structs.replace(where, without=(*where.without, error.column))
    read_at = where.read_at or clock.now()
    if rows:
        last = rows[-1]
        at = moment(last.get("Modified_Time")) or where.at
        where = msgspec.structs.replace(where, at=at, id=str(last.get("id")))
    return rows, msgspec.structs.replace(where, read_at=read_at, page=0 if more else 1)


async def _deleted(client: Client, module: str, where: Cursor) -> Part:
    headers = {"If-Modified-Since": written_time(where.gone_since)}
    path = f"{module}/deleted?type=all&page={where.page}&per_page={_DELETED_ROWS}"
    try:
        body = await client.get(path, headers=headers)
    except ZohoError as error:
        if error.code not in _TOO_FAR:
            raise
        body = {}
    info = body.get("info")
    rows = [row for row in records_of(body) if _is_since(row, where.gone_since)]
    if isinstance(info, dict) and info.get("more_records") is True:
        return Part((), rows, _closed(msgspec.structs.replace(where, page=where.page + 1)), more=True)
    gone_since = (where.read_at or clock.now()) - OVERLAP
    rest = Cursor(at=max(where.at - OVERLAP, _BEGINNING), gone_since=gone_since, without=where.without)
    return Part((), rows, _closed(rest), more=False)


def _query(module: str, columns: Sequence[str], where: Cursor) -> str:
    at = quoted(written_time(where.at))
    if where.id:
        since = f"(Modified_Time > {at} or (Modified_Time = {at} and id > {quoted(where.id)}))"
    else:
        since = f"Modified_Time >= {at}"
    shown = ", ".join(columns)
    order = f"order by Modified_Time asc, id asc limit 0, {ROWS}"
    return f"select {shown} from {module} where {since} {order}"  # noqa: S608 - the values are quoted


def _is_since(row: Mapping[str, object], since: datetime) -> bool:
    """Whether the header is heeded, the document does not say."""
    at = moment(row.get("deleted_time"))
    return at is not None and at >= since


def _begun(since: datetime | None) -> Cursor:
    """What was deleted before the first reading was never read."""
    if since is None:
        return Cursor(at=_BEGINNING, gone_since=clock.now() - OVERLAP)
    return Cursor(at=since - OVERLAP, gone_since=since - OVERLAP)


def _closed(cursor: Cursor) -> str:
    return msgspec.json.encode(cursor).decode()


def _opened(cursor: str) -> Cursor:
    try:
        return msgspec.json.decode(cursor, type=Cursor)
    except msgspec.DecodeError as error:
        text = "The place where reading stopped cannot be read. Start it from the beginning."
        raise CrmError(ErrorClass.PERMANENT, text, code="cursor") from error
