"""Reads for lists of forms."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import db
from site2crm.core.paging import Page, checked_limit, older_than, page_of
from site2crm.forms.models import Form


class Origin(Struct, frozen=True):
    """The form by which something came in. `country`: empty is the org's."""

    name: str
    country: str


class FormRow(Struct, frozen=True):
    id: str
    key: str
    name: str
    created_at: datetime
    archived: bool


async def page(
    session: AsyncSession,
    org_id: str,
    *,
    archived: bool = False,
    q: str = "",
    limit: int | None = None,
    cursor: str | None = None,
) -> Page[FormRow]:
    """Newest first."""
    count = checked_limit(limit)
    statement = select(Form.id, Form.key, Form.name, Form.created_at, Form.archived_at).where(
        Form.org_id == org_id,
        Form.archived_at.is_not(None) if archived else Form.archived_at.is_(None),
    )
    if q:
        statement = statement.where(Form.name.icontains(q, autoescape=True))
    rows = await session.execute(older_than(statement, (Form.created_at, Form.id), cursor).limit(count + 1))
    found = [FormRow(row.id, row.key, row.name, row.created_at, row.archived_at is not None) for row in rows]
    return page_of(found, count, lambda row: (row.created_at, row.id))


async def names(session: AsyncSession, org_id: str) -> dict[str, str]:
    """Form id -> name, of all forms of an org, archived ones too."""
    rows = await session.execute(select(Form.id, Form.name).where(Form.org_id == org_id).order_by(Form.name))
    return {row.id: row.name for row in rows}


async def origins(session: AsyncSession, org_id: str, form_ids: Collection[str]) -> dict[str, Origin]:
    """Form id -> what is said of it beside a lead, in one query."""
    rows = await session.execute(select(Form.id, Form.name, Form.country).where(db.these(Form, org_id, form_ids)))
    return {row.id: Origin(row.name, row.country) for row in rows}


async def fields(session: AsyncSession, org_id: str) -> Sequence[list[dict[str, Any]]]:
    """What each form that takes submissions asks, the newest form first."""
    found = select(Form.fields).where(Form.org_id == org_id, Form.archived_at.is_(None)).order_by(Form.id.desc())
    return (await session.scalars(found)).all()


async def any_exists(session: AsyncSession, org_id: str) -> bool:
    return (await session.scalar(select(Form.id).where(Form.org_id == org_id).limit(1))) is not None


async def keys(session: AsyncSession, org_id: str) -> Sequence[str]:
    """Public keys of the forms that take submissions."""
    found = select(Form.key).where(Form.org_id == org_id, Form.archived_at.is_(None)).order_by(Form.created_at)
    return (await session.scalars(found)).all()
