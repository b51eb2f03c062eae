"""Where a CRM takes many people in a call, each lead has the result that is its own, and a bad one stops no other."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from site2crm.accounts.permissions import Role
from site2crm.connectors.registry import KINDS
from site2crm.core import db
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests import cast
from tests.cast import Cast
from tests.delivery import crms
from tests.delivery.conftest import Office
from tests.delivery.crms import CRMS

BATCHED = [kind for kind in CRMS if KINDS[kind].caps.batch > 1]
LEADS, REFUSED, BROKEN = 40, 17, 23
_TOO_LONG = f"{'n' * 300}@example.com"


@asynccontextmanager
async def opened(kind: str, folder: Path) -> AsyncIterator[tuple[Office, Any]]:
    async with (
        crms.played(kind) as server,
        cast.an_instance(folder, **crms.flags({kind: server})) as instance,
        AsyncExitStack() as stack,
    ):
        alice = await Cast(instance, stack).person("alice", Role.OWNER, "acme")
        office = await crms.open_office(instance, alice, kind, server)
        server.requests.clear()
        yield office, server


async def spoil(office: Office, lead_id: str) -> None:
    """What is stored of this lead cannot be read."""
    async with office.machine.session() as session:
        await db.lock(session)
        await session.execute(text("UPDATE lead SET attribution = '[]' WHERE id = :id"), {"id": lead_id})


@pytest.mark.parametrize("kind", BATCHED)
async def test_each_lead_of_a_batch_has_its_own_result(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path) as (office, server):
        mails = {}
        for number in range(LEADS):
            email = _TOO_LONG if number == REFUSED else f"p{number:02}@example.com"
            mails[await office.submit(email, last_name="Lovelace", message=f"Message {number}")] = email
        await office.work()
        found = {delivery.submission: delivery for delivery in await office.deliveries()}
        ids = CRMS[kind].ids
        assert ids is not None
        there = dict(zip(ids(server), CRMS[kind].mails(server), strict=True))
        calls = len(server.requests)
    assert len(found) == LEADS
    for submission, email in mails.items():
        delivery = found[submission]
        if email == _TOO_LONG:
            assert (delivery.state, delivery.error_field) == ("dead", "Email")
        else:
            assert (delivery.state, there[str(delivery.remote_id)]) == ("delivered", email)
    assert calls < LEADS


@pytest.mark.parametrize("kind", BATCHED)
async def test_a_lead_that_cannot_be_read_holds_up_none_of_its_batch(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path) as (office, server):
        for number in range(10):
            await office.submit(f"p{number:02}@example.com", last_name="Lovelace")
        broken = (await office.deliveries())[5]
        await spoil(office, broken.lead)
        await office.work()
        states = {delivery.id: delivery.state for delivery in await office.deliveries()}
        arrived = len(list(CRMS[kind].mails(server)))
    assert states.pop(broken.id) == "retrying"
    assert (set(states.values()), arrived) == ({"delivered"}, 9)


@pytest.mark.parametrize("kind", BATCHED)
@pytest.mark.parametrize("effect", [True, False])
async def test_a_batch_whose_answer_is_lost_is_sent_again_as_a_whole(kind: str, effect: bool, tmp_path: Path) -> None:
    with clock.travel(datetime(2026, 11, 23, 9, tzinfo=UTC)) as forward:
        async with opened(kind, tmp_path) as (office, server):
            await lose_the_answer(kind, effect, office, server, forward)


async def lose_the_answer(
    kind: str, effect: bool, office: Office, server: Any, forward: Callable[[float], None]
) -> None:
    path = "/composite/sobjects" if kind == "salesforce" else "/Contacts/upsert"
    server.faults.append(Fault("reset", method="POST", path=path, effect=effect))
    for number in range(10):
        await office.submit(f"p{number:02}@example.com", last_name="Lovelace", message=f"Message {number}")
    await office.work()
    assert {delivery.state for delivery in await office.deliveries()} == {"retrying"}
    forward(120)
    await office.work()
    assert {delivery.state for delivery in await office.deliveries()} == {"delivered"}
    mails, notes = CRMS[kind].mails, CRMS[kind].notes
    assert notes is not None
    assert sorted(mails(server)) == [f"p{number:02}@example.com" for number in range(10)]
    assert len(list(notes(server))) == 10
