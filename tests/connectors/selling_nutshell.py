"""The salespeople of the demo's Nutshell."""

from site2crm.connectors.contract import Act
from site2crm.demo.nutshell_sales import close_lead
from site2crm.kit import clock
from tests.connectors.selling import Selling
from tests.fakes.nutshell import NutshellFake

TYPES = {Act.CALL: "1-activityTypes", Act.MEETING: "2-activityTypes"}


def add_deal(fake: NutshellFake, *, title: str, amount: str, currency: str, person: str, owner: str) -> str:
    links = {"contacts": [person] if person else [], "owner": owner or None, "stage": "101-stages"}
    return fake.add_lead(title, value={"amount": amount, "currency": currency}, links=links)


def add_activity(fake: NutshellFake, kind: Act, *, owner: str, person: str) -> str:
    links = {"participants": [person, owner], "creator": owner, "activityType": TYPES[kind]}
    return fake.add_activity(at=int(clock.unix()) - 86_400, links=links)


SELLING = Selling(
    add_person=lambda fake: fake.add_contact(),
    remove_person=lambda fake, id: fake.delete("contacts", id),
    add_owner=lambda fake, first, last, *, active: fake.add_user(f"{first} {last}", active=active),
    add_deal=add_deal,
    win=lambda fake, id: close_lead(fake.records, fake.leads[id], "1-outcomes"),
    remove_deal=lambda fake, id: fake.delete("leads", id),
    add_activity=add_activity,
    deals=lambda fake: len(fake.leads),
)
