"""The salespeople in the demo's Zoho CRM, which knows no e-mails of theirs."""

from collections.abc import Sequence

from site2crm.demo.salesroom import Deed, Progress, Sale
from site2crm.demo.zoho import Zoho

_STAGES = {
    Progress.NEW: "Qualification",
    Progress.OFFER: "Proposal/Price Quote",
    Progress.WON: "Closed Won",
    Progress.LOST: "Closed Lost",
}


class ZohoSalesroom:
    def __init__(self, crm: Zoho) -> None:
        self._crm = crm

    def people(self) -> Sequence[tuple[str, str]]:
        return [(person["id"], str(person["Email"] or "")) for person in self._crm.people]

    def hire(self, first: str, last: str) -> str:
        return self._crm.add_user(first, last, active=True)

    def sell(self, sale: Sale) -> None:
        self._crm.add(
            "Deals",
            Deal_Name=sale.title,
            Amount=float(sale.amount),
            Stage=_STAGES[sale.progress],
            Pipeline="Standard",
            Closing_Date=sale.changed_at.date().isoformat(),
            Contact_Name={"id": sale.person},
            Owner={"id": sale.owner},
            Modified_Time=sale.changed_at.isoformat(timespec="seconds"),
        )

    def act(self, deed: Deed) -> None:
        at = deed.at.isoformat(timespec="seconds")
        who = {"Owner": {"id": deed.owner}, "Who_Id": {"id": deed.person}, "Modified_Time": at}
        if deed.kind == "call":
            told = {"Subject": "Call", "Call_Type": "Outbound", "Call_Start_Time": at, "Call_Duration": "05:00"}
            self._crm.add("Calls", **told, Call_Duration_in_seconds=300, **who)
        elif deed.kind == "meeting":
            self._crm.add("Events", Event_Title="Meeting", Start_DateTime=at, End_DateTime=at, **who)
