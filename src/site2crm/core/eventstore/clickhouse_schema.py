"""The one wide table on ClickHouse, made and brought up to date by whoever comes first.

Sorted by org, kind, reason and moment, as nearly every question is about people, whose reason is empty: it reads the
granules of its span and nothing else. That took two thirds off the cost of a count.
Parts of a month, so that old ones go as a whole. Texts that repeat are LowCardinality, which keeps a dictionary in each
part; `visitor` is a number, as in the DuckDB file. `slot` is the quarter of an hour since 1970.

An insert is on the disk when it is acknowledged: ours are at most a few in a second, and then the journal's copy goes.
"""

from site2crm.core.eventstore.clickhouse_line import PROBE_S, Line, Refused
from site2crm.core.eventstore.contract import DIMENSIONS
from site2crm.core.eventstore.schema import SLOT_S

TABLE = "site2crm_events"
WINDOW = 10_000
"""Inserts of all nodes together whose tokens are remembered: hours."""

_TEXT = "LowCardinality(String)"
COLUMNS: dict[str, str] = {
    "ts": "DateTime64(6, 'UTC') CODEC(Delta, ZSTD)",
    "org": _TEXT,
    "kind": _TEXT,
    "id": "String CODEC(ZSTD)",
    "visitor": "UInt64",
    "value": "Int64",
    "currency": _TEXT,
    **dict.fromkeys(DIMENSIONS, _TEXT),
}
"""What is inserted; `slot` is computed from it."""

_SLOT = f"UInt32 MATERIALIZED toUInt32(intDiv(toUnixTimestamp(ts), {SLOT_S})) CODEC(Delta, ZSTD)"
_SETTINGS = {
    "non_replicated_deduplication_window": WINDOW,
    "fsync_after_insert": 1,
    "fsync_part_directory": 1,
}
_UNKNOWN_DATABASE = 81

CREATE = f"""
CREATE TABLE IF NOT EXISTS {TABLE} (
  {", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())}, slot {_SLOT},
  INDEX by_id id TYPE bloom_filter(0.01) GRANULARITY 4
) ENGINE = MergeTree PARTITION BY toYYYYMM(ts) ORDER BY (org, kind, bot, ts)
SETTINGS {", ".join(f"{name} = {value}" for name, value in _SETTINGS.items())}
"""


OVERVIEW = (
    "SELECT version(), sum(rows), sum(bytes_on_disk) FROM system.parts "
    "WHERE database = currentDatabase() AND table = {table:String} AND active"
)
"""Version, events and bytes; also where there is no table yet."""


async def prepare(line: Line) -> None:
    """Make the table, or add what it lacks. One of another engine that the operator has made is taken as it is."""
    await line.tell_server("SELECT 1", timeout_s=PROBE_S)  # what is away is noticed soon
    try:
        await line.tell(CREATE)
    except Refused as error:
        if error.code != _UNKNOWN_DATABASE:
            raise
        await line.tell_server(f"CREATE DATABASE IF NOT EXISTS `{line.place.database}`")
        await line.tell(CREATE)
    known = "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {table:String}"
    there = {name for (name,) in await line.ask(known, {"table": TABLE})}
    for name, kind in COLUMNS.items():
        if name not in there:
            await line.tell(f"ALTER TABLE {TABLE} ADD COLUMN IF NOT EXISTS {name} {kind}")
