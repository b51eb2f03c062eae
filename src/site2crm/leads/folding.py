"""How submissions add up to a lead. Pure: rows in, rows out; `capture` reads and writes them.

Names, company, phone and e-mail stay as they were first given, blanks are filled. Of message, answers and consents the
newest wins. Attribution keeps the first touch and the last one.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from site2crm.forms.events import Normalised
from site2crm.kit import ids, phone
from site2crm.leads.states import LeadStatus

LEAST_PHONE_DIGITS = 7

_FIRST, _LAST = "first.", "last."


class Carried(Struct, frozen=True):
    """A click that a genuine token told of, and its link as it is now."""

    click_id: str
    link_id: str
    at: datetime
    snapshot: dict[str, object]


class Incoming(Struct, frozen=True, kw_only=True):
    """A submission on its way into a lead."""

    id: str
    org_id: str
    form_id: str
    received_at: datetime
    seen_at: datetime
    """When the org got to see it: when it was received, or when it was released from quarantine."""
    body_hash: str
    address: str
    answers: Normalised
    email_key: str | None
    phone_key: str | None
    clicks: tuple[Carried, ...] = ()


class LeadRow(Struct, kw_only=True):
    """The columns of a lead."""

    id: str
    org_id: str
    form_id: str
    status: str
    email: str | None
    email_key: str | None
    phone: str | None
    phone_key: str | None
    first_name: str | None
    last_name: str | None
    company: str | None
    message: str | None
    custom: dict[str, str]
    consent: dict[str, str]
    attribution: dict[str, Any]
    submissions: int
    created_at: datetime
    last_at: datetime
    updated_at: datetime


def email_key(email: str | None) -> str | None:
    return (email or "").strip().casefold() or None


def phone_key(typed: str | None, *, e164: str | None = None, country: str = "") -> str | None:
    """E.164 where the number can be read, else its digits, if there are enough to mean one person."""
    if not typed:
        return None
    known = e164 or phone.e164(typed, country)
    if known:
        return known
    digits = phone.key(typed)
    return digits if len(digits) >= LEAST_PHONE_DIGITS else None


def new_lead(incoming: Incoming, now: datetime) -> LeadRow:
    answers = incoming.answers
    first, last = _touches(answers.attribution)
    return LeadRow(
        id=ids.new("led"),
        org_id=incoming.org_id,
        form_id=incoming.form_id,
        status=_status(answers),
        email=answers.email,
        email_key=incoming.email_key,
        phone=answers.phone,
        phone_key=incoming.phone_key,
        first_name=answers.first_name,
        last_name=answers.last_name,
        company=answers.company,
        message=answers.message,
        custom=dict(answers.custom),
        consent=dict(answers.consent),
        attribution={"first": first, "last": last},
        submissions=1,
        created_at=incoming.seen_at,
        last_at=incoming.seen_at,
        updated_at=now,
    )


def fold(lead: LeadRow, incoming: Incoming, now: datetime) -> None:
    """Make the submission part of the lead."""
    _fill_blanks(lead, incoming)
    _take_newest(lead, incoming)
    if lead.status == LeadStatus.NEEDS_REVIEW:
        lead.status = _status(incoming.answers)
    lead.submissions += 1
    lead.last_at = max(lead.last_at, incoming.seen_at)
    lead.updated_at = now


def _fill_blanks(lead: LeadRow, incoming: Incoming) -> None:
    answers = incoming.answers
    if not lead.email:
        lead.email, lead.email_key = answers.email, incoming.email_key
    if not lead.phone:
        lead.phone, lead.phone_key = answers.phone, incoming.phone_key
    if _agree(lead.first_name, answers.first_name) and _agree(lead.last_name, answers.last_name):
        lead.first_name = lead.first_name or answers.first_name
        lead.last_name = lead.last_name or answers.last_name
    lead.company = lead.company or answers.company


def _agree(known: str | None, given: str | None) -> bool:
    """A name is one thing: `Ada` and then `Jo Brown` from one address must not become Ada Brown."""
    return not known or not given or known.casefold() == given.casefold()


def _take_newest(lead: LeadRow, incoming: Incoming) -> None:
    answers = incoming.answers
    first, last = _touches(answers.attribution)
    known = lead.attribution
    if incoming.received_at < lead.last_at:  # released from quarantine after later ones had come
        lead.message = lead.message or answers.message
        lead.custom = {**answers.custom, **lead.custom}
        lead.consent = {**answers.consent, **lead.consent}
        lead.attribution = {"first": known.get("first") or first, "last": known.get("last") or last}
        return
    lead.message = answers.message or lead.message
    lead.custom = {**lead.custom, **answers.custom}
    lead.consent = {**lead.consent, **answers.consent}
    lead.attribution = {"first": known.get("first") or first, "last": last or known.get("last", {})}


def _status(answers: Normalised) -> LeadStatus:
    return LeadStatus.NEEDS_REVIEW if answers.kind == "needs_review" else LeadStatus.NEW


def _touches(attribution: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """First and last touch. Our embed knows both (`first.utm_source`); everybody else only the present one."""
    first: dict[str, str] = {}
    last: dict[str, str] = {}
    for name, value in attribution.items():
        if name.startswith(_FIRST):
            first[name.removeprefix(_FIRST)] = value
        else:
            last[name.removeprefix(_LAST)] = value
    return first or last, last or first
