"""A token bucket stays below the vendor's limit, and heeds the vendor's own word."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from site2crm.connectors.contract import CrmError, ErrorClass
from site2crm.connectors.hubspot.connector import HubSpot
from site2crm.connectors.pacing import LONGEST_WINDOW_S, LOOK_AGAIN_S, MOST_CALLS, OTHERS_S, Budget, Left, Limit
from site2crm.connectors.wire import Call, send
from site2crm.kit import clock
from tests.connectors.connector_cases import ada, context
from tests.connectors.paced import Counting
from tests.connectors.virtual import skipping
from tests.fakes.hubspot import TOKEN, HubSpotFake

START = datetime(2027, 1, 4, 12, tzinfo=UTC)
LIMIT = Limit(20, 1.0)


async def spend(budget: Budget, times: int, moments: list[float]) -> None:
    for _ in range(times):
        async with budget.call():
            moments.append(time.monotonic())


async def test_in_no_window_are_more_calls_than_the_limit() -> None:
    budget, moments = Budget(LIMIT), list[float]()
    await asyncio.gather(*(spend(budget, 7, moments) for _ in range(6)))
    moments.sort()
    most = max(sum(begin <= at < begin + LIMIT.window_s for at in moments) for begin in moments)
    assert len(moments) == 42
    assert most <= LIMIT.calls


async def test_without_a_limit_nobody_waits() -> None:
    budget, moments = Budget(), list[float]()
    await spend(budget, 1000, moments)
    assert len(moments) == 1000


async def test_a_vendor_that_counts_less_is_believed() -> None:
    """Its own window, or a larger plan: nobody waits for tokens that are there."""
    budget, moments = Budget(Limit(10, 1000.0)), list[float]()
    for _ in range(50):
        async with budget.call() as ticket:
            moments.append(time.monotonic())
            budget.told(189, Limit(190, 1000.0), ticket)
    assert len(moments) == 50


async def test_a_vendors_word_that_no_limit_can_have_stops_nothing_for_long() -> None:
    budget = Budget(Limit(100, 10.0))
    async with budget.call() as ticket:
        budget.told(0, Limit(10**9, 10.0**9), ticket)
    assert budget.left == [Left(0, MOST_CALLS, LONGEST_WINDOW_S)]
    assert timedelta() < budget.closed_for <= timedelta(seconds=LONGEST_WINDOW_S)


async def test_what_others_use_is_not_ours() -> None:
    budget = Budget(Limit(100, 1000.0))
    async with budget.call() as ticket:
        budget.told(10, Limit(100, 1000.0), ticket)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05), budget.call():
            pass


async def within_a_window(budget: Budget, limit: Limit, *, others: int = 0) -> int:
    """How many calls begin before it has passed; the vendor tells after each what it has counted."""
    began, made = time.monotonic(), 0
    while True:
        async with budget.call() as ticket:
            if time.monotonic() - began >= limit.window_s:
                return made
            made += 1
            budget.told(limit.calls - made - others, limit, ticket)


@pytest.mark.parametrize(("calls", "alone", "beside_others"), [(100, 95, 89), (20, 19, 17), (10, 10, 8)])
async def test_who_is_alone_leaves_less_than_who_is_not(calls: int, alone: int, beside_others: int) -> None:
    limit = Limit(calls, 10.0)
    budget = Budget(limit)
    with skipping():
        first = await within_a_window(budget, limit)
        await asyncio.sleep(OTHERS_S)
        by_itself = await within_a_window(budget, limit)
        await asyncio.sleep(limit.window_s)
        met = await within_a_window(budget, limit, others=1)
        await asyncio.sleep(OTHERS_S + limit.window_s)
        again = await within_a_window(budget, limit)
    assert (first, by_itself, again) == (calls - max(1, calls // 10), alone, alone)
    assert met == beside_others


async def test_a_slow_line_is_no_reason_to_use_less() -> None:
    """What takes long leaves some to others by itself; yet in no window are more calls than the limit."""
    limit, moments = Limit(20, 2.0), list[float]()
    budget = Budget(limit)

    async def lane() -> None:
        for _ in range(100):
            async with budget.call() as ticket:
                await asyncio.sleep(0.2)
                moments.append(now := time.monotonic())
                recent = sum(now - limit.window_s < at for at in moments)
                budget.told(limit.calls - recent, limit, ticket)

    with skipping():
        await asyncio.gather(*(lane() for _ in range(6)))
    late = [at for at in moments if at > moments[0] + OTHERS_S]
    most = max(sum(begin <= at < begin + limit.window_s for at in moments) for begin in moments)
    assert most <= limit.calls
    assert len(late) / (late[-1] - late[0]) >= 0.9 * limit.calls / limit.window_s


async def test_a_part_is_closed_with_the_whole() -> None:
    with clock.travel(START):
        budget = Budget(LIMIT)
        part = budget.part("search", LIMIT)
        budget.close(timedelta(seconds=30))
        assert part.closed_for == timedelta(seconds=30)
        part.close(timedelta(seconds=40))
        assert budget.closed_for == timedelta(seconds=30)


async def test_where_so_many_may_be_under_way_the_next_begins_when_one_ends() -> None:
    """Without time to pass: nobody looks again meanwhile."""
    budget, begun = Budget(Limit(3, 0.0)), []
    ends = [asyncio.Event() for _ in range(3)]

    async def one(number: int) -> None:
        async with budget.call():
            begun.append(number)
            await ends[number].wait()

    async def turns() -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    calls = [asyncio.create_task(one(number)) for number in range(3)]
    await turns()
    assert begun == [0, 1]
    ends[1].set()
    await turns()
    assert begun == [0, 1, 2]
    [end.set() for end in ends]
    await asyncio.gather(*calls)


async def test_who_gives_up_waiting_takes_no_token() -> None:
    budget = Budget(Limit(3, 0.5))
    await spend(budget, 2, [])
    impatient = asyncio.create_task(spend(budget, 1, []))
    await asyncio.sleep(0.01)
    impatient.cancel()
    await asyncio.wait({impatient})
    moments: list[float] = []
    await spend(budget, 2, moments)
    assert moments[1] - moments[0] < LOOK_AGAIN_S


async def test_a_closed_budget_refuses_before_the_call_and_opens_again() -> None:
    fake = HubSpotFake()
    await fake.start()
    with clock.travel(START) as forward:
        async with context(base_url=fake.url) as (opened, exchanges):
            opened.budget.close(timedelta(seconds=30))
            with pytest.raises(CrmError) as refused:
                await send(opened, Call("GET", fake.url, {}))
            forward(30)
            await send(opened, Call("GET", fake.url, {}))
    await fake.stop()
    assert (refused.value.kind, refused.value.retry_after) == (ErrorClass.THROTTLE, timedelta(seconds=30))
    assert len(exchanges) == 1


async def test_a_longer_pause_is_not_shortened_by_a_later_answer() -> None:
    with clock.travel(START):
        budget = Budget(LIMIT)
        budget.close(timedelta(hours=5))
        budget.close(timedelta(seconds=1))
        assert budget.closed_for == timedelta(hours=5)


async def test_a_busy_portal_never_has_to_refuse() -> None:
    portal = Counting(LIMIT)
    await portal.start()
    async with context(secrets={"token": TOKEN}, base_url=portal.url, budget=Budget(LIMIT)) as (opened, _):
        connector = HubSpot(opened)

        async def send_some(first: int) -> None:
            for number in range(first, first + 4):
                email = f"p{number}@example.com"
                [written] = await connector.upsert_people([ada(email=email, fields={"email": email})])
                assert written.error is None

        await asyncio.gather(*(send_some(4 * lane) for lane in range(6)))
    await portal.stop()
    assert (portal.limits.refused, len(portal.contacts)) == (0, 24)
    assert portal.violations == []


async def test_a_429_closes_the_budget_for_all_who_share_it() -> None:
    fake = HubSpotFake()
    await fake.start()
    fake.throttle(retry_after="30")
    with clock.travel(START):
        async with context(secrets={"token": TOKEN}, base_url=fake.url) as (opened, _):
            await HubSpot(opened).upsert_people([ada()])
            [second] = await HubSpot(opened).upsert_people([ada(ref="dlv_2")])
    await fake.stop()
    assert len(fake.requests) == 1
    assert second.error is not None
    assert (second.error.code, second.error.retry_after) == ("BUDGET", timedelta(seconds=30))


async def test_what_can_wait_leaves_a_share_to_the_leads() -> None:
    budget, moments = Budget(Limit(20, 1000.0)), list[float]()
    await spend(budget, 1, moments)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await spend(budget.spare, 20, moments)
    assert len(moments) == 14
    await spend(budget, 4, moments)
    assert len(moments) == 18


class Vendor:
    """Counts calls within any window, and tells what remains."""

    def __init__(self, limit: Limit) -> None:
        self.limit, self.moments = limit, list[float]()

    async def called(self, through: Budget, takes_s: float) -> float:
        """When the call began, by the vendor's clock."""
        async with through.call() as ticket:
            began = time.monotonic()
            await asyncio.sleep(takes_s)
            self.moments.append(now := time.monotonic())
            recent = sum(now - self.limit.window_s < at for at in self.moments)
            assert recent <= self.limit.calls
            through.told(self.limit.calls - recent, self.limit, ticket)
        return began


VENDORS = {"HubSpot": (100, 10.0), "HubSpot Professional": (190, 10.0), "Pipedrive": (20, 2.0), "Nutshell": (4, 1.0)}


@pytest.mark.parametrize("name", VENDORS)
async def test_where_no_lead_comes_what_can_wait_has_the_whole_limit(name: str) -> None:
    limit = Limit(*VENDORS[name])
    budget, vendor = Budget(limit), Vendor(limit)
    with skipping():
        began = time.monotonic()
        while time.monotonic() < began + 180:
            await vendor.called(budget.spare, 0.02)
    late = sum(at >= began + OTHERS_S for at in vendor.moments)
    share = late / (180 - OTHERS_S) / limit.calls * limit.window_s
    print(f"{name}: {share:.1%}")
    assert share >= 0.9


@pytest.mark.parametrize("name", VENDORS)
async def test_what_was_lent_is_given_back_when_a_lead_comes(name: str) -> None:
    """Its first call begins within moments, however much is read; and then there is a share for the others."""
    limit = Limit(*VENDORS[name])
    budget, vendor, waits = Budget(limit), Vendor(limit), list[float]()
    with skipping():
        reading = asyncio.create_task(read_on(vendor, budget))
        await asyncio.sleep(120)
        for _ in range(5):
            came = time.monotonic()
            waits.append(await vendor.called(budget, 0.02) - came)
        reading.cancel()
    print(f"{name}: {max(waits):.2f} s")
    assert max(waits) <= 0.7


async def read_on(vendor: Vendor, budget: Budget) -> None:
    while True:
        await vendor.called(budget.spare, 0.1)


async def test_what_can_wait_lets_the_waiting_go_first() -> None:
    budget, order = Budget(Limit(4, 0.3)), list[str]()

    async def send(name: str, through: Budget) -> None:
        async with through.call():
            order.append(name)

    await spend(budget, 3, [])
    reading = [asyncio.create_task(send("read", budget.spare)) for _ in range(2)]
    await asyncio.sleep(0.01)
    leads = [asyncio.create_task(send("lead", budget)) for _ in range(3)]
    await asyncio.gather(*reading, *leads)
    assert order[:3] == ["lead"] * 3


async def test_a_limit_of_one_call_still_lets_what_can_wait_through() -> None:
    moments: list[float] = []
    await spend(Budget(Limit(1, 0.05)).spare, 2, moments)
    assert len(moments) == 2


async def test_at_the_end_of_the_days_limit_only_leads_are_sent() -> None:
    with clock.travel(START) as forward:
        budget = Budget(LIMIT)
        part = budget.part("search", LIMIT)
        budget.told_of_day(190, 1000, timedelta(hours=3))
        assert (budget.closed_for, part.closed_for) == (timedelta(), timedelta())
        assert budget.spare.closed_for == timedelta(hours=3)
        forward(3 * 3600)
        assert budget.spare.closed_for == timedelta()
        budget.told_of_day(190, 1000, timedelta(hours=3))
        budget.told_of_day(900, 1000, timedelta(hours=3))
        assert budget.spare.closed_for == timedelta()
        budget.spare.close(timedelta(minutes=1))
        assert budget.closed_for == timedelta(minutes=1)


@pytest.mark.parametrize("part", ["whole", "spare"])
def test_refusals_without_a_word_double_the_wait_up_to_the_longest(part: str) -> None:
    budget = Budget()
    seen = budget if part == "whole" else budget.spare
    first, most = timedelta(seconds=5), timedelta(seconds=18)
    with clock.travel(datetime(2026, 11, 22, tzinfo=UTC)) as forward:
        for seconds in (5, 10, 18):
            assert seen.refused(first, most, asked=None).seconds == seconds
            assert seen.refused(first, most, asked=None).seconds == seconds  # to a call that was on its way
            forward(seconds)
        assert seen.refused(first, most, asked=timedelta(seconds=60)).seconds == 60
        assert budget.closed_for == timedelta(seconds=60)
        seen.accepted()
        forward(60)
        assert seen.refused(first, most, asked=None).seconds == 5


@pytest.mark.parametrize(("is_over", "sent"), [(False, 1), (True, 9)])
async def test_after_a_long_wait_one_call_goes_first(is_over: bool, sent: int) -> None:
    budget, made = Budget(LIMIT), 0

    async def call(seen: Budget) -> None:
        nonlocal made
        async with seen.call():
            if seen.closed_for:
                return
            made += 1
            await asyncio.sleep(0.01)
            if not is_over:
                budget.close(timedelta(hours=1))

    with clock.travel(START) as forward:
        budget.close(timedelta(minutes=30))
        forward(30 * 60)
        places = (budget, budget.part("search", LIMIT), budget.spare)
        await asyncio.gather(*(call(seen) for seen in places * 3))
    assert made == sent


async def test_after_a_call_that_went_first_and_was_cut_off_one_goes_first_again() -> None:
    budget, begun, answered = Budget(LIMIT), list[int](), asyncio.Event()

    async def call(number: int) -> None:
        async with budget.call():
            begun.append(number)
            await answered.wait()

    with clock.travel(START) as forward:
        budget.close(timedelta(minutes=30))
        forward(30 * 60)
        calls = [asyncio.create_task(call(number)) for number in range(6)]
        while not begun:
            await asyncio.sleep(0)
        calls[0].cancel()
        while len(begun) < 2:
            await asyncio.sleep(0.01)
        for _ in range(100):
            await asyncio.sleep(0)
        assert begun == [0, 1]
        answered.set()
        await asyncio.gather(*calls, return_exceptions=True)
    assert begun == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("seen", ["whole", "spare"])
async def test_after_a_long_wait_calls_with_a_gate_before_them_go_on(seen: str) -> None:
    made = 0

    async def call(budget: Budget) -> None:
        nonlocal made
        async with budget.gate("search", LIMIT).call(), budget.call():
            made += 1

    with clock.travel(START) as forward:
        budget = Budget(LIMIT)
        budget.close(timedelta(minutes=30))
        forward(30 * 60)
        async with asyncio.timeout(10):
            await asyncio.gather(
                *(call(budget if seen == "whole" else budget.spare) for _ in range(3)), spend(budget, 3, [])
            )
    assert made == 3


async def test_a_limit_is_heeded_after_one_that_was_told_by_a_clock_that_was_put_back() -> None:
    budget = Budget(LIMIT)
    with clock.travel(START + timedelta(days=400)):
        budget.close(timedelta(minutes=1))
    with clock.travel(START):
        before = budget.closed_for
        budget.close(timedelta(minutes=5))
        assert (before, budget.closed_for) == (timedelta(), timedelta(minutes=5))


async def test_whether_the_day_is_over_is_asked_less_and_less_often() -> None:
    waits: list[float] = []
    with clock.travel(START) as forward:
        budget = Budget(LIMIT)
        for _ in range(5):
            budget.told_of_day(190, 1000, timedelta(minutes=15), most=timedelta(hours=2))
            budget.told_of_day(180, 1000, timedelta(minutes=15), most=timedelta(hours=2))
            waits.append(budget.spare.closed_for.total_seconds() / 60)
            forward(budget.spare.closed_for.total_seconds())
        budget.told_of_day(900, 1000, timedelta(minutes=15), most=timedelta(hours=2))
        assert budget.spare.closed_for == timedelta()
        budget.told_of_day(190, 1000, timedelta(minutes=15), most=timedelta(hours=2))
        assert budget.spare.closed_for == timedelta(minutes=15)
    assert waits == [15, 30, 60, 120, 120]
