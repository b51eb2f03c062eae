"""Deals and salespeople as CSV; deals a few hundred at a time, so that no session stays open during a download."""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime

from site2crm.core.machine import Machine
from site2crm.deals import queries
from site2crm.deals.queries import DealItem, Wanted
from site2crm.deals.ranking import Ranking
from site2crm.delivery import queries as delivery
from site2crm.kit import csv

AT_ONCE = 500
COLUMNS = (
    "id", "crm", "remote_id", "title", "status", "amount", "currency", "pipeline", "stage", "owner", "owner_email",
    "lead", "lead_name", "close_on", "closed_at", "created_at", "updated_at", "url",
)  # fmt: skip
PEOPLE = ("name", "email", "active", "crms", "calls", "emails", "meetings", "won", "amount", "currency", "score")


async def deals(machine: Machine, org_id: str, wanted: Wanted) -> AsyncIterator[str]:
    """Every deal that fits, newest first."""
    async with machine.session() as session:
        crms = await queries.selling(session, org_id)
    yield csv.BOM + csv.row(COLUMNS)
    cursor: str | None = None
    while True:
        async with machine.session() as session:
            page = await queries.page_of_any_size(session, org_id, wanted, limit=AT_ONCE, cursor=cursor)
            names = await delivery.lead_names(session, org_id, [deal.lead for deal in page.data if deal.lead])
        yield "".join(_line(deal, crms, names) for deal in page.data)
        cursor = page.page.next_cursor
        if cursor is None:
            return


def people(found: Ranking, crms: dict[str, str]) -> Iterator[str]:
    """A line for each person, and one more for each further currency, which has nothing but the amount: so whoever
    adds a column up counts nothing twice."""
    rows = []
    for one in found.people:
        told = ["" if count is None else str(count) for count in (one.calls, one.emails, one.meetings)]
        who = [
            one.name,
            one.email,
            "yes" if one.active else "no",
            ", ".join(crms.get(id, id) for id in one.connections),
        ]
        first, *others = [[amount.amount, amount.currency] for amount in one.amounts] or [["", ""]]
        rows.append([*who, *told, str(one.won), *first, f"{one.score:.1f}"])
        rows += [[*who, "", "", "", "", *other, ""] for other in others]
    return csv.lines(PEOPLE, rows)


def _line(deal: DealItem, crms: dict[str, str], names: dict[str, str]) -> str:
    return csv.row(
        [
            deal.id,
            crms.get(deal.connection, ""),
            deal.remote_id,
            deal.title,
            deal.status,
            deal.value.amount if deal.value else "",
            deal.value.currency if deal.value else "",
            deal.pipeline.label if deal.pipeline else "",
            deal.stage.label if deal.stage else "",
            deal.owner.name if deal.owner else "",
            deal.owner.email if deal.owner else "",
            deal.lead,
            names.get(deal.lead or "", ""),
            deal.close_on,
            _moment(deal.closed_at),
            _moment(deal.created_at),
            _moment(deal.updated_at),
            deal.url,
        ]
    )


def _moment(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else ""
