"""Submissions into leads, with Core statements: the consumer joins a hundred at once, a release a few.

The caller holds the write lock, so that what is read here cannot change before it is written.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

import msgspec
from sqlalchemy import Table, bindparam, case, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core.events import emit
from site2crm.leads import folding, search
from site2crm.leads.events import AcceptedSubmission, LeadsChanged, SubmissionsAccepted
from site2crm.leads.folding import Incoming, LeadRow
from site2crm.leads.models import Lead, LeadSearch, Submission
from site2crm.leads.states import SubmissionStatus

LEAD = cast("Table", Lead.__table__)
LEAD_SEARCH = cast("Table", LeadSearch.__table__)

_FIXED = frozenset({"id", "org_id", "form_id", "created_at"})
_UPDATE_LEAD = (
    update(LEAD)
    .where(LEAD.c.id == bindparam("lead_id"))
    .values({column.name: bindparam(column.name) for column in LEAD.c if column.name not in _FIXED})
)
_UPDATE_WORDS = (
    update(LEAD_SEARCH).where(LEAD_SEARCH.c.lead_id == bindparam("of_lead")).values(words=bindparam("new_words"))
)


@dataclass(frozen=True)
class Joined:
    """What became of one submission."""

    incoming: Incoming
    lead_id: str
    status: SubmissionStatus


async def join(session: AsyncSession, arrivals: Sequence[Incoming], *, now: datetime, window_s: float) -> list[Joined]:
    """Each submission into its lead, in order; leads and search words are written, submissions are the caller's."""
    if not arrivals:
        return []
    repeats = await _earlier(session, arrivals, window_s)
    people = await _known(session, arrivals, repeats)
    joined = [_joined(incoming, people, repeats, now) for incoming in arrivals]
    await people.write(session)
    return joined


async def tell(session: AsyncSession, joined: Iterable[Joined], also: Iterable[str] = ()) -> None:
    """One event for each org about what is to be delivered; `also`: orgs whose lists changed without it."""
    by_org: dict[str, list[AcceptedSubmission]] = {org_id: [] for org_id in also}
    for item in joined:
        found = by_org.setdefault(item.incoming.org_id, [])
        if item.status is SubmissionStatus.ACCEPTED:
            incoming = item.incoming
            found.append(AcceptedSubmission(incoming.id, item.lead_id, incoming.form_id, incoming.received_at))
    for org_id, items in by_org.items():
        if items:
            await emit(session, SubmissionsAccepted(org_id=org_id, items=tuple(items)))
        await emit(session, LeadsChanged(org_id=org_id))


async def write_leads(session: AsyncSession, leads: Sequence[LeadRow], *, ways: dict[str, set[str]]) -> None:
    """Store changed leads and their words. `ways`: lead -> forms and links it has come by now, beside the known."""
    if not leads:
        return
    await session.execute(_UPDATE_LEAD, [{**_columns(lead), "lead_id": lead.id} for lead in leads])
    known = await session.execute(
        select(LEAD_SEARCH.c.lead_id, LEAD_SEARCH.c.words).where(LEAD_SEARCH.c.lead_id.in_([lead.id for lead in leads]))
    )
    before: dict[str, str] = {row.lead_id: row.words for row in known}
    changed = []
    for lead in leads:
        old = before.get(lead.id, "")
        words = search.words(lead, [*search.ways_in(old), *ways.get(lead.id, ())])
        if words != old:
            changed.append({"of_lead": lead.id, "new_words": words})
    if changed:
        await session.execute(_UPDATE_WORDS, changed)


@dataclass
class _Repeats:
    """Accepted submissions with the same body from the same address, in the database and in this batch."""

    window: timedelta
    seen: dict[tuple[str, str, str], list[tuple[datetime, str]]] = field(default_factory=dict)

    def lead_of(self, incoming: Incoming) -> str | None:
        """The lead that this very submission belongs to already."""
        for at, lead_id in self.seen.get(_body(incoming), ()):
            if abs(incoming.received_at - at) <= self.window:
                return lead_id
        return None

    def add(self, body: tuple[str, str, str], at: datetime, lead_id: str) -> None:
        if self.window:
            self.seen.setdefault(body, []).append((at, lead_id))


@dataclass
class _People:
    """The leads that a batch meets, by what they are recognised by."""

    by_id: dict[str, LeadRow] = field(default_factory=dict)
    by_email: dict[tuple[str, str], LeadRow] = field(default_factory=dict)
    by_phone: dict[tuple[str, str], list[LeadRow]] = field(default_factory=dict)
    fresh: dict[str, LeadRow] = field(default_factory=dict)
    changed: dict[str, LeadRow] = field(default_factory=dict)
    ways: dict[str, set[str]] = field(default_factory=dict)

    def find(self, incoming: Incoming) -> LeadRow | None:
        """By e-mail; else by phone, unless that lead is a person with another e-mail."""
        email, phone = incoming.email_key, incoming.phone_key
        if email and (lead := self.by_email.get((incoming.org_id, email))):
            return lead
        same_phone = self.by_phone.get((incoming.org_id, phone), []) if phone else []
        if email:
            same_phone = [lead for lead in same_phone if not lead.email_key]
        return min(same_phone, key=lambda lead: lead.id, default=None)

    def add(self, lead: LeadRow) -> None:
        self.by_id[lead.id] = lead
        if lead.email_key:
            self.by_email[lead.org_id, lead.email_key] = lead
        if lead.phone_key:
            same = self.by_phone.setdefault((lead.org_id, lead.phone_key), [])
            if all(other.id != lead.id for other in same):
                same.append(lead)

    async def write(self, session: AsyncSession) -> None:
        new = list(self.fresh.values())
        if new:
            await session.execute(insert(LEAD), [_columns(lead) for lead in new])
            words = [
                {"org_id": lead.org_id, "lead_id": lead.id, "words": search.words(lead, self.ways[lead.id])}
                for lead in new
            ]
            await session.execute(insert(LEAD_SEARCH), words)
        await write_leads(session, list(self.changed.values()), ways=self.ways)


def _joined(incoming: Incoming, people: _People, repeats: _Repeats, now: datetime) -> Joined:
    known = repeats.lead_of(incoming)
    lead = people.by_id[known] if known else people.find(incoming)
    if lead is None:
        lead = folding.new_lead(incoming, now)
        people.fresh[lead.id] = lead
    else:
        folding.fold(lead, incoming, now)
        if lead.id not in people.fresh:
            people.changed[lead.id] = lead
    people.add(lead)
    links = (carried.link_id for carried in incoming.clicks)
    people.ways.setdefault(lead.id, set()).update((incoming.form_id, *links))
    if known:
        return Joined(incoming, lead.id, SubmissionStatus.DUPLICATE)
    repeats.add(_body(incoming), incoming.received_at, lead.id)
    return Joined(incoming, lead.id, SubmissionStatus.ACCEPTED)


async def _earlier(session: AsyncSession, arrivals: Sequence[Incoming], window_s: float) -> _Repeats:
    repeats = _Repeats(timedelta(seconds=window_s))
    if not repeats.window:
        return repeats
    rows = await session.execute(
        select(
            Submission.form_id, Submission.body_hash, Submission.address, Submission.received_at, Submission.lead_id
        ).where(
            Submission.form_id.in_({incoming.form_id for incoming in arrivals}),
            Submission.body_hash.in_({incoming.body_hash for incoming in arrivals}),
            Submission.received_at >= min(incoming.received_at for incoming in arrivals) - repeats.window,
            Submission.status == SubmissionStatus.ACCEPTED,
        )
    )
    for form_id, body_hash, address, at, lead_id in rows:
        if lead_id is not None:
            repeats.add((form_id, body_hash, address), at, lead_id)
    return repeats


async def _known(session: AsyncSession, arrivals: Sequence[Incoming], repeats: _Repeats) -> _People:
    people = _People()
    orgs = {incoming.org_id for incoming in arrivals}
    emails = {incoming.email_key for incoming in arrivals} - {None}
    if emails:
        by_email = select(LEAD).where(LEAD.c.org_id.in_(orgs), LEAD.c.email_key.in_(emails))
        _add_all(people, await session.execute(by_email))
    phones = {incoming.phone_key for incoming in arrivals if people.find(incoming) is None} - {None}
    wanted = await _with_phone(session, orgs, phones) if phones else set()
    wanted |= {lead_id for incoming in arrivals if (lead_id := repeats.lead_of(incoming))}
    wanted -= people.by_id.keys()
    if wanted:
        _add_all(people, await session.execute(select(LEAD).where(LEAD.c.id.in_(wanted))))
    return people


async def _with_phone(session: AsyncSession, orgs: set[str], phones: set[str | None]) -> set[str]:
    """Of each number the oldest lead, and the oldest without an e-mail; read from the index alone."""
    rows = await session.execute(
        select(func.min(LEAD.c.id), func.min(case((LEAD.c.email_key.is_(None), LEAD.c.id))))
        .where(LEAD.c.org_id.in_(orgs), LEAD.c.phone_key.in_(phones))
        .group_by(LEAD.c.org_id, LEAD.c.phone_key)
    )
    return {lead_id for row in rows for lead_id in row if lead_id is not None}


def _add_all(people: _People, rows: Iterable[Any]) -> None:
    for row in rows:
        people.add(LeadRow(**row._mapping))


def _columns(lead: LeadRow) -> dict[str, Any]:
    return msgspec.structs.asdict(lead)


def _body(incoming: Incoming) -> tuple[str, str, str]:
    return incoming.form_id, incoming.body_hash, incoming.address
