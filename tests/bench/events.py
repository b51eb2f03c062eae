"""Five million clicks: how long each question of the pages takes, and how fast the pump catches up."""

import asyncio
import resource
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy

from site2crm.core import agents
from site2crm.core.eventstore.contract import Bots, Interval, Question
from site2crm.core.eventstore.duckdb import DuckStore
from site2crm.core.eventstore.frame import EventFrame, encode
from site2crm.core.eventstore.pump import CONSUMER, Pump
from site2crm.core.eventstore.schema import COLUMNS, PARTS, SLOT_S, TEXTS
from site2crm.core.journal.contract import EVENTS
from site2crm.core.journal.journal import NAMES, Journal
from tests.bench.table import Row

ROWS = 5_000_000
PART = 250_000
DAYS = 365
REPEATS = 15
BACKLOG = 50_000
FILLED = "filled"
ORG = "org_01KASDASDASDASDASDASDASDAS"
LINK = "lnk_01KASDASDASDASDASDASD%05d"
START = datetime(2025, 11, 1, tzinfo=UTC)
MEMORY_BYTES = 128 * 1024 * 1024
AGENTS = [
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{100 + n}.0.0.0 Safari/537.36"
    for n in range(200)
]


def measure(folder: Path) -> list[Row]:
    return asyncio.run(_measured(folder))


async def _measured(folder: Path) -> list[Row]:
    async with _opened(folder) as store:
        begun = time.perf_counter()
        await fill(store)
        took = time.perf_counter() - begun
        rows = [await question(store, *asked) for asked in questions()]
        worst = max(rows, key=lambda row: float(row[1].split()[0]))
        size = (folder / "events.duckdb").stat().st_size / 1e6
        return [
            (f"analytics over {ROWS:,} events", worst[1], "<= 150 ms", f"p95 of the slowest: {worst[0].strip()}"),
            *rows,
            ("  on disk", f"{size:.0f} MB", "", f"filled in {took:.0f} s"),
            await catch_up(store, folder),
        ]


async def only_fill(folder: Path) -> None:
    async with _opened(folder) as store:
        await fill(store)


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[DuckStore]:
    """Marked as filled once all has gone well."""
    folder.mkdir(parents=True, exist_ok=True)
    store = DuckStore(folder, memory_bytes=MEMORY_BYTES, ring=print, calm=print)
    try:
        yield store
    finally:
        await store.close()
    (folder / FILLED).touch()


async def fill(store: DuckStore, rows: int = ROWS) -> None:
    """Clicks of a year in order of time: few busy links and countries, many quiet ones."""
    chance = numpy.random.default_rng(1)
    for first in range(0, rows, PART):
        columns = _columns(chance, first, min(PART, rows - first), rows)

        def work(connection: Any, columns: dict[str, Any] = columns) -> None:
            names = store.engine.names
            columns["org"][:] = names.number("org", ORG)
            columns["kind"][:] = names.number("kind", "click")
            links = numpy.array([names.number("link", LINK % n) for n in range(1000)], dtype="uint32")
            columns["link"] = links[columns["link"]]
            reasons = numpy.array(names.numbers("bot", ["", "bot", "head", "prefetch", "scanner"]), dtype="uint8")
            columns["bot"] = reasons[columns["bot"]]
            connection.register("arrived", columns)
            for part, condition in PARTS.items():
                connection.execute(f"INSERT INTO {part} SELECT * FROM arrived WHERE {condition}")
            connection.unregister("arrived")
            names.store(connection)

        await store.engine.write(work)
    await store.engine.checkpoint()


def _columns(chance: Any, first: int, count: int, rows: int) -> dict[str, Any]:
    number = numpy.arange(first, first + count, dtype="int64")
    micros = int(START.timestamp() * 1e6) + number * (DAYS * 86_400_000_000 // rows)
    link = chance.zipf(1.5, count) % 1000
    day = (micros // 86_400_000_000).astype("uint64")
    visitor = day * numpy.uint64(1_000_003) + chance.integers(0, 10_000, count).astype("uint64")
    texts = {
        "id": numpy.array([f"clk_01K{n:023d}" for n in number], dtype=object),
        "path": _words("/campaign-%d", 1000)[link],
        "domain": _words("go%d.example.com", 2)[number % 2],
        "country": _words("C%d", 120)[chance.zipf(1.4, count) % 120],
        "device": _words("device %d", 4)[chance.integers(0, 4, count)],
        "os": _words("System %d", 8)[chance.integers(0, 8, count)],
        "browser": _words("Browser %d", 20)[chance.zipf(1.5, count) % 20],
        "language": _words("l%d", 40)[chance.zipf(1.5, count) % 40],
        "referrer": _words("site%d.example.com", 2000)[chance.zipf(1.3, count) % 2000],
        "utm_source": _words("source-%d", 30)[chance.zipf(1.4, count) % 30],
        "utm_campaign": _words("campaign-%d", 300)[chance.zipf(1.4, count) % 300],
        "campaign": _words("campaign-%d", 100)[link % 100],
    }
    empty = numpy.full(count, "", dtype=object)
    found = {
        "ts": micros.view("datetime64[us]"),
        "slot": (micros // (SLOT_S * 1_000_000)).astype("uint32"),
        "org": numpy.zeros(count, dtype="uint32"),
        "kind": numpy.zeros(count, dtype="uint8"),
        "bot": numpy.minimum(chance.geometric(0.85, count) - 1, 4).astype("uint8"),
        "visitor": _mixed(visitor),
        "link": link,
        "value": numpy.zeros(count, dtype="int64"),
        **{name: texts.get(name, empty) for name in TEXTS},
    }
    return {name: found[name] for name in COLUMNS}


def _words(pattern: str, count: int) -> Any:
    return numpy.array([pattern % n for n in range(count)], dtype=object)


def _mixed(numbers: Any) -> Any:
    """As even as the hashes that visitors are (splitmix64)."""
    mixed = numbers * numpy.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> numpy.uint64(31))


Ask = Callable[[DuckStore, Question], Awaitable[object]]


def questions() -> list[tuple[str, Question, Ask]]:
    """What the overview, a link's page and the API ask, over the whole year."""
    whole = Question(org=ORG, start=START, end=START + timedelta(days=DAYS))
    link: dict[str, tuple[str, ...]] = {"link": (LINK % 1,)}
    of_link = Question(org=ORG, start=whole.start, end=whole.end, where=link)
    some = [LINK % n for n in range(1, 51)]
    german = Question(org=ORG, start=whole.start, end=whole.end, where={"country": ("C1",), "device": ("device 2",)})
    month = Question(org=ORG, start=whole.end - timedelta(days=30), end=whole.end)
    days = Question(org=ORG, start=whole.end - timedelta(days=2), end=whole.end)  # more hours no page shows
    apart = Question(org=ORG, start=whole.start, end=whole.end, bots=Bots.ONLY)
    berlin = "Europe/Berlin"
    return [
        ("totals", whole, lambda s, q: s.totals(q)),
        ("totals of a link", of_link, lambda s, q: s.totals(q)),
        ("totals, country and device", german, lambda s, q: s.totals(q)),
        *(
            (f"by {interval}", whole, lambda s, q, i=interval: s.timeseries(q, interval=i, zone=berlin))
            for interval in (Interval.DAY, Interval.WEEK, Interval.MONTH)
        ),
        ("two days: by hour", days, lambda s, q: s.timeseries(q, interval=Interval.HOUR, zone=berlin)),
        ("by day, of a link", of_link, lambda s, q: s.timeseries(q, interval=Interval.DAY, zone=berlin)),
        *(
            (f"top {dimension}", whole, lambda s, q, d=dimension: s.breakdown(q, dimension=d, limit=10))
            for dimension in ("link", "country", "device", "browser", "referrer", "utm_source", "utm_campaign", "path")
        ),
        ("reasons", apart, lambda s, q: s.breakdown(q, dimension="bot", limit=10)),
        ("top referrer of a link", of_link, lambda s, q: s.breakdown(q, dimension="referrer", limit=10)),
        ("50 links of a list", whole, lambda s, q: s.counts(q, dimension="link", keys=some)),
        ("recent", whole, lambda s, q: s.recent(q, limit=20)),
        ("last 30 days: by day", month, lambda s, q: s.timeseries(q, interval=Interval.DAY, zone=berlin)),
        ("last 30 days: top links", month, lambda s, q: s.breakdown(q, dimension="link", limit=10)),
    ]


async def question(store: DuckStore, label: str, asked: Question, ask: Ask) -> Row:
    """Asked anew each time, as if an event had arrived in between."""
    times = []
    for _ in range(REPEATS):
        store.forget_answers()
        begun = time.perf_counter()
        await ask(store, asked)
        times.append((time.perf_counter() - begun) * 1000)
    p95 = statistics.quantiles(times, n=20)[-1]
    return f"  {label}", f"{p95:.0f} ms", "<= 150 ms", f"p95 of {REPEATS}, median {statistics.median(times):.0f}"


async def catch_up(store: DuckStore, folder: Path) -> Row:
    """A backlog in the journal, and nobody clicking."""
    agents.warm()
    journal = Journal.open(folder / "journal", instance=NAMES[0], on_alarm=print)
    pump = Pump(journal, store, data_dir=folder, ring=print)
    now, people = time.time(), _mixed(numpy.arange(20_000, dtype="uint64")).tolist()
    for number in range(BACKLOG):
        made = EventFrame(
            id=f"clk_01K{number:023d}", ts=now, org=ORG, link=f"lnk_{number % 1000:026d}", domain="go.example.com",
            visitor=f"{people[number % len(people)]:016x}", country="DE", user_agent=AGENTS[number % len(AGENTS)],
            language="de-DE,de;q=0.9", referrer=f"https://www.site{number % 500}.example.com/x", path="/spring",
        )  # fmt: skip
        journal.append(encode(made))
    end = journal.read(EVENTS, None, limit=BACKLOG, max_bytes=1 << 30)[-1].next
    begun, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_utime
    running = asyncio.create_task(pump.run())
    while (known := await store.load(CONSUMER)) is None or known[1] < end:
        await asyncio.sleep(0.1)
    took = time.perf_counter() - begun
    busy = resource.getrusage(resource.RUSAGE_SELF).ru_utime - used
    running.cancel()
    await asyncio.wait({running})
    await journal.close()
    return (
        "event catch-up, idle",
        f"{BACKLOG / took:,.0f}/s",
        ">= 15,000/s",
        f"{busy / BACKLOG * 1e6:.0f} us of CPU a row",
    )
