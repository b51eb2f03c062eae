"""The salespeople in the demo's HubSpot."""

from collections.abc import Sequence
from datetime import datetime

from site2crm.demo.hubspot import HubSpot
from site2crm.demo.salesroom import Deed, Progress, Sale
from site2crm.kit import clock

_STAGES = {
    Progress.NEW: "appointmentscheduled",
    Progress.OFFER: "contractsent",
    Progress.WON: "closedwon",
    Progress.LOST: "closedlost",
}
_RECORDS = {"call": "calls", "email": "emails", "meeting": "meetings"}


class HubSpotSalesroom:
    def __init__(self, crm: HubSpot) -> None:
        self._crm = crm

    def people(self) -> Sequence[tuple[str, str]]:
        return [(id, contact["properties"].get("email", "")) for id, contact in self._crm.contacts.items()]

    def hire(self, first: str, last: str) -> str:
        return self._crm.sales.add_owner(first, last)

    def sell(self, sale: Sale) -> None:
        closes = {"closedate": _iso(sale.changed_at)} if sale.progress in (Progress.WON, Progress.LOST) else {}
        id = self._crm.sales.add(
            "deals",
            contacts=[sale.person],
            at=clock.now(),
            createdate=_iso(sale.opened_at),
            dealname=sale.title,
            amount=str(sale.amount),
            deal_currency_code=sale.currency,
            hubspot_owner_id=sale.owner,
        )
        self._crm.sales.change("deals", id, at=clock.now(), dealstage=_STAGES[sale.progress], **closes)

    def act(self, deed: Deed) -> None:
        self._crm.sales.add(
            _RECORDS[deed.kind],
            contacts=[deed.person],
            at=clock.now(),
            hubspot_owner_id=deed.owner,
            hs_timestamp=_iso(deed.at),
        )


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
