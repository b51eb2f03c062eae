"""What people do with leads: release from quarantine, edit, archive, delete."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import db
from site2crm.core.errors import Invalid
from site2crm.core.events import emit
from site2crm.forms.events import Normalised
from site2crm.kit import clock
from site2crm.leads import clicks, folding, joining
from site2crm.leads.clicks import Seal
from site2crm.leads.errors import EmailTaken, LeadNotFound, NotInQuarantine, SubmissionNotFound
from site2crm.leads.events import LeadsChanged
from site2crm.leads.folding import Incoming, LeadRow
from site2crm.leads.joining import LEAD, Joined
from site2crm.leads.models import Lead, Submission
from site2crm.leads.states import LeadStatus, SubmissionStatus

MOST_AT_ONCE = 200
MOST_CUSTOM = 100
RELEASED = "Released from quarantine."

TEXT_CHARS = 20_000

Line = Annotated[str, Meta(max_length=300)]
Text = Annotated[str, Meta(max_length=TEXT_CHARS)]


class LeadPatch(Struct, forbid_unknown_fields=True, kw_only=True):
    """Merge patch: what is absent stays, null clears; in `custom` for each answer by itself."""

    email: Line | None | UnsetType = UNSET
    first_name: Line | None | UnsetType = UNSET
    last_name: Line | None | UnsetType = UNSET
    phone: Line | None | UnsetType = UNSET
    company: Line | None | UnsetType = UNSET
    message: Text | None | UnsetType = UNSET
    custom: dict[Line, Text | None] | None | UnsetType = UNSET
    status: LeadStatus | UnsetType = UNSET


async def release(
    session: AsyncSession, org_id: str, submission_ids: Sequence[str], *, window_s: float, seal: Seal
) -> list[Joined]:
    """Not spam: they make or join their leads and are delivered. What was released before is passed over.

    Raises SubmissionNotFound, and NotInQuarantine for one that never was.
    """
    _check_count(submission_ids)
    await db.lock(session)
    wanted = select(Submission).where(db.these(Submission, org_id, submission_ids)).order_by(Submission.received_at)
    found = {row.id: row for row in await session.scalars(wanted)}
    if len(found) < len(set(submission_ids)):
        raise SubmissionNotFound
    held = [row for row in found.values() if _is_held(row)]
    now = clock.now()
    arrivals = await clicks.recognised(session, [_incoming(row, now) for row in held], seal)
    joined = await joining.join(session, arrivals, now=now, window_s=window_s)
    for item in joined:
        row = found[item.incoming.id]
        row.lead_id, row.status, row.released_at = item.lead_id, item.status, now
        row.reason = f"{RELEASED} It was held for: {row.reason}" if row.reason else RELEASED
        row.normalised = {**row.normalised, "attribution": item.incoming.answers.attribution}
    await session.flush()
    await clicks.write(session, joined)
    if joined:
        await joining.tell(session, joined)
    return joined


async def change(session: AsyncSession, org_id: str, lead_id: str, *, patch: LeadPatch) -> None:
    """Raises EmailTaken if another lead of the org has the address."""
    await db.lock(session)
    lead = (await _rows(session, org_id, [lead_id]))[0]
    for name in ("first_name", "last_name", "company", "message"):
        given = getattr(patch, name)
        if given is not UNSET:
            setattr(lead, name, _clean(given))
    if not isinstance(patch.email, UnsetType):
        await _set_email(session, lead, _clean(patch.email))
    if not isinstance(patch.phone, UnsetType):
        lead.phone = _clean(patch.phone)
        lead.phone_key = folding.phone_key(lead.phone)
    if not isinstance(patch.custom, UnsetType):
        lead.custom = _merged(lead.custom, patch.custom)
    if not isinstance(patch.status, UnsetType):
        lead.status = patch.status
    elif lead.status == LeadStatus.NEEDS_REVIEW and (lead.email or lead.phone):
        lead.status = LeadStatus.NEW
    lead.updated_at = clock.now()
    await joining.write_leads(session, [lead], ways={})
    await emit(session, LeadsChanged(org_id=org_id))


async def archive(session: AsyncSession, org_id: str, lead_ids: Sequence[str]) -> None:
    """Out of the list; a new submission does not bring it back."""
    await _set_status(session, org_id, lead_ids, LeadStatus.ARCHIVED)


async def restore(session: AsyncSession, org_id: str, lead_ids: Sequence[str]) -> None:
    await _set_status(session, org_id, lead_ids, LeadStatus.NEW)


async def erase(session: AsyncSession, org_id: str, lead_ids: Sequence[str]) -> None:
    """For good, with every submission and everything other features keep about them."""
    _check_count(lead_ids)
    await db.lock(session)
    await _rows(session, org_id, lead_ids)
    await session.execute(delete(Lead).where(db.these(Lead, org_id, lead_ids)))
    await emit(session, LeadsChanged(org_id=org_id))


async def discard(session: AsyncSession, org_id: str, submission_ids: Sequence[str]) -> None:
    """Delete submissions that are in quarantine, for good."""
    _check_count(submission_ids)
    held = db.these(Submission, org_id, submission_ids)
    await db.lock(session)
    rows = (await session.execute(select(Submission.id, Submission.status).where(held))).all()
    if len(rows) < len(set(submission_ids)):
        raise SubmissionNotFound
    if any(row.status != SubmissionStatus.QUARANTINED for row in rows):
        raise NotInQuarantine
    await session.execute(delete(Submission).where(held))
    await emit(session, LeadsChanged(org_id=org_id))


async def _set_status(session: AsyncSession, org_id: str, lead_ids: Sequence[str], status: LeadStatus) -> None:
    _check_count(lead_ids)
    await db.lock(session)
    leads = await _rows(session, org_id, lead_ids)
    now = clock.now()
    for lead in leads:
        lead.status, lead.updated_at = status, now
    await joining.write_leads(session, leads, ways={})
    await emit(session, LeadsChanged(org_id=org_id))


async def _rows(session: AsyncSession, org_id: str, lead_ids: Sequence[str]) -> list[LeadRow]:
    rows = await session.execute(select(LEAD).where(LEAD.c.id.in_(lead_ids)))
    leads = [LeadRow(**row._mapping) for row in rows if row.org_id == org_id]
    if len(leads) < len(set(lead_ids)):
        raise LeadNotFound
    return leads


async def _set_email(session: AsyncSession, lead: LeadRow, email: str | None) -> None:
    if email and ("@" not in email.strip("@") or any(sign.isspace() for sign in email)):
        raise Invalid.field("email", "An address such as ada@example.com.")
    key = folding.email_key(email)
    taken = select(Lead.id).where(Lead.org_id == lead.org_id, Lead.email_key == key, Lead.id != lead.id)
    other = await session.scalar(taken) if key else None
    if other is not None:
        raise EmailTaken(email or "", other)
    lead.email, lead.email_key = email, key


def _merged(known: dict[str, str], given: dict[str, str | None] | None) -> dict[str, str]:
    if given is None:
        return {}
    merged = {**known, **given}
    kept = {name: value for name, value in merged.items() if value}
    if len(kept) > MOST_CUSTOM:
        raise Invalid.field("custom", f"At most {MOST_CUSTOM} answers.")
    return kept


def _clean(text: str | None) -> str | None:
    return text.replace("\x00", "").strip() or None if text else None


def _check_count(ids: Sequence[str]) -> None:
    if not ids:
        raise Invalid.field("id", "Choose at least one.")
    if len(ids) > MOST_AT_ONCE:
        raise Invalid.field("id", f"At most {MOST_AT_ONCE} at once.")


def _is_held(row: Submission) -> bool:
    if row.status == SubmissionStatus.QUARANTINED:
        return True
    if row.released_at is None:
        raise NotInQuarantine
    return False


def _incoming(row: Submission, now: datetime) -> Incoming:
    answers = msgspec.convert(row.normalised, Normalised)
    if answers.kind == "spam":
        answers.kind = "lead" if answers.email or answers.phone else "needs_review"
    return Incoming(
        id=row.id,
        org_id=row.org_id,
        form_id=row.form_id,
        received_at=row.received_at.astimezone(UTC),
        seen_at=now,
        body_hash=row.body_hash,
        address=row.address,
        answers=answers,
        email_key=folding.email_key(answers.email),
        phone_key=folding.phone_key(answers.phone, e164=answers.phone_e164),
    )
