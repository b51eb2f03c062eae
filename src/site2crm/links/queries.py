"""Reads of links: one, some, and the list with its search. No slower for a hundred thousand links than for a hundred.

Without words to look for, a page is a walk along an index. With words the newest thousand links are looked through
first: whatever is frequent fills a page there, and spares the index its worst case, a beginning that thousands of
different words have. What is rare is found by the index of words, and the rest of the question checked on that
(`core.wordplan`, `core.fulltext`).
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeAlias
from urllib.parse import quote, urlsplit

from msgspec import Struct
from sqlalchemy import ColumnElement, Select, Subquery, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from site2crm.core import fulltext, paging, wordplan
from site2crm.core.errors import Invalid
from site2crm.core.fulltext import Index
from site2crm.core.paging import Page, PageInfo, checked_limit, older_than, page_of
from site2crm.core.sql import contains
from site2crm.links import destinations, search
from site2crm.links.errors import LinkNotFound
from site2crm.links.models import Link, LinkSearch
from site2crm.links.search import Question

LOOKED_THROUGH = 1_000
SAMPLE = 400
SORTS = ("created", "changed")

Found: TypeAlias = Select[*tuple[Any, ...]]

_COLUMNS = tuple(
    getattr(Link, name)
    for name in (
        "id", "domain", "slug", "url", "title", "tags", "campaign", "utm", "carry_click", "created_at", "updated_at",
        "archived_at",
    )
)  # fmt: skip


class LinkItem(Struct, frozen=True, kw_only=True):
    """A link as lists, pages and the API show it."""

    id: str
    domain: str
    slug: str
    url: str
    title: str
    tags: list[str]
    campaign: str
    utm: dict[str, str]
    carry_click: str
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None

    @property
    def name(self) -> str:
        return self.title or f"/{self.slug}"

    @property
    def path(self) -> str:
        return path_of(self.slug)


class LinkRef(Struct, frozen=True):
    """What other features show of a link."""

    id: str
    slug: str
    short_url: str
    title: str
    url: str
    campaign: str
    utm: dict[str, str] = {}
    """What the destination is told: its own parameters, then the link's."""

    @property
    def name(self) -> str:
        return self.title or f"/{self.slug}"


class Wanted(Struct, frozen=True, kw_only=True):
    """What a list is asked for. A search is sorted by `created`."""

    q: str = ""
    tag: str = ""
    campaign: str = ""
    archived: bool = False
    sort: str = "created"


def path_of(slug: str) -> str:
    return "/" + quote(slug)


async def link(session: AsyncSession, org_id: str, link_id: str) -> LinkItem:
    """Raises LinkNotFound."""
    row = (await session.execute(_items(org_id).where(Link.id == link_id))).one_or_none()
    if row is None:
        raise LinkNotFound
    return _item(row)


async def by_slug(session: AsyncSession, org_id: str, slug: str) -> LinkItem:
    """On the main host, by its exact spelling. Raises LinkNotFound."""
    row = (await session.execute(_items(org_id).where(Link.domain == "", Link.slug == slug))).one_or_none()
    if row is None:
        raise LinkNotFound
    return _item(row)


async def owner_of(session: AsyncSession, name: str) -> str:
    """Whose link this is, by its id or slug: for the command line, which may everything. Raises LinkNotFound."""
    found = await session.scalar(
        select(Link.org_id).where(or_(Link.id == name, (Link.domain == "") & (Link.slug == name)))
    )
    if found is None:
        raise LinkNotFound
    return found


async def by_ids(session: AsyncSession, org_id: str, ids: Collection[str], *, base_url: str = "") -> dict[str, LinkRef]:
    """Those of the org, archived ones too. Without `base_url` (`settings.base_url`) a short URL is its path only."""
    statement = select(Link.id, Link.slug, Link.title, Link.url, Link.campaign, Link.utm).where(
        Link.org_id == org_id, Link.id.in_(ids)
    )
    return {row.id: _ref(row, base_url) for row in await session.execute(statement)}


async def any_exists(session: AsyncSession, org_id: str) -> bool:
    return (await session.scalar(select(Link.id).where(Link.org_id == org_id).limit(1))) is not None


async def page(
    session: AsyncSession, org_id: str, wanted: Wanted, *, limit: int | None = None, cursor: str | None = None
) -> Page[LinkItem]:
    """Newest first, or what was changed last."""
    return await page_of_any_size(session, org_id, wanted, limit=checked_limit(limit), cursor=cursor)


async def page_of_any_size(
    session: AsyncSession, org_id: str, wanted: Wanted, *, limit: int, cursor: str | None = None
) -> Page[LinkItem]:
    """For exports; a person gets `page`."""
    if wanted.sort not in SORTS:
        raise Invalid.field("sort", f"One of: {', '.join(SORTS)}.")
    asked = search.question(
        org_id, q=wanted.q.strip(), tag=wanted.tag, campaign=wanted.campaign, archived=wanted.archived
    )
    if asked is not None:
        return await _by_words(session, org_id, asked, limit=limit, cursor=cursor)
    moment = Link.updated_at if wanted.sort == "changed" else Link.created_at
    statement = older_than(_items(org_id).where(_state(wanted)), (moment, Link.id), cursor)
    found = [_item(row) for row in await session.execute(statement.limit(limit + 1))]
    return page_of(found, limit, lambda row: (getattr(row, moment.key), row.id))


async def _by_words(
    session: AsyncSession, org_id: str, asked: Question, *, limit: int, cursor: str | None
) -> Page[LinkItem]:
    if not asked.is_answerable:
        return Page(data=[], page=PageInfo())
    below = _number_in(cursor) if cursor is not None else None
    found = await _first(session, _newest_with(org_id, asked.parts, below), limit)
    if len(found) <= limit:
        shares = await _shares(session, org_id, asked.parts, below)
        rare, dense = wordplan.divided(asked.parts, shares, wanted=limit + 1)
        index = fulltext.index(session, LinkSearch, "link_fts")
        found = await _first(session, _indexed_with(index, org_id, rare, dense=dense, below=below), limit)
    if not found:
        return Page(data=[], page=PageInfo())
    ids = [link_id for _, link_id in found]
    # The org is hidden from the planner, which would rather walk through all its links than look up fifty ids.
    statement = select(*_COLUMNS).where(Link.id.in_(ids), func.coalesce(Link.org_id, "") == org_id)
    links = {row.id: _item(row) for row in await session.execute(statement)}
    listed = [(number, links[link_id]) for number, link_id in found]
    cut = page_of(listed, limit, lambda pair: (pair[1].created_at, str(pair[0])))
    return Page(data=[item for _, item in cut.data], page=cut.page)


def _newest_with(org_id: str, parts: Iterable[str], below: int | None) -> Found:
    newest = _newest(org_id, below, LOOKED_THROUGH)
    return select(newest.c.id, newest.c.link_id).where(*(_has(newest.c.words, part) for part in parts))


def _indexed_with(index: Index, org_id: str, rare: Iterable[str], *, dense: Iterable[str], below: int | None) -> Found:
    """What is rare by the index; the rest is checked on what that finds."""
    return (
        select(index.number, LinkSearch.link_id)
        .select_from(index.rows)
        .where(
            index.has(rare),
            *(_has(LinkSearch.words, part) for part in dense),
            *_below(index.number, below),
            func.coalesce(LinkSearch.org_id, "") == org_id,
        )
    )


async def _shares(session: AsyncSession, org_id: str, parts: Sequence[str], below: int | None) -> list[float]:
    """How many of the newest links have each part."""
    newest = _newest(org_id, below, SAMPLE)
    each = (func.count().filter(_has(newest.c.words, part)) for part in parts)
    total, *counts = (await session.execute(select(func.count(), *each).select_from(newest))).one()
    return [count / max(total, 1) for count in counts]


def _newest(org_id: str, below: int | None, count: int) -> Subquery:
    return (
        select(LinkSearch.id, LinkSearch.link_id, LinkSearch.words)
        .where(LinkSearch.org_id == org_id, *_below(LinkSearch.id, below))
        .order_by(LinkSearch.id.desc())
        .limit(count)
        .subquery()
    )


def _has(words: ColumnElement[str] | InstrumentedAttribute[str], part: str) -> ColumnElement[bool]:
    return contains(words, part)


async def _first(session: AsyncSession, found: Found, limit: int) -> list[tuple[int, str]]:
    newest_first = found.order_by(found.selected_columns[0].desc()).limit(limit + 1)
    return [(number, link_id) for number, link_id in await session.execute(newest_first)]


def _below(number: ColumnElement[int] | InstrumentedAttribute[int], below: int | None) -> list[ColumnElement[bool]]:
    return [] if below is None else [number < below]


def _state(wanted: Wanted) -> ColumnElement[bool]:
    return Link.archived_at.is_not(None) if wanted.archived else Link.archived_at.is_(None)


def _ref(row: Any, base_url: str) -> LinkRef:
    utm = destinations.utm_of(urlsplit(destinations.with_utm(row.url, row.utm)).query)
    return LinkRef(row.id, row.slug, base_url + path_of(row.slug), row.title, row.url, row.campaign, utm)


def _number_in(cursor: str) -> int:
    _, number = paging.decode(cursor)
    if not number.isascii() or not number.isdecimal() or len(number) > 18:
        raise Invalid.field("cursor", "This cursor belongs to a list with other filters. Begin without one.")
    return int(number)


def _items(org_id: str) -> Found:
    return select(*_COLUMNS).where(Link.org_id == org_id)


def _item(row: Any) -> LinkItem:
    return LinkItem(**row._mapping)
