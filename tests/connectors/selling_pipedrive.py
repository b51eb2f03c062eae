"""The salespeople of the demo's Pipedrive."""

from site2crm.connectors.contract import Act
from tests.connectors.selling import Selling
from tests.fakes.pipedrive import PipedriveFake


def add_deal(fake: PipedriveFake, *, title: str, amount: str, currency: str, person: str, owner: str) -> str:
    about = {"person_id": int(person)} if person else {}
    return str(fake.add_deal(title=title, value=float(amount), currency=currency, owner_id=int(owner or 1), **about))


def add_owner(fake: PipedriveFake, first: str, last: str, *, active: bool) -> str:
    id = fake.add_user(f"{first} {last}")
    fake.users[-1]["active_flag"] = active
    return str(id)


def add_activity(fake: PipedriveFake, kind: Act, *, owner: str, person: str) -> str:
    about = [{"person_id": int(person), "primary": True}]
    return str(fake.add_activity(type=kind.value, owner_id=int(owner), participants=about))


def win(fake: PipedriveFake, id: str) -> object:
    return fake.deals.change(fake.deals.rows[int(id)], {"status": "won", "won_time": "2026-11-20T00:00:00Z"})


SELLING = Selling(
    add_person=lambda fake: str(fake.add_person(name=f"Person {len(fake.people)}")),
    remove_person=lambda fake, id: fake.persons.change(fake.persons.rows[int(id)], {"is_deleted": True}),
    add_owner=add_owner,
    add_deal=add_deal,
    win=win,
    remove_deal=lambda fake, id: fake.deals.change(fake.deals.rows[int(id)], {"is_deleted": True}),
    add_activity=add_activity,
    deals=lambda fake: len(fake.deals.rows),
    page=500,
)
