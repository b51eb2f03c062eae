"""Zoho CRM with very many deals, whose contacts were leads; with credits for more than a day."""

import re
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta

from site2crm.demo.server import Answer, Request
from site2crm.demo.zoho import Zoho
from site2crm.demo.zoho_records import ZONE
from tests.bench.salesrooms import stock
from tests.bench.salesrooms.stock import Ordered, only

DEALS = re.compile(r"from Deals where \(?Modified_Time >=? '(\S+)'.* limit 0, (\d+)$", re.DOTALL)
LEADS = re.compile(r"from Leads where Converted_Contact in \(([^)]+)\)")
STAGES = ("Qualification", "Proposal/Price Quote", "Closed Won", "Closed Lost")
LASTS = timedelta(seconds=stock.CALL_LASTS_S)


class Quick(Zoho):
    """Finds deals of a time, and the leads that contacts were, without looking at all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.deals: Ordered | None = None
        self.lead_of: dict[str, str] = {}

    def coql(self, request: Request) -> Answer:
        with self._part(request.json()["select_query"]):
            return super().coql(request)

    def _part(self, query: str) -> AbstractContextManager[None]:
        if self.deals is not None and (asked := DEALS.search(query)):
            found = self.deals.between(datetime.fromisoformat(asked[1]), None, most=int(asked[2]))
            return only(self.records, "Deals", found)
        if asked := LEADS.search(query):
            ids = [self.lead_of[contact.strip("' ")] for contact in asked[1].split(",")]
            return only(self.records, "Leads", {id: self.records["Leads"][id] for id in ids})
        return nullcontext()


def room(deals: int = stock.DEALS) -> Zoho:
    crm = Quick()
    crm.credits = stock.NO_LIMIT
    owners = [{"id": crm.add_user(f"Owner{number}", "Seller", active=True)} for number in range(stock.OWNERS)]
    people = [_person(crm, number) for number in range(deals // stock.DEALS_EACH)]
    for number, chance, at in stock.spread(deals):
        crm.add(
            "Deals", Deal_Name=stock.title(number, chance), Amount=chance.randrange(100, 90_000) + 0.5,
            Stage=chance.choice(STAGES), Pipeline="Standard", Owner=chance.choice(owners),
            Contact_Name=chance.choice(people), Closing_Date=(at + stock.CLOSED_AFTER).date().isoformat(),
            Created_Time=_written(at), Modified_Time=_written(at),
        )  # fmt: skip
    crm.deals = Ordered(crm.records["Deals"], "Modified_Time")
    for _, chance, at in stock.spread(deals // stock.DEALS_EACH):
        said = {"Subject": "Call", "Call_Type": "Outbound", "Call_Duration_in_seconds": stock.CALL_LASTS_S}
        links = {"Who_Id": chance.choice(people), "Owner": chance.choice(owners)}
        times = {"Call_Start_Time": _written(at - LASTS), "Created_Time": _written(at), "Modified_Time": _written(at)}
        crm.add("Calls", **said, **links, **times)
    return crm


def _person(crm: Quick, number: int) -> dict[str, str]:
    """The link to a contact who was a lead."""
    said = {"Last_Name": f"Person {number}", "Email": f"person{number}@example.com"}
    contact = {"id": crm.add("Contacts", **said)}
    lead = crm.add("Leads", **said, Company="Sample Ltd", Converted__s=True, Converted_Contact=contact)
    crm.lead_of[contact["id"]] = lead
    return contact


def _written(at: datetime) -> str:
    return at.astimezone(ZONE).isoformat(timespec="seconds")
