"""An org with a form and a fake HubSpot: leads go in at one end, contacts come out at the other."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.app import Instance
from site2crm.connectors import service as connections
from site2crm.connectors.service import ConnectionIn
from site2crm.core.access import OrgRef
from site2crm.core.machine import Machine
from site2crm.core.queue.model import jobs as queued
from site2crm.deals.jobs import LOOK
from site2crm.delivery import queries
from site2crm.delivery.queries import DeliveryItem, Numbers, Wanted
from site2crm.forms import service as forms
from site2crm.forms.events import Normalised, SubmissionFrame
from site2crm.forms.service import FormIn
from site2crm.kit import clock, ids
from site2crm.leads import capture, clicks
from tests import cast
from tests.cast import Person
from tests.fakes.hubspot import TOKEN, HubSpotFake
from tests.fakes.playing import playing

MAPPING = {"email": "email", "first_name": "firstname", "phone": "phone", "message": "message"}


@dataclass
class Office:
    """Alice's org with one form and one HubSpot, and the handles to drive them."""

    machine: Machine
    org: OrgRef
    form_id: str
    connection_id: str
    fake: HubSpotFake

    async def submit(self, email: str | None = "ada@example.com", **answers: Any) -> str:
        """A lead comes in. Returns the submission's id."""
        frame = self.frame(email, **answers)
        await self.take([frame])
        return frame.id

    def frame(self, email: str | None, **answers: Any) -> SubmissionFrame:
        return SubmissionFrame(
            version=1,
            id=ids.new("sub"),
            org_id=self.org.id,
            form_id=answers.pop("form_id", self.form_id),
            received_at=clock.unix(),
            status="accepted",
            reason="",
            content_type="application/json",
            body=b"{}",
            body_hash=ids.new("has"),
            address="",
            user_agent="",
            origin="",
            normalised=Normalised(email=email, **{"first_name": "Ada", **answers}),
        )

    async def take(self, frames: Sequence[SubmissionFrame]) -> None:
        """They come in together."""
        async with self.machine.session() as session:
            await capture.store(session, frames, window_s=0, seal=clicks.seal_of(self.machine))

    async def work(self) -> None:
        """Everything that is due is done."""
        assert self.machine.jobs is not None
        await self.machine.jobs.run_due()

    async def deliveries(self, **wanted: str) -> list[DeliveryItem]:
        """Oldest first."""
        async with self.machine.session() as session:
            return (await queries.page(session, self.org.id, Wanted(**wanted))).data[::-1]

    async def only(self) -> DeliveryItem:
        [delivery] = await self.deliveries()
        return delivery

    async def outcomes(self, delivery_id: str) -> list[str]:
        """Of its attempts, oldest first."""
        async with self.machine.session() as session:
            found = await queries.attempts(session, self.org.id, [delivery_id])
        return [attempt.outcome for attempt in found[delivery_id]][::-1]

    async def numbers(self) -> Numbers:
        async with self.machine.session() as session:
            return await queries.connection_numbers(session, self.org.id, self.connection_id)

    async def connect(self, *, kind: str = "hubspot", mapping: dict[str, str] | None = None, **settings: str) -> str:
        given = settings or ({"token": TOKEN} if kind == "hubspot" else {})
        data = ConnectionIn(kind=kind, settings=given, mapping=mapping or MAPPING)
        async with self.machine.session() as session:
            made = await connections.create(session, self.machine, org=self.org, data=data)
            await reads_no_deals_yet(session)
        return made.connection.id

    async def map(self, mapping: dict[str, str]) -> None:
        async with self.machine.session() as session:
            patch = connections.ConnectionPatch(mapping=mapping)
            await connections.change(
                session, self.machine, org_id=self.org.id, connection_id=self.connection_id, patch=patch
            )

    async def state(self) -> str:
        async with self.machine.session() as session:
            return (await connections.get(session, self.org.id, self.connection_id)).state


async def reads_no_deals_yet(session: AsyncSession) -> None:
    """What a test counts, or lets fail, are the calls of its leads."""
    await session.execute(delete(queued).where(queued.c.key == LOOK.key))


@pytest.fixture
async def fake() -> AsyncIterator[HubSpotFake]:
    async with playing(HubSpotFake()) as server:
        yield server


@pytest.fixture
async def instance(tmp_path: Path, fake: HubSpotFake) -> AsyncIterator[Instance]:
    async with cast.an_instance(tmp_path, **flags(fake)) as running:
        yield running


@pytest.fixture
async def office(instance: Instance, alice: Person, fake: HubSpotFake) -> Office:
    return await open_office(instance, alice, fake)


async def open_office(instance: Instance, owner: Person, fake: HubSpotFake) -> Office:
    org = OrgRef(id=owner.org.id, slug=owner.org.slug, name=owner.org.name)
    async with instance.machine.session() as session:
        form = await forms.create(session, org.id, FormIn(name="Contact"))
    office = Office(instance.machine, org, form.id, "", fake)
    office.connection_id = await office.connect()
    fake.requests.clear()
    return office


def flags(fake: HubSpotFake) -> dict[str, str]:
    return {
        "connectors__hubspot__base_url": fake.url,
        "outbound__allow_private": '["127.0.0.1"]',
        "outbound__timeout": "10s",
        "queue__jitter": "0",
    }
