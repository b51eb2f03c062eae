"""Seventy-six hours of retries, in seconds."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from site2crm.connectors.contract import CrmError, ErrorClass
from site2crm.core.config_schema import SCHEDULE
from site2crm.delivery.breaker import FAILURES, LONGEST_REST_S, Breaker
from site2crm.delivery.judging import Schedule, judge
from site2crm.delivery.states import State
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests.delivery.conftest import Office

START = datetime(2027, 1, 4, 12, tzinfo=UTC)


async def sleep_until(office: Office, forward: Callable[[float], None], hour: float, *, least_s: float = 5) -> None:
    """Time passes, from wake-up to wake-up."""
    end = START + timedelta(hours=hour)
    while True:
        await office.work()
        waiting = [delivery.due_at for delivery in await office.deliveries(state="waiting") if delivery.due_at]
        soon = max(min([*waiting, end]), clock.now() + timedelta(seconds=least_s))
        if soon >= end:
            forward((end - clock.now()).total_seconds())
            await office.work()
            return
        forward((soon - clock.now()).total_seconds())


async def test_a_crm_that_comes_back_after_seventy_hours_gets_the_lead_once(office: Office) -> None:
    with clock.travel(START) as forward:
        office.fake.faults.append(Fault("status", count=-1, status=500))
        await office.submit()
        await sleep_until(office, forward, 70)
        before = await office.only()
        office.fake.faults.clear()
        await sleep_until(office, forward, 77)

    delivery = await office.only()
    assert (before.state, before.attempts) == ("retrying", 11)
    assert (delivery.state, delivery.attempts) == ("delivered", 12)
    assert delivery.delivered_at is not None
    assert timedelta(hours=75) < delivery.delivered_at - START < timedelta(hours=76)
    assert len(office.fake.contacts) == 1


async def test_after_the_last_try_it_is_a_dead_letter_that_can_be_sent_again(office: Office) -> None:
    with clock.travel(START) as forward:
        office.fake.faults.append(Fault("status", count=-1, status=503))
        await office.submit()
        await sleep_until(office, forward, 77)
        dead = await office.only()

    assert (dead.state, dead.attempts, dead.error_code, dead.due_at) == ("dead", 12, "gave_up", None)
    assert str(dead.error).startswith("Gave up after 12 tries in 76 hours.")


async def test_every_lead_of_a_long_outage_arrives_once(office: Office) -> None:
    with clock.travel(START) as forward:
        office.fake.faults.append(Fault("status", count=-1, status=500))
        for number in range(20):
            await office.submit(f"p{number}@example.com")
            forward(10)
        await sleep_until(office, forward, 1, least_s=60)
        calls = len(office.fake.requests)
        office.fake.faults.clear()
        await sleep_until(office, forward, 2, least_s=60)

    assert {delivery.state for delivery in await office.deliveries()} == {"delivered"}
    assert len(office.fake.contacts) == 20
    assert calls < 90  # six tries of each without the breaker


def test_the_waits_are_spread_and_never_shorter_than_asked() -> None:
    schedule = Schedule([0, 100], 0.2)
    waits = {schedule.next_wait(1, None) for _ in range(200)}
    seconds = sorted(wait.total_seconds() for wait in waits if wait)
    assert 80 <= seconds[0] < 85
    assert 115 < seconds[-1] <= 120
    assert schedule.next_wait(1, timedelta(hours=1)) == timedelta(hours=1)
    assert schedule.next_wait(2, None) is None


def test_each_error_class_has_its_consequence() -> None:
    schedule = Schedule([0, 5], 0)
    states = {kind: judge(CrmError(kind, "no"), failures=0, now=START, schedule=schedule).state for kind in ErrorClass}
    assert states == {
        ErrorClass.RETRY: State.RETRYING,
        ErrorClass.NOT_FOUND: State.RETRYING,
        ErrorClass.THROTTLE: State.PENDING,
        ErrorClass.REFRESH: State.PARKED,
        ErrorClass.REAUTH: State.PARKED,
        ErrorClass.CONFIG: State.PARKED,
        ErrorClass.PERMANENT: State.DEAD,
        ErrorClass.CONFLICT: State.DEAD,
    }


def test_the_default_schedule_has_twelve_tries() -> None:
    assert len(SCHEDULE) == 12


def test_a_breaker_rests_longer_and_longer_and_probes_with_one() -> None:
    with clock.travel(START) as forward:
        breaker, rests = Breaker(), []
        for number in range(FAILURES - 1):
            breaker.failed(f"dlv_{number}")
        assert breaker.room(6) == 6
        for number in range(8):
            breaker.failed(f"dlv_x{number}")
            assert breaker.room(6) == 0
            assert breaker.rests_until is not None
            rests.append((breaker.rests_until - clock.now()).total_seconds())
            forward(rests[-1])
            assert breaker.room(6) == 1
        breaker.answered()
        assert breaker.room(6) == 6
    assert rests[:5] == [5, 10, 20, 40, LONGEST_REST_S]
    assert rests[-1] == LONGEST_REST_S


def test_one_lead_that_always_fails_opens_no_breaker() -> None:
    breaker = Breaker()
    for _ in range(20):
        breaker.failed("dlv_1")
    assert breaker.room(6) == 6


async def test_a_dead_crm_is_not_hammered(office: Office) -> None:
    with clock.travel(START) as forward:
        office.fake.faults.append(Fault("status", count=-1, status=500))
        for number in range(40):
            await office.submit(f"p{number}@example.com")
        await office.work()
        first = len(office.fake.requests)
        forward(4)
        await office.work()
        resting = len(office.fake.requests)
        forward(1)
        await office.work()

    assert first <= 12
    assert resting == first
    assert len(office.fake.requests) == first + 1
    states = {delivery.state for delivery in await office.deliveries()}
    assert states == {"pending", "retrying"}
