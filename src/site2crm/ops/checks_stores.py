"""Checks of what is stored: the records, their schema, the journal, the events, alarms, backups. Read only."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from site2crm.core import folder, heavy, migrate, sqlite
from site2crm.core.backup import shelf
from site2crm.core.config import Settings
from site2crm.core.config_types import Secret
from site2crm.core.errors import DatabaseBusy, DatabaseRefused
from site2crm.core.eventstore import file as events
from site2crm.core.journal import peek
from site2crm.core.journal.contract import EVENTS, SUBMISSIONS, Position
from site2crm.kit import clock
from site2crm.leads import queries as leads
from site2crm.ops import checks_clickhouse
from site2crm.ops.figures_told import Figures
from site2crm.ops.findings import Finding, failed, ok, warning

BACKUP_AGE = timedelta(days=2)
LARGE_WAL_BYTES = 256 << 20
LATE_S = 120
WAIT_S = 10.0
_FINE = "ok"


def stores(settings: Settings, figures: Figures, *, deep: bool) -> Iterator[Finding]:
    if isinstance(settings.records, Secret):
        yield from _elsewhere(settings, figures)
        return
    path = settings.data.dir / folder.DATABASE
    yield ok("sqlite", f"SQLite {sqlite.VERSION}")
    if not path.exists():
        yield ok("database", "there is none yet; the first start makes it")
        return
    broken = _integrity(path, deep=deep)
    yield broken or _size(path)
    if broken is not None:
        return
    yield _schema(*asyncio.run(migrate.status(settings.records)))
    connection = _open(path)
    try:
        yield _journal(settings, figures, connection)
        yield _jobs(connection)
        yield _alarms(connection)
    finally:
        connection.close()
    yield _events(settings, figures)
    yield _backup(settings)


def reachable(settings: Settings) -> Iterator[Finding]:
    """Whether the records can be read, and by this version."""
    if isinstance(settings.records, Secret):
        yield from _postgresql(settings)
        return
    if not settings.records.exists():
        yield ok("database", "there is none yet; the first start makes it")
        return
    try:
        with closing(_open(settings.records)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite.DatabaseError as error:
        yield failed("database", f"{settings.records}: {error}", "site2crm doctor says more")
        return
    yield ok("database", f"{settings.records} can be read")
    yield _schema(*asyncio.run(migrate.status(settings.records)))


def _elsewhere(settings: Settings, figures: Figures) -> Iterator[Finding]:
    """On PostgreSQL: what it holds is looked after there, and told by the running server at /admin/status."""
    yield from _postgresql(settings)
    if figures:
        yield _journal_of_node(settings, figures)
    yield _events(settings, figures)


def _postgresql(settings: Settings) -> Iterator[Finding]:
    try:
        current, wanted = asyncio.run(migrate.status(settings.records))
    except (DatabaseBusy, DatabaseRefused) as error:
        yield failed("database", f"PostgreSQL: {error}", "start it, and look at [database] url; forms and links go on")
    else:
        yield ok("database", "PostgreSQL answers")
        yield _schema(current, wanted)


def _open(path: Path) -> Any:
    return sqlite.connect(f"file:{path}?mode=ro", timeout_s=WAIT_S)


def _integrity(path: Path, *, deep: bool) -> Finding | None:
    cure = "stop the server, keep a copy of the data folder, and restore the last backup"
    try:
        connection = _open(path)
        rows = connection.execute(f"PRAGMA {'integrity_check' if deep else 'quick_check'}(5)").fetchall()
        connection.close()
    except sqlite.DatabaseError as error:
        return failed("database", f"{path}: {error}", cure)
    said = "; ".join(str(row[0]) for row in rows)
    return None if said == _FINE else failed("database", f"{path} is damaged: {said[:300]}", cure)


def _size(path: Path) -> Finding:
    log = path.with_name(path.name + "-wal")
    waiting = log.stat().st_size if log.exists() else 0
    says = f"whole, {path.stat().st_size / (1 << 20):,.1f} MiB"
    if waiting > LARGE_WAL_BYTES:
        cure = "restart the server; if it grows again, some reader stays open: see the log"
        return warning("database", f"{says}; its log has grown to {waiting >> 20} MiB", cure)
    return ok("database", says)


def _schema(current: str | None, wanted: str) -> Finding:
    if current == wanted:
        return ok("schema", f"{current}")
    if current is None:
        return ok("schema", "there is none yet; the first start makes it")
    if current not in migrate.revisions():
        return failed("schema", f"{current} was made by a newer version", "install that version again, or a newer one")
    return warning("schema", f"{current}, this version wants {wanted}", "site2crm migrate up (serve does it by itself)")


def _journal(settings: Settings, figures: Figures, connection: Any) -> Finding:
    """From the running server, else from the files and the positions beside them."""
    found = [
        peek.waiting(home, SUBMISSIONS, _position(connection, peek.epoch(home)))
        for home in peek.homes(settings.data.dir)
    ]
    records, aside = sum(each.records for each in found), sum(each.quarantined_files for each in found)
    oldest = min((each.oldest for each in found if each.oldest is not None), default=None)
    late_s = clock.unix() - oldest if oldest is not None else 0.0
    if figures:
        records = int(figures.get('journal_lag_records{stream="submissions"}', records))
        late_s = figures.get('journal_oldest_unread_seconds{stream="submissions"}', late_s)
    poisoned = _number(connection, "SELECT count(*) FROM poison_record")
    return _journal_says(figures, records=records, late_s=late_s, poisoned=poisoned, aside=aside)


def _journal_of_node(settings: Settings, figures: Figures) -> Finding:
    """How far it has been read stands in PostgreSQL, where only the running server looks."""
    found = [peek.waiting(home, SUBMISSIONS, None) for home in peek.homes(settings.data.dir)]
    return _journal_says(
        figures,
        records=int(figures.get('journal_lag_records{stream="submissions"}', 0)),
        late_s=figures.get('journal_oldest_unread_seconds{stream="submissions"}', 0.0),
        poisoned=0,
        aside=sum(each.quarantined_files for each in found),
    )


def _journal_says(figures: Figures, *, records: int, late_s: float, poisoned: int, aside: int) -> Finding:
    if poisoned or aside:
        says = f"{poisoned} submissions could not be stored and {aside} damaged pieces were set aside"
        return failed("journal", says, "nothing is lost: send us the log lines; the table poison_record has the bytes")
    if figures and late_s > LATE_S:
        says = f"{records} accepted submissions wait, the oldest for {late_s:.0f} s"
        return failed("journal", says, "see the log for consumer.waiting; they are safe, and applied once it is mended")
    waits = f"{records} accepted submissions wait{'' if figures else ' for the next start'}"
    return ok("journal", waits if records else "every accepted submission is a lead")


def _position(connection: Any, epoch: str) -> Position | None:
    sql = 'SELECT segment, "offset" FROM consumer_position WHERE consumer = ? AND epoch = ?'
    row = connection.execute(sql, (leads.CONSUMER, epoch)).fetchone()
    return Position(*row) if row is not None else None


def _jobs(connection: Any) -> Finding:
    late = _number(
        connection, "SELECT count(*) FROM job WHERE status = 'queued' AND scheduled < ?", clock.unix() - LATE_S
    )
    given_up = _number(connection, "SELECT count(*) FROM job WHERE status = 'failed'")
    if late:
        says = f"{late} jobs are overdue by more than {LATE_S // 60} minutes"
        return warning("jobs", says, "start the server; if it runs, look for job.failed and queue.waits in its log")
    if given_up:
        return warning(
            "jobs", f"{given_up} jobs were given up in the last 30 days", "their reasons stand on /admin/status"
        )
    return ok("jobs", "none is late")


def _alarms(connection: Any) -> Finding:
    rows = connection.execute("SELECT text FROM alarm WHERE org_id = '' AND cleared_at IS NULL").fetchall()
    others = _number(connection, "SELECT count(*) FROM alarm WHERE org_id <> '' AND cleared_at IS NULL")
    if rows:
        return warning(
            "alarms", " / ".join(str(row[0]) for row in rows)[:500], "each says what to do; see /admin/status"
        )
    return ok("alarms", f"none of the instance, {others} of organisations")


def _events(settings: Settings, figures: Figures) -> Finding:
    if settings.clickhouse is not None:
        return asyncio.run(checks_clickhouse.events(settings.clickhouse, figures))
    path = settings.data.dir / events.NAME
    if not path.exists():
        return ok("events", "no click has been counted yet")
    waiting = figures.get('journal_lag_records{stream="events"}')
    if waiting is not None:
        return ok("events", f"open in the running server, {waiting:.0f} clicks wait")
    try:
        connection = heavy.duckdb().connect(str(path), read_only=True)
        count, stored = events.count(connection), _event_positions(connection)
        connection.close()
    except Exception as error:
        if not isinstance(error, events.errors()):
            raise
        if "lock" in str(error).lower():
            return ok("events", "open in the running server")
        cure = "start the server: it puts a damaged file aside and begins a new one; leads are not touched by this"
        return failed("events", f"{path} cannot be opened: {str(error).partition(chr(10))[0][:200]}", cure)
    homes = peek.homes(settings.data.dir)
    waits = sum(peek.waiting(home, EVENTS, stored.get(peek.epoch(home))).records for home in homes)
    return ok("events", f"{count:,} stored, {waits} clicks wait for the next start")


def _event_positions(connection: Any) -> dict[str, Position]:
    """By the epoch of the journal."""
    rows = connection.execute('SELECT epoch, segment, "offset" FROM position').fetchall()
    return {epoch: Position(segment, offset) for epoch, segment, offset in rows}


def _backup(settings: Settings) -> Finding:
    found = shelf.listed(shelf.folder_of(settings))
    good = next((backup for backup in found if not backup.fault), None)
    if good is None:
        says = f"the last one is bad: {found[0].fault}" if found else "none was ever made"
        return warning("backup", says, "site2crm backup create")
    says = f"the last is of {good.made_at:%Y-%m-%d %H:%M} UTC, {'verified' if good.verified_at else 'not verified'}"
    if clock.now() - good.made_at > max(BACKUP_AGE, timedelta(seconds=2 * settings.backup.every)):
        return warning("backup", says, "site2crm backup create, and see the log why none was made since")
    return ok("backup", says)


def _number(connection: Any, sql: str, *values: float) -> int:
    return int(connection.execute(sql, values).fetchone()[0])
