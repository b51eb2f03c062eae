"""The salespeople in the demo's HubSpot."""

from collections.abc import Sequence

from site2crm.demo.hubspot import HubSpot
from site2crm.demo.salesroom import Deed, Progress, Sale

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
        closes = {"closedate": _iso(sale)} if sale.progress in (Progress.WON, Progress.LOST) else {}
        id = self._crm.sales.add(
            "deals",
            contacts=[sale.person],
            at=sale.opened_at,
            dealname=sale.title,
            amount=str(sale.amount),
            deal_currency_code=sale.currency,
            hubspot_owner_id=sale.owner,
        )
        self._crm.sales.change("deals", id, at=sale.changed_at, dealstage=_STAGES[sale.progress], **closes)

    def act(self, deed: Deed) -> None:
        at = deed.at.isoformat().replace("+00:00", "Z")
        of = _RECORDS[deed.kind]
        self._crm.sales.add(of, contacts=[deed.person], at=deed.at, hubspot_owner_id=deed.owner, hs_timestamp=at)


def _iso(sale: Sale) -> str:
    return sale.changed_at.isoformat().replace("+00:00", "Z")
