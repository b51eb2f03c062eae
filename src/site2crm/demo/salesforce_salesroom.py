"""The salespeople in the demo's Salesforce: they convert a lead, and the opportunity is its contact's."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from site2crm.demo.salesforce import Salesforce
from site2crm.demo.salesroom import Deed, Progress, Sale

_STAGES = {
    Progress.NEW: "Prospecting",
    Progress.OFFER: "Negotiation",
    Progress.WON: "Closed_Won",
    Progress.LOST: "Closed_Lost",
}
_LASTS = timedelta(minutes=45)
_CALL_S = 300


class SalesforceSalesroom:
    def __init__(self, crm: Salesforce) -> None:
        self._crm = crm

    def people(self) -> Sequence[tuple[str, str]]:
        return [(lead["Id"], lead.get("Email") or "") for lead in self._crm.all("Lead")]

    def hire(self, first: str, last: str) -> str:
        email = f"{first}.{last}@vega.example".lower()
        return self._crm.add("User", Name=f"{first} {last}", Email=email, UserType="Standard", IsActive=True)

    def sell(self, sale: Sale) -> None:
        _, deal = self._crm.records.convert(sale.person, opportunity=sale.title)
        made = {"OwnerId": sale.owner, "CreatedDate": _written(sale.opened_at), "StageName": _STAGES[sale.progress]}
        closes = sale.changed_at.date().isoformat()
        self._crm.records.change("Opportunity", deal, {**made, "Amount": float(sale.amount), "CloseDate": closes})
        self._crm.records.tables["Opportunity"][deal]["LastStageChangeDate"] = _written(sale.changed_at)

    def act(self, deed: Deed) -> None:
        about = {"OwnerId": deed.owner, "WhoId": deed.person, "Subject": deed.kind.capitalize()}
        begins = _written(deed.at)
        if deed.kind == "meeting":
            ends = _written(deed.at + _LASTS)
            self._crm.add("Event", StartDateTime=begins, EndDateTime=ends, **about)
        else:
            seconds = {"CallDurationInSeconds": _CALL_S} if deed.kind == "call" else {}
            self._crm.add("Task", TaskSubtype=deed.kind.capitalize(), Status="Completed", CompletedDateTime=begins,
                          ActivityDate=begins[:10], **seconds, **about)  # fmt: skip


def _written(moment: datetime) -> str:
    """UTC, the offset without a colon."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
