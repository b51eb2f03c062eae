"""Deals by the words of their titles: an index of words (`core.fulltext`) finds what is rare, and then it is sorted.

What is frequent fills a page before many deals have been looked at, newest first.
"""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import fulltext
from site2crm.core.sql import contains, insert
from site2crm.deals.models import Deal, DealSearch
from site2crm.kit import text

FEW = 1_000
SAMPLE = 400
OFTEN = 20
"""Of a sample: what is as frequent is not looked for in the index."""
TAG_CHARS = 6


async def index(session: AsyncSession, org_id: str, ids: Collection[str]) -> None:
    """The words of these deals, as they are in the database now."""
    tag = f" {_tag(org_id)}"
    words = literal(tag) + func.replace(Deal.search_text, " ", tag) + " "
    said = select(Deal.org_id, Deal.id, words).where(Deal.id.in_(ids))
    added = insert(DealSearch).from_select(["org_id", "deal_id", "words"], said)
    is_new = DealSearch.words != added.excluded.words
    changed = {"words": added.excluded.words}
    await session.execute(added.on_conflict_do_update(index_elements=["deal_id"], set_=changed, where=is_new))


async def few(session: AsyncSession, org_id: str, search: str) -> list[str] | None:
    """The ids of all that fit; None: they are many."""
    words = text.search_query(search)
    if not words:  # only signs, which are in no word
        return []
    newest = select(Deal.search_text).where(Deal.org_id == org_id).order_by(Deal.created_at.desc(), Deal.id.desc())
    sample = newest.limit(SAMPLE).subquery()
    fitting = select(func.count()).select_from(sample).where(*_having(sample.c.search_text, words))
    if (await session.scalar(fitting) or 0) >= OFTEN:
        return None
    found = (await session.scalars(all_of(session, org_id, search).limit(FEW + 1))).all()
    return list(found) if len(found) <= FEW else None


async def are_more(session: AsyncSession, org_id: str, search: str, *, than: int) -> bool:
    """Whether more deals than that have the words; where orgs share a tag, theirs count too."""
    words = fulltext.index(session, DealSearch, "deal_fts")
    some = select(words.number).select_from(words.alone).where(words.has(_parts(org_id, search))).limit(than + 1)
    return (await session.scalar(select(func.count()).select_from(some.subquery())) or 0) > than


def having(search: str) -> Sequence[ColumnElement[bool]]:
    """To be checked on each deal."""
    return _having(Deal.search_text, text.search_query(search))


def all_of(session: AsyncSession, org_id: str, search: str) -> Select[str]:
    """The ids of all that fit, by the index."""
    words = fulltext.index(session, DealSearch, "deal_fts")
    # Two orgs may share a tag, and an org must not be walked through.
    mine = func.coalesce(DealSearch.org_id, "") == org_id
    return select(DealSearch.deal_id).select_from(words.rows).where(words.has(_parts(org_id, search)), mine)


def _parts(org_id: str, search: str) -> list[str]:
    return [f" {_tag(org_id)}{word}" for word in text.search_query(search)]


def _having(column: Any, words: Sequence[str]) -> list[ColumnElement[bool]]:
    return [contains(literal(" ") + column, f" {word}") for word in words]


def _tag(org_id: str) -> str:
    """The end of the org's id, which is chance: a look-up touches only this org's words."""
    return org_id[-TAG_CHARS:].lower()
