"""The list of leads: filters, order, pages. Never slower for a hundred thousand leads than for a hundred.

Without a search it is a walk along an index for each status, merged. With one, the newest thousand leads are looked
through first: whatever is frequent fills a page there, which spares the index its worst case (a prefix that thousands
of different words begin with). What is rare is found by FTS5, newest first by row number.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Select, column, exists, func, select, table, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from site2crm.core import paging
from site2crm.core.errors import Invalid
from site2crm.core.paging import Page, PageInfo, checked_limit, page_of
from site2crm.kit import text
from site2crm.leads import folding, search
from site2crm.leads.models import Lead, LeadSearch
from site2crm.leads.search import Question
from site2crm.leads.states import OPEN, LeadStatus

LOOKED_THROUGH = 1_000
DENSE_SHARE = 0.05
BOUND_SLACK = 1_000
"""Row numbers follow `created_at` but for concurrent requests and replays; so many rows may be out of order."""

ALL = "all"
SORTS = ("created", "activity")

_FTS = table("lead_fts", column("rowid"), column("lead_fts"))
_COLUMNS = tuple(
    getattr(Lead, name)
    for name in (
        "id", "email", "first_name", "last_name", "phone", "company", "message", "status", "custom", "consent",
        "attribution", "form_id", "submissions", "created_at", "last_at", "updated_at",
    )
)  # fmt: skip


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
        """What a person calls this lead."""
        whole = " ".join(part for part in (self.first_name, self.last_name) if part)
        return whole or self.email or self.phone or self.company or "Unknown"


class Wanted(Struct, frozen=True, kw_only=True):
    """What a list is asked for. `since` and `until` are about what it is sorted by; a search is sorted by `created`."""

    q: str = ""
    email: str = ""
    form: str = ""
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
        return bool(text.search_query(self.q)) or bool(self.form) or bool(self.source)


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


def item(row: Any) -> LeadItem:
    values = dict(row._mapping)
    return LeadItem(form=values.pop("form_id"), **values)


def items_of(org_id: str) -> Select[Any]:
    """The columns of leads of this org."""
    return select(*_COLUMNS).where(Lead.org_id == org_id)


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
    statement = items_of(org_id).where(
        Lead.email_key == folding.email_key(wanted.email),
        Lead.status.in_(wanted.statuses),
        *_between(Lead.created_at, wanted),
    )
    if wanted.by_words:
        asked = _question(org_id, wanted)
        statement = statement.where(
            exists().where(LeadSearch.lead_id == Lead.id, LeadSearch.id == _FTS.c.rowid, _matches(asked))
        )
    return Page(data=[item(row) for row in await session.execute(statement)], page=PageInfo())


async def _by_words(
    session: AsyncSession, org_id: str, wanted: Wanted, *, limit: int, cursor: str | None
) -> Page[LeadItem]:
    asked = _question(org_id, wanted)
    bounds = await _bounds(session, org_id, wanted, cursor)
    rows = await _look_through(session, org_id, asked, wanted, bounds, limit) if asked.beginnings else []
    if len(rows) <= limit:
        rows = await _look_up(session, org_id, asked, wanted, bounds, limit)
    numbers = {row.id: row.number for row in rows}
    found = await session.execute(items_of(org_id).where(Lead.id.in_(numbers)))
    leads = sorted((item(row) for row in found), key=lambda lead: numbers[lead.id], reverse=True)
    return page_of(leads, limit, lambda lead: (lead.created_at, str(numbers[lead.id])))


def _question(org_id: str, wanted: Wanted) -> Question:
    return search.question(
        org_id, q=wanted.q, form_id=wanted.form, source=wanted.source, statuses=wanted.statuses
    )


async def _look_through(
    session: AsyncSession, org_id: str, asked: Question, wanted: Wanted, bounds: "_Rows", limit: int
) -> Sequence[Any]:
    newest = _newest(org_id, bounds)
    words = _spaced(newest.c.words)
    conditions = [words.like(f"% {word}%") for word in asked.beginnings]
    conditions += [words.like(f"% {mark} %") for mark in asked.marks[1:]]
    statement = (
        select(newest.c.id.label("number"), Lead.id)
        .join(Lead, Lead.id == newest.c.lead_id)
        .where(*conditions, Lead.status.in_(wanted.statuses), *_between(Lead.created_at, wanted))
        .order_by(newest.c.id.desc())
        .limit(limit + 1)
    )
    return (await session.execute(statement)).all()


async def _look_up(
    session: AsyncSession, org_id: str, asked: Question, wanted: Wanted, bounds: "_Rows", limit: int
) -> Sequence[Any]:
    rare, dense = await _by_density(session, org_id, asked, bounds)
    asked = Question(asked.marks, rare, asked.statuses)
    statement = (
        select(_FTS.c.rowid.label("number"), Lead.id)
        .select_from(_FTS)
        .join(LeadSearch, LeadSearch.id == _FTS.c.rowid)
        .join(Lead, Lead.id == LeadSearch.lead_id)
        .where(
            _matches(asked),
            *bounds.of(_FTS.c.rowid),
            *(_spaced(LeadSearch.words).like(f"% {word}%") for word in dense),
            *_between(Lead.created_at, wanted),
            Lead.org_id == org_id,
        )
        .order_by(_FTS.c.rowid.desc())
        .limit(limit + 1)
    )
    return (await session.execute(statement)).all()


async def _by_density(
    session: AsyncSession, org_id: str, asked: Question, bounds: "_Rows"
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Words that few leads have, and those that many have: these are left out of the look-up and checked after it."""
    asked_for = asked.beginnings
    if len(asked_for) < 2:
        return asked_for, ()
    newest = _newest(org_id, bounds)
    words = _spaced(newest.c.words)
    hits = (func.count().filter(words.like(f"% {word}%")) for word in asked_for)
    total, *counts = (await session.execute(select(func.count(), *hits).select_from(newest))).one()
    dense = tuple(word for word, count in zip(asked_for, counts, strict=True) if count >= DENSE_SHARE * total)
    rare = tuple(word for word in asked_for if word not in dense)
    return (rare, dense) if rare else (asked_for, ())


class _Rows(Struct, frozen=True):
    """A range of row numbers of `lead_search`."""

    above: int | None = None
    below: int | None = None

    def of(self, number: ColumnElement[int] | InstrumentedAttribute[int]) -> list[ColumnElement[bool]]:
        above = [] if self.above is None else [number > self.above]
        return above + ([] if self.below is None else [number < self.below])


async def _bounds(session: AsyncSession, org_id: str, wanted: Wanted, cursor: str | None) -> _Rows:
    above = below = None
    if wanted.since is not None:
        first = await _edge(session, org_id, wanted, order=Lead.created_at.asc(), pick=min)
        above = first - BOUND_SLACK if first is not None else None
    if wanted.until is not None:
        last = await _edge(session, org_id, wanted, order=Lead.created_at.desc(), pick=max)
        below = last + BOUND_SLACK if last is not None else None
    if cursor is not None:
        number = _number_in(cursor)
        below = number if below is None else min(below, number)
    return _Rows(above, below)


async def _edge(
    session: AsyncSession,
    org_id: str,
    wanted: Wanted,
    *,
    order: ColumnElement[Any],
    pick: Callable[[list[int]], int],
) -> int | None:
    """The row number of the first or last lead of the period."""
    numbers: list[int] = []
    for status in wanted.statuses:
        edge = (
            select(LeadSearch.id)
            .join(Lead, Lead.id == LeadSearch.lead_id)
            .where(Lead.org_id == org_id, Lead.status == status, *_between(Lead.created_at, wanted))
            .order_by(order)
            .limit(1)
        )
        numbers.extend((await session.scalars(edge)).all())
    return pick(numbers) if numbers else None


def _number_in(cursor: str) -> int:
    _, number = paging.decode(cursor)
    if not number.isascii() or not number.isdecimal():
        raise Invalid.field("cursor", "This cursor belongs to a list with other filters. Begin without one.")
    return int(number)


def _newest(org_id: str, bounds: _Rows) -> Any:
    return (
        select(LeadSearch.id, LeadSearch.lead_id, LeadSearch.words)
        .where(LeadSearch.org_id == org_id, *bounds.of(LeadSearch.id))
        .order_by(LeadSearch.id.desc())
        .limit(LOOKED_THROUGH)
        .subquery()
    )


def _spaced(words: Any) -> ColumnElement[str]:
    return " " + words + " "


def _matches(asked: Question) -> ColumnElement[bool]:
    return _FTS.c.lead_fts.op("MATCH", is_comparison=True)(search.match(asked))


def _between(moment: InstrumentedAttribute[datetime], wanted: Wanted) -> list[ColumnElement[bool]]:
    since = [] if wanted.since is None else [moment >= wanted.since]
    return since + ([] if wanted.until is None else [moment < wanted.until])
