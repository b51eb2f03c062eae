"""The event store inside a running instance."""

import asyncio
import subprocess
import sys
from pathlib import Path

from site2crm.app import Instance
from site2crm.core import alarms
from site2crm.core.eventstore import access, running
from site2crm.core.eventstore.contract import Bots
from site2crm.core.eventstore.file import NAME
from site2crm.core.eventstore.frame import encode
from site2crm.core.geo import Geo
from site2crm.core.visitors import FILE, Visitors
from site2crm.kit import clock
from tests import cast
from tests.core.eventstore_support import a_frame, about
from tests.server import environment

DAY_S = 86_400


async def counted(instance: Instance, value: int) -> int:
    store = access.of(instance.machine)
    while (found := (await store.totals(about(bots=Bots.ALL, end=clock.after(DAY_S)))).value) < value:
        await asyncio.sleep(0.02)
    return found


async def test_what_is_journalled_is_counted_and_told(instance: Instance) -> None:
    told: list[set[str]] = []
    running.listen(instance.machine, told.append)
    instance.machine.journal.append(encode(a_frame()))
    assert await counted(instance, 1) == 1
    while not told:
        await asyncio.sleep(0.02)
    assert told == [{"org_acme"}]


async def test_a_new_instance_has_countries_and_visitors_but_no_store_yet(instance: Instance) -> None:
    assert instance.machine.get(Geo).country("8.8.8.8") == "US"
    assert instance.machine.get(Visitors).hash("8.8.8.8", "x", "y")
    assert (instance.machine.data_dir / FILE).exists()
    assert not (instance.machine.data_dir / NAME).exists()


async def test_a_damaged_store_is_an_alarm_of_the_instance_and_counting_goes_on(tmp_path: Path) -> None:
    async with cast.an_instance(tmp_path, events__url="duckdb") as instance:
        instance.machine.journal.append(encode(a_frame()))
        await counted(instance, 1)
    (tmp_path / "data" / NAME).write_bytes(b"\xff" * 20_000)
    async with cast.an_instance(tmp_path, events__url="duckdb") as instance:
        instance.machine.journal.append(encode(a_frame(1)))
        assert await counted(instance, 1) >= 1
        while not (codes := await open_codes(instance)):
            await asyncio.sleep(0.02)
    assert codes == ["events.damaged"]


async def open_codes(instance: Instance) -> list[str]:
    async with instance.machine.session() as session:
        return [each.code for each in await alarms.open_alarms(session, alarms.INSTANCE)]


async def test_retention_removes_what_is_older(tmp_path: Path) -> None:
    async with cast.an_instance(tmp_path, privacy__event_retention="30d") as instance:
        for days in (1, 29, 31, 400):
            instance.machine.journal.append(encode(a_frame(days, ts=clock.since(days * DAY_S).timestamp())))
        store = access.of(instance.machine)
        whole = about(start=clock.since(500 * DAY_S), end=clock.now())
        while (await store.totals(whole)).value < 4:
            await asyncio.sleep(0.02)
        assert instance.machine.settings.privacy.event_retention == 30 * DAY_S
        await running.prune(store, 30 * DAY_S)
        assert (await store.totals(whole)).value == 2


def test_a_start_loads_none_of_the_large_libraries() -> None:
    large = ("duckdb", "numpy", "ua_parser", "crawleruseragents")
    program = f"import sys, site2crm.app; print([name for name in {large!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
