"""The salespeople in the demo's Zoho CRM: they convert a lead, and the deal is its contact's."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from site2crm.demo.salesroom import Deed, Progress, Sale
from site2crm.demo.zoho import Zoho
from site2crm.demo.zoho_records import ZONE
from site2crm.kit import clock

_STAGES = {
    Progress.NEW: "Qualification",
    Progress.OFFER: "Proposal/Price Quote",
    Progress.WON: "Closed Won",
    Progress.LOST: "Closed Lost",
}
_LASTS = timedelta(minutes=30)
_AMPLE = 10_000_000


def in_london() -> Zoho:
    """An organisation that keeps pounds, with credits for a month in a minute."""
    crm = Zoho()
    crm.org |= {"iso_code": "GBP", "currency": "Pound - GBP", "currency_symbol": "£", "country_code": "GB"}
    crm.org |= {"time_zone": "Europe/London", "company_name": "Harbor Legal"}
    crm.credits = _AMPLE
    return crm


class ZohoSalesroom:
    def __init__(self, crm: Zoho) -> None:
        self._crm = crm

    def people(self) -> Sequence[tuple[str, str]]:
        return [(person["id"], person["Email"] or "") for person in self._crm.people]

    def hire(self, first: str, last: str) -> str:
        return self._crm.add_user(first, last, active=True)

    def sell(self, sale: Sale) -> None:
        deal: dict[str, Any] = {
            "Deal_Name": sale.title,
            "Amount": sale.amount,
            "Stage": _STAGES[sale.progress],
            "Pipeline": "Standard",
            "Closing_Date": sale.changed_at.date().isoformat(),
            "Owner": {"id": sale.owner},
            "Created_Time": _written(sale.opened_at),
            "Modified_Time": _written(clock.now()),
        }
        contact = self._contact(sale.person)
        if contact is None:
            self._crm.convert_lead(sale.person, deal)
        else:
            self._crm.add("Deals", **deal, Contact_Name=contact)

    def act(self, deed: Deed) -> None:
        """Zoho keeps e-mails with each record, and lists them nowhere else."""
        at, person = _written(deed.at), self._contact(deed.person)
        links = {"Who_Id": person} if person else {"What_Id": {"id": deed.person}}
        common = {"Owner": {"id": deed.owner}, "Created_Time": at, "Modified_Time": _written(clock.now()), **links}
        if deed.kind == "call":
            length = {"Call_Duration": "04:00", "Call_Duration_in_seconds": 240}
            self._crm.add("Calls", Subject="Call", Call_Type="Outbound", Call_Start_Time=at, **length, **common)
        elif deed.kind == "meeting":
            end = _written(deed.at + _LASTS)
            self._crm.add("Events", Event_Title="Meeting", Start_DateTime=at, End_DateTime=end, **common)

    def _contact(self, person: str) -> Any:
        """The link to whom a lead has become, or to somebody who was never one; None: still a lead."""
        lead = self._crm.records["Leads"].get(person)
        return lead["Converted_Contact"] if lead else {"id": person}


def _written(moment: datetime) -> str:
    return moment.astimezone(ZONE).isoformat(timespec="seconds")
