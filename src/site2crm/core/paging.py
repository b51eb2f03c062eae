"""Keyset pages: the cursor holds the last row's sort key, so that page 4,000 costs what page 1 costs."""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Struct
from sqlalchemy import Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from site2crm.core.errors import Invalid

T = TypeVar("T")
S = TypeVar("S", bound=Select[*tuple[Any, ...]])

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


class PageInfo(Struct, frozen=True):
    next_cursor: str | None = None
    has_more: bool = False


class Page(Struct, Generic[T], frozen=True):
    """`{"data": [...], "page": {"next_cursor", "has_more"}}`"""

    data: list[T]
    page: PageInfo


Key = tuple[datetime, str]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


def checked_limit(limit: int | None) -> int:
    if limit is None:
        return DEFAULT_LIMIT
    if not 1 <= limit <= MAX_LIMIT:
        raise Invalid.field("limit", f"Between 1 and {MAX_LIMIT}.")
    return limit


def older_than(statement: S, columns: Sequence[InstrumentedAttribute[Any]], cursor: str | None) -> S:
    """Newest first by `columns` (a moment and an id), beginning after the cursor's row."""
    ordered = statement.order_by(*(column.desc() for column in columns))
    if cursor is None:
        return ordered
    at, row_id = decode(cursor)
    return ordered.where(tuple_(*columns) < tuple_(at, row_id))


def page_of(rows: Sequence[T], limit: int, key: Callable[[T], Key]) -> Page[T]:
    """Cut the extra row that was asked for to know whether there is more."""
    shown = list(rows[:limit])
    more = len(rows) > limit
    return Page(data=shown, page=PageInfo(next_cursor=encode(key(shown[-1])) if more else None, has_more=more))


def encode(key: Key) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def decode(cursor: str) -> Key:
    """Raises Invalid for anything that no answer of ours has contained."""
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        at, row_id = msgspec.json.decode(raw, type=tuple[Moment, str])
        return at.astimezone(UTC), row_id
    except (binascii.Error, msgspec.MsgspecError, ValueError, OverflowError) as error:
        raise Invalid.field("cursor", "Use the `next_cursor` of the page before, unchanged.") from error
