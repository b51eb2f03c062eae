"""A CRM that misbehaves in every way we know of, and is mended: each lead arrives, once, and holds up nobody else's."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from site2crm.accounts.permissions import Role
from site2crm.app import Instance
from site2crm.connectors import service as connections
from site2crm.delivery import service
from site2crm.delivery.queries import Wanted
from site2crm.kit import clock
from tests import cast
from tests.cast import Cast
from tests.delivery.conftest import Office, flags, open_office
from tests.fakes.hubspot import HubSpotFake
from tests.scoreboard.behaviours import BEHAVIOURS, Behaviour
from tests.scoreboard.score import Score

START = datetime(2027, 1, 4, 12, tzinfo=UTC)
PEOPLE = 12
CALLERS = 2
"""People without an e-mail address: there is no key that keeps the CRM from having them twice."""
FLAGS = {"backup__every": "0s"}
PATIENCE_S = 0.4
MENDED_WITHIN = 60
"""Wake-ups, an hour or less of the test clock apart."""


def run(folder: Path, seed: int) -> Score:
    return asyncio.run(_tried(folder))


async def _tried(folder: Path) -> Score:
    score = Score(f"{len(BEHAVIOURS) + 1} behaviours, {(PEOPLE + CALLERS) * 2 * (len(BEHAVIOURS) + 1):,} leads")
    fake = HubSpotFake(validate=False)
    await fake.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(fake.stop)
        instance = await stack.enter_async_context(cast.an_instance(folder / "one", **FLAGS, **flags(fake)))
        instance.machine.outbound.timeout_s = PATIENCE_S
        forward = stack.enter_context(clock.travel(START))
        people = Cast(instance, stack)
        for number, behaviour in enumerate(BEHAVIOURS):
            fake.reset()
            story = await _begin(instance, people, fake, behaviour, f"acme{number}")
            await story.suffer(score, forward)
            await story.recover(score, forward)
    await _with_a_wrong_certificate(folder / "two", score)
    return score


async def _with_a_wrong_certificate(folder: Path, score: Score) -> None:
    """What answers at the CRM's https address speaks no TLS; mended by a restart with the right address."""
    fake = HubSpotFake(validate=False)
    await fake.start()
    good = FLAGS | flags(fake)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(fake.stop)
        forward = stack.enter_context(clock.travel(START))
        async with AsyncExitStack() as first:
            instance = await first.enter_async_context(cast.an_instance(folder, **good))
            story = await _begin(instance, Cast(instance, first), fake, Behaviour("TLS that fails"), "acme")
        bad = good | {"connectors__hubspot__base_url": fake.url.replace("http:", "https:")}
        async with cast.an_instance(folder, **bad) as instance:
            instance.machine.outbound.timeout_s = PATIENCE_S
            story.office.machine = instance.machine
            await story.suffer(score, forward)
        async with cast.an_instance(folder, **good) as instance:
            story.office.machine = instance.machine
            await story.recover(score, forward)


async def _begin(instance: Instance, people: Cast, fake: HubSpotFake, behaviour: Behaviour, org: str) -> "Story":
    owner = await people.person("alice", Role.OWNER, org)
    office = await open_office(instance, owner, fake)
    healthy = await office.connect(kind="inbox", mapping={"email": "email", "phone": "phone"})
    return Story(behaviour, office, healthy)


@dataclass
class Story:
    """One behaviour, from the first lead to the last."""

    behaviour: Behaviour
    office: Office
    healthy: str
    """A connection of the same org that works."""

    async def suffer(self, score: Score, forward: Callable[[float], None]) -> None:
        """Leads come while it misbehaves."""
        fake = self.office.fake
        self.behaviour.prepare(fake)
        fake.faults += [replace(fault) for fault in self.behaviour.faults]
        await self._submit("first")
        for wait_s in (0, 5, 30):
            forward(wait_s)
            await self.office.work()
        self._tell(score, await self._meanwhile())

    async def recover(self, score: Score, forward: Callable[[float], None]) -> None:
        """It is mended, and everybody comes a second time."""
        await self._mend(forward)
        await self._submit("second")
        await self._mend(forward)
        self._tell(score, await self._count(score))

    def _tell(self, score: Score, wrong: list[str]) -> None:
        score.problems += [f"{self.behaviour.name}: {text}" for text in wrong]

    async def _submit(self, message: str) -> None:
        for number in range(PEOPLE):
            await self.office.submit(f"p{number}@example.com", message=f"{message} of p{number}")
        for number in range(CALLERS):
            await self.office.submit(None, phone=f"+49301234567{number}", message=f"{message} of caller {number}")

    async def _meanwhile(self) -> list[str]:
        states = Counter([one.state for one in await self.office.deliveries(connection=self.office.connection_id)])
        healthy = {one.state for one in await self.office.deliveries(connection=self.healthy)}
        wrong = []
        if set(states) - self.behaviour.meanwhile:
            wrong.append(f"meanwhile {dict(states)}, not {'|'.join(sorted(self.behaviour.meanwhile))}")
        if healthy != {"delivered"}:
            wrong.append(f"leads of another connection were held up: {healthy}")
        return wrong

    async def _mend(self, forward: Callable[[float], None]) -> None:
        """The CRM works again; a person resumes what was parked and sends again what was refused."""
        office = self.office
        office.fake.faults.clear()
        if await office.state() == "parked":
            async with office.machine.session() as session:
                await connections.resume(
                    session, office.machine, org_id=office.org.id, connection_id=office.connection_id
                )
        async with office.machine.session() as session:
            await service.replay_many(session, office.org.id, Wanted(state="dead"))
        for _ in range(MENDED_WITHIN):
            await office.work()
            if not (await office.numbers()).waiting:
                return
            forward(60)

    async def _count(self, score: Score) -> list[str]:
        contacts = [contact["properties"] for contact in self.office.fake.contacts.values()]
        emails = Counter(said.get("email") for said in contacts if said.get("email"))
        phones = Counter(said.get("phone") for said in contacts if not said.get("email"))
        lost = PEOPLE - len(emails) + CALLERS - len(phones)
        doubled = len(contacts) - len(emails) - len(phones)
        score.lost += lost
        score.doubled += doubled
        numbers, wrong = await self.office.numbers(), list[str]()
        if lost or doubled:
            wrong.append(f"{lost} lost, {doubled} doubled of {PEOPLE + CALLERS}")
        if numbers.delivered != numbers.created:
            wrong.append(f"{numbers.created - numbers.delivered} of {numbers.created} not delivered: {numbers}")
        if mixed := [said["email"] for said in contacts if said.get("email") and not _is_theirs(said)]:
            wrong.append(f"what somebody else said, or said before, is in {mixed[:5]}")
        return wrong


def _is_theirs(said: dict[str, str]) -> bool:
    """A contact without a message lives where there is no such property."""
    name = said["email"].partition("@")[0]
    return said.get("message", f"second of {name}") == f"second of {name}"
