"""kill -9 between the call and the record of what came of it, again and again: one contact for each lead."""

import asyncio
import multiprocessing
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from site2crm.accounts.permissions import Role
from site2crm.demo.server import Fault
from tests import cast, records
from tests.cast import Cast
from tests.delivery.conftest import Office, flags, open_office
from tests.fakes.hubspot import HubSpotFake

ROUNDS = 15
HELD_S = 60.0

# When it is killed: HubSpot has the lead and the answer is on its way; HubSpot is asked and has not got it yet;
# it has answered and the outcome is being written.
MOMENTS: list[tuple[str, Callable[[], list[Fault]]]] = [
    ("POST", lambda: [Fault("timeout", method="POST", effect=True, seconds=HELD_S)]),
    ("PATCH", lambda: [Fault("timeout", method="PATCH", seconds=HELD_S)]),
    ("POST", list),
]


async def serve(folder: Path, settings: dict[str, str], office: Office, email: str) -> None:
    async with cast.an_instance(folder, background=True, **settings) as instance:
        office.machine = instance.machine
        await office.submit(email)
        await asyncio.Event().wait()


def child(folder: Path, settings: dict[str, str], names: tuple[object, ...], email: str) -> None:
    org, form_id, connection_id = names
    office = Office(None, org, form_id, connection_id, None)  # type: ignore[arg-type]
    asyncio.run(serve(folder, settings, office, email))


@pytest.mark.timeout(900)
async def test_a_process_killed_between_call_and_outcome_makes_no_second_contact(
    tmp_path: Path, fake: HubSpotFake
) -> None:
    # Forked from a process that has started the product once: thirty starts from nothing would take minutes.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([f"{__package__}.warmed", __name__])
    settings = {**flags(fake), "database__url": records.url_of(tmp_path)}
    async with AsyncExitStack() as stack:
        instance = await stack.enter_async_context(cast.an_instance(tmp_path, **settings))
        alice = await Cast(instance, stack).person("alice", Role.OWNER, "acme")
        office = await open_office(instance, alice, fake)
    names = (office.org, office.form_id, office.connection_id)

    for number in range(ROUNDS):
        method, faults = MOMENTS[number % len(MOMENTS)]
        fake.requests.clear()
        fake.faults[:] = faults()
        process = processes.Process(target=child, args=(tmp_path, settings, names, f"p{number:02}@example.com"))
        process.start()
        while not any(request.method == method for request in fake.requests):
            assert process.is_alive()
            await asyncio.sleep(0.001)
        process.kill()
        await asyncio.to_thread(process.join)

    fake.faults.clear()
    async with cast.an_instance(tmp_path, **settings) as instance:
        office.machine = instance.machine
        while (await office.numbers()).waiting:
            await office.work()
        outcomes = [await office.outcomes(delivery.id) for delivery in await office.deliveries()]
    contacts = Counter(contact["properties"]["email"] for contact in fake.contacts.values())
    assert contacts == Counter(f"p{number:02}@example.com" for number in range(ROUNDS))
    assert {log[-1] for log in outcomes} == {"delivered"}
    assert sum("interrupted" in log for log in outcomes) >= ROUNDS // 3
