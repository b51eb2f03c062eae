"""HubSpot with very many deals, which says that there is no limit worth a word."""

from site2crm.demo.hubspot import HubSpot
from site2crm.demo.server import Answer, Request
from tests.bench.salesrooms import stock
from tests.bench.salesrooms.stock import to_the_ms

STAGES = ("appointmentscheduled", "contractsent", "closedwon", "closedlost")


class Unlimited(HubSpot):
    def answer(self, request: Request) -> Answer:
        answer = super().answer(request)
        for name in ("Max", "Remaining"):
            answer.headers[f"X-HubSpot-RateLimit-{name}"] = str(stock.NO_LIMIT)
        return answer


def room(deals: int = stock.DEALS) -> HubSpot:
    crm = Unlimited()
    owners = [crm.sales.add_owner(f"Owner{number}", "Seller") for number in range(stock.OWNERS)]
    people = [crm.add_contact(email=f"person{number}@example.com") for number in range(deals // stock.DEALS_EACH)]
    for number, chance, at in stock.spread(deals):
        stage = chance.choice(STAGES)
        closed = {"closedate": to_the_ms(at + stock.CLOSED_AFTER)} if stage.startswith("closed") else {}
        crm.sales.add(
            "deals", contacts=[chance.choice(people)], at=at, dealname=stock.title(number, chance),
            amount=f"{chance.randrange(100, 90_000)}.50", deal_currency_code=chance.choice(("EUR", "EUR", "USD")),
            hubspot_owner_id=chance.choice(owners), dealstage=stage, **closed,
        )  # fmt: skip
    for _, chance, at in stock.spread(deals // stock.DEALS_EACH):
        said = {"hubspot_owner_id": chance.choice(owners), "hs_timestamp": to_the_ms(at)}
        crm.sales.add("calls", contacts=[chance.choice(people)], at=at, **said)
    return crm
