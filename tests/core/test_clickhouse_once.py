"""Each click is counted once on ClickHouse: killed processes, lost answers, lost files, restored journals, two nodes."""

import asyncio
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from site2crm.core.errors import Unavailable
from site2crm.core.eventstore.clickhouse import ClickStore
from site2crm.core.eventstore.clickhouse_place import NAME, read
from site2crm.core.eventstore.clickhouse_schema import TABLE
from site2crm.core.eventstore.contract import Bots
from site2crm.core.eventstore.frame import encode
from site2crm.core.eventstore.pump import CONSUMER as OF_MAIN
from site2crm.core.eventstore.pump import Pump
from site2crm.core.journal.contract import Position
from site2crm.core.journal.journal import Journal
from tests import clickhouse
from tests.clickhouse import Proxy
from tests.core import journal_support
from tests.core.eventstore_support import START, a_frame, about, an_event, on_clickhouse, put
from tests.core.journal_support import Alarms, until

CONSUMER = f"{OF_MAIN}:a"
SEGMENT_BYTES = 4 * 1024 * 1024
ROOT = Path(__file__).parents[2]


@pytest.fixture
def database() -> str:
    clickhouse.server()
    return clickhouse.new_database()


@asynccontextmanager
async def pumping(folder: Path, journal: Journal, url: str, *, batch: int) -> AsyncIterator[ClickStore]:
    async with on_clickhouse(folder, url) as store:
        store.batch = batch
        pump = asyncio.create_task(Pump(journal, store, data_dir=folder, ring=print).run())
        try:
            yield store
        finally:
            pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pump


async def stored(store: ClickStore) -> list[str]:
    return [id for (id,) in await store.engine.ask(f"SELECT id FROM {TABLE} ORDER BY id", {})]


async def carried(store: ClickStore, journal: Journal) -> None:
    """Wait until all that the journal has is stored."""
    end = journal.read("events", None, limit=1_000_000, max_bytes=1 << 30)[-1].next
    while (known := await store.load(CONSUMER)) is None or known[1] < end:
        await asyncio.sleep(0.02)


async def test_the_same_token_again_stores_nothing(tmp_path: Path, database: str) -> None:
    async with on_clickhouse(tmp_path, clickhouse.server().url(database)) as store:
        for token in ("one", "one", "other", "one"):
            row = b'["2026-10-20 00:00:00.000000","org_acme","click","x",1,0,""' + b',""' * 21 + b"]"
            await store.engine.insert(row, token=token)
        assert (await store.totals(about())).value == 2


async def test_a_lost_answer_doubles_nothing(tmp_path: Path, database: str) -> None:
    proxy = Proxy(clickhouse.server().port)
    async with proxy.running(), journal_support.opened(tmp_path / "j", segment_bytes=SEGMENT_BYTES) as journal:
        url = proxy.in_front(clickhouse.server().url(database))
        proxy.loses_answers = True
        for number in range(50):
            journal.append(encode(a_frame(number)))
        async with pumping(tmp_path, journal, url, batch=500) as store:
            await carried(store, journal)
            assert len(await stored(store)) == 50
    assert proxy.lost == 1 and not proxy.passed


async def test_a_process_that_dies_between_rows_and_position_sends_the_same_batch_again(
    tmp_path: Path, database: str
) -> None:
    """It had taken 30 at once; its successor would take all, and has 70 more to take."""
    proxy = Proxy(clickhouse.server().port)
    async with proxy.running(), journal_support.opened(tmp_path / "j", segment_bytes=SEGMENT_BYTES) as journal:
        url = clickhouse.server().url(database)
        for number in range(30):
            journal.append(encode(a_frame(number)))
        proxy.loses_answers = True
        async with pumping(tmp_path, journal, proxy.in_front(url), batch=500):
            await until(lambda: proxy.lost >= 1)
        place = read(tmp_path / NAME)[CONSUMER]
        assert place.begun and not place.done
        for number in range(30, 100):
            journal.append(encode(a_frame(number)))
        async with pumping(tmp_path, journal, url, batch=500) as store:
            await carried(store, journal)
            assert len(await stored(store)) == 100
        assert read(tmp_path / NAME)[CONSUMER].begun is None


async def test_what_was_still_under_way_when_a_process_died_is_not_stored_twice(tmp_path: Path, database: str) -> None:
    """The ids say nothing while the rows are not there: then the token has to do it alone."""
    proxy = Proxy(clickhouse.server().port)
    proxy.released = asyncio.Event()
    async with proxy.running(), journal_support.opened(tmp_path / "j", segment_bytes=SEGMENT_BYTES) as journal:
        url = clickhouse.server().url(database)
        for number in range(30):
            journal.append(encode(a_frame(number)))
        async with pumping(tmp_path, journal, proxy.in_front(url), batch=500):
            await until(lambda: proxy.held == 1)
        for number in range(30, 100):
            journal.append(encode(a_frame(number)))
        async with pumping(tmp_path, journal, url, batch=500) as store:
            await carried(store, journal)
            proxy.released.set()
            await until(lambda: proxy.passed == 1)
            assert len(await stored(store)) == 100


async def test_a_lost_position_is_made_up_for_by_the_ids(tmp_path: Path, database: str) -> None:
    url = clickhouse.server().url(database)
    async with journal_support.opened(tmp_path / "j", segment_bytes=SEGMENT_BYTES) as journal:
        for number in range(120):
            journal.append(encode(a_frame(number)))
        async with pumping(tmp_path, journal, url, batch=50) as store:
            await carried(store, journal)
        (tmp_path / NAME).write_bytes(b"{damaged")
        journal.append(encode(a_frame(120)))
        async with pumping(tmp_path, journal, url, batch=37) as store:
            await carried(store, journal)
            assert len(await stored(store)) == 121


async def test_a_batch_over_the_turn_of_a_month_is_stored_whole(tmp_path: Path, database: str) -> None:
    turn = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
    async with journal_support.opened(tmp_path / "j", segment_bytes=SEGMENT_BYTES) as journal:
        for number in range(10):
            journal.append(encode(a_frame(number, ts=turn - 5 + number)))
        async with pumping(tmp_path, journal, clickhouse.server().url(database), batch=50) as store:
            await carried(store, journal)
            months = await store.engine.ask(f"SELECT toYYYYMM(ts) AS m, count() FROM {TABLE} GROUP BY m ORDER BY m", {})
    assert months == [[202610, 5], [202611, 5]]


async def test_nodes_that_share_a_server_see_each_others_clicks_at_once(tmp_path: Path, database: str) -> None:
    url = clickhouse.server().url(database)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with on_clickhouse(tmp_path / "a", url) as one, on_clickhouse(tmp_path / "b", url) as other:
        await one.append(CONSUMER, [an_event(0)], epoch="one", position=Position(1, 9))
        await other.append(CONSUMER, [an_event(1)], epoch="other", position=Position(1, 9))
        assert (await one.totals(about())).value == (await other.totals(about())).value == 2
        await one.append(CONSUMER, [an_event(2)], epoch="one", position=Position(1, 10))
        assert (await other.totals(about())).value == 3
        assert await one.load(CONSUMER) == ("one", Position(1, 10))


async def test_a_server_that_stops_is_waited_for_and_pages_are_told_at_once(tmp_path: Path) -> None:
    server, alarms = clickhouse.new_server(), Alarms()
    try:
        async with on_clickhouse(tmp_path, server.url("clicks"), alarms) as store:
            await put(store, [an_event(0)], at=1)
            server.stop()
            for _ in range(2):
                with pytest.raises(Unavailable):
                    await store.totals(about())
            with pytest.raises(Unavailable):
                await put(store, [an_event(1)], at=2)
            assert store.is_away
            server.start()
            await put(store, [an_event(1)], at=2)
            assert not store.is_away
            assert (await store.totals(about())).value == 2
    finally:
        server.remove()
    assert alarms.codes == ["-events.blocked", "events.blocked", "-events.blocked"]


async def test_a_wrong_password_is_said_without_it(
    tmp_path: Path, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    alarms, url = Alarms(), clickhouse.server().url(database).replace("s3cret", "geheim-7788")
    async with on_clickhouse(tmp_path, url, alarms) as store:
        with pytest.raises(Unavailable) as refused:
            await store.load(CONSUMER)
    assert alarms.codes == ["events.blocked"] and "Authentication failed" in alarms[0][1]
    assert "geheim" not in f"{alarms}{refused.value!r}{refused.value.__cause__!r}{caplog.text}"


async def test_a_table_that_was_dropped_is_made_again(tmp_path: Path, database: str) -> None:
    async with on_clickhouse(tmp_path, clickhouse.server().url(database)) as store:
        await put(store, [an_event(0)], at=1)
        await store.engine.tell(f"DROP TABLE {TABLE} SYNC", {})
        with pytest.raises(Unavailable):
            await store.totals(about())
        await put(store, [an_event(1)], at=2)
        assert (await store.totals(about())).value == 1


async def test_a_table_of_an_older_version_gets_the_columns_that_it_lacks(tmp_path: Path, database: str) -> None:
    async with on_clickhouse(tmp_path, clickhouse.server().url(database)) as store:
        await put(store, [an_event(0)], at=1)
        await store.engine.tell(f"ALTER TABLE {TABLE} DROP COLUMN utm_term", {})
    async with on_clickhouse(tmp_path, clickhouse.server().url(database)) as store:
        await put(store, [an_event(1, utm_term="x")], at=2)
        assert [event.utm_term for event in await store.recent(about(), limit=5)] == ["x", ""]


CHILD = """
    import asyncio, itertools, sys
    from pathlib import Path
    from site2crm.core.eventstore.frame import encode
    from site2crm.core.eventstore.pump import Pump
    from site2crm.core.journal.journal import Journal
    from tests.core.eventstore_support import a_frame, on_clickhouse

    async def main():
        folder, run, url = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
        journal = Journal.open(folder / "journal", instance="a", segment_bytes=256 * 1024, on_alarm=print)
        async with on_clickhouse(folder, url) as store:
            store.batch, store.gather_s = 60 + 17 * run, 0.0
            pump = asyncio.create_task(Pump(journal, store, data_dir=folder, ring=print).run())
            for number in itertools.count():
                assert journal.append(encode(a_frame(number % 100_000, id=f"clk_{run}_{number}")))
                print(f"{run}_{number}", flush=True)
                if number % 20 == 19:
                    await asyncio.sleep(0.005)

    asyncio.run(main())
"""


def killed_run(folder: Path, run: int, url: str) -> list[str]:
    """The ids that a process had acknowledged when it was killed."""
    output = folder / f"acknowledged-{run}"
    with output.open("wb") as file:
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(CHILD), str(folder), str(run), url],
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
            stdout=file,
        )
        while not output.stat().st_size and child.poll() is None:
            time.sleep(0.01)
        time.sleep(random.uniform(0.5, 1.5))
        child.send_signal(signal.SIGKILL)
        child.wait()
    return output.read_text().splitlines()[:-1]  # the last line may be half a line


async def test_kill_9_at_any_moment_loses_and_doubles_nothing(tmp_path: Path, database: str) -> None:
    url = clickhouse.server().url(database)
    acknowledged = [line for run in range(4) for line in killed_run(tmp_path, run, url)]
    async with journal_support.opened(tmp_path / "journal", segment_bytes=256 * 1024) as journal:
        async with pumping(tmp_path, journal, url, batch=500) as store:
            await carried(store, journal)
            ids = [id.removeprefix("clk_") for id in await stored(store)]
            assert (await store.totals(about(bots=Bots.ALL, start=START))).value == len(ids)
    assert len(acknowledged) > 200
    assert len(ids) == len(set(ids))
    assert set(acknowledged) <= set(ids)
    assert len(ids) - len(acknowledged) <= 4 * 2
    shutil.rmtree(tmp_path / "journal")
