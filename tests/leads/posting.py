"""Submissions as the intake writes them, without the intake."""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from site2crm.app import Instance
from site2crm.core import db
from site2crm.forms import service as forms
from site2crm.forms.events import FRAME_VERSION, Normalised, SubmissionFrame
from site2crm.forms.service import FormIn
from site2crm.kit import clock, ids
from site2crm.leads import capture, clicks

WINDOW_S = 600.0


async def a_form(instance: Instance, org_id: str, name: str = "Contact") -> str:
    async with instance.machine.session() as session:
        return (await forms.create(session, org_id, FormIn(name=name))).id


def frame(org_id: str, form_id: str, *, at: float | None = None, **said: Any) -> SubmissionFrame:
    """What a visitor said; `id`, `status`, `reason`, `body`, `address` and `country` are the frame's own."""
    own = {name: said.pop(name) for name in ("id", "status", "reason", "body", "address", "country") if name in said}
    answers = Normalised(**said)
    body = own.pop("body", msgspec.json.encode(answers))
    return SubmissionFrame(
        version=FRAME_VERSION,
        id=own.pop("id", ids.new("sub")),
        org_id=org_id,
        form_id=form_id,
        received_at=clock.unix() if at is None else at,
        status=own.pop("status", "accepted"),
        reason=own.pop("reason", ""),
        content_type="application/json",
        body=body,
        body_hash=hashlib.sha256(body).hexdigest(),
        address=own.pop("address", "203.0.113.0"),
        user_agent="Mozilla/5.0",
        origin="https://www.example.com",
        normalised=answers,
        country=own.pop("country", ""),
    )


async def store(instance: Instance, *frames: SubmissionFrame) -> None:
    """As one batch of the consumer."""
    async with instance.machine.session() as session:
        await db.lock(session)
        await capture.store(session, frames, window_s=WINDOW_S, seal=clicks.seal_of(instance.machine))


async def send(instance: Instance, *bodies: bytes | SubmissionFrame) -> None:
    """Through the journal; returns when the consumer is done with them."""
    journal = instance.machine.journal
    data: Sequence[bytes] = [body if isinstance(body, bytes) else msgspec.msgpack.encode(body) for body in bodies]
    await asyncio.gather(*(journal.append_durable(one) for one in data))
    async with asyncio.timeout(20):
        while journal.stats().submissions.lag_records:
            await asyncio.sleep(0.01)
