"""Pipedrive with very many deals; its limits are lifted."""

from site2crm.demo.pipedrive import Pipedrive
from tests.bench.salesrooms import stock
from tests.bench.salesrooms.stock import to_the_s

STATUSES = ("open", "open", "won", "lost")


def room(deals: int = stock.DEALS) -> Pipedrive:
    crm = Pipedrive()
    crm.limits.most = crm.limits.seats = stock.NO_LIMIT
    owners = [crm.add_user(f"Owner{number} Seller") for number in range(stock.OWNERS)]
    people = [crm.add_person(name=f"Person {number}") for number in range(deals // stock.DEALS_EACH)]
    for number, chance, at in stock.spread(deals):
        status = chance.choice(STATUSES)
        closed = {f"{status}_time": to_the_s(at + stock.CLOSED_AFTER)} if status != "open" else {}
        crm.add_deal(
            title=stock.title(number, chance), value=chance.randrange(100, 90_000), status=status,
            currency=chance.choice(("EUR", "EUR", "USD")), owner_id=chance.choice(owners),
            person_id=chance.choice(people), stage_id=chance.choice((1, 2, 3, 4)), add_time=to_the_s(at),
            update_time=to_the_s(at), **closed,
        )  # fmt: skip
    for _, chance, at in stock.spread(deals // stock.DEALS_EACH):
        told = to_the_s(at)
        about = [{"person_id": chance.choice(people), "primary": True}]
        said = {"due_date": told[:10], "due_time": told[11:16], "add_time": told, "update_time": told}
        crm.add_activity(type="call", owner_id=chance.choice(owners), participants=about, **said)
    return crm
