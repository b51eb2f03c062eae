"""Salespeople across two CRMs: what is ranked is what the CRMs have, counted by hand; page, API and CSV say the same."""

import csv
import io
import random
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from site2crm.deals import syncing
from site2crm.kit import clock
from tests.cast import Person
from tests.deals.conftest import Floor
from tests.fakes.pipedrive import TOKEN, PipedriveFake
from tests.fakes.playing import playing

POINTS = {"call": 1, "email": 0.5, "meeting": 5, "won": 20, "amount": 2}
BOTH = "ann.both@agency.example"


@dataclass
class Counted:
    """Of one person, by hand. `amounts`: in whole units."""

    won: int = 0
    acts: Counter[str] = field(default_factory=Counter)
    amounts: Counter[str] = field(default_factory=Counter)

    def score(self, points: dict[str, float], currency: str) -> float:
        acts = sum(points[kind] * count for kind, count in self.acts.items())
        return round(acts + points["won"] * self.won + points["amount"] * self.amounts[currency] / 1000, 1)


@pytest.fixture
async def pipedrive() -> AsyncIterator[PipedriveFake]:
    async with playing(PipedriveFake()) as server:
        server.limits.on = False
        yield server


@pytest.fixture
def operators(pipedrive: PipedriveFake) -> dict[str, str]:
    return {"connectors__pipedrive__base_url": pipedrive.url}


class Hall:
    """Both CRMs with salespeople at work in the last 40 days, and what each of them did within the last 30."""

    def __init__(self, floor: Floor, pipedrive: PipedriveFake, second: str) -> None:
        self.floor, self.second, self._pipedrive = floor, second, pipedrive
        self.people: dict[str, Counted] = defaultdict(Counted)
        self._chance, self._now = random.Random(5), clock.now()

    def work(self) -> None:
        sales, chance = self.floor.fake.sales, self._chance
        hub = {sales.add_owner("Ann", "Both"): BOTH, sales.add_owner("Hal", "Hub"): "Hal Hub",
               sales.add_owner("Old", "Hand", active=False): "Old Hand", "999": "999"}  # fmt: skip
        pipes = {self._pipedrive.add_user("Ann Both"): BOTH, self._pipedrive.add_user("Pia Pipe"): "Pia Pipe"}
        self._pipedrive.users[-2]["email"] = BOTH.upper()
        self._pipedrive.users[-1]["email"] = ""
        for number in range(60):
            owner, at = chance.choice([*hub, ""]), self._moment()
            won, amount = chance.random() < 0.5, chance.randrange(100, 9000)
            closed = {"dealstage": "closedwon", "closedate": at.isoformat()} if won else {}
            whose = {"hubspot_owner_id": owner} if owner else {}
            self.floor.deal(f"Hub {number}", amount=str(amount), deal_currency_code="EUR", **whose, **closed)
            self._count(hub.get(owner), at, won=won, amounts={"EUR": amount})
        for _ in range(60):
            owner, at, kind = chance.choice(list(hub)), self._moment(), chance.choice(["calls", "emails", "meetings"])
            sales.add(kind, hubspot_owner_id=owner, hs_timestamp=at.isoformat())
            self._count(hub[owner], at, act=kind.removesuffix("s"))
        for number in range(60):
            user, at = chance.choice(list(pipes)), self._moment()
            won, amount = chance.random() < 0.5, chance.randrange(100, 5000)
            told = at.strftime("%Y-%m-%dT%H:%M:%SZ")
            ended = {"status": "won", "won_time": told} if won else {}
            self._pipedrive.add_deal(title=f"Pipe {number}", value=amount, currency="USD", owner_id=user, **ended)
            self._count(pipes[user], at, won=won, amounts={"USD": amount})
        for _ in range(60):
            user, at, kind = chance.choice(list(pipes)), self._moment(), chance.choice(["call", "meeting"])
            told = at.strftime("%Y-%m-%dT%H:%M:%SZ")
            due = {"due_date": told[:10], "due_time": told[11:16], "marked_as_done_time": told}
            self._pipedrive.add_activity(type=kind, owner_id=user, **due)
            self._count(pipes[user], at, act=kind)

    def _moment(self) -> datetime:
        days = self._chance.choice([*range(1, 28), *range(33, 40)])
        return (self._now - timedelta(days=days)).replace(second=0, microsecond=0)

    def _count(
        self, who: str | None, at: datetime, *, won: bool = False, act: str = "", amounts: dict[str, int] | None = None
    ) -> None:
        if who is None or at < self._now - timedelta(days=30):
            return
        one = self.people[who]
        one.won += won
        one.acts.update([act] if act else [])
        one.amounts.update(amounts if won and amounts else {})

    def currency(self) -> str:
        """In which most was won."""
        whole = sum((one.amounts for one in self.people.values()), Counter[str]())
        return max(whole, key=whole.__getitem__)


@pytest.fixture
async def hall(floor: Floor, pipedrive: PipedriveFake) -> Hall:
    second = await floor.office.connect(kind="pipedrive", mapping={"email": "email", "name": "name"}, token=TOKEN)
    made = Hall(floor, pipedrive, second)
    made.work()
    await floor.look()
    for connection in (floor.connection_id, second):
        await syncing.read(floor.machine, floor.org_id, connection)
    return made


def told(person: dict[str, Any]) -> tuple[Any, ...]:
    amounts = {one["currency"]: float(one["amount"]) for one in person["amounts"]}
    return person["calls"] or 0, person["emails"] or 0, person["meetings"] or 0, person["won"], amounts, person["score"]


def by_hand(one: Counted, points: dict[str, float], currency: str) -> tuple[Any, ...]:
    acts = (one.acts[kind] for kind in ("call", "email", "meeting"))
    return *acts, one.won, {name: float(amount) for name, amount in one.amounts.items()}, one.score(points, currency)


def name_of(person: dict[str, Any]) -> str:
    return BOTH if person["email"].casefold() == BOTH else str(person["name"])


@pytest.mark.parametrize("weights", [POINTS, dict.fromkeys(POINTS, 0), {**POINTS, "call": 9999.99, "amount": 10_000}])
async def test_what_is_ranked_is_what_the_crms_have(hall: Hall, alice: Person, weights: dict[str, float]) -> None:
    assert (await alice.api.post("/api/v1/salespeople/weights", json=weights)).status_code == 200
    ranking = (await alice.api.get("/api/v1/salespeople")).json()
    found = {name_of(person): told(person) for person in ranking["people"]}
    currency = hall.currency()
    assert ranking["currency"] == currency
    assert {name: found[name] for name in hall.people} == {
        name: by_hand(one, weights, currency) for name, one in hall.people.items()
    }
    scores = [person["score"] for person in ranking["people"]]
    assert scores == sorted(scores, reverse=True)


async def test_page_and_csv_say_what_the_api_says(hall: Hall, alice: Person) -> None:
    await alice.api.post("/api/v1/salespeople/weights", json={**POINTS, "call": 9999.99})
    people = (await alice.api.get("/api/v1/salespeople")).json()["people"]
    page = (await alice.web.get("/o/acme/deals/people")).text
    for person in people:
        assert f"<strong>{person['score']:,.1f}</strong>" in page
        for one in person["amounts"]:
            assert re.search(rf"{float(one['amount']):,.2f} {one['currency']}|{float(one['amount']):,.0f} ", page)
    text = (await alice.web.get("/o/acme/deals/people.csv")).text.lstrip("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [float(row["score"]) for row in rows if row["score"]] == [person["score"] for person in people]
    for csv_name, api_name in (("calls", "calls"), ("emails", "emails"), ("meetings", "meetings"), ("won", "won")):
        in_csv = sum(int(row[csv_name] or 0) for row in rows)
        assert in_csv == sum(person[api_name] or 0 for person in people), csv_name
    amounts = Counter[str]()
    for row in rows:
        amounts[row["currency"]] += float(row["amount"] or 0)  # type: ignore[assignment]
    assert {name: amounts[name] for name in ("EUR", "USD")} == {
        name: float(sum(one.amounts[name] for one in hall.people.values())) for name in ("EUR", "USD")
    }


async def test_of_one_crm_only_its_own_work_counts(hall: Hall, alice: Person) -> None:
    found = (await alice.api.get(f"/api/v1/salespeople?connection={hall.second}")).json()
    [ann] = [person for person in found["people"] if name_of(person) == BOTH]
    assert (found["currency"], [one["currency"] for one in ann["amounts"]], ann["emails"]) == ("USD", ["USD"], None)


async def test_who_is_told_of_no_more_keeps_what_was_won(hall: Hall, alice: Person) -> None:
    people = (await alice.api.get("/api/v1/salespeople")).json()["people"]
    [gone] = [person for person in people if person["name"] == "999"]
    assert (gone["won"] > 0, gone["active"], gone["email"]) == (True, False, "")


async def test_a_time_that_ends_before_it_begins_is_refused(floor: Floor, alice: Person) -> None:
    asked = "since=2026-02-01T00:00:00Z&until=2026-01-01T00:00:00Z"
    assert (await alice.api.get(f"/api/v1/salespeople?{asked}")).status_code == 422


@pytest.mark.parametrize("path", ["salespeople", "deals", "deliveries"])
@pytest.mark.parametrize("name", ["since", "until"])
async def test_a_moment_without_its_offset_is_refused(floor: Floor, alice: Person, path: str, name: str) -> None:
    assert (await alice.api.get(f"/api/v1/{path}?{name}=2026-11-01T00:00:00")).status_code == 422


@pytest.mark.parametrize("name", ["since", "until", "as_of"])
async def test_nothing_is_sent_again_by_a_moment_without_its_offset(floor: Floor, alice: Person, name: str) -> None:
    asked = {"filter": {name: "2026-11-01T00:00:00"}, "dry_run": True}
    refused = await alice.api.post("/api/v1/deliveries/replay", json=asked)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, f"filter.{name}")


@pytest.mark.parametrize("value", ["1,000", "0.005", "1.000,50"])
async def test_a_weight_that_would_be_another_is_refused(floor: Floor, alice: Person, value: str) -> None:
    page = await alice.web.post("/o/acme/deals/people", data={**dict.fromkeys(POINTS, "1"), "call": value})
    assert (page.status_code, f'value="{value}"' in page.text) == (422, True)
