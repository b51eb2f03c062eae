"""From the journal into the store: what a frame becomes, exactly once whatever happens, and who is told."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from site2crm.core.eventstore import enrich
from site2crm.core.eventstore.contract import Bots
from site2crm.core.eventstore.duckdb import DuckStore
from site2crm.core.eventstore.file import NAME
from site2crm.core.eventstore.frame import VERSION, EventFrame, encode
from site2crm.core.eventstore.pump import CONSUMER, QUARANTINE, Pump
from site2crm.core.journal.journal import Journal
from tests.core import eventstore_support, journal_support
from tests.core.eventstore_support import BROWSER, a_frame, about
from tests.core.journal_support import Alarms

SEGMENT_BYTES = 4 * 1024 * 1024
ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def pumping(
    folder: Path, journal: Journal, alarms: Alarms | None = None
) -> AsyncIterator[tuple[DuckStore, Pump]]:
    heard = Alarms() if alarms is None else alarms
    async with eventstore_support.opened(folder, heard) as store:
        pump = Pump(journal, store, data_dir=folder, ring=heard.hear)
        running = asyncio.create_task(pump.run())
        try:
            yield store, pump
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running


async def counted(store: DuckStore, value: int) -> None:
    while (await store.totals(about(bots=Bots.ALL))).value < value:
        await asyncio.sleep(0.01)


async def test_what_is_appended_is_counted_once_across_restarts(tmp_path: Path) -> None:
    for run in range(3):
        async with journal_support.opened(tmp_path / "journal", segment_bytes=SEGMENT_BYTES) as journal:
            async with pumping(tmp_path, journal) as (store, _):
                for number in range(700):
                    assert journal.append(encode(a_frame(run * 700 + number)))
                await counted(store, (run + 1) * 700)
                assert (await store.totals(about())).value == (run + 1) * 700


async def test_a_lost_store_is_filled_from_what_the_journal_still_has(tmp_path: Path) -> None:
    async with journal_support.opened(tmp_path / "journal", segment_bytes=SEGMENT_BYTES) as journal:
        async with pumping(tmp_path, journal) as (store, _):
            for number in range(50):
                journal.append(encode(a_frame(number)))
            await counted(store, 50)
    (tmp_path / NAME).unlink()
    alarms = Alarms()
    async with journal_support.opened(tmp_path / "journal", segment_bytes=SEGMENT_BYTES) as journal:
        async with pumping(tmp_path, journal, alarms) as (store, _):
            await counted(store, 50)
    assert alarms.codes == ["events.missing"]


POISON = {
    "no message": b"\xc1garbage",
    "another shape": encode(a_frame())[:20],
    "a newer version": encode(a_frame(version=VERSION + 1)),
    "no moment": encode(a_frame(ts=float("nan"))),
    "another age": encode(a_frame(ts=1e300)),
    "bytes that are no text": encode(a_frame(link="xxxx")).replace(b"xxxx", b"\xff\xfe\xff\xfe"),
}


@pytest.mark.parametrize("case", POISON)
async def test_a_frame_that_cannot_be_read_is_set_aside_and_the_others_are_counted(tmp_path: Path, case: str) -> None:
    alarms = Alarms()
    async with journal_support.opened(tmp_path / "journal", segment_bytes=SEGMENT_BYTES) as journal:
        async with pumping(tmp_path, journal, alarms) as (store, _):
            for number in range(20):
                journal.append(encode(a_frame(number)))
                if number == 7:
                    journal.append(POISON[case])
            await counted(store, 20)
            known = await store.load(f"{CONSUMER}:a")
        assert known and not journal.read("events", known[1], limit=1)
    assert alarms.codes == ["events.poison"]
    assert bytes.fromhex((tmp_path / QUARANTINE).read_text()) == POISON[case]


async def test_who_listens_is_told_which_orgs_changed_but_not_for_every_batch(tmp_path: Path) -> None:
    told: list[set[str]] = []
    async with journal_support.opened(tmp_path / "journal", segment_bytes=SEGMENT_BYTES) as journal:
        async with pumping(tmp_path, journal) as (store, pump):
            stop = pump.listen(told.append)
            for number in range(3_000):
                journal.append(encode(a_frame(number, org="org_acme" if number % 2 else "org_other")))
            await counted(store, 1_500)
            while len(set().union(*told)) < 2:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.4)
            heard = len(told)
            stop()
            journal.append(encode(a_frame(9_000)))
            await counted(store, 1_501)
            await asyncio.sleep(0.4)
    assert 1 <= heard <= 4
    assert len(told) == heard


def test_a_frame_becomes_a_row() -> None:
    row = enrich.event(
        a_frame(
            link="lnk_1", domain="go.example", campaign="Spring", country="DE", city="Kassel", path="spring",
            language="de-CH,de;q=0.9,en;q=0.8", referrer="https://www.Google.com/search?q=secret",
            query="x=1&utm_source=News+Letter&utm_medium=%E2%9C%93&utm_source=second", qr="1",
        )
    )  # fmt: skip
    assert (row.link, row.domain, row.campaign, row.country, row.city, row.path, row.qr) == (
        "lnk_1", "go.example", "Spring", "DE", "Kassel", "spring", "1",
    )  # fmt: skip
    assert (row.language, row.referrer, row.device, row.os, row.browser, row.bot) == (
        "de", "google.com", "desktop", "Windows", "Chrome", "",
    )  # fmt: skip
    assert (row.utm_source, row.utm_medium, row.utm_campaign) == ("News Letter", "✓", "")


def test_the_utms_of_the_link_win_over_those_of_the_request() -> None:
    row = enrich.event(a_frame(utm=("a", "b", "c", "d", "e"), query="utm_source=other"))
    assert (row.utm_source, row.utm_medium, row.utm_campaign, row.utm_term, row.utm_content) == tuple("abcde")


@pytest.mark.parametrize(("agent", "flags", "reason"), [
    (BROWSER, "", ""), (BROWSER, "head", "head"), (BROWSER, "prefetch", "prefetch"),
    ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "head", "bot"), ("", "", "bot"),
])  # fmt: skip
def test_the_reason_for_counting_apart(agent: str, flags: str, reason: str) -> None:
    assert enrich.event(a_frame(user_agent=agent, flags=flags)).bot == reason


HOSTILE = ["\x00" * 400, "\x1b[31m" * 80, "utm_source=" + "%ff" * 100, "utm_" * 200, "&".join(["utm_source=x"] * 70),
           "https://" + "[" * 300, "android-app://[", "android-app://com.google.android.gm/", ";;;,,,", "𝒳" * 200]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_headers_are_only_text(text: str) -> None:
    row = enrich.event(a_frame(user_agent=text, referrer=text, language=text, query=text, path=text))
    assert all(value.isprintable() for value in (row.browser, row.referrer, row.path, row.utm_source, row.language))


CHILD = """
    import asyncio, itertools, sys
    from pathlib import Path
    from site2crm.core.eventstore.frame import encode
    from site2crm.core.eventstore.pump import Pump
    from site2crm.core.journal.journal import Journal
    from tests.core import eventstore_support
    from tests.core.eventstore_support import a_frame

    async def main():
        folder, run = Path(sys.argv[1]), int(sys.argv[2])
        journal = Journal.open(folder / "journal", instance="a", segment_bytes=256 * 1024, on_alarm=print)
        async with eventstore_support.opened(folder) as store:
            pump = asyncio.create_task(Pump(journal, store, data_dir=folder, ring=print).run())
            for number in itertools.count():
                assert journal.append(encode(a_frame(number % 100_000, id=f"clk_{run}_{number}")))
                print(f"{run}_{number}", flush=True)
                if number % 20 == 19:
                    await asyncio.sleep(0.001)

    asyncio.run(main())
"""


def killed_run(folder: Path, run: int) -> list[str]:
    """The ids that a process had acknowledged when it was killed."""
    output = folder / f"acknowledged-{run}"
    with output.open("wb") as file:
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(CHILD), str(folder), str(run)],
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
            stdout=file,
        )
        while not output.stat().st_size and child.poll() is None:
            time.sleep(0.01)
        time.sleep(random.uniform(0.3, 1.5))
        child.send_signal(signal.SIGKILL)
        child.wait()
    return output.read_text().splitlines()[:-1]  # the last line may be half a line


async def test_kill_9_at_any_moment_loses_and_doubles_nothing(tmp_path: Path) -> None:
    acknowledged = [line for run in range(4) for line in killed_run(tmp_path, run)]
    async with journal_support.opened(tmp_path / "journal", segment_bytes=256 * 1024) as journal:
        async with pumping(tmp_path, journal) as (store, _):
            end = journal.read("events", None, limit=1_000_000, max_bytes=1 << 30)
            while (known := await store.load(f"{CONSUMER}:a")) is None or known[1] < end[-1].next:
                await asyncio.sleep(0.05)
            rows = await store.engine.read(lambda c: c.execute("SELECT id FROM events").fetchall())
    ids = [row[0].removeprefix("clk_") for row in rows]
    assert len(acknowledged) > 500
    assert len(ids) == len(set(ids))
    assert set(acknowledged) <= set(ids)
    assert len(ids) - len(acknowledged) <= 4 * 2


def test_an_older_frame_stays_readable_when_fields_are_added() -> None:
    assert EventFrame.__struct_config__.array_like
    assert not EventFrame.__struct_config__.forbid_unknown_fields
