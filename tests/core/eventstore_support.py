"""Event stores on real files for the tests, and events to put into them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from site2crm.core.config_values import clickhouse
from site2crm.core.eventstore.clickhouse import ClickStore
from site2crm.core.eventstore.contract import Event, EventStore, Question
from site2crm.core.eventstore.duckdb import DuckStore
from site2crm.core.eventstore.frame import EventFrame
from site2crm.core.journal.contract import Position
from tests.core.journal_support import Alarms

MEMORY_BYTES = 128 * 1024 * 1024
START = datetime(2026, 10, 20, tzinfo=UTC)
END = START + timedelta(days=30)
BROWSER = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)


@asynccontextmanager
async def opened(folder: Path, alarms: Alarms | None = None) -> AsyncIterator[DuckStore]:
    heard = Alarms() if alarms is None else alarms
    store = DuckStore(folder, memory_bytes=MEMORY_BYTES, ring=heard.hear, calm=lambda code: heard.hear(f"-{code}", ""))
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def on_clickhouse(folder: Path, url: str, alarms: Alarms | None = None) -> AsyncIterator[ClickStore]:
    heard = Alarms() if alarms is None else alarms
    place = clickhouse(url)
    store = ClickStore(place, folder, ring=heard.hear, calm=lambda code: heard.hear(f"-{code}", ""))
    store.gather_s = 0.02
    try:
        yield store
    finally:
        await store.close()


def an_event(number: int = 0, **known: Any) -> Event:
    """An hour after the one before; every event another visitor."""
    defaults = {
        "id": f"clk_{number}",
        "ts": START + timedelta(hours=number),
        "kind": "click",
        "org": "org_acme",
        "visitor": f"{number + 1:016x}",
    }
    return Event(**{**defaults, **known})


def a_frame(number: int = 0, **known: Any) -> EventFrame:
    defaults = {
        "id": f"clk_{number}",
        "ts": (START + timedelta(seconds=number)).timestamp(),
        "org": "org_acme",
        "user_agent": BROWSER,
        "visitor": f"{number + 1:016x}",
    }
    return EventFrame(**{**defaults, **known})


def about(**known: Any) -> Question:
    return Question(**{"org": "org_acme", "start": START, "end": END, **known})


async def put(store: EventStore, rows: list[Event], *, at: int = 1) -> None:
    """Append, the position behind them being `at`."""
    await store.append("test", rows, epoch="e", position=Position(1, at))
