"""Nutshell with very many leads, as deals are called there."""

from site2crm.demo.nutshell import Nutshell
from site2crm.demo.nutshell_records import Record, when
from site2crm.demo.nutshell_sales import money
from site2crm.demo.server import Request
from tests.bench.salesrooms import stock

STAGES = ("101-stages", "102-stages", "103-stages")
OUTCOMES = {"won": "1-outcomes", "lost": "2-outcomes", "open": None}


class Quick(Nutshell):
    """Puts the leads into an order once, and not for each page of them."""

    def __init__(self) -> None:
        super().__init__()
        self._ordered: dict[tuple[str, int], list[Record]] = {}

    def _wanted(self, table: str, request: Request) -> list[Record]:
        if table != "leads" or set(request.query) != {"page[page]", "page[limit]", "sort"}:
            return super()._wanted(table, request)
        order = request.query["sort"], len(self.leads)
        if order not in self._ordered:
            self._ordered = {order: super()._wanted(table, request)}
        return self._ordered[order]


def room(deals: int = stock.DEALS) -> Nutshell:
    crm = Quick()
    owners = [crm.add_user(f"Owner{number} Seller", active=True) for number in range(stock.OWNERS)]
    people = [crm.add_contact(name=f"Person {number}") for number in range(deals // stock.DEALS_EACH)]
    for number, chance, at in stock.spread(deals):
        status = chance.choice(("open", "open", "won", "lost"))
        closed = when((at + stock.CLOSED_AFTER).timestamp()) if OUTCOMES[status] else None
        links = {"contacts": [chance.choice(people)], "owner": chance.choice(owners), "outcome": OUTCOMES[status],
                 "stageset": "1-stagesets", "stage": chance.choice(STAGES)}  # fmt: skip
        crm.add_lead(
            stock.title(number, chance), at=at.timestamp(), value=money(f"{chance.randrange(100, 90_000)}.50"),
            status=status, createdTime=when(at.timestamp()), closedTime=closed, links=links,
        )  # fmt: skip
    for _, chance, at in stock.spread(deals // stock.DEALS_EACH):
        person, owner = chance.choice(people), chance.choice(owners)
        links = {"participants": [person, owner], "creator": owner, "activityType": "1-activityTypes"}
        crm.add_activity(at=int(at.timestamp()), seconds=stock.CALL_LASTS_S, links=links)
    return crm
