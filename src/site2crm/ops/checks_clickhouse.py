"""Checks of a ClickHouse that clicks are counted in, for `doctor` and `check --online`."""

from site2crm.core.config import ClickHouse
from site2crm.core.eventstore import clickhouse_schema
from site2crm.core.eventstore.clickhouse_line import Away, Line, Refused
from site2crm.ops.figures_told import Figures
from site2crm.ops.findings import Finding, failed, ok

WAIT_S = 10.0
_DATABASE_TO_BE_MADE = 81


async def events(place: ClickHouse, figures: Figures) -> Finding:
    """Whether it answers to our user, and what it holds."""
    line = Line(place)
    try:
        await line.tell_server("SELECT 1", timeout_s=WAIT_S)
        rows = await line.ask(clickhouse_schema.OVERVIEW, {"table": clickhouse_schema.TABLE})
    except (Away, Refused) as error:
        if isinstance(error, Refused) and error.code == _DATABASE_TO_BE_MADE:
            return ok("events", f"ClickHouse answers at {place}; the first start makes the database {place.database}")
        cure = "start it, and look at [events] url: address, user, password, database; clicks wait in the journal"
        return failed("events", f"ClickHouse at {place}: {error}", cure)
    finally:
        await line.close()
    waiting = figures.get('journal_lag_records{stream="events"}')
    waits = "" if waiting is None else f", {waiting:.0f} clicks wait"
    version, count, size = rows[0]
    return ok("events", f"ClickHouse {version} at {place}: {count:,} stored, {size / (1 << 20):,.1f} MiB{waits}")
