"""kill -9 at any call of a delivery, again and again, with every CRM: one contact for each lead, one note, one company,
one deal.

`SITE2CRM_KILLS=200` (`make soak`): so many times each, at every call in every moment; else at the calls that write.
"""

import asyncio
import itertools
import multiprocessing
import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest

from site2crm.accounts.permissions import Role
from site2crm.connectors import service as connections
from site2crm.connectors.registry import KINDS
from site2crm.delivery import ledger, queries
from site2crm.delivery.states import DEAL, INTERRUPTED, PERSON
from site2crm.demo.server import FakeServer, Fault, Request
from tests import cast, records
from tests.cast import Cast
from tests.delivery import crms
from tests.delivery.conftest import Office
from tests.delivery.crms import CRMS

ROUNDS = int(os.environ.get("SITE2CRM_KILLS", "0"))
FEW = 6
HELD_S = 60.0
PATIENCE_S = 60.0
WRITING_S = 0.1
"""In this time after the answer its outcome is written down."""
TOGETHER = 2
"""Leads that come in at once, where the CRM takes several in a call."""
LEFT = 1
"""So few may wait from before when new ones come: rounds with ever more to do would take ever longer."""
SETTINGS: dict[str, tuple[str, dict[str, str]]] = {
    **{kind: (kind, {}) for kind in CRMS},
    "zoho leads": ("zoho", {"module": "Leads"}),
}
"""The kinds, and other ways to set them up: here the deal is made by converting the lead."""

# Whether it is killed while the CRM has not got the call, has carried it out, or has answered and we write it down.
NOT_DONE, DONE, ANSWERED = "not done", "done", "answered"
_ASKS = ("/search", "/coql", "/query", "/read")


class Place(NamedTuple):
    """A call of a process: which kind of call, and how many of it come before."""

    call: str
    nth: int


@dataclass(kw_only=True)
class Hold(Fault):
    """Holds the answer to the call at this place, or gives it, and tells that the call has come."""

    place: Place
    before: int = 0
    call: Request | None = None
    come: asyncio.Event = field(default_factory=asyncio.Event)

    def matches(self, request: Request) -> bool:
        if call_of(request) != self.place.call:
            return False
        self.before += 1
        if self.before - 1 != self.place.nth:
            return False
        self.call = request
        self.come.set()
        return True


class Killed(NamedTuple):
    """What came of it all. `deals`: by the id that we keep."""

    leads: range
    kills: Counter[str]
    """By moment and call."""
    states: Counter[str]
    deals: Counter[str | None]
    cut_off: Counter[str]
    """Tries, by what was sent."""


def call_of(request: Request) -> str:
    """The call, whomever it is about; "" for a token, which is no part of a delivery."""
    if request.raw_path.endswith("/token"):
        return ""
    parts = request.path.split("/")
    shape = ["*" if "@" in part or any(letter.isdigit() for letter in part) else part for part in parts]
    return f"{request.method} {'/'.join(shape)}"


def places(calls: list[str]) -> list[Place]:
    """One for each call."""
    return [Place(call, calls[:number].count(call)) for number, call in enumerate(calls)]


def moments(calls: list[str], seed: str) -> Iterator[tuple[Place, str]]:
    """Without end: first those after which a second try could do something twice, then all in any order."""
    every = places(calls)
    writes = [place for place in every if not place.call.startswith("GET ") and not place.call.endswith(_ASKS)]
    yield from ((place, DONE) for place in writes)
    chosen = [(place, moment) for place in every for moment in (NOT_DONE, DONE, ANSWERED)]
    random.Random(seed).shuffle(chosen)
    yield from itertools.cycle(chosen)


async def serve(folder: Path, settings: dict[str, str], office: Office, together: int) -> None:
    """What was left is delivered, and so many new leads, or we are killed before."""
    for name, kind in list(KINDS.items()):  # nobody waits for us: our own pace would only make it last
        KINDS[name] = replace(kind, limit=None)
    ledger.SETTLES_S = 0.0  # nor does this CRM go on with what the one before us asked for
    async with cast.an_instance(folder, background=True, **settings) as instance:
        office.machine, is_submitted = instance.machine, False
        while (found := await office.numbers()).waiting or not is_submitted:
            if found.waiting <= LEFT and not is_submitted:
                await submit(office, range(found.created, found.created + together))
                is_submitted = True
            await asyncio.sleep(0.1)


def child(folder: Path, settings: dict[str, str], names: tuple[Any, ...], together: int) -> None:
    org, form_id, connection_id = names
    office = Office(None, org, form_id, connection_id, None)  # type: ignore[arg-type]
    asyncio.run(serve(folder, settings, office, together))


async def submit(office: Office, numbers: range) -> None:
    await office.take([
        office.frame(email(number), last_name="Lovelace", company=company(number), message=f"Message {number:03}.")
        for number in numbers
    ])  # fmt: skip


def email(number: int) -> str:
    return f"p{number:03}@example.com"


def company(number: int) -> str:
    """Two leads of each."""
    return f"Engines {number // 2:03}"


async def reached(server: FakeServer, process: Any, place: Place, moment: str) -> None:
    """The process is at this place, or it was done without coming there."""
    kind: Literal["slow", "timeout"] = "slow" if moment == ANSWERED else "timeout"
    hold = Hold(kind, effect=moment == DONE, seconds=0 if moment == ANSWERED else HELD_S, place=place)
    server.faults[:] = [hold]
    loop = asyncio.get_running_loop()
    loop.add_reader(process.sentinel, hold.come.set)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await hold.come.wait()
    finally:
        loop.remove_reader(process.sentinel)
    while hold.call is not None and hold.call.status is None:
        await asyncio.sleep(0)
    if moment == ANSWERED:
        await asyncio.sleep(random.uniform(0, WRITING_S))


async def calls_of(office: Office, server: FakeServer, numbers: range) -> list[str]:
    """What it takes to deliver these when nothing goes wrong."""
    server.requests.clear()
    await submit(office, numbers)
    await office.work()
    assert {delivery.state for delivery in await office.deliveries()} == {"delivered"}
    return [call for request in server.requests if (call := call_of(request))]


async def killed_again_and_again(way: str, processes: ForkServerContext, tmp_path: Path, server: FakeServer) -> Killed:
    kind, other = SETTINGS[way]
    settings = {**crms.flags({kind: server}), "database__url": records.url_of(tmp_path)}
    together = TOGETHER if connections.batch_of(kind) > 1 else 1
    async with AsyncExitStack() as stack:
        instance = await stack.enter_async_context(cast.an_instance(tmp_path, **settings))
        alice = await Cast(instance, stack).person("alice", Role.OWNER, "acme")
        office = await crms.open_office(instance, alice, kind, server, **other)
        await crms.make_deals(office, kind, title="Offer for {email}")
        chosen = moments(await calls_of(office, server, range(together)), way)
    names, kills = (office.org, office.form_id, office.connection_id), Counter[str]()
    while kills.total() < (ROUNDS or FEW):
        place, moment = next(chosen)
        process = processes.Process(target=child, args=(tmp_path, settings, names, together))
        process.start()
        await reached(server, process, place, moment)
        process.kill()
        await asyncio.to_thread(process.join)
        assert process.exitcode in (0, -signal.SIGKILL)
        if process.exitcode:
            kills[f"{moment}: {place.call}"] += 1
    server.faults.clear()
    async with cast.an_instance(tmp_path, **settings) as instance:
        office.machine = instance.machine
        while (await office.numbers()).waiting:
            await office.work()
            await asyncio.sleep(0.1)
        return await outcome(office, kills)


async def outcome(office: Office, kills: Counter[str]) -> Killed:
    created = (await office.numbers()).created
    async with office.machine.session() as session:
        page = await queries.page_of_any_size(session, office.org.id, queries.Wanted(), limit=created + 1)
        found = await queries.attempts(session, office.org.id, [delivery.id for delivery in page.data])
    return Killed(
        range(created),
        kills,
        Counter(delivery.state for delivery in page.data),
        Counter(delivery.deal_id for delivery in page.data),
        Counter(attempt.step for tries in found.values() for attempt in tries if attempt.outcome == INTERRUPTED),
    )


@pytest.mark.timeout(3600 if ROUNDS else 600)
@pytest.mark.parametrize("way", SETTINGS)
async def test_a_process_killed_between_call_and_outcome_does_nothing_twice(way: str, tmp_path: Path) -> None:
    # Forked from a process that has started the product once: hundreds of starts from nothing would take minutes.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([f"{__package__}.warmed", __name__])
    kind, _ = SETTINGS[way]
    crm = CRMS[kind]
    async with crms.played(kind) as server:
        killed = await killed_again_and_again(way, processes, tmp_path, server)
    assert Counter(crm.mails(server)) == Counter(email(number) for number in killed.leads)
    assert Counter(crm.deals(server)) == Counter(f"Offer for {email(number)}" for number in killed.leads)
    if crm.companies is not None:
        assert sorted(crm.companies(server)) == sorted({company(number) for number in killed.leads})
    if crm.notes is not None:
        said = Counter(text.partition("Message ")[2].partition(".")[0] for text in crm.notes(server))
        assert said == Counter(f"{number:03}" for number in killed.leads)
    assert killed.states == {"delivered": len(killed.leads)}
    assert set(killed.deals.values()) == {1} and None not in killed.deals
    assert killed.cut_off.total() >= killed.kills.total() // 3
    assert not ROUNDS or (killed.cut_off[PERSON] and killed.cut_off[DEAL])
    print(way, f"{len(killed.leads)} leads, {killed.kills.total()} kills", dict(killed.cut_off), dict(killed.kills))
