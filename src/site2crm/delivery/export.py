"""The list of deliveries as CSV, a few hundred at a time, so that no session stays open while somebody downloads."""

from collections.abc import AsyncIterator
from datetime import datetime

from site2crm.core.machine import Machine
from site2crm.delivery import queries, timeline
from site2crm.delivery.queries import DeliveryItem, Wanted
from site2crm.forms import queries as forms
from site2crm.kit import csv

AT_ONCE = 500
COLUMNS = (
    "id", "created_at", "state", "crm", "form", "lead", "submission", "attempts", "delivered_at", "remote_id",
    "remote_url", "deal_id", "error_code", "error_field", "error", "warnings",
)  # fmt: skip


async def lines(machine: Machine, org_id: str, wanted: Wanted) -> AsyncIterator[str]:
    """Every delivery that fits, newest first."""
    async with machine.session() as session:
        crms, form_names = await timeline.crm_names(session, org_id), await forms.names(session, org_id)
    yield csv.BOM + csv.row(COLUMNS)
    cursor: str | None = None
    while True:
        async with machine.session() as session:
            page = await queries.page_of_any_size(session, org_id, wanted, limit=AT_ONCE, cursor=cursor)
        yield "".join(_line(delivery, crms, form_names) for delivery in page.data)
        cursor = page.page.next_cursor
        if cursor is None:
            return


def _line(delivery: DeliveryItem, crms: dict[str, str], form_names: dict[str, str]) -> str:
    return csv.row(
        [
            delivery.id,
            _moment(delivery.created_at),
            delivery.state,
            crms.get(delivery.connection, ""),
            form_names.get(delivery.form, ""),
            delivery.lead,
            delivery.submission,
            str(delivery.attempts),
            _moment(delivery.delivered_at),
            delivery.remote_id,
            delivery.remote_url,
            delivery.deal_id,
            delivery.error_code,
            delivery.error_field,
            delivery.error,
            "; ".join(f"{warning['property']}: {warning['text']}".removeprefix(": ") for warning in delivery.warnings),
        ]
    )


def _moment(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else ""
