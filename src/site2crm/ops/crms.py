"""How every connection of some orgs is: what connectors, delivery and deals know of it, in a handful of queries."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import queries as connections
from site2crm.connectors import service as connecting
from site2crm.connectors.errors import ConnectionNotFound
from site2crm.connectors.queries import ConnectionRef, ConnectionRow
from site2crm.core.access import OrgRef
from site2crm.core.formats import plural
from site2crm.core.machine import Machine
from site2crm.deals import service as deals
from site2crm.deals.service import Reading
from site2crm.delivery import queries as delivery
from site2crm.delivery.queries import Pace
from site2crm.kit import clock

SLOW = timedelta(minutes=15)
"""A lead that waits for longer where nothing is stopped is worth a look."""
OFTEN = 0.1
"""The part of the leads of a day that may fail before somebody should look."""
BAD, WARN = "bad", "warn"
MOST_DRIFT = 2
"""Lines in a dashboard's row."""
_TAKES = ("active", "draining")
_RANK = {BAD: 0, WARN: 1}


class Trouble(Struct, frozen=True):
    """What is wrong, and the page on which it is mended."""

    tone: str
    text: str
    action: str
    url: str


class LimitLeft(Struct, frozen=True):
    """Calls that the CRM still takes from us, of how many within how many seconds, as it said itself."""

    calls: int
    of: int
    window_s: float


class ConnectionHealth(Struct, frozen=True, kw_only=True):
    """How a connection is now. Null: not known, or nothing to say.

    `lag_s`: how long the oldest lead that waits has waited. `failing`: leads of the last 24 hours that the CRM refused
    or failed at; `error_rate` is their part of those that it has answered. `limit_left`: empty where the CRM tells
    nothing. `access_until`: when the access token ends; it is renewed before by itself. `deals_read_at`: when all that
    is read back was last there; `deals`: how far the reading is. `missing`: leads that we delivered and the CRM no
    longer has.
    """

    id: str
    kind: str
    name: str
    state: str
    state_reason: str
    state_at: datetime
    delivered_hour: int
    delivered_day: int
    delivered_at: datetime | None
    waiting: int
    oldest_waiting: datetime | None
    lag_s: float | None
    refused: int
    failing: int
    error_rate: float | None
    limit_left: list[LimitLeft]
    paused_until: datetime | None
    access_until: datetime | None
    tested_at: datetime | None
    deals_read_at: datetime | None
    deals_error: str
    deals: Reading | None
    missing: int
    troubles: list[Trouble]


class Crm(Struct, frozen=True):
    """One line of a dashboard."""

    org: OrgRef
    row: ConnectionRow
    health: ConnectionHealth

    @property
    def url(self) -> str:
        return f"/o/{self.org.slug}/crms/{self.row.id}"

    @property
    def rank(self) -> int:
        """The worst first; what is stopped on purpose comes after what is in trouble."""
        worst = min((_RANK[trouble.tone] for trouble in self.health.troubles), default=len(_RANK))
        return worst if worst < len(_RANK) else len(_RANK) + (self.row.state in _TAKES)


async def look(machine: Machine, session: AsyncSession, orgs: Sequence[OrgRef]) -> list[Crm]:
    """All connections of these orgs, those in trouble first. As many queries for a hundred as for one."""
    found = await connections.in_orgs(session, [org.id for org in orgs])
    ids = [row.id for _, row in found]
    paces = await delivery.paces(session, ids)
    missing = await delivery.missing_counts(session, ids)
    reads = await deals.readings(session, machine, [_ref(org_id, row) for org_id, row in found])
    known = {org.id: org for org in orgs}
    crms = [
        _crm(machine, known[org_id], row, pace=paces[row.id], read=reads.get(row.id), missing=missing.get(row.id, 0))
        for org_id, row in found
    ]
    return sorted(crms, key=lambda crm: (crm.rank, crm.org.name.casefold(), crm.row.name.casefold()))


async def look_at(machine: Machine, session: AsyncSession, org: OrgRef, connection_id: str) -> ConnectionHealth:
    """Raises ConnectionNotFound."""
    for crm in await look(machine, session, [org]):
        if crm.row.id == connection_id:
            return crm.health
    raise ConnectionNotFound


def _crm(machine: Machine, org: OrgRef, row: ConnectionRow, *, pace: Pace, read: Reading | None, missing: int) -> Crm:
    now = clock.now()
    left = [LimitLeft(*each) for each in connecting.limits_left(machine, row.id)]
    health = ConnectionHealth(
        id=row.id,
        kind=row.kind,
        name=row.name,
        state=row.state,
        state_reason=row.state_reason,
        state_at=row.state_at,
        delivered_hour=pace.delivered_hour,
        delivered_day=pace.delivered_day,
        delivered_at=pace.delivered_at,
        waiting=pace.waiting,
        oldest_waiting=pace.oldest_waiting,
        lag_s=max(0.0, (now - pace.oldest_waiting).total_seconds()) if pace.oldest_waiting else None,
        refused=pace.refused,
        failing=pace.failing,
        error_rate=pace.error_rate,
        limit_left=left,
        paused_until=connecting.paused_until(row.paused_until),
        access_until=row.grant_expires_at,
        tested_at=row.checked_at,
        deals_read_at=read.read_at if read else None,
        deals_error=read.error if read else "",
        deals=read,
        missing=missing,
        troubles=_troubles(org, row, pace, read=read, missing=missing),
    )
    return Crm(org, row, health)


def _ref(org_id: str, row: ConnectionRow) -> ConnectionRef:
    return ConnectionRef(row.id, org_id, row.kind, row.name, row.state, row.paused_until)


def _troubles(org: OrgRef, row: ConnectionRow, pace: Pace, *, read: Reading | None, missing: int) -> list[Trouble]:
    url, sent = f"/o/{org.slug}/crms/{row.id}", f"/o/{org.slug}/deliveries?connection={row.id}"
    found = []
    if row.state == "parked":
        found.append(Trouble(BAD, f"Stopped: {connections.sentence(row.state_reason)}", "Reconnect", url))
    if row.state == "active" and row.checked_at is None and pace.delivered_at is None:
        found.append(Trouble(WARN, "Not tested yet, and nothing has arrived there.", "Open", url))
    if pace.refused:
        text = f"{plural(pace.refused, 'lead was', 'leads were')} refused."
        found.append(Trouble(WARN, text, "Look", f"{sent}&state=dead"))
    if _is_slow(row, pace):
        text = f"{plural(pace.waiting, 'lead waits', 'leads wait')}, and nothing is stopped."
        found.append(Trouble(WARN, text, "Look", f"{sent}&state=waiting"))
    if pace.error_rate is not None and pace.error_rate >= OFTEN and pace.failing > pace.refused:
        text = f"{plural(pace.failing, 'lead')} of the last 24 hours failed."
        found.append(Trouble(WARN, text, "Look", f"{sent}&state=retrying"))
    if missing:
        text = f"{plural(missing, 'lead')} that arrived there {'is' if missing == 1 else 'are'} gone."
        found.append(Trouble(WARN, text, "Look", f"{url}#compared"))
    if read is not None and read.fails:
        found.append(Trouble(WARN, f"Deals are not read: {connections.sentence(read.error)}", "Open", url))
    return [*found, *(Trouble(WARN, text, "Mend the mapping", f"{url}/mapping") for text in _of_mapping(row))]


def _of_mapping(row: ConnectionRow) -> list[str]:
    """What the CRM left out, and what does not fit before any lead has told; the page of the mapping has the rest."""
    warned = [str(warning["property"]) for warning in row.warnings]
    drift = [each for each in row.drift if each["name"] not in warned]
    more = [f"And {plural(len(drift) - MOST_DRIFT, 'thing')} more in the mapping."] if len(drift) > MOST_DRIFT else []
    return [
        *(f"Leads arrive without {name}." for name in warned),
        *(each["text"] for each in drift[:MOST_DRIFT]),
        *more,
    ]


def _is_slow(row: ConnectionRow, pace: Pace) -> bool:
    waits = pace.oldest_waiting is not None and pace.oldest_waiting < clock.now() - SLOW
    return waits and row.state in _TAKES and connecting.paused_until(row.paused_until) is None
