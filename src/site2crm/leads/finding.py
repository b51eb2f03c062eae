"""The list of leads: filters, order, pages. No slower for a hundred thousand leads than for a hundred.

Without words to look for it is a walk along an index for each status, merged. With words the order is that in which
leads came to be, by their number in `lead_search`, and there are three ways. Few leads in question: all are looked
through. Many: the newest thousand are looked through, where whatever is frequent fills a page; that spares the index
its worst case, a prefix that thousands of different words begin with. What is rare is found by the index of words
(`core.wordplan`, `core.fulltext`).
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from msgspec import Struct
from sqlalchemy import ColumnElement, Select, Subquery, func, select, tuple_, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from site2crm.core import fulltext, paging, wordplan
from site2crm.core.errors import Invalid
from site2crm.core.fulltext import Index
from site2crm.core.paging import Page, PageInfo, checked_limit, page_of
from site2crm.core.sql import contains
from site2crm.kit import text
from site2crm.leads import folding, search
from site2crm.leads.models import Lead, LeadSearch
from site2crm.leads.search import Question
from site2crm.leads.states import OPEN, LeadStatus

LOOKED_THROUGH = 1_000
SAMPLE = 400
BOUND_SLACK = 1_000
"""Numbers follow `created_at` but for concurrent requests and replays: so many leads may be out of order."""

ALL = "all"
SORTS = ("created", "activity")

Found: TypeAlias = Select[*tuple[Any, ...]]
"""A choice of leads: number and id."""

_COLUMNS = tuple(
    getattr(Lead, name)
    for name in (
        "id", "email", "first_name", "last_name", "phone", "company", "message", "status", "custom", "consent",
        "attribution", "form_id", "submissions", "created_at", "last_at", "updated_at",
    )
)  # fmt: skip


def called(first: str | None, last: str | None, email: str | None, phone: str | None, company: str | None) -> str:
    """What a person calls a lead."""
    whole = " ".join(part for part in (first, last) if part)
    return whole or email or phone or company or "Unknown"


def shown(url: str) -> str:
    """An address as people read it."""
    return url.partition("://")[2] or url


class LeadItem(Struct, frozen=True, kw_only=True):
    """A lead as the list, its page and the API show it."""

    id: str
    email: str | None
    first_name: str | None
    last_name: str | None
    phone: str | None
    company: str | None
    message: str | None
    status: str
    custom: dict[str, str]
    consent: dict[str, str]
    attribution: dict[str, dict[str, str]]
    form: str
    submissions: int
    created_at: datetime
    last_at: datetime
    updated_at: datetime

    @property
    def name(self) -> str:
        return called(self.first_name, self.last_name, self.email, self.phone, self.company)

    @property
    def source(self) -> str:
        """Of the last touch: the campaign's source, else the short link that was clicked."""
        last = self.attribution.get("last", {})
        return last.get("utm_source") or shown(last.get("short_url", ""))


class Wanted(Struct, frozen=True, kw_only=True):
    """What a list is asked for. `since` and `until` are about what it is sorted by; a search is sorted by `created`."""

    q: str = ""
    email: str = ""
    form: str = ""
    link: str = ""
    source: str = ""
    status: str = ""
    since: datetime | None = None
    until: datetime | None = None
    sort: str = "created"

    @property
    def statuses(self) -> tuple[str, ...]:
        """Raises Invalid for a status that does not exist."""
        if not self.status:
            return OPEN
        if self.status == ALL:
            return tuple(LeadStatus)
        if self.status not in tuple(LeadStatus):
            raise Invalid.field("status", f"One of: {', '.join((*LeadStatus, ALL))}.")
        return (self.status,)

    @property
    def by_words(self) -> bool:
        return bool(text.search_query(self.q) or self.form or self.link or self.source)


async def page(
    session: AsyncSession, org_id: str, wanted: Wanted, *, limit: int | None = None, cursor: str | None = None
) -> Page[LeadItem]:
    return await page_of_any_size(session, org_id, wanted, limit=checked_limit(limit), cursor=cursor)


async def page_of_any_size(
    session: AsyncSession, org_id: str, wanted: Wanted, *, limit: int, cursor: str | None = None
) -> Page[LeadItem]:
    """For exports; a person gets `page`."""
    if wanted.sort not in SORTS:
        raise Invalid.field("sort", f"One of: {', '.join(SORTS)}.")
    if wanted.email:
        return await _of_email(session, org_id, wanted)
    if wanted.by_words:
        return await _by_words(session, org_id, wanted, limit=limit, cursor=cursor)
    return await _in_order(session, org_id, wanted, limit=limit, cursor=cursor)


async def latest(session: AsyncSession, org_id: str, count: int) -> list[LeadItem]:
    """The newest open leads."""
    return (await _in_order(session, org_id, Wanted(), limit=count, cursor=None)).data


def item(row: Any) -> LeadItem:
    values = dict(row._mapping)
    return LeadItem(form=values.pop("form_id"), **values)


def items_of(org_id: str) -> Select[Any]:
    """The columns of leads of this org."""
    return select(*_COLUMNS).where(Lead.org_id == org_id)


def items(org_id: str, lead_ids: Iterable[str]) -> Select[Any]:
    """The columns of these leads of this org."""
    # The org is hidden from the planner, which would rather walk through all its leads than look up fifty ids.
    return select(*_COLUMNS).where(Lead.id.in_(lead_ids), func.coalesce(Lead.org_id, "") == org_id)


async def _in_order(
    session: AsyncSession, org_id: str, wanted: Wanted, *, limit: int, cursor: str | None
) -> Page[LeadItem]:
    by = Lead.last_at if wanted.sort == "activity" else Lead.created_at
    found: list[LeadItem] = []
    for status in wanted.statuses:
        statement = items_of(org_id).where(Lead.status == status, *_between(by, wanted))
        if cursor is not None:
            at, lead_id = paging.decode(cursor)
            statement = statement.where(tuple_(by, Lead.id) < tuple_(at, lead_id))
        rows = await session.execute(statement.order_by(by.desc(), Lead.id.desc()).limit(limit + 1))
        found.extend(item(row) for row in rows)

    def key(lead: LeadItem) -> tuple[datetime, str]:
        return (lead.last_at if wanted.sort == "activity" else lead.created_at), lead.id

    return page_of(sorted(found, key=key, reverse=True), limit, key)


async def _of_email(session: AsyncSession, org_id: str, wanted: Wanted) -> Page[LeadItem]:
    """At most one, by the unique index."""
    statement = (
        items_of(org_id)
        .join(LeadSearch, LeadSearch.lead_id == Lead.id)
        .where(
            Lead.email_key == folding.email_key(wanted.email),
            Lead.status.in_(wanted.statuses),
            *_between(Lead.created_at, wanted),
            *_having(LeadSearch.words, _question(org_id, wanted).parts),
        )
    )
    return Page(data=[item(row) for row in await session.execute(statement)], page=PageInfo())


async def _by_words(
    session: AsyncSession, org_id: str, wanted: Wanted, *, limit: int, cursor: str | None
) -> Page[LeadItem]:
    parts = _question(org_id, wanted).parts
    below = _number_in(cursor) if cursor is not None else None
    if await _are_few(session, org_id, wanted):
        found = await _first(session, _all_with(org_id, wanted, parts, below), limit)
    else:
        rows = await _bounds(session, org_id, wanted, below)
        found = await _first(session, _newest_with(org_id, wanted, parts, rows), limit)
        if len(found) <= limit:
            shares = await _shares(session, org_id, parts, rows)
            asked = wordplan.divided(parts, shares, wanted=limit + 1)
            index = fulltext.index(session, LeadSearch, "lead_fts")
            found = await _first(session, _indexed_with(index, org_id, wanted, parts=asked, rows=rows), limit)
    leads = {row.id: item(row) for row in await session.execute(items(org_id, [lead_id for _, lead_id in found]))}
    listed = [(number, leads[lead_id]) for number, lead_id in found]
    page = page_of(listed, limit, lambda pair: (pair[1].created_at, str(pair[0])))
    return Page(data=[lead for _, lead in page.data], page=page.page)


class _Rows(Struct, frozen=True):
    """A range of numbers of `lead_search`, ends excluded."""

    above: int | None = None
    below: int | None = None

    def of(self, number: ColumnElement[int] | InstrumentedAttribute[int]) -> list[ColumnElement[bool]]:
        above = [] if self.above is None else [number > self.above]
        return above + ([] if self.below is None else [number < self.below])


def _question(org_id: str, wanted: Wanted) -> Question:
    return search.question(org_id, q=wanted.q, form_id=wanted.form, link_id=wanted.link, source=wanted.source)


async def _are_few(session: AsyncSession, org_id: str, wanted: Wanted) -> bool:
    """Whether the status and the period leave so few leads that one may look through all of them."""
    total = 0
    for status in wanted.statuses:
        some = _of_status(select(Lead.id), org_id, status, wanted).limit(LOOKED_THROUGH + 1).subquery()
        total += await session.scalar(select(func.count()).select_from(some)) or 0
    return total <= LOOKED_THROUGH


def _all_with(org_id: str, wanted: Wanted, parts: Sequence[str], below: int | None) -> Found:
    each = [_of_status(select(Lead.id), org_id, status, wanted).subquery() for status in wanted.statuses]
    leads = union_all(*(select(one.c.id) for one in each)).subquery()
    return (
        select(LeadSearch.id, LeadSearch.lead_id)
        .join(leads, leads.c.id == LeadSearch.lead_id)
        .where(*_having(LeadSearch.words, parts), *_Rows(below=below).of(LeadSearch.id))
    )


def _newest_with(org_id: str, wanted: Wanted, parts: Sequence[str], rows: _Rows) -> Found:
    newest = _newest(org_id, rows, LOOKED_THROUGH)
    return (
        select(newest.c.id, newest.c.lead_id)
        .join(Lead, Lead.id == newest.c.lead_id)
        .where(*_having(newest.c.words, parts), Lead.status.in_(wanted.statuses), *_between(Lead.created_at, wanted))
    )


def _indexed_with(
    index: Index, org_id: str, wanted: Wanted, *, parts: tuple[list[str], list[str]], rows: _Rows
) -> Found:
    """What is rare by the index; the rest is checked on what that finds."""
    rare, dense = parts
    return (
        select(index.number, LeadSearch.lead_id)
        .select_from(index.rows)
        .join(Lead, Lead.id == LeadSearch.lead_id)
        .where(
            index.has(rare),
            *_having(LeadSearch.words, dense),
            *rows.of(index.number),
            Lead.org_id == org_id,
            Lead.status.in_(wanted.statuses),
            *_between(Lead.created_at, wanted),
        )
    )


async def _first(session: AsyncSession, found: Found, limit: int) -> list[tuple[int, str]]:
    newest_first = found.order_by(found.selected_columns[0].desc()).limit(limit + 1)
    return [(number, lead_id) for number, lead_id in await session.execute(newest_first)]


async def _shares(session: AsyncSession, org_id: str, parts: Sequence[str], rows: _Rows) -> list[float]:
    """How many of the newest leads have each part of the question."""
    if len(parts) == 1:
        return [0.0]
    newest = _newest(org_id, rows, SAMPLE)
    each = (func.count().filter(_has(newest.c.words, part)) for part in parts)
    total, *counts = (await session.execute(select(func.count(), *each).select_from(newest))).one()
    return [count / max(total, 1) for count in counts]


async def _bounds(session: AsyncSession, org_id: str, wanted: Wanted, below: int | None) -> _Rows:
    above = None
    if wanted.since is not None:
        first = await _edge(session, org_id, wanted, order=Lead.created_at.asc(), pick=min)
        above = first - BOUND_SLACK if first is not None else None
    if wanted.until is not None:
        last = await _edge(session, org_id, wanted, order=Lead.created_at.desc(), pick=max)
        ends = [below] if last is None else [below, last + BOUND_SLACK]
        below = min((end for end in ends if end is not None), default=None)
    return _Rows(above, below)


async def _edge(
    session: AsyncSession, org_id: str, wanted: Wanted, *, order: ColumnElement[Any], pick: Callable[[list[int]], int]
) -> int | None:
    """The number of the first or last lead of the period."""
    numbers: list[int] = []
    for status in wanted.statuses:
        leads = _of_status(select(Lead.id), org_id, status, wanted).order_by(order).limit(1).scalar_subquery()
        numbers += (await session.scalars(select(LeadSearch.id).where(LeadSearch.lead_id == leads))).all()
    return pick(numbers) if numbers else None


def _of_status(statement: Found, org_id: str, status: str, wanted: Wanted) -> Found:
    return statement.where(Lead.org_id == org_id, Lead.status == status, *_between(Lead.created_at, wanted))


def _newest(org_id: str, rows: _Rows, count: int) -> Subquery:
    return (
        select(LeadSearch.id, LeadSearch.lead_id, LeadSearch.words)
        .where(LeadSearch.org_id == org_id, *rows.of(LeadSearch.id))
        .order_by(LeadSearch.id.desc())
        .limit(count)
        .subquery()
    )


def _number_in(cursor: str) -> int:
    _, number = paging.decode(cursor)
    if not number.isascii() or not number.isdecimal() or len(number) > 18:
        raise Invalid.field("cursor", "This cursor belongs to a list with other filters. Begin without one.")
    return int(number)


def _between(moment: InstrumentedAttribute[datetime], wanted: Wanted) -> list[ColumnElement[bool]]:
    since = [] if wanted.since is None else [moment >= wanted.since]
    return since + ([] if wanted.until is None else [moment < wanted.until])


def _having(words: ColumnElement[str] | InstrumentedAttribute[str], parts: Iterable[str]) -> list[ColumnElement[bool]]:
    return [_has(words, part) for part in parts]


def _has(words: ColumnElement[str] | InstrumentedAttribute[str], part: str) -> ColumnElement[bool]:
    return contains(words, part)
