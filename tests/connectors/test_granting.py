"""Grants are kept fresh: one call for all who wait, both tokens kept, whatever happens in between."""

import asyncio
from datetime import timedelta

import pytest

from site2crm.app import Instance
from site2crm.connectors import granting, sealing, service
from site2crm.connectors.contract import CrmError, ErrorClass
from site2crm.connectors.granting import Granting, Kept
from site2crm.connectors.grants import Grant
from site2crm.connectors.models import Connection
from site2crm.core.machine import Machine
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests.cast import Person
from tests.connectors.signed_in import signed_in
from tests.fakes.hubspot import HubSpotFake

REFRESH = "/oauth/2026-09/token"


async def row(machine: Machine, person: Person, id: str) -> Connection:
    async with machine.session() as session:
        return await service.get(session, person.org.id, id)


def refreshes(portal: HubSpotFake) -> int:
    return sum(r.path == REFRESH and b"grant_type=refresh_token" in r.body for r in portal.requests)


async def current(machine: Machine, connection: Connection) -> Grant:
    return await Kept(machine, connection).current()


async def test_a_token_is_refreshed_before_it_ends_and_not_before(
    instance: Instance, alice: Person, portal: HubSpotFake
) -> None:
    machine = instance.machine
    with clock.travel(clock.now()) as forward:
        connection = await row(machine, alice, await signed_in(alice, portal))
        first = await current(machine, connection)
        forward(20 * 60)
        assert await current(machine, connection) == first
        forward(6 * 60)
        second = await current(machine, connection)
    assert (second.access != first.access, refreshes(portal)) == (True, 1)
    after = await row(machine, alice, connection.id)
    assert sealing.grant_of(machine.vault, after) == second
    assert after.grant_expires_at == second.expires_at


@pytest.mark.parametrize("rotates", [False, True])
async def test_many_who_wait_make_one_call_and_its_refresh_token_is_kept(
    instance: Instance, alice: Person, portal: HubSpotFake, rotates: bool
) -> None:
    machine, portal.sign_in.rotates = instance.machine, rotates
    connection = await row(machine, alice, await signed_in(alice, portal))
    was = await current(machine, connection)
    portal.sign_in.expire()
    portal.faults.append(Fault("slow", seconds=0.2, path=REFRESH))
    got = await asyncio.gather(*(Kept(machine, connection).renewed(was) for _ in range(20)))
    assert (len({grant.access for grant in got}), refreshes(portal)) == (1, 1)
    assert (got[0].refresh != was.refresh) is rotates
    portal.sign_in.expire()
    again = await Kept(machine, await row(machine, alice, connection.id)).renewed(got[0])
    assert portal.sign_in.scopes_of(again.access)


async def test_two_nodes_make_one_call(instance: Instance, alice: Person, portal: HubSpotFake) -> None:
    """Each node has a `Granting` of its own, and the row is all that they share."""
    machine = instance.machine
    connection = await row(machine, alice, await signed_in(alice, portal))
    held = granting._held(machine, connection)
    portal.faults.append(Fault("slow", seconds=0.3, path=REFRESH))
    nodes = [Granting(machine), Granting(machine)]
    one, other = await asyncio.gather(*(node.fresh(connection.id, held, is_refused=True) for node in nodes))
    assert (one.grant, refreshes(portal)) == (other.grant, 1)


@pytest.mark.parametrize("ahead_s", [0, 5], ids=["same clock", "its clock is ahead"])
async def test_while_another_node_refreshes_a_good_token_is_used_on(
    instance: Instance, alice: Person, portal: HubSpotFake, ahead_s: float
) -> None:
    machine = instance.machine
    longest_s = machine.settings.outbound.timeout + granting.BEYOND_THE_CALL_S
    with clock.travel(clock.now()) as forward:
        connection = await row(machine, alice, await signed_in(alice, portal))
        first = await current(machine, connection)
        forward(26 * 60)
        async with machine.session() as session:
            stored = await service.get(session, alice.org.id, connection.id)
            stored.refreshing_by, stored.refreshing_until = "another node", clock.after(longest_s + ahead_s)
        assert await current(machine, connection) == first
    assert refreshes(portal) == 0


@pytest.mark.parametrize("left_s", [0.5, 3600], ids=["soon over", "of before the clock was put back"])
async def test_a_node_that_died_holds_nobody_up_for_longer_than_its_note(
    instance: Instance, alice: Person, portal: HubSpotFake, left_s: float
) -> None:
    machine = instance.machine
    connection = await row(machine, alice, await signed_in(alice, portal))
    was = await current(machine, connection)
    async with machine.session() as session:
        stored = await service.get(session, alice.org.id, connection.id)
        stored.refreshing_by, stored.refreshing_until = "a dead node", clock.after(left_s)
    portal.sign_in.expire()
    assert (await Kept(machine, connection).renewed(was)).access != was.access


async def test_who_waits_may_be_cancelled_and_what_the_vendor_answers_is_stored_all_the_same(
    instance: Instance, alice: Person, portal: HubSpotFake
) -> None:
    machine, portal.sign_in.rotates = instance.machine, True
    connection = await row(machine, alice, await signed_in(alice, portal))
    was = await current(machine, connection)
    portal.faults.append(Fault("slow", seconds=0.3, path=REFRESH))
    waiting = asyncio.create_task(Kept(machine, connection).renewed(was))
    await asyncio.sleep(0.15)
    waiting.cancel()
    await machine.get(Granting).last_moment()
    kept = sealing.grant_of(machine.vault, await row(machine, alice, connection.id))
    assert kept.refresh == portal.sign_in.consents[0].refresh != was.refresh


async def test_a_grant_that_was_taken_back_says_so_and_leaves_no_note(
    instance: Instance, alice: Person, portal: HubSpotFake
) -> None:
    machine = instance.machine
    connection = await row(machine, alice, await signed_in(alice, portal))
    portal.sign_in.uninstall()
    with pytest.raises(CrmError, match="took the sign-in back") as refused:
        await Kept(machine, connection).renewed(await current(machine, connection))
    assert refused.value.kind is ErrorClass.REAUTH
    assert (await row(machine, alice, connection.id)).refreshing_until is None


async def test_a_refusal_is_no_matter_when_somebody_has_signed_in_again_meanwhile(
    instance: Instance, alice: Person, portal: HubSpotFake
) -> None:
    machine = instance.machine
    connection = await row(machine, alice, await signed_in(alice, portal))
    was = await current(machine, connection)
    portal.sign_in.uninstall()
    portal.faults.append(Fault("slow", seconds=0.3, path=REFRESH))
    waiting = asyncio.create_task(Kept(machine, connection).renewed(was))
    await asyncio.sleep(0.1)
    async with machine.session() as session:
        new = Grant("a-new", "r-new", clock.now() + timedelta(minutes=30))
        granting.put(machine, await service.get(session, alice.org.id, connection.id), new)
    assert await waiting == new


async def test_a_wrong_secret_of_the_app_is_not_called_a_dead_sign_in(
    instance: Instance, alice: Person, portal: HubSpotFake
) -> None:
    machine = instance.machine
    connection = await row(machine, alice, await signed_in(alice, portal))
    portal.sign_in.apps = dict.fromkeys(portal.sign_in.apps, "another secret")
    with pytest.raises(CrmError, match="secret is another one") as refused:
        await Kept(machine, connection).renewed(await current(machine, connection))
    assert (refused.value.kind, refused.value.field) == (ErrorClass.CONFIG, "client_secret")


async def test_a_grant_opens_in_its_own_row_only(instance: Instance, alice: Person, portal: HubSpotFake) -> None:
    machine = instance.machine
    one = await row(machine, alice, await signed_in(alice, portal))
    other = await row(machine, alice, await signed_in(alice, portal))
    other.grant = one.grant
    with pytest.raises(CrmError, match="cannot be read"):
        await current(machine, other)
    one.grant = one.secrets
    with pytest.raises(CrmError, match="cannot be read"):
        await current(machine, one)
