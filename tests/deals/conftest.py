"""An org with a fake HubSpot whose salespeople work, and the handles to read them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from site2crm.app import Instance
from site2crm.core import alarms
from site2crm.core.machine import Machine
from site2crm.core.queue import JobContext
from site2crm.deals import feeds, jobs, queries, syncing
from site2crm.deals.models import Feed, Stream
from site2crm.deals.queries import DealItem, Wanted
from site2crm.kit import clock
from tests import cast
from tests.cast import Person
from tests.delivery.conftest import Office, flags, open_office
from tests.fakes.hubspot import HubSpotFake
from tests.fakes.playing import playing


@dataclass
class Floor:
    """Alice's org, whose deals are read from `fake`."""

    office: Office
    fake: HubSpotFake

    @property
    def machine(self) -> Machine:
        return self.office.machine

    @property
    def org_id(self) -> str:
        return self.office.org.id

    @property
    def connection_id(self) -> str:
        return self.office.connection_id

    async def look(self) -> None:
        """What the cron does."""
        await jobs.look(JobContext(self.machine, 1, "cron"))

    async def read(self) -> None:
        """One reading, due or not, to the end of its time slice."""
        await self.look()
        async with self.machine.session() as session:
            await session.execute(update(Feed).values(due_at=clock.now()))
        await syncing.read(self.machine, self.org_id, self.connection_id)

    async def deals(self, **wanted: Any) -> list[DealItem]:
        """Newest first."""
        async with self.machine.session() as session:
            return (await queries.page(session, self.org_id, Wanted(**wanted), limit=200)).data

    async def only(self) -> DealItem:
        [deal] = await self.deals()
        return deal

    async def feed(self) -> Feed:
        async with self.machine.session() as session:
            feed = await session.get(Feed, self.connection_id)
            assert feed is not None
            return feed

    async def stream(self, name: str = feeds.DEAL) -> Stream:
        async with self.machine.session() as session:
            stream = await session.get(Stream, (self.connection_id, name))
            assert stream is not None
            return stream

    async def alarms(self) -> list[tuple[str, str]]:
        async with self.machine.session() as session:
            return [(alarm.code, alarm.text) for alarm in await alarms.open_alarms(session, self.org_id)]

    def deal(
        self, title: str = "Offer", *, contacts: tuple[str, ...] = (), at: datetime | None = None, **said: str
    ) -> str:
        return self.fake.sales.add("deals", contacts=contacts, at=at, dealname=title, **said)

    async def lead(self, email: str = "ada@example.com") -> tuple[str, str]:
        """A lead that was delivered: its id here and its contact's there."""
        await self.office.submit(email)
        await self.office.work()
        delivery = (await self.office.deliveries())[-1]
        assert delivery.remote_id is not None
        return delivery.lead, delivery.remote_id


@pytest.fixture
async def fake() -> AsyncIterator[HubSpotFake]:
    async with playing(HubSpotFake()) as server:
        yield server


@pytest.fixture
def operators() -> dict[str, str]:
    """Settings beside those of the fake: none, unless a file says so."""
    return {}


@pytest.fixture
async def instance(tmp_path: Path, fake: HubSpotFake, operators: dict[str, str]) -> AsyncIterator[Instance]:
    async with cast.an_instance(tmp_path, **flags(fake), **operators) as running:
        yield running


@pytest.fixture
async def vendor(instance: Instance) -> httpx.AsyncClient:
    """The CRM, which calls the instance."""
    return cast.client(instance)


@pytest.fixture
async def floor(instance: Instance, alice: Person, fake: HubSpotFake) -> Floor:
    return Floor(await open_office(instance, alice, fake), fake)
