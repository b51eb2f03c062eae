"""A CRM with very many deals, in a process of its own: `python -m tests.bench.salesroom hubspot --port 9401`.

Its limits are lifted: what is measured is what reads from it.
"""

import argparse
import asyncio
import random
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from site2crm.demo.hubspot import HubSpot
from site2crm.demo.pipedrive import Pipedrive
from site2crm.demo.server import Answer, Request

OWNERS, PEOPLE, DEALS, CALLS = 40, 20_000, 100_000, 20_000
NO_LIMIT = 10_000_000
YEARS = timedelta(days=3 * 365)
WORDS = ("Annual plan", "Roof", "Battery", "First visit", "Renewal", "Relaunch", "Workshop", "Support", "Upgrade")
STAGES = ("appointmentscheduled", "contractsent", "closedwon", "closedlost")
STATUSES = ("open", "open", "won", "lost")


class Unlimited(HubSpot):
    """Says that there is no limit worth a word."""

    def answer(self, request: Request) -> Answer:
        answer = super().answer(request)
        answer.headers["X-HubSpot-RateLimit-Max"] = answer.headers["X-HubSpot-RateLimit-Remaining"] = str(NO_LIMIT)
        return answer


def hubspot() -> HubSpot:
    crm, began = Unlimited(), datetime.now(UTC) - YEARS
    owners = [crm.sales.add_owner(f"Owner{number}", "Seller") for number in range(OWNERS)]
    people = [crm.add_contact(email=f"person{number}@example.com") for number in range(PEOPLE)]
    for number, chance in _numbered(DEALS):
        at = began + YEARS * number / DEALS
        stage = chance.choice(STAGES)
        closed = {"closedate": _iso(at + timedelta(days=20))} if stage.startswith("closed") else {}
        crm.sales.add(
            "deals", contacts=[chance.choice(people)], at=at, dealname=title(number, chance),
            amount=f"{chance.randrange(100, 90_000)}.50", deal_currency_code=chance.choice(("EUR", "EUR", "USD")),
            hubspot_owner_id=chance.choice(owners), dealstage=stage, **closed,
        )  # fmt: skip
    for number, chance in _numbered(CALLS):
        at = began + YEARS * number / CALLS
        said = {"hubspot_owner_id": chance.choice(owners), "hs_timestamp": _iso(at)}
        crm.sales.add("calls", contacts=[chance.choice(people)], at=at, **said)
    return crm


def pipedrive() -> Pipedrive:
    crm, began = Pipedrive(), datetime.now(UTC) - YEARS
    crm.limits.most = crm.limits.seats = NO_LIMIT
    owners = [crm.add_user(f"Owner{number} Seller") for number in range(OWNERS)]
    people = [crm.add_person(name=f"Person {number}") for number in range(PEOPLE)]
    for number, chance in _numbered(DEALS):
        at, status = began + YEARS * number / DEALS, chance.choice(STATUSES)
        closed = {f"{status}_time": _seconds(at + timedelta(days=20))} if status != "open" else {}
        crm.add_deal(
            title=title(number, chance), value=chance.randrange(100, 90_000), status=status,
            currency=chance.choice(("EUR", "EUR", "USD")), owner_id=chance.choice(owners),
            person_id=chance.choice(people), stage_id=chance.choice((1, 2, 3, 4)), add_time=_seconds(at),
            update_time=_seconds(at), **closed,
        )  # fmt: skip
    for number, chance in _numbered(CALLS):
        at = _seconds(began + YEARS * number / CALLS)
        about = [{"person_id": chance.choice(people), "primary": True}]
        said = {"due_date": at[:10], "due_time": at[11:16], "add_time": at, "update_time": at}
        crm.add_activity(type="call", owner_id=chance.choice(owners), participants=about, **said)
    return crm


CRMS: dict[str, Callable[[], Any]] = {"hubspot": hubspot, "pipedrive": pipedrive}


def title(number: int, chance: random.Random) -> str:
    return f"{chance.choice(WORDS)}, Company {number % 5_000}, offer {number}"


def _numbered(count: int) -> Iterable[tuple[int, random.Random]]:
    """The same ones every time."""
    chance = random.Random(11)
    return ((number, chance) for number in range(count))


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _seconds(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


async def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.salesroom")
    parser.add_argument("kind", choices=CRMS)
    parser.add_argument("--port", type=int, default=0)
    args = parser.parse_args()
    crm = CRMS[args.kind]()
    await crm.start(port=args.port)
    print(crm.url, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
