"""The salespeople of the demo's HubSpot."""

from site2crm.connectors.contract import Act
from site2crm.connectors.hubspot.records import ACTS
from tests.connectors.selling import Selling
from tests.fakes.hubspot import HubSpotFake


def add_deal(fake: HubSpotFake, *, title: str, amount: str, currency: str, person: str, owner: str) -> str:
    about = [person] if person else []
    said = {"dealname": title, "amount": amount, "deal_currency_code": currency, "hubspot_owner_id": owner}
    return fake.sales.add("deals", contacts=about, **said)


def add_activity(fake: HubSpotFake, kind: Act, *, owner: str, person: str) -> str:
    return fake.sales.add(ACTS[kind], contacts=[person], hubspot_owner_id=owner, hs_timestamp="2026-11-02T09:00:00Z")


SELLING = Selling(
    add_person=lambda fake: fake.add_contact(email=f"p{len(fake.contacts)}@example.com"),
    remove_person=lambda fake, id: fake.contacts.pop(id),
    add_owner=lambda fake, first, last, *, active: fake.sales.add_owner(first, last, active=active),
    add_deal=add_deal,
    win=lambda fake, id: fake.sales.change("deals", id, dealstage="closedwon", closedate="2026-11-20T00:00:00Z"),
    remove_deal=lambda fake, id: fake.sales.archive("deals", id),
    add_activity=add_activity,
    deals=lambda fake: len(fake.sales.records["deals"]),
)
