"""Somebody merges two people in the CRM: the lead is known by the one that was kept, and keeps its deals."""

from collections.abc import Callable

from sqlalchemy import select

from site2crm.core import alarms
from site2crm.delivery import comparing
from site2crm.delivery.events import GONE
from site2crm.delivery.models import RemoteRecord
from site2crm.kit import clock
from tests.deals.conftest import Floor

A_WHILE_S = 1200


async def read_for_good(floor: Floor, forward: Callable[[float], None]) -> None:
    """Later readings do not come across these deals again: they begin a little before the last one."""
    for _ in range(2):
        await floor.read()
        forward(A_WHILE_S)


async def compared(floor: Floor) -> None:
    async with floor.machine.session() as session:
        await comparing.compare_now(session, floor.org_id, floor.connection_id)
    await floor.office.work()


async def records(floor: Floor) -> dict[str, tuple[str, str | None]]:
    async with floor.machine.session() as session:
        rows = await session.execute(select(RemoteRecord.lead_id, RemoteRecord.remote_id, RemoteRecord.url))
        return {row.lead_id: (row.remote_id, row.url) for row in rows}


async def test_old_and_new_deals_stay_with_the_lead(floor: Floor) -> None:
    with clock.travel(clock.now()) as forward:
        lead, loser = await floor.lead("ada@example.com")
        forward(1)
        other, theirs = await floor.lead("bob@example.com")
        floor.deal("Before", contacts=(loser,))
        floor.deal("Another's", contacts=(theirs,))
        await read_for_good(floor, forward)
        kept = floor.fake.add_contact(email="ada.l@example.com")
        floor.fake.merge(loser, kept)
        floor.deal("After", contacts=(kept,), at=clock.now())
        await floor.read()
        before = await records(floor)
        await compared(floor)
        after = await records(floor)
    assert before[lead][0] == loser and after[lead][0] == kept
    assert after[lead][1] is not None and after[lead][1].endswith(f"/{kept}")
    assert after[other] == before[other]
    found = {deal.title: deal.lead for deal in await floor.deals()}
    assert found == {"Before": lead, "After": lead, "Another's": other}
    async with floor.machine.session() as session:
        assert [alarm for alarm in await alarms.open_alarms(session, floor.org_id) if alarm.code == GONE] == []


async def test_whoever_writes_again_after_it_keeps_the_deals_too(floor: Floor) -> None:
    lead, loser = await floor.lead("ada@example.com")
    floor.deal("Before", contacts=(loser,))
    await floor.read()
    kept = floor.fake.add_contact(email="ada.l@example.com")
    floor.fake.merge(loser, kept)
    await floor.office.submit("ada@example.com", message="Once more")
    await floor.office.work()
    assert (await records(floor))[lead][0] == kept
    assert (await floor.only()).lead == lead


async def test_two_leads_that_became_one_person_are_both_known_by_it(floor: Floor) -> None:
    with clock.travel(clock.now()) as forward:
        lead, loser = await floor.lead("ada@example.com")
        forward(1)
        other, kept = await floor.lead("ada.l@example.com")
        floor.deal("Both", contacts=(loser,))
        await read_for_good(floor, forward)
        floor.fake.merge(loser, kept)
        for _ in range(2):  # a second time nothing changes
            await compared(floor)
            assert {id: remote for id, (remote, _) in (await records(floor)).items()} == {lead: kept, other: kept}
    assert (await floor.only()).lead in (lead, other)
    assert [deal.title for deal in await floor.deals(lead=other)] == ["Both"]
    assert [deal.title for deal in await floor.deals(lead=lead)] == ["Both"]


async def test_deals_that_were_merged_count_once(floor: Floor) -> None:
    _, contact = await floor.lead("ada@example.com")
    first, second = (floor.deal(title, contacts=(contact,), amount="100") for title in ("First", "Second"))
    floor.deal("Apart")
    await floor.read()
    for gone in (first, second):  # they are shown nowhere any more
        floor.fake.sales.records["deals"].pop(gone)
    kept = floor.deal("Both", contacts=(contact,), amount="200", hs_merged_object_ids=f"{first};{second}; ;x")
    await floor.read()
    assert {deal.title for deal in await floor.deals()} == {"Both", "Apart"}
    assert {deal.remote_id for deal in await floor.deals(status="deleted")} == {first, second}
    floor.fake.sales.change("deals", kept, hs_merged_object_ids=f"{first};{second};{kept}", dealname="Still both")
    await floor.read()
    assert {deal.title for deal in await floor.deals()} == {"Still both", "Apart"}
