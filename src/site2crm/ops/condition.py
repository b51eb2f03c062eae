"""Which parts of the product work: for `/health`, `/status` and the administrator. No tenant, no person, no version."""

import asyncio
import shutil
import time
from enum import StrEnum
from pathlib import Path

from msgspec import Struct
from sqlalchemy import text

from site2crm.core.errors import AppError
from site2crm.core.eventstore import access as events
from site2crm.core.machine import Machine
from site2crm.core.queue.store import JobStats

DATABASE_WAIT_S = 2.0
LAG_S = 60
WAIT_S = 120
"""Jobs and clicks may wait this long on a busy day without anything being wrong."""
FRESH_S = 5.0
"""The public page is made anew at most this often: strangers may ask for it as often as they like."""

_PAGE_BYTES = 4096


class State(StrEnum):
    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"


class Part(Struct, frozen=True):
    """`says` is one sentence that a stranger may read."""

    code: str
    name: str
    state: State
    says: str


class Condition(Struct, frozen=True):
    status: State
    parts: list[Part]


class Watch:
    """The last look, kept for a moment."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._seen: Condition | None = None
        self._seen_at = 0.0

    async def look(self, machine: Machine) -> Condition:
        async with self._lock:
            if self._seen is None or time.monotonic() - self._seen_at >= FRESH_S:
                self._seen, self._seen_at = await look(machine), time.monotonic()
            return self._seen


async def look(machine: Machine) -> Condition:
    """Ask every part now."""
    answers, jobs = await database_answers(machine), None
    if answers and machine.jobs is not None:
        jobs = await machine.jobs.stats()
    stats = machine.inheritance.stats()
    parts = [
        _forms(stats.submissions.oldest_unread_s),
        Part("links", "Short links", State.UP, "Links lead where they should, and every click is kept."),
        _dashboard(answers),
        _deliveries(jobs),
        _clicks(stats.events.oldest_unread_s, is_away=events.is_away(machine)),
    ]
    return Condition(_worst(parts), parts)


async def database_answers(machine: Machine) -> bool:
    try:
        async with asyncio.timeout(DATABASE_WAIT_S), machine.session() as session:
            await session.execute(text("SELECT 1"))
    except (AppError, TimeoutError):
        return False
    return True


def has_space(machine: Machine) -> bool:
    return shutil.disk_usage(machine.data_dir).free >= machine.settings.data.min_free


def memory_bytes() -> int:
    """Resident memory of this process; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return 0


def _forms(lag_s: float) -> Part:
    if lag_s < LAG_S:
        return Part("forms", "Forms", State.UP, "Submissions are accepted and become leads at once.")
    return Part("forms", "Forms", State.DEGRADED, "Submissions are accepted and kept; they are leads later than usual.")


def _dashboard(answers: bool) -> Part:
    if answers:
        return Part("dashboard", "Dashboard and API", State.UP, "Pages and the API answer.")
    return Part("dashboard", "Dashboard and API", State.DOWN, "The database does not answer. Forms and links go on.")


def _deliveries(jobs: JobStats | None) -> Part:
    if jobs is None:
        return Part("deliveries", "Deliveries to CRMs", State.DOWN, "Leads wait until the database answers again.")
    if jobs.oldest_due_s < WAIT_S:
        return Part("deliveries", "Deliveries to CRMs", State.UP, "Leads go to their CRMs as they come in.")
    return Part("deliveries", "Deliveries to CRMs", State.DEGRADED, "Leads go to their CRMs later than usual.")


def _clicks(lag_s: float, *, is_away: bool) -> Part:
    if is_away:
        says = "Clicks are kept; the figures wait for the event store."
        return Part("clicks", "Click figures", State.DEGRADED, says)
    if lag_s < WAIT_S:
        return Part("clicks", "Click figures", State.UP, "Figures are up to date.")
    return Part("clicks", "Click figures", State.DEGRADED, "Clicks are kept; the figures are behind.")


def _worst(parts: list[Part]) -> State:
    found = {part.state for part in parts}
    return next((state for state in (State.DOWN, State.DEGRADED) if state in found), State.UP)
