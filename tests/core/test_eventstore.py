"""What questions answer: totals, charts on the clock of a zone, tops, filters, who is counted."""

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from site2crm.core.errors import Invalid
from site2crm.core.eventstore import visitors
from site2crm.core.eventstore.contract import DIMENSIONS, Bots, EventStore, Interval, Seen, Totals
from site2crm.core.journal.contract import Position
from tests import clickhouse
from tests.core.eventstore_support import END, START, about, an_event, on_clickhouse, opened, put

BERLIN = "Europe/Berlin"


@pytest.fixture(params=[clickhouse.DUCKDB, clickhouse.CLICKHOUSE])
async def store(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[EventStore]:
    """Every case on both engines."""
    if request.param == clickhouse.DUCKDB:
        async with opened(tmp_path) as made:
            yield made
    else:
        server = clickhouse.server()
        async with on_clickhouse(tmp_path, server.url(clickhouse.new_database())) as other:
            yield other


async def test_an_empty_store_answers_with_nothing(store: EventStore) -> None:
    assert await store.totals(about()) == Totals(0, 0)
    assert await store.breakdown(about(), dimension="link", limit=5) == []
    assert await store.recent(about(), limit=5) == []
    assert await store.counts(about(), dimension="link", keys=["lnk_1"]) == {"lnk_1": Totals(0, 0)}
    days = await store.timeseries(about(), interval=Interval.DAY, zone="UTC")
    assert [point.value for point in days] == [0] * 30


async def test_an_event_comes_back_as_it_was(store: EventStore) -> None:
    sent = an_event(
        ts=datetime(2026, 10, 21, 12, 30, 15, 123456, tzinfo=UTC), link="lnk_1", domain="go.example", form="frm_1",
        campaign="Spring", variant="b", country="DE", region="Hesse", city="Frankfurt", device="mobile", os="iOS",
        browser="Safari", language="de", referrer="google.com", path="spring", utm_source="a", utm_medium="b",
        utm_campaign="c", utm_term="d", utm_content="e", value=12, currency="EUR", qr="1",
    )  # fmt: skip
    await put(store, [sent])
    assert await store.recent(about(), limit=5) == [sent]


async def test_events_count_at_once_and_visitors_once(store: EventStore) -> None:
    await put(store, [an_event(n, visitor=f"{n % 3 + 1:016x}") for n in range(10)])
    assert await store.totals(about()) == Totals(10, 3)
    await put(store, [an_event(11, visitor="f" * 16)], at=2)
    assert await store.totals(about()) == Totals(11, 4)


async def test_who_asked_not_to_be_followed_counts_as_an_event_only(store: EventStore) -> None:
    await put(store, [an_event(0, visitor=""), an_event(1, visitor=""), an_event(2)])
    assert await store.totals(about()) == Totals(3, 1)


async def test_another_org_sees_nothing(store: EventStore) -> None:
    await put(store, [an_event(n, link="lnk_1") for n in range(3)] + [an_event(4, org="org_other")])
    assert await store.totals(about(org="org_other")) == Totals(1, 1)
    assert await store.totals(about(org="org_nobody")) == Totals(0, 0)
    assert [share.key for share in await store.breakdown(about(org="org_other"), dimension="link", limit=9)] == [""]


async def test_the_span_begins_with_its_start_and_ends_before_its_end(store: EventStore) -> None:
    moments = [START - timedelta(microseconds=1), START, END - timedelta(microseconds=1), END]
    await put(store, [an_event(n, ts=at) for n, at in enumerate(moments)])
    assert (await store.totals(about())).value == 2


async def test_machines_are_counted_apart_with_the_reason(store: EventStore) -> None:
    reasons = ["", "", "head", "prefetch", "scanner", "bot", "bot"]
    await put(store, [an_event(n, bot=reason) for n, reason in enumerate(reasons)])
    assert (await store.totals(about())).value == 2
    assert (await store.totals(about(bots=Bots.ONLY))).value == 5
    assert (await store.totals(about(bots=Bots.ALL))).value == 7
    shares = await store.breakdown(about(bots=Bots.ONLY), dimension="bot", limit=9)
    assert {share.key: share.value for share in shares} == {"bot": 2, "head": 1, "prefetch": 1, "scanner": 1}
    heads = about(bots=Bots.ALL, where={"bot": ("head", "prefetch", "unheard of")})
    assert (await store.totals(heads)).value == 2


async def test_kinds_do_not_mix(store: EventStore) -> None:
    await put(store, [an_event(0), an_event(1, kind="orphan")])
    assert (await store.totals(about())).value == 1
    assert (await store.totals(about(kind="orphan"))).value == 1
    assert (await store.totals(about(kind="view"))).value == 0


async def test_filters_narrow_and_values_of_one_filter_add_up(store: EventStore) -> None:
    rows = [an_event(n, country=("DE", "US", "FR")[n % 3], device=("mobile", "desktop")[n % 2]) for n in range(12)]
    await put(store, rows)
    assert (await store.totals(about(where={"country": ("DE",)}))).value == 4
    assert (await store.totals(about(where={"country": ("DE", "US")}))).value == 8
    assert (await store.totals(about(where={"country": ("DE", "US"), "device": ("mobile",)}))).value == 4
    assert (await store.totals(about(where={"country": ()}))).value == 0
    assert (await store.totals(about(where={"link": ("lnk_nobody",)}))).value == 0


async def test_the_top_is_largest_first_and_limited(store: EventStore) -> None:
    await put(store, [an_event(n, referrer=f"site{n % 4}.example" if n % 5 else "") for n in range(40)])
    shares = await store.breakdown(about(), dimension="referrer", limit=3)
    assert [(share.key, share.value, share.visitors) for share in shares] == [
        ("", 8, 8), ("site0.example", 8, 8), ("site1.example", 8, 8),
    ]  # fmt: skip


@pytest.mark.parametrize("dimension", DIMENSIONS)
async def test_every_dimension_can_be_grouped_filtered_and_counted(store: EventStore, dimension: str) -> None:
    await put(store, [an_event(n, **{dimension: ("one", "other")[n % 2]}) for n in range(4)])
    question = about(bots=Bots.ALL)
    assert {s.key: s.value for s in await store.breakdown(question, dimension=dimension, limit=9)} == {
        "one": 2,
        "other": 2,
    }
    assert (await store.totals(about(bots=Bots.ALL, where={dimension: ("one",)}))).value == 2
    found = await store.counts(question, dimension=dimension, keys=["one", "none", "one"])
    assert found == {"one": Totals(2, 2), "none": Totals(0, 0)}


async def test_without_visitors_nobody_counts_them(store: EventStore) -> None:
    await put(store, [an_event(n, link="lnk_1") for n in range(4)])
    question = about(with_visitors=False)
    assert await store.totals(question) == Totals(4, 0)
    assert (await store.counts(question, dimension="link", keys=["lnk_1"]))["lnk_1"] == Totals(4, 0)
    assert sum(point.visitors for point in await store.timeseries(question, interval=Interval.DAY, zone="UTC")) == 0


HOSTILE = ["ts) FROM event; DROP TABLE event; --", "org", "visitor", "id", "", "link; --", "\x00", "LINK"]


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_dimension_is_refused(store: EventStore, name: str) -> None:
    await put(store, [an_event()])
    with pytest.raises(Invalid):
        await store.breakdown(about(), dimension=name, limit=5)
    with pytest.raises(Invalid):
        await store.counts(about(), dimension=name, keys=["x"])
    with pytest.raises(Invalid):
        await store.totals(about(where={name: ("x",)}))
    assert (await store.totals(about())).value == 1


VALUES = ["' OR 1=1 --", "x'); DROP TABLE event; --", "\x00", "\ud800", "%", "𝒳" * 500, "?", "$1"]


@pytest.mark.parametrize("value", VALUES)
async def test_a_hostile_value_is_only_a_value(store: EventStore, value: str) -> None:
    await put(store, [an_event(link="lnk_1")])
    for dimension in ("link", "country", "bot"):
        assert (await store.totals(about(bots=Bots.ALL, where={dimension: (value,)}))).value == 0
        assert await store.counts(about(), dimension=dimension, keys=[value]) == {value: Totals(0, 0)}
    assert (await store.totals(about(org=value))).value == 0
    assert (await store.totals(about())).value == 1


async def test_days_of_a_zone_where_clocks_change_have_23_and_25_hours(store: EventStore) -> None:
    start = datetime(2026, 10, 24, tzinfo=ZoneInfo(BERLIN))
    rows = [an_event(n, ts=start.astimezone(UTC) + timedelta(minutes=30 + 60 * n)) for n in range(3 * 24 + 1)]
    await put(store, rows)
    end = datetime(2026, 10, 27, tzinfo=ZoneInfo(BERLIN))
    days = await store.timeseries(about(start=start, end=end), interval=Interval.DAY, zone=BERLIN)
    assert [(point.at.isoformat(), point.value) for point in days] == [
        ("2026-10-24T00:00:00+02:00", 24), ("2026-10-25T00:00:00+02:00", 25), ("2026-10-26T00:00:00+01:00", 24),
    ]  # fmt: skip


async def test_clocks_that_change_by_half_an_hour_lose_no_event(store: EventStore) -> None:
    """Lord Howe's go from +10:30 to +11 and back."""
    start = datetime(2026, 10, 3, tzinfo=UTC)
    await put(store, [an_event(n, ts=start + timedelta(minutes=15 * n)) for n in range(192)])
    asked = about(start=start, end=start + timedelta(days=2))
    for interval in Interval:
        points = await store.timeseries(asked, interval=interval, zone="Australia/Lord_Howe")
        assert sum(point.value for point in points) == 192
        assert sum(point.visitors for point in points) == 192
    days = await store.timeseries(asked, interval=Interval.DAY, zone="Australia/Lord_Howe")
    assert [point.value for point in days] == [54, 94, 44]


async def test_the_hour_that_comes_twice_is_two_hours(store: EventStore) -> None:
    start = datetime(2026, 10, 25, tzinfo=ZoneInfo(BERLIN))
    rows = [an_event(n, ts=start.astimezone(UTC) + timedelta(minutes=60 * n + 5)) for n in range(6)]
    await put(store, rows)
    span = about(start=start, end=start.astimezone(UTC) + timedelta(hours=6))
    hours = await store.timeseries(span, interval=Interval.HOUR, zone=BERLIN)
    assert [(f"{point.at:%H%z}", point.value) for point in hours] == [
        ("00+0200", 1), ("01+0200", 1), ("02+0200", 1), ("02+0100", 1), ("03+0100", 1), ("04+0100", 1),
    ]  # fmt: skip


@pytest.mark.parametrize("zone", ["UTC", BERLIN, "Asia/Kolkata", "Asia/Kathmandu", "America/New_York", "Africa/Cairo",
                                  "Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo"])  # fmt: skip
@pytest.mark.parametrize("interval", list(Interval))
async def test_every_event_is_in_the_interval_that_the_zone_says(
    store: EventStore, zone: str, interval: Interval
) -> None:
    chance = random.Random(zone)
    start, end = datetime(2026, 2, 20, 7, 13, tzinfo=UTC), datetime(2026, 11, 15, 3, 7, tzinfo=UTC)
    times = sorted(start + (end - start) * chance.random() for _ in range(1_000))
    await put(store, [an_event(n, ts=at) for n, at in enumerate(times)])
    points = await store.timeseries(about(start=start, end=end), interval=interval, zone=zone)
    edges = [point.at.astimezone(UTC) for point in points] + [end]
    assert edges == sorted(set(edges))
    assert [point.value for point in points] == [
        sum(first <= at < after for at in times) for first, after in pairwise(edges)
    ]
    assert all(point.at.utcoffset() == point.at.astimezone(ZoneInfo(zone)).utcoffset() for point in points)


async def test_too_many_points_are_refused(store: EventStore) -> None:
    with pytest.raises(Invalid):
        await store.timeseries(about(end=START + timedelta(days=900)), interval=Interval.HOUR, zone="UTC")


async def test_many_visitors_are_estimated_from_a_sample_and_small_keys_counted(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visitors, "EXACT_ROWS", 1_000)
    monkeypatch.setattr(visitors, "EXACT_IN_TIME", 1_000)
    monkeypatch.setattr(visitors, "ALL_IN_TIME", 1_000)
    chance = random.Random(5)
    people = [f"{chance.getrandbits(64):016x}" for _ in range(15_000)]
    rows = [an_event(n, ts=START + timedelta(seconds=n), visitor=people[n // 2], country="DE") for n in range(30_000)]
    rows += [an_event(n, visitor=f"{n + 2**60:016x}", country="LI") for n in range(37)]
    await put(store, rows)
    assert (await store.totals(about())).visitors == pytest.approx(15_000, rel=0.1)
    shares = await store.breakdown(about(), dimension="country", limit=2)
    assert shares[0].visitors == pytest.approx(15_000, rel=0.1)
    assert (shares[1].key, shares[1].visitors) == ("LI", 37)
    days = await store.timeseries(about(), interval=Interval.DAY, zone="UTC")
    assert days[0].visitors == pytest.approx(15_000, rel=0.1)
    assert all(point.visitors <= point.value for point in days)


async def test_the_points_of_a_chart_are_right_to_one_percent_long_before_a_sample_will_do(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visitors, "EXACT_IN_TIME", 1_000)
    chance, rows, wanted = random.Random(7), [], []
    for day in range(30):
        people = [f"{chance.getrandbits(64):016x}" for _ in range(100 * day)]
        at = START + timedelta(days=day)
        rows += [an_event(n, ts=at + timedelta(seconds=n), visitor=one) for n, one in enumerate(people * 2)]
        wanted.append(len(people))
    await put(store, rows)
    days = await store.timeseries(about(), interval=Interval.DAY, zone="UTC")
    assert [point.value for point in days] == [2 * number for number in wanted]
    assert [point.visitors for point in days] == pytest.approx(wanted, rel=0.01, abs=1)


async def test_an_erased_visitor_is_gone_from_every_answer(store: EventStore) -> None:
    await put(store, [an_event(n, visitor=f"{n % 2 + 1:016x}") for n in range(10)] + [an_event(3, org="org_other")])
    assert (await store.totals(about())).value == 10
    assert await store.erase(org="org_acme", visitor=f"{1:016x}") == 5
    assert await store.totals(about()) == Totals(5, 1)
    assert await store.erase(org="org_acme") == 5
    assert await store.erase(org="org_nobody") == 0
    assert (await store.totals(about())).value == 0
    assert (await store.totals(about(org="org_other"))).value == 1


async def test_erasing_before_a_moment_and_retention_keep_what_is_younger(store: EventStore) -> None:
    await put(store, [an_event(n) for n in range(10)] + [an_event(n, org="org_other") for n in range(10)])
    assert await store.erase(org="org_acme", before=START + timedelta(hours=4)) == 4
    assert await store.prune(START + timedelta(hours=6)) == 2 + 6
    assert (await store.totals(about())).value == 4
    assert (await store.totals(about(org="org_other"))).value == 4


async def test_a_position_that_is_stored_is_passed_over(store: EventStore) -> None:
    await put(store, [an_event(0)], at=5)
    await put(store, [an_event(1)], at=5)
    await put(store, [an_event(2)], at=4)
    assert (await store.totals(about())).value == 1
    assert await store.load("test") == ("e", Position(1, 5))
    await store.append("test", [an_event(3)], epoch="another journal", position=Position(1, 1))
    assert (await store.totals(about())).value == 2
    assert await store.load("somebody else") is None


async def test_rows_that_cannot_be_stored_leave_no_trace(store: EventStore) -> None:
    await put(store, [an_event(0)], at=1)
    with pytest.raises(Exception, match=r"."):
        await put(store, [an_event(1, org="org_new"), an_event(2, city="\ud800")], at=2)
    assert await store.load("test") == ("e", Position(1, 1))
    assert (await store.totals(about())).value == 1
    await put(store, [an_event(3, org="org_later")], at=2)
    assert (await store.totals(about(org="org_new"))).value == 0
    assert (await store.totals(about(org="org_later"))).value == 1


async def test_whose_event_it_was_is_known_until_it_is_erased(store: EventStore) -> None:
    mine = [an_event(n, visitor="ab" * 8, bot=("", "head")[n % 2]) for n in range(3)]
    await put(store, [*mine, an_event(3, visitor=""), an_event(4, org="org_other", visitor="ab" * 8)])
    assert await store.seen(org="org_acme", event="clk_1") == Seen("ab" * 8, 3)
    assert await store.seen(org="org_acme", event="clk_3") == Seen("", 1)
    for org, event in (
        ("org_acme", "clk_4"),
        ("org_nobody", "clk_1"),
        ("org_acme", "\ud800"),
        ("org_acme", "x\x00'\\"),
    ):
        assert await store.seen(org=org, event=event) is None
        assert await store.erase(org=org, event=event) == 0
    assert await store.erase(org="org_acme", event="clk_3") == 1
    assert await store.seen(org="org_acme", event="clk_3") is None


async def test_an_answer_is_remembered_until_an_event_comes_into_its_span(store: EventStore) -> None:
    await put(store, [an_event(0)], at=1)
    before = about(start=START - timedelta(days=30), end=START)
    assert [(await store.totals(before)).value, (await store.totals(about())).value] == [0, 1]
    await put(store, [an_event(1)], at=2)
    assert [(await store.totals(before)).value, (await store.totals(about())).value] == [0, 2]
    await put(store, [an_event(2, ts=START - timedelta(days=1))], at=3)
    assert [(await store.totals(before)).value, (await store.totals(about())).value] == [1, 2]


async def test_a_person_stays_a_person_when_the_store_is_opened_again(tmp_path: Path) -> None:
    for number in (1, 2):
        async with opened(tmp_path) as store:
            await store.load("clicks")
            await put(store, [an_event(2 * number, bot="head"), an_event(2 * number + 1)], at=number)
    async with opened(tmp_path) as store:
        found = await store.recent(about(bots=Bots.ALL), limit=9)
    assert sorted(event.bot for event in found) == ["", "", "head", "head"]
