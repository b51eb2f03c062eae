"""Salesforce with very many opportunities, a fifth of which were leads."""

import re
from datetime import datetime

from site2crm.demo.salesforce import Salesforce
from site2crm.demo.server import Answer
from tests.bench.salesrooms import stock
from tests.bench.salesrooms.stock import Ordered, only

STAGES = ("Prospecting", "Negotiation", "Closed_Won", "Closed_Lost")
PART = re.compile(
    r"FROM Opportunity WHERE SystemModstamp >= (\S+)(?: AND SystemModstamp <= ([^\s)]+)|.* LIMIT (\d+)$)", re.DOTALL
)


class Quick(Salesforce):
    """Finds the opportunities of a time without looking at all of them."""

    opportunities: Ordered | None = None

    def _query(self, text: str, *, deleted_too: bool) -> Answer:
        part = PART.search(text)
        if part is None or self.opportunities is None:
            return super()._query(text, deleted_too=deleted_too)
        first, last = (datetime.fromisoformat(told) if told else None for told in part.groups()[:2])
        assert first is not None
        found = self.opportunities.between(first, last, most=int(part[3] or 0))
        with only(self.records.tables, "Opportunity", found):
            return super()._query(text, deleted_too=deleted_too)


def room(deals: int = stock.DEALS) -> Salesforce:
    crm = Quick()
    owners = [
        crm.add("User", Name=f"Owner{number} Seller", UserType="Standard", IsActive=True)
        for number in range(stock.OWNERS)
    ]
    people = [
        crm.add("Contact", LastName=f"Person {number}", Email=f"person{number}@example.com")
        for number in range(deals // stock.DEALS_EACH)
    ]
    leads = set(people)
    for number, chance, at in stock.spread(deals):
        stage, person, closes = chance.choice(STAGES), chance.choice(people), at + stock.CLOSED_AFTER
        made = {"CreatedDate": _written(at), "SystemModstamp": _written(at), "LastStageChangeDate": _written(closes)}
        deal = crm.add(
            "Opportunity", Name=stock.title(number, chance), StageName=stage, Amount=chance.randrange(100, 90_000) + 0.5,
            CloseDate=closes.date().isoformat(), OwnerId=chance.choice(owners), **made,
        )  # fmt: skip
        crm.add("OpportunityContactRole", OpportunityId=deal, ContactId=person, IsPrimary=True)
        if person in leads:
            leads.remove(person)
            into = {"ConvertedContactId": person, "ConvertedOpportunityId": deal}
            crm.add("Lead", LastName=f"Lead {number}", Company="Sample Ltd", IsConverted=True, **into)
    crm.opportunities = Ordered(crm.records.tables["Opportunity"], "SystemModstamp")
    for _, chance, at in stock.spread(deals // stock.DEALS_EACH):
        told = _written(at)
        crm.add(
            "Task", TaskSubtype="Call", Status="Completed", Subject="Call", OwnerId=chance.choice(owners),
            WhoId=chance.choice(people), ActivityDate=told[:10], CompletedDateTime=told,
            CallDurationInSeconds=stock.CALL_LASTS_S, CreatedDate=told, SystemModstamp=told,
        )  # fmt: skip
    return crm


def _written(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
