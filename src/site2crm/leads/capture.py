"""The consumer of the journals: what was accepted becomes submissions and leads, exactly once.

Up to a hundred records in one transaction, together with the position behind the last of them. A submission that is
there already (a replay after a crash, a repeat of the sender) is passed over.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

import msgspec
from sqlalchemy import Table, insert, select
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import alarms, db, log, tasks, tracing
from site2crm.core.consumer import consume
from site2crm.core.errors import AppError, Unavailable
from site2crm.core.journal.contract import SUBMISSIONS, Position, Readable, Record
from site2crm.core.machine import Machine
from site2crm.core.sql import insert_new, upsert
from site2crm.core.tables import ConsumerPosition, PoisonRecord
from site2crm.forms.events import FRAME_VERSION, SubmissionFrame
from site2crm.kit import clock, ids, phone
from site2crm.leads import clicks, folding, joining
from site2crm.leads.clicks import Seal
from site2crm.leads.folding import Incoming
from site2crm.leads.joining import Joined
from site2crm.leads.models import Submission
from site2crm.leads.states import SubmissionStatus

CONSUMER = "leads"
POISON_ALARM = "leads.poison"
ERROR_CHARS = 2_000
NOTED_IN_A_LINE = 40

_SUBMISSION = cast("Table", Submission.__table__)
_decode = msgspec.msgpack.Decoder(SubmissionFrame).decode
_DATA_ERRORS = (
    msgspec.MsgspecError, DataError, IntegrityError, InterfaceError,
    ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError,
)  # fmt: skip
_log = log.get("leads")


class UnknownFrame(ValueError):
    """Written by a newer version; it is kept until that version is back."""


@asynccontextmanager
async def capturing(machine: Machine) -> AsyncIterator[None]:
    """The consumer, while the server runs: of our own journal, and of those that others have left."""
    machine.inheritance.drains.append(partial(_consume, machine))
    async with tasks.running("leads.capture", _consume(machine, machine.journal)):
        yield


async def _consume(machine: Machine, journal: Readable) -> None:
    await consume(
        journal,
        SUBMISSIONS,
        load=partial(load, machine, journal),
        apply=partial(apply, machine, journal=journal),
        poison=partial(poison, machine, journal=journal),
        is_data_error=is_data_error,
    )


async def load(machine: Machine, journal: Readable) -> Position | None:
    """Where to go on; None for the beginning, also when the position belongs to another journal."""
    async with machine.session() as session:
        row = await session.get(ConsumerPosition, (CONSUMER, _node(machine, journal)))
        if row is None or row.epoch != journal.epoch:
            return None
        return Position(row.segment, row.offset)


async def apply(machine: Machine, records: Sequence[Record], *, journal: Readable) -> None:
    """Store these records, their leads and the position behind them, or nothing."""
    frames = [_read(record.data) for record in records]
    async with machine.session() as session:
        await db.lock(session)
        window_s = machine.settings.intake.dedupe_window
        await store(session, frames, window_s=window_s, seal=clicks.seal_of(machine))
        await _advance(session, machine, records[-1].next, journal=journal)


async def store(session: AsyncSession, frames: Sequence[SubmissionFrame], *, window_s: float, seal: Seal) -> None:
    """Those that are new: each a submission, the accepted ones joined into leads."""
    new = await _unknown(session, frames)
    accepted = [incoming(frame) for frame in new if frame.status == SubmissionStatus.ACCEPTED]
    arrivals = await clicks.recognised(session, accepted, seal)
    joined = await joining.join(session, arrivals, now=clock.now(), window_s=window_s)
    fates = {item.incoming.id: item for item in joined}
    if new:
        await session.execute(insert(_SUBMISSION), [_row(frame, fates.get(frame.id)) for frame in new])
        await clicks.write(session, joined)
        await joining.tell(session, joined, also={frame.org_id for frame in new})
        _note_requests(new)


def _note_requests(frames: Sequence[SubmissionFrame]) -> None:
    """Which request became which submission: from here on the log names the submission. One line for many."""
    for start in range(0, len(frames), NOTED_IN_A_LINE):
        noted = [f"{one.request_id}={one.id}" for one in frames[start : start + NOTED_IN_A_LINE]]
        _log.info("submissions.stored", requests=" ".join(noted))
    if tracing.is_on():
        for one in frames:
            told: tracing.Attributes = {"submission": one.id, "org": one.org_id}
            tracing.followed("leads.capture", one.id, since=one.received_at, attributes=told)


async def poison(machine: Machine, record: Record, error: Exception, *, journal: Readable) -> None:
    """Keep a record that cannot be applied for its own data, and say so."""
    place = f"{record.position.segment}:{record.position.offset}"
    async with machine.session() as session:
        await db.lock(session)
        kept = {
            "id": ids.derived("psn", CONSUMER, journal.epoch, place),
            "consumer": CONSUMER,
            "at": clock.now(),
            "data": record.data,
            "error": repr(error)[:ERROR_CHARS],
        }
        await session.execute(insert_new(PoisonRecord, [kept]))
        text = f"A submission could not be stored and was set aside ({place}): {type(error).__name__}."
        await alarms.ring(session, alarms.INSTANCE, code=POISON_ALARM, text=text)
        await _advance(session, machine, record.next, journal=journal)


def is_data_error(error: Exception) -> bool:
    """The record is to blame, not the database, the disk or the network."""
    if db.is_passing(error) or isinstance(error, Unavailable):
        return False
    return db.blames_the_row(error) or isinstance(error, (*_DATA_ERRORS, AppError))


def incoming(frame: SubmissionFrame) -> Incoming:
    answers = frame.normalised
    moment = _moment(frame)
    return Incoming(
        id=frame.id,
        org_id=frame.org_id,
        form_id=frame.form_id,
        received_at=moment,
        seen_at=moment,
        body_hash=frame.body_hash,
        address=frame.address,
        answers=answers,
        email_key=folding.email_key(answers.email),
        phone_key=folding.phone_key(answers.phone, e164=answers.phone_e164, country=frame.country),
    )


def _read(data: bytes) -> SubmissionFrame:
    frame = _decode(data)
    if frame.version > FRAME_VERSION:
        raise UnknownFrame(f"version {frame.version}")
    answers = frame.normalised
    if answers.phone and not answers.phone_e164:
        answers.phone_e164 = phone.e164(answers.phone, frame.country)
    return frame


async def _unknown(session: AsyncSession, frames: Sequence[SubmissionFrame]) -> list[SubmissionFrame]:
    """Each submission once, without those that are stored already."""
    new: dict[str, SubmissionFrame] = {}
    for frame in frames:
        new.setdefault(frame.id, frame)
    for stored in await session.scalars(select(Submission.id).where(Submission.id.in_(new))):
        del new[stored]
    return list(new.values())


def _row(frame: SubmissionFrame, joined: Joined | None) -> dict[str, Any]:
    normalised = msgspec.to_builtins(joined.incoming.answers if joined else frame.normalised)
    normalised.pop("ip", None)  # `address` is what the privacy setting lets us keep of it
    return {
        "id": frame.id,
        "org_id": frame.org_id,
        "form_id": frame.form_id,
        "lead_id": joined.lead_id if joined else None,
        "status": joined.status if joined else frame.status,
        "reason": frame.reason,
        "received_at": _moment(frame),
        "released_at": None,
        "content_type": frame.content_type,
        "body": frame.body,
        "body_hash": frame.body_hash,
        "normalised": normalised,
        "address": frame.address,
        "user_agent": frame.user_agent,
        "origin": frame.origin,
    }


async def _advance(session: AsyncSession, machine: Machine, position: Position, *, journal: Readable) -> None:
    place = {"epoch": journal.epoch, "segment": position.segment, "offset": position.offset}
    key = {"consumer": CONSUMER, "instance": _node(machine, journal)}
    await session.execute(upsert(ConsumerPosition, [key | place], on=list(key), set_=place))


def _node(machine: Machine, journal: Readable) -> str:
    """The journal's name in its folder. Where several nodes share the records, its epoch stands for it."""
    return journal.epoch if machine.database.is_shared else journal.instance


def _moment(frame: SubmissionFrame) -> datetime:
    return datetime.fromtimestamp(frame.received_at, UTC)
