"""kill -9 at any call of a delivery, again and again, with every CRM: one contact for each lead, one note, one company.

`SITE2CRM_KILLS=200` (`make soak`): so many times each, at every call in every moment; else at the calls that write.
"""

import asyncio
import itertools
import multiprocessing
import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest

from site2crm.accounts.permissions import Role
from site2crm.demo.server import FakeServer, Fault, Request
from tests import cast, records
from tests.cast import Cast
from tests.delivery import crms
from tests.delivery.conftest import Office
from tests.delivery.crms import CRMS

ROUNDS = int(os.environ.get("SITE2CRM_KILLS", "0"))
FEW = 4
HELD_S = 60.0
PATIENCE_S = 60.0

# Whether it is killed while the CRM has not got the call, has carried it out, or has answered and we write it down.
NOT_DONE, DONE, ANSWERED = "not done", "done", "answered"
_ASKS = ("/search", "/coql", "/query", "/token")


@dataclass
class Hold(Fault):
    """Holds the answer to the `skip`-th call after this one. Tokens are no part of a delivery."""

    skip: int = 0

    def matches(self, request: Request) -> bool:
        if request.raw_path.endswith("/token"):
            return False
        self.skip -= 1
        return self.skip == -1


async def serve(folder: Path, settings: dict[str, str], office: Office, number: int) -> None:
    async with cast.an_instance(folder, background=True, **settings) as instance:
        office.machine = instance.machine
        await submit(office, number)
        await asyncio.Event().wait()


def child(folder: Path, settings: dict[str, str], names: tuple[Any, ...], number: int) -> None:
    org, form_id, connection_id = names
    office = Office(None, org, form_id, connection_id, None)  # type: ignore[arg-type]
    asyncio.run(serve(folder, settings, office, number))


async def submit(office: Office, number: int) -> None:
    answers = {"company": company(number), "message": f"Message {number:03}."}
    await office.submit(email(number), last_name="Lovelace", **answers)


def email(number: int) -> str:
    return f"p{number:03}@example.com"


def company(number: int) -> str:
    """Two leads of each."""
    return f"Engines {number // 2:03}"


def moments(calls: list[Request], seed: str) -> Iterator[tuple[int, str]]:
    """Without end: first those after which a second try could do something twice, then all in any order."""
    writes = [n for n, call in enumerate(calls) if call.method != "GET" and not call.path.endswith(_ASKS)]
    yield from ((n, DONE) for n in writes)
    every = [(n, moment) for n in range(len(calls)) for moment in (NOT_DONE, DONE, ANSWERED)]
    random.Random(seed).shuffle(every)
    yield from itertools.cycle(every)


async def until_held(server: FakeServer, process: Any, call: int, moment: str) -> None:
    """Lead by lead as the calls come in, so that the kill meets the moment."""
    hold = Hold("timeout", effect=moment == DONE, seconds=HELD_S, skip=call)
    server.requests.clear()
    server.faults[:] = [] if moment == ANSWERED else [hold]
    async with asyncio.timeout(PATIENCE_S):
        while True:
            calls = [request for request in server.requests if not request.raw_path.endswith("/token")]
            if len(calls) > call and (moment == NOT_DONE or calls[call].status is not None):
                return
            assert process.is_alive()
            await asyncio.sleep(0.001)


async def calls_of_one(office: Office, server: FakeServer) -> list[Request]:
    """What the delivery of a lead takes when nothing goes wrong."""
    server.requests.clear()
    await submit(office, 0)
    await office.work()
    assert (await office.only()).state == "delivered"
    return [request for request in server.requests if not request.raw_path.endswith("/token")]


async def killed_again_and_again(
    kind: str, processes: ForkServerContext, tmp_path: Path, server: FakeServer
) -> tuple[int, list[list[str]]]:
    """How many leads there were, and the outcomes of each."""
    settings = {**crms.flags({kind: server}), "database__url": records.url_of(tmp_path)}
    async with AsyncExitStack() as stack:
        instance = await stack.enter_async_context(cast.an_instance(tmp_path, **settings))
        alice = await Cast(instance, stack).person("alice", Role.OWNER, "acme")
        office = await crms.open_office(instance, alice, kind, server)
        chosen = moments(await calls_of_one(office, server), kind)
    names = (office.org, office.form_id, office.connection_id)
    rounds = ROUNDS or FEW
    for number in range(2, rounds + 2):
        call, moment = next(chosen)
        process = processes.Process(target=child, args=(tmp_path, settings, names, number))
        process.start()
        await until_held(server, process, call, moment)
        process.kill()
        await asyncio.to_thread(process.join)
    server.faults.clear()
    async with cast.an_instance(tmp_path, **settings) as instance:
        office.machine = instance.machine
        while (await office.numbers()).waiting:
            await office.work()
        return rounds, [await office.outcomes(delivery.id) for delivery in await office.deliveries()]


@pytest.mark.timeout(3600 if ROUNDS else 300)
@pytest.mark.parametrize("kind", CRMS)
async def test_a_process_killed_between_call_and_outcome_does_nothing_twice(kind: str, tmp_path: Path) -> None:
    # Forked from a process that has started the product once: hundreds of starts from nothing would take minutes.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([f"{__package__}.warmed", __name__])
    async with crms.played(kind) as server:
        rounds, outcomes = await killed_again_and_again(kind, processes, tmp_path, server)
    numbers, crm = [0, *range(2, rounds + 2)], CRMS[kind]
    assert Counter(crm.mails(server)) == Counter(email(number) for number in numbers)
    if crm.companies is not None:
        assert sorted(crm.companies(server)) == sorted({company(number) for number in numbers})
    if crm.notes is not None:
        said = Counter(text.partition("Message ")[2].partition(".")[0] for text in crm.notes(server))
        assert said == Counter(f"{number:03}" for number in numbers)
    assert {log[-1] for log in outcomes} == {"delivered"}
    assert sum("interrupted" in log for log in outcomes) >= rounds // 3
