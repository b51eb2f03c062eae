"""A file of the version that kept people and machines in one table."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import duckdb

from site2crm.core.eventstore import schema
from site2crm.core.eventstore.contract import Bots, Totals
from site2crm.core.eventstore.file import NAME
from tests.core.eventstore_support import about, an_event, opened, put

ROOT = Path(__file__).parents[2]
MANY = 400_000
OPENING = """
    import asyncio, sys
    from pathlib import Path
    from tests.core.eventstore_support import about, opened

    async def main() -> None:
        async with opened(Path(sys.argv[1])) as store:
            print("opening", flush=True)
            await store.load("test")

    asyncio.run(main())
"""


def aged(folder: Path, *, times: int = 1) -> None:
    """Put the rows back into one table, each so many times."""
    with duckdb.connect(str(folder / NAME)) as connection:
        connection.execute(f"CREATE TABLE {schema.UNDIVIDED} AS SELECT events.* FROM events, range({times})")
        connection.execute("DROP VIEW events; DROP TABLE people; DROP TABLE machines")


async def test_people_and_machines_are_told_apart_and_nothing_is_lost(tmp_path: Path) -> None:
    rows = [an_event(n, bot="" if n % 3 else "scanner", link=f"lnk_{n % 2}") for n in range(30)]
    async with opened(tmp_path) as store:
        await put(store, rows, at=7)
    aged(tmp_path)
    async with opened(tmp_path) as store:
        assert await store.totals(about()) == Totals(20, 20)
        assert await store.totals(about(bots=Bots.ONLY)) == Totals(10, 10)
        assert len(await store.recent(about(bots=Bots.ALL), limit=99)) == 30
        found = await store.load("test")
        assert found is not None
        assert found[1].offset == 7


async def test_what_an_older_version_added_meanwhile_is_kept_too(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await put(store, [an_event(n) for n in range(5)])
    with duckdb.connect(str(tmp_path / NAME)) as connection:
        connection.execute(f"CREATE TABLE {schema.UNDIVIDED} AS SELECT * FROM people LIMIT 2")
    async with opened(tmp_path) as store:
        assert (await store.totals(about())).value == 7
    with duckdb.connect(str(tmp_path / NAME)) as connection:
        assert (schema.UNDIVIDED,) not in connection.execute("SHOW TABLES").fetchall()


def opened_and_killed(folder: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(OPENING), str(folder)],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        stdout=subprocess.PIPE,
    )
    assert child.stdout
    child.stdout.readline()
    time.sleep(random.uniform(0.05, 0.6))
    child.send_signal(signal.SIGKILL)
    child.communicate()


async def test_kill_9_while_it_is_rewritten_loses_and_doubles_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await put(store, [an_event(n, bot="" if n % 4 else "bot") for n in range(4)])
    aged(tmp_path, times=MANY // 4)
    for _ in range(3):
        opened_and_killed(tmp_path)
    async with opened(tmp_path) as store:
        await store.load("test")
        assert (await store.totals(about(with_visitors=False))).value == MANY * 3 // 4
        assert (await store.totals(about(with_visitors=False, bots=Bots.ONLY))).value == MANY // 4
