"""Reads of single leads, of submissions and of the figures that must add up. Lists of leads are in `finding`."""

import base64
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import db
from site2crm.core.db import in_org
from site2crm.core.errors import Invalid
from site2crm.core.paging import Page, checked_limit, older_than, page_of
from site2crm.forms import queries as forms
from site2crm.forms.errors import FormNotFound
from site2crm.leads import finding, folding
from site2crm.leads.capture import CONSUMER as CONSUMER
from site2crm.leads.counting import COUNTED_BY as COUNTED_BY
from site2crm.leads.counting import Among as Among
from site2crm.leads.counting import Source as Source
from site2crm.leads.counting import created as created
from site2crm.leads.counting import created_by as created_by
from site2crm.leads.counting import sources as sources
from site2crm.leads.errors import LeadNotFound, SubmissionNotFound
from site2crm.leads.finding import LeadItem as LeadItem
from site2crm.leads.finding import latest as latest
from site2crm.leads.models import Lead, LeadClick, Submission
from site2crm.leads.states import LeadStatus, SubmissionStatus

MOST_COUNTED = 1_000
"""A badge says "1,000" and no more: counting on costs more than anybody learns from it."""
MOST_CUSTOM_NAMES = 100


class SubmissionItem(Struct, frozen=True, kw_only=True):
    """A submission in a list."""

    id: str
    form: str
    lead: str | None
    status: str
    reason: str
    received_at: datetime
    released_at: datetime | None
    normalised: dict[str, Any]


class SubmissionDetail(SubmissionItem, frozen=True, kw_only=True):
    """A submission as it came. `body` is its text; bytes that are no text stand in `body_base64` instead."""

    content_type: str
    body: str | None
    body_base64: str | None
    address: str
    user_agent: str
    origin: str


_COLUMNS = (
    Submission.id, Submission.form_id, Submission.lead_id, Submission.status, Submission.reason,
    Submission.received_at, Submission.released_at, Submission.normalised,
)  # fmt: skip


class FormNumbers(Struct, frozen=True):
    """What came in by a form. `received` is the sum of the four after it; `needs_review` counts leads."""

    received: int
    accepted: int
    quarantined: int
    test: int
    duplicate: int
    needs_review: int


async def lead(session: AsyncSession, org_id: str, lead_id: str) -> LeadItem:
    row = (await session.execute(finding.items_of(org_id).where(Lead.id == lead_id))).first()
    if row is None:
        raise LeadNotFound
    return finding.item(row)


async def leads_by_id(session: AsyncSession, org_id: str, lead_ids: Collection[str]) -> dict[str, LeadItem]:
    """In one query; an erased one is missing."""
    rows = await session.execute(finding.items(org_id, lead_ids))
    return {row.id: finding.item(row) for row in rows}


async def by_email(session: AsyncSession, org_id: str, emails: Collection[str]) -> dict[str, str]:
    """E-mail as given -> the id of the lead that has it."""
    keys = {email: folding.email_key(email) for email in emails}
    wanted = {key for key in keys.values() if key}
    stmt = in_org(Lead, org_id).with_only_columns(Lead.email_key, Lead.id).where(Lead.email_key.in_(wanted))
    found = {row.email_key: row.id for row in await session.execute(stmt)}
    return {email: found[key] for email, key in keys.items() if key in found}


async def clicks_of(session: AsyncSession, org_id: str, lead_id: str) -> list[str]:
    """Ids of the clicks that brought it. Raises LeadNotFound."""
    await lead(session, org_id, lead_id)
    mine = in_org(LeadClick, org_id).where(LeadClick.lead_id == lead_id)
    return list(await session.scalars(mine.with_only_columns(LeadClick.click_id)))


async def names(session: AsyncSession, org_id: str, lead_ids: Collection[str]) -> dict[str, str]:
    """Lead id -> what a person calls that lead, in one query; an erased one is missing."""
    columns = (Lead.id, Lead.first_name, Lead.last_name, Lead.email, Lead.phone, Lead.company)
    # coalesce: else the planner walks the whole org instead of looking the ids up
    mine = func.coalesce(Lead.org_id, "") == org_id
    rows = await session.execute(select(*columns).where(Lead.id.in_(set(lead_ids)), mine))
    return {row.id: finding.called(*row[1:]) for row in rows}


async def emails(session: AsyncSession, org_id: str, lead_ids: Collection[str]) -> dict[str, str]:
    """Lead id -> its address, in one query; who has none is missing."""
    mine = func.coalesce(Lead.org_id, "") == org_id  # as in `names`
    rows = await session.execute(select(Lead.id, Lead.email).where(Lead.id.in_(set(lead_ids)), mine))
    return {row.id: row.email for row in rows if row.email}


async def any_lead(session: AsyncSession, org_id: str) -> bool:
    return await session.scalar(select(Lead.id).where(Lead.org_id == org_id).limit(1)) is not None


async def count_to_review(session: AsyncSession, org_id: str) -> int:
    return await _capped(session, Lead.org_id == org_id, Lead.status == LeadStatus.NEEDS_REVIEW)


async def count_quarantined(session: AsyncSession, org_id: str) -> int:
    return await _capped(session, Submission.org_id == org_id, Submission.status == SubmissionStatus.QUARANTINED)


async def custom_names(session: AsyncSession, org_id: str) -> Sequence[str]:
    """The names of all answers that leads of this org have, for the columns of an export. Reads every lead."""
    each = func.json_each(Lead.custom).table_valued("key")
    names = select(each.c.key).select_from(Lead).join(each, Lead.org_id == org_id).distinct()
    return sorted((await session.scalars(names.limit(MOST_CUSTOM_NAMES))).all())


async def submissions(
    session: AsyncSession,
    org_id: str,
    *,
    form: str = "",
    lead: str = "",
    status: str = "",
    limit: int | None = None,
    cursor: str | None = None,
) -> Page[SubmissionItem]:
    """Newest first. A walk along an index for each status, merged."""
    if status and status not in tuple(SubmissionStatus):
        raise Invalid.field("status", f"One of: {', '.join(SubmissionStatus)}.")
    count = checked_limit(limit)
    found: list[SubmissionItem] = []
    for one in [status] if status else list(SubmissionStatus):
        statement = select(*_COLUMNS).where(Submission.status == one, *_of(org_id, form=form, lead=lead))
        page = older_than(statement, (Submission.received_at, Submission.id), cursor).limit(count + 1)
        found += [_item(row) for row in await session.execute(page)]
    found.sort(key=_place, reverse=True)
    return page_of(found, count, _place)


async def submissions_by_id(
    session: AsyncSession, org_id: str, submission_ids: Collection[str]
) -> dict[str, SubmissionItem]:
    """In one query, without the bodies; an erased one is missing."""
    mine = db.these(Submission, org_id, submission_ids)
    return {row.id: _item(row) for row in await session.execute(select(*_COLUMNS).where(mine))}


async def submission(session: AsyncSession, org_id: str, submission_id: str) -> SubmissionDetail:
    row = await session.scalar(select(Submission).where(Submission.org_id == org_id, Submission.id == submission_id))
    if row is None:
        raise SubmissionNotFound
    text = as_text(row.body)
    return SubmissionDetail(
        id=row.id,
        form=row.form_id,
        lead=row.lead_id,
        status=row.status,
        reason=row.reason,
        received_at=row.received_at,
        released_at=row.released_at,
        normalised=row.normalised,
        content_type=row.content_type,
        body=text,
        body_base64=None if text is not None else base64.b64encode(row.body).decode(),
        address=row.address,
        user_agent=row.user_agent,
        origin=row.origin,
    )


async def form_numbers(session: AsyncSession, org_id: str, form_id: str) -> FormNumbers:
    """Counted from the index alone."""
    if form_id not in await forms.names(session, org_id):
        raise FormNotFound
    rows = await session.execute(
        select(Submission.status, func.count().label("number"))
        .where(Submission.form_id == form_id)
        .group_by(Submission.status)
    )
    counts = {row.status: row.number for row in rows}
    review = await session.scalar(
        select(func.count()).where(Lead.form_id == form_id, Lead.status == LeadStatus.NEEDS_REVIEW)
    )
    return FormNumbers(
        received=sum(counts.values()),
        accepted=counts.get(SubmissionStatus.ACCEPTED, 0),
        quarantined=counts.get(SubmissionStatus.QUARANTINED, 0),
        test=counts.get(SubmissionStatus.TEST, 0),
        duplicate=counts.get(SubmissionStatus.DUPLICATE, 0),
        needs_review=review or 0,
    )


async def accepted(session: AsyncSession, org_id: str, form_ids: Collection[str]) -> int:
    """How many submissions these forms have accepted (none given: all forms), counted from the index alone."""
    mine = [id for id in await forms.names(session, org_id) if not form_ids or id in form_ids]
    wanted = Submission.form_id.in_(mine), Submission.status == SubmissionStatus.ACCEPTED
    return await session.scalar(select(func.count()).where(*wanted)) or 0


def _of(org_id: str, *, form: str, lead: str) -> list[ColumnElement[bool]]:
    if not form and not lead:
        return [Submission.org_id == org_id]
    # Hidden from the planner, which would walk through the whole org instead of the form's or the lead's own index.
    found = [func.coalesce(Submission.org_id, "") == org_id]
    if form:
        found.append(Submission.form_id == form)
    if lead:
        found.append(Submission.lead_id == lead)
    return found


def as_text(body: bytes) -> str | None:
    """The body if it is UTF-8 text."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    return None if "\x00" in text else text


async def _capped(session: AsyncSession, *conditions: ColumnElement[bool]) -> int:
    some = select(1).where(*conditions).limit(MOST_COUNTED).subquery()
    return await session.scalar(select(func.count()).select_from(some)) or 0


def _item(row: Any) -> SubmissionItem:
    values = dict(row._mapping)
    return SubmissionItem(form=values.pop("form_id"), lead=values.pop("lead_id"), **values)


def _place(submission: SubmissionItem) -> tuple[datetime, str]:
    return submission.received_at, submission.id
