"""The salespeople of the demo's Salesforce, whose org has two currencies."""

from datetime import UTC, datetime
from typing import Any

from site2crm.connectors.contract import Act
from tests.connectors.selling import Selling
from tests.fakes.salesforce import SalesforceFake

_AT = datetime(2026, 11, 2, 9, tzinfo=UTC).isoformat().replace("+00:00", ".000+0000")


def server() -> SalesforceFake:
    fake = SalesforceFake()
    fake.sign_in.session_s = 86_400  # the tests travel some hours
    fake.switch_on_currencies("EUR", "USD")
    return fake


def add_owner(fake: SalesforceFake, first: str, last: str, *, active: bool) -> str:
    email = f"{first}@acme.example".lower()
    return fake.add("User", Name=f"{first} {last}", Email=email, IsActive=active, UserType="Standard")


def add_deal(fake: SalesforceFake, *, title: str, amount: str, currency: str, person: str, owner: str) -> str:
    said: dict[str, Any] = {"OwnerId": owner} if owner else {}
    id = fake.add("Opportunity", Name=title, Amount=float(amount), CurrencyIsoCode=currency, StageName="Prospecting",
                  CloseDate="2026-12-31", **said)  # fmt: skip
    if person:
        fake.add("OpportunityContactRole", OpportunityId=id, ContactId=person, IsPrimary=True)
    return id


def add_activity(fake: SalesforceFake, kind: Act, *, owner: str, person: str) -> str:
    about = {"OwnerId": owner, "WhoId": person, "Subject": kind.value}
    if kind is Act.MEETING:
        return fake.add("Event", StartDateTime=_AT, EndDateTime=_AT, **about)
    return fake.add("Task", TaskSubtype=kind.value.capitalize(), Status="Completed", ActivityDate="2026-11-02", **about)


SELLING = Selling(
    add_person=lambda fake: fake.add("Contact", LastName="Lovelace", Email=f"p{len(fake.people)}@example.com"),
    remove_person=lambda fake, id: fake.records.delete(id),
    add_owner=add_owner,
    add_deal=add_deal,
    win=lambda fake, id: fake.records.change("Opportunity", id, {"StageName": "Closed_Won", "CloseDate": "2026-11-20"}),
    remove_deal=lambda fake, id: fake.records.delete(id),
    add_activity=add_activity,
    deals=lambda fake: len(fake.all("Opportunity")),
    page=2_000,
)
