"""The list of leads as CSV, a few hundred at a time, so that no session stays open while somebody downloads."""

from collections.abc import AsyncIterator, Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core.machine import Machine
from site2crm.forms import queries as forms
from site2crm.kit import csv
from site2crm.leads import finding, queries
from site2crm.leads.finding import LeadItem, Wanted
from site2crm.leads.models import Lead

AT_ONCE = 500
TOUCH = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "gclid", "page_url", "referrer")
COLUMNS = (
    "id", "created_at", "last_at", "status", "email", "first_name", "last_name", "phone", "company", "message", "form",
    "submissions",
)  # fmt: skip


async def lines(machine: Machine, org_id: str, wanted: Wanted) -> AsyncIterator[str]:
    """Every lead that fits."""
    async with machine.session() as session:
        names, custom = await forms.names(session, org_id), await queries.custom_names(session, org_id)
    yield _header(custom)
    cursor: str | None = None
    while True:
        async with machine.session() as session:
            page = await finding.page_of_any_size(session, org_id, wanted, limit=AT_ONCE, cursor=cursor)
        yield "".join(_line(lead, names, custom) for lead in page.data)
        cursor = page.page.next_cursor
        if cursor is None:
            return


async def chosen_lines(session: AsyncSession, org_id: str, lead_ids: Sequence[str]) -> list[str]:
    """These leads, as ticked in the list."""
    names, custom = await forms.names(session, org_id), await queries.custom_names(session, org_id)
    rows = await session.execute(finding.items(org_id, lead_ids).order_by(Lead.created_at.desc()))
    return [_header(custom), *(_line(finding.item(row), names, custom) for row in rows)]


def _header(custom: Sequence[str]) -> str:
    return csv.BOM + csv.row([*COLUMNS, *TOUCH, "link", "consent", *custom])


def _line(lead: LeadItem, form_names: dict[str, str], custom: Sequence[str]) -> str:
    touch = lead.attribution.get("last", {})
    return csv.row(
        [
            lead.id,
            lead.created_at.isoformat(timespec="seconds"),
            lead.last_at.isoformat(timespec="seconds"),
            lead.status,
            lead.email,
            lead.first_name,
            lead.last_name,
            lead.phone,
            lead.company,
            lead.message,
            form_names.get(lead.form, ""),
            str(lead.submissions),
            *(touch.get(name) for name in TOUCH),
            touch.get("short_url"),
            "; ".join(f"{name}: {answer}" for name, answer in lead.consent.items()),
            *(lead.custom.get(name) for name in custom),
        ]
    )
