"""The CRM is down for 80 hours of the test clock while leads keep coming: four more than each of them is tried.

Then it is back, somebody sends the dead letters again, and it has everybody once, with what they said last.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

from site2crm.accounts.permissions import Role
from site2crm.delivery import service
from site2crm.delivery.queries import Wanted
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests import cast
from tests.cast import Cast
from tests.delivery.conftest import Office, flags, open_office
from tests.delivery.test_schedule import sleep_until
from tests.fakes.hubspot import HubSpotFake
from tests.scoreboard.pytests import trials
from tests.scoreboard.score import Score

START = datetime(2027, 1, 4, 12, tzinfo=UTC)
DOWN_H = 80
EVERY_H = 4
AT_A_TIME = 6
STEP_S = 1800.0
PEOPLE = 60
"""Some of them come again: what was said last must be what the CRM knows in the end."""


def run(folder: Path, seed: int) -> Score:
    score = asyncio.run(_tried(folder / "down"))
    more = trials(folder, "tests/delivery/test_schedule.py")  # one lead alone uses up all its tries there
    score.trials += f"; {more.passed} more of the schedule of tries"
    score.lost += len(more.failed)
    score.problems += more.failed
    return score


async def _tried(folder: Path) -> Score:
    fake = HubSpotFake()
    await fake.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(fake.stop)
        instance = await stack.enter_async_context(cast.an_instance(folder, backup__every="0s", **flags(fake)))
        alice = await Cast(instance, stack).person("alice", Role.OWNER, "acme")
        office = await open_office(instance, alice, fake)
        with clock.travel(START) as forward:
            said = await _down(office, forward)
            dead = (await office.numbers()).dead
            async with office.machine.session() as session:
                await service.replay_many(session, office.org.id, Wanted(state="dead"))
            fake.faults.clear()
            await sleep_until(office, forward, DOWN_H + 30, least_s=STEP_S)
        return await _scored(office, said, dead=dead)


async def _down(office: Office, forward: Callable[[float], None]) -> dict[str, str]:
    """Everybody who comes meanwhile, with the last thing they said."""
    office.fake.faults.append(Fault("status", count=-1, status=503))
    said: dict[str, str] = {}
    for hour in range(0, DOWN_H, EVERY_H):
        for number in range(AT_A_TIME):
            person = (hour // EVERY_H * AT_A_TIME + number) % PEOPLE
            email, message = f"p{person}@example.com", f"said at hour {hour}"
            await office.submit(email, message=message)
            said[email] = message
        await sleep_until(office, forward, hour + EVERY_H, least_s=STEP_S)
    return said


async def _scored(office: Office, said: dict[str, str], *, dead: int) -> Score:
    numbers = await office.numbers()
    contacts = [contact["properties"] for contact in office.fake.contacts.values()]
    times = Counter(properties["email"] for properties in contacts)
    leads = numbers.created
    score = Score(
        f"{leads} leads of {len(said)} people in {DOWN_H} hours without a CRM; {dead} had used up their tries"
    )
    score.lost = sum(1 for email in said if not times[email])
    score.doubled = sum(1 for count in times.values() if count > 1)
    score.note = f"{len(office.fake.requests):,} calls in all, while it was down and after"
    stale = [p["email"] for p in contacts if p.get("message") != said[p["email"]]]
    if stale:
        score.problems.append(f"the CRM knows an older message of {stale[:5]}")
    if numbers.delivered != numbers.created:
        score.problems.append(f"not all delivered: {numbers}")
    return score
