"""Token buckets, their headers, and the waits between log-in attempts."""

from datetime import UTC, datetime

import pytest

from site2crm.core.ratelimit import Backoff, Limits, headers, network
from site2crm.kit import clock

START = datetime(2026, 9, 1, tzinfo=UTC)
HOME, OFFICE, STRANGER = "198.51.100.7", "203.0.113.9", "192.0.2.66"


@pytest.fixture
def forward():
    with clock.travel(START) as move:
        yield move


def test_a_bucket_gives_its_limit_at_once_and_then_refuses(forward):
    limits = Limits()
    verdicts = [limits.take("a", limit=3, per_s=60) for _ in range(4)]
    assert [each.allowed for each in verdicts] == [True, True, True, False]
    assert [each.remaining for each in verdicts] == [2, 1, 0, 0]
    assert [each.reset_s for each in verdicts] == [20, 40, 60, 60]
    assert [each.retry_after_s for each in verdicts] == [0, 0, 0, 20]


def test_tokens_come_back_evenly_and_refusals_cost_none(forward):
    limits = Limits()
    for _ in range(10):
        limits.take("a", limit=3, per_s=60)
    forward(19)
    assert not limits.take("a", limit=3, per_s=60).allowed
    forward(1)
    assert limits.take("a", limit=3, per_s=60).allowed
    assert not limits.take("a", limit=3, per_s=60).allowed
    forward(60)
    assert limits.take("a", limit=3, per_s=60).remaining == 2


def test_waiting_as_long_as_told_is_enough(forward):
    limits = Limits()
    for limit, per_s in [(7, 60), (60, 60), (1, 1), (1000, 3600)]:
        while (verdict := limits.take(f"{limit}", limit=limit, per_s=per_s)).allowed:
            pass
        forward(verdict.retry_after_s)
        assert limits.take(f"{limit}", limit=limit, per_s=per_s).allowed


def test_keys_do_not_share(forward):
    limits = Limits()
    assert limits.take("a", limit=1, per_s=60).allowed
    assert limits.take("b", limit=1, per_s=60).allowed


def test_a_clock_set_back_locks_nobody_out_for_longer_than_the_window(forward):
    limits = Limits()
    limits.take("a", limit=1, per_s=60)
    forward(-86_400)
    assert limits.take("a", limit=1, per_s=60).retry_after_s <= 60


def test_memory_is_bounded_and_idle_buckets_go(forward):
    limits = Limits(most_keys=100)
    for number in range(1000):
        limits.take(str(number), limit=5, per_s=60)
    assert len(limits) == 100
    forward(61)
    for number in range(50):
        limits.take(f"new {number}", limit=5, per_s=60)
    assert len(limits) == 50


def test_headers_of_both_families(forward):
    limits = Limits()
    assert headers(limits.take("a", limit=1, per_s=60), policy="api") == {
        "X-RateLimit-Limit": "1",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": "60",
        "RateLimit-Policy": '"api";q=1;w=60',
        "RateLimit": '"api";r=0;t=60',
    }
    assert headers(limits.take("a", limit=1, per_s=60))["Retry-After"] == "60"


@pytest.mark.parametrize(
    ("address", "shared"),
    [
        ("192.0.2.66", "192.0.2.0/24"),
        ("::ffff:192.0.2.66", "192.0.2.0/24"),
        ("2001:db8:1:2ff::1", "2001:db8:1:200::/56"),
        ("fe80::1%eth0", "fe80::/56"),
        ("unix:", "unix:"),
    ],
)
def test_an_address_belongs_to_a_network(address, shared):
    assert network(address) == shared


def waits(backoff, forward, *, attempts, address=STRANGER):
    """Try again as soon as allowed; the waits that were asked for. Slow enough for the limit of the network."""
    asked = []
    for _ in range(attempts):
        wait_s = backoff.attempt("ann@acme.test", address)
        asked.append(wait_s)
        if wait_s:
            forward(wait_s)
            assert backoff.attempt("ann@acme.test", address) == 0
    return asked


def test_five_attempts_are_free_and_then_each_wait_doubles_to_a_minute(forward):
    assert waits(Backoff(), forward, attempts=14) == [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_attempts_at_the_same_time_are_all_counted(forward):
    backoff = Backoff()
    assert [backoff.attempt("ann@acme.test", HOME) for _ in range(8)] == [0, 0, 0, 0, 0, 1, 1, 1]


def test_a_success_forgets_the_failures(forward):
    backoff = Backoff()
    waits(backoff, forward, attempts=5, address=HOME)
    backoff.succeeded("ann@acme.test", HOME)
    assert waits(backoff, forward, attempts=6, address=HOME) == [0, 0, 0, 0, 0, 1]


def test_an_account_is_one_however_it_is_written_and_others_are_free(forward):
    backoff = Backoff()
    for spelling in ["ann@acme.test", "Ann@acme.test", " ANN@ACME.TEST ", "ann@acme.test", "ann@acme.test"]:
        assert backoff.attempt(spelling, HOME) == 0
    assert backoff.attempt("ANN@acme.test", OFFICE) == 1
    assert backoff.attempt("bob@acme.test", OFFICE) == 0


def test_strangers_cannot_lock_the_owner_out(forward):
    backoff = Backoff()
    backoff.attempt("ann@acme.test", HOME)
    backoff.succeeded("ann@acme.test", HOME)
    waits(backoff, forward, attempts=14, address=STRANGER)
    assert backoff.attempt("ann@acme.test", STRANGER) == 60
    assert backoff.attempt("ann@acme.test", HOME) == 0


def test_a_network_gets_twenty_attempts_a_minute_over_all_accounts(forward):
    backoff = Backoff()
    tried = [backoff.attempt(f"user{number}@acme.test", f"192.0.2.{number}") for number in range(21)]
    assert tried == [0] * 20 + [3]
    assert backoff.attempt("user@acme.test", HOME) == 0


def test_an_hour_of_quiet_forgets(forward):
    backoff = Backoff()
    waits(backoff, forward, attempts=9)
    forward(3601)
    assert waits(backoff, forward, attempts=5) == [0, 0, 0, 0, 0]


def test_what_is_remembered_is_bounded(forward):
    backoff = Backoff(most_keys=10)
    for number in range(100):
        backoff.attempt(f"user{number}", f"10.0.{number}.1")
        backoff.succeeded(f"user{number}", f"10.0.{number}.1")
        backoff.attempt(f"other{number}", f"10.0.{number}.1")
    assert len(backoff._accounts) <= 10
    assert len(backoff._known) <= 10
