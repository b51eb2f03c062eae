"""The part of a lead's timeline that leads are made of: what came in by a form, and the clicks before it."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core.feature import TimelineEntry
from site2crm.forms import queries as forms
from site2crm.leads import finding, queries
from site2crm.leads.models import LeadClick, Submission
from site2crm.leads.states import SubmissionStatus

MOST_SHOWN = 200
RAW_BYTES = 20_000


async def entries(session: AsyncSession, org_id: str, lead_id: str) -> Sequence[TimelineEntry]:
    """Submissions and clicks; together they are put in order of time, a click before the submission it led to."""
    return [*await submissions(session, org_id, lead_id), *await clicks(session, org_id, lead_id)]


async def clicks(session: AsyncSession, org_id: str, lead_id: str) -> Sequence[TimelineEntry]:
    """Each click that brought the lead, the newest 200."""
    rows = await session.scalars(
        select(LeadClick)
        .where(LeadClick.org_id == org_id, LeadClick.lead_id == lead_id)
        .order_by(LeadClick.at.desc(), LeadClick.click_id.desc())
        .limit(MOST_SHOWN)
    )
    return [_click(row) for row in rows]


async def submissions(session: AsyncSession, org_id: str, lead_id: str) -> Sequence[TimelineEntry]:
    """Each submission of the lead, the newest 200."""
    names = await forms.names(session, org_id)
    rows = await session.execute(
        select(
            Submission.id,
            Submission.form_id,
            Submission.status,
            Submission.reason,
            Submission.received_at,
            Submission.released_at,
            Submission.content_type,
            Submission.origin,
            Submission.address,
            Submission.user_agent,
            Submission.normalised,
            func.substr(Submission.body, 1, RAW_BYTES, type_=Submission.body.type).label("raw"),
            func.length(Submission.body).label("bytes"),
        )
        .where(Submission.org_id == org_id, Submission.lead_id == lead_id)
        .order_by(Submission.received_at.desc())
        .limit(MOST_SHOWN)
    )
    return [_entry(row, names) for row in rows]


def _entry(row: Any, names: dict[str, str]) -> TimelineEntry:
    form = names.get(row.form_id, "a deleted form")
    repeated = row.status == SubmissionStatus.DUPLICATE
    return TimelineEntry(
        type="submission",
        at=row.received_at,
        title=f"Sent {form} again" if repeated else f"Sent {form}",
        template="leads/_submission.html",
        tone="neutral" if repeated else "good",
        data={
            "submission": row.id,
            "form": row.form_id,
            "form_name": form,
            "status": row.status,
            "reason": row.reason,
            "released_at": row.released_at,
            "content_type": row.content_type,
            "origin": row.origin,
            "address": row.address,
            "user_agent": row.user_agent,
            "normalised": row.normalised,
            "raw": _raw(row.raw),
            "bytes": row.bytes,
        },
    )


def _click(row: LeadClick) -> TimelineEntry:
    return TimelineEntry(
        type="click",
        at=row.at,
        title=f"Clicked {row.snapshot['title'] or finding.shown(row.snapshot['short_url'])}",
        template="leads/_click.html",
        data={"click": row.click_id, "link": row.link_id, "submission": row.submission_id, **row.snapshot},
    )


def _raw(body: bytes) -> str:
    """For reading; bytes that are no text, and a sign cut in half, are shown as such."""
    return queries.as_text(body) or body.decode("utf-8", "backslashreplace").replace("\x00", "\\x00")
