"""How many leads, when and from where: figures for charts and top lists.

A lead counts at the moment it came to be, whatever became of it later: archiving one changes no figure of last month.
Where it came from is its last touch. With a click: a submission of it carried the token of a click on one of our links.
Everything that is asked of the leads themselves is answered by `ix_lead_figures` alone, without reading a lead.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias, cast
from urllib.parse import urlsplit

from msgspec import Struct
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    String,
    Table,
    case,
    column,
    distinct,
    func,
    or_,
    select,
    type_coerce,
)
from sqlalchemy import literal_column as literal
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import db
from site2crm.core.db import UtcTime
from site2crm.core.sql import JsonText, place
from site2crm.leads.models import Lead, LeadClick

Chosen: TypeAlias = Select[*tuple[Any, ...]]

UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
COUNTED_BY = ("form", "link", "campaign", "referrer", *UTM)
"""What leads can be filtered and grouped by; `referrer` is the host of the last touch's."""
BY_CLICK = ("link", "campaign")
"""Known of the click that brought the lead, not of the lead."""
MOST_SOURCES = 5_000

_Carried = cast("Table", LeadClick.__table__).alias("carried")


class Among(Struct, frozen=True, kw_only=True):
    """Which leads: of each of `COUNTED_BY` that is named one of the values; `clicked`: only those with a click."""

    where: Mapping[str, Sequence[str]] = {}
    clicked: bool = False


ALL = Among()


class Source(Struct, frozen=True):
    """Where leads came from, and by what that is known: `utm_source`, the `referrer`'s host, or "" by nothing."""

    by: str
    value: str
    count: int


async def created(
    session: AsyncSession, org_id: str, spans: Sequence[tuple[datetime, datetime]], *, among: Among = ALL
) -> list[int]:
    """How many came to be in each [start, end): a range of an index each, in one statement."""
    if not spans:
        return []
    number, since, until = _each_of_many(spans) if db.is_postgresql(session) else _each_of(spans)
    count = _those(select(func.count()), org_id, since, until, among)
    found = await session.execute(select(number, count.scalar_subquery()).order_by(number))
    return [row[1] for row in found]


async def created_by(
    session: AsyncSession,
    org_id: str,
    span: tuple[datetime, datetime],
    *,
    dimension: str,
    limit: int,
    among: Among = ALL,
) -> list[tuple[str, int]]:
    """Largest first. By link and campaign: leads with a click, once for each that brought them."""
    if dimension not in BY_CLICK:
        key = Lead.form_id.expression if dimension == "form" else _known(dimension)
        return await _largest(session, _those(select(key.label("key")), org_id, *span, among), limit)
    key = _of_click(dimension, LeadClick.__tablename__)
    count = func.count(distinct(Lead.id))
    statement = _those(select(key, count), org_id, *span, among).join(LeadClick, LeadClick.lead_id == Lead.id)
    rows = await session.execute(statement.group_by(key).order_by(count.desc(), key).limit(limit))
    return [(row[0], row[1]) for row in rows]


async def sources(
    session: AsyncSession, org_id: str, span: tuple[datetime, datetime], *, limit: int, among: Among = ALL
) -> list[Source]:
    """By utm_source, where there is none by the referrer's host, largest first; "" came from nowhere known."""
    # The first letter says by what: the value alone would not, as a utm_source may read like a host.
    key: ColumnElement[str] = func.coalesce("u" + _touch("utm_source"), "r" + _touch("referrer"), "")
    found: Counter[tuple[str, str]] = Counter()
    for text, count in await _largest(session, _those(select(key.label("key")), org_id, *span, among), MOST_SOURCES):
        found[_source(text)] += count
    return [Source(by, value, count) for (by, value), count in found.most_common(limit)]


def _source(key: str) -> tuple[str, str]:
    by, value = ("utm_source", key[1:]) if key.startswith("u") else ("referrer", _host(key[1:]))
    return (by, value) if value else ("", "")


async def _largest(session: AsyncSession, keys: Chosen, limit: int) -> list[tuple[str, int]]:
    # Apart from the grouping: together with it SQLite reads every lead, instead of the index that has the key.
    each = keys.cte("each").prefix_with("MATERIALIZED")
    counted = select(each.c.key, func.count()).group_by(each.c.key).order_by(func.count().desc(), each.c.key)
    return [(row[0], row[1]) for row in await session.execute(counted.limit(limit))]


def _each_of(spans: Sequence[tuple[datetime, datetime]]) -> tuple[ColumnElement[Any], ...]:
    # As JSON, not as VALUES: so the statement's text is the same for any number of spans, and is compiled once.
    stored = json.dumps([[_stored(since), _stored(until)] for since, until in spans])
    each = func.json_each(stored).table_valued("key", "value")
    since, until = (func.json_extract(each.c.value, f"$[{place}]", type_=String) for place in (0, 1))
    return each.c.key, since, until


def _each_of_many(spans: Sequence[tuple[datetime, datetime]]) -> tuple[ColumnElement[Any], ...]:
    """The same on PostgreSQL: arrays of moments, side by side."""
    sides = (type_coerce([span[side] for span in spans], ARRAY(UtcTime())) for side in (0, 1))
    each = func.unnest(*sides).table_valued(
        column("since", UtcTime()), column("until", UtcTime()), with_ordinality="place"
    )
    each = each.render_derived()
    return each.c.place, each.c.since, each.c.until


def _those(statement: Chosen, org_id: str, since: Any, until: Any, among: Among) -> Chosen:
    statement = statement.select_from(Lead).where(
        Lead.org_id == org_id,
        Lead.created_at >= since,
        Lead.created_at < until,
        *(_fits(org_id, name, tuple(wanted)) for name, wanted in among.where.items()),
    )
    return statement.where(_clicked()) if among.clicked else statement


def _fits(org_id: str, name: str, wanted: tuple[str, ...]) -> ColumnElement[bool]:
    if name == "form":
        return Lead.form_id.in_(wanted)
    if name == "link" and "" not in wanted:  # few beside all leads: looked up once, not for each lead
        of_links = select(_Carried.c.lead_id).where(_Carried.c.org_id == org_id, _Carried.c.link_id.in_(wanted))
        return Lead.id.in_(of_links)
    if name not in BY_CLICK:
        return _known(name).in_(wanted)
    key = _of_click(name, _Carried.name)
    by_click = _clicked(key.in_([value for value in wanted if value]))
    return or_(by_click, ~_clicked(key != "")) if "" in wanted else by_click


def _clicked(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return select(1).select_from(_Carried).where(_Carried.c.lead_id == Lead.id, *conditions).correlate(Lead).exists()


def _of_click(dimension: str, clicks: str) -> ColumnElement[str]:
    """`clicks`: what the table is called in the statement."""
    if dimension == "link":
        return literal(f"{clicks}.link_id", String)
    return func.coalesce(JsonText(f"{clicks}.snapshot", "campaign"), literal("''", String))


def _known(name: str) -> ColumnElement[str]:
    """What a lead is grouped and filtered by: of a referrer its host, as `_host` reads it."""
    if name != "referrer":
        return func.coalesce(_touch(name), "")
    url = func.lower(func.coalesce(_touch(name), ""))
    rest = func.substr(url, place(url, "://") + 3)
    end = place(func.replace(func.replace(func.replace(rest, "?", "/"), "#", "/"), ":", "/").concat("/"), "/")
    host = func.substr(rest, 1, end - 1)
    bare = case((func.substr(host, 1, 4) == "www.", func.substr(host, 5)), else_=host)
    return case((place(url, "://") > 0, bare), else_="")


def _touch(name: str) -> ColumnElement[str]:
    """Of the last touch. Written out as in the index, which is only used for the very same text."""
    return JsonText("lead.attribution", f"last.{name}")


def _stored(at: datetime) -> str:
    """As the database has it."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"


def _host(url: str) -> str:
    """Of an address; anything else has none."""
    if "://" not in url:
        return ""
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return ""
