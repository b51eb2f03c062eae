"""A month in the life of the demo's clients, played through the product's own doors: clicks, forms, deliveries, deals.

The clock stands where each thing happens; the same month every time, for its chance has a seed.
"""

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx

from site2crm.core.asgi import ASGIApp
from site2crm.core.machine import Machine
from site2crm.demo import crowd
from site2crm.demo.clients import Campaign, Client
from site2crm.demo.salesroom import Deed, Progress, Sale, Salesroom
from site2crm.kit import clock

HOURS = (0, 0, 0, 0, 0, 1, 2, 5, 8, 9, 9, 8, 7, 8, 8, 8, 7, 6, 6, 7, 8, 6, 3, 1)
"""How much happens in each hour of the day, where the client is."""
WEEKDAY, WEEKEND = 0.45, 0.25
"""The share of a campaign's clicks that a day of the demo is given."""
BOTS = 0.06
RETURNING = 0.18
BUYING = 0.42
"""Of those who have arrived; the first one always does."""
DRAIN_S = 60.0
HURRIED = 3
MINUTE_S = 60
LONGEST_WRITING = timedelta(minutes=16)
"""From a click to the form that was sent, and to the CRM."""
_SEED = 20_261_122


@dataclass(frozen=True)
class Visit:
    """A click; with `lead`, the form is sent some minutes later. `campaign` None: nobody clicked, they just came."""

    at: datetime
    client: Client
    campaign: Campaign | None
    address: str
    browser: str
    lead: Mapping[str, str] | None


class Month:
    """So many `days` before `until`, with some leads for everybody in the `rush` at the end.

    `forms`: the key of each client's form, `pages`: its website, both by slug.
    """

    def __init__(
        self,
        machine: Machine,
        app: ASGIApp,
        *,
        clients: Sequence[Client],
        forms: Mapping[str, str],
        pages: Mapping[str, str],
        until: datetime,
        days: int,
        rush: timedelta,
    ) -> None:
        self._machine = machine
        self._app = app
        self._clients = clients
        self._forms = forms
        self._pages = pages
        self._chance = random.Random(_SEED)  # noqa: S311 - it invents people, it guards nothing
        visits = [*self._invented(until, days), *self._hurried(until, rush)]
        self._visits = deque(sorted(visits, key=lambda visit: visit.at))

    async def play(self, *, until: datetime) -> None:
        """On from where it stands, up to that moment; each lead is delivered within the minute."""
        transport = httpx.ASGITransport(app=self._app, client=("127.0.0.1", 50_000))
        async with httpx.AsyncClient(transport=transport, base_url=self._machine.settings.base_url) as web:
            while self._visits and self._visits[0].at < until:
                visit = self._visits.popleft()
                with clock.travel(visit.at) as forward:
                    await self._visit(web, visit, forward)
                    if visit.lead is not None:
                        forward(self._chance.uniform(2, MINUTE_S))
                        await self._deliver()

    async def _visit(self, web: httpx.AsyncClient, visit: Visit, forward: Callable[[float], None]) -> None:
        headers = {"User-Agent": visit.browser, "X-Forwarded-For": visit.address}
        page = self._pages[visit.client.slug]
        if visit.campaign is not None:
            came = {"Referer": visit.campaign.referrer} if visit.campaign.referrer else {}
            answer = await web.get(f"/{visit.campaign.slug}", headers={**headers, **came})
            page = answer.headers["location"]
        if visit.lead is None:
            return
        forward(self._chance.uniform(20, LONGEST_WRITING.total_seconds() - MINUTE_S))
        origin = page.partition("://")[2].partition("/")[0]
        said = {**visit.lead, "page_url": page}
        answer = await web.post(
            f"/f/{self._forms[visit.client.slug]}", json=said, headers={**headers, "Origin": f"http://{origin}"}
        )
        answer.raise_for_status()

    async def _deliver(self) -> None:
        """What was accepted becomes leads, and goes to the CRMs."""
        async with asyncio.timeout(DRAIN_S):
            while self._machine.journal.stats().submissions.lag_records:  # noqa: ASYNC110 - a thread moves it on
                await asyncio.sleep(0.01)
        assert self._machine.jobs is not None
        await self._machine.jobs.run_due()

    def _invented(self, until: datetime, days: int) -> Iterator[Visit]:
        begins = until - timedelta(days=days)
        for client in self._clients:
            for day in range(days + 1):
                date = (begins + timedelta(days=day)).astimezone(ZoneInfo(client.time_zone)).date()
                busy = (WEEKEND if date.weekday() >= 5 else WEEKDAY) * (0.8 + 0.4 * day / days)
                noon = datetime(date.year, date.month, date.day, tzinfo=ZoneInfo(client.time_zone))
                for visit in self._day(client, noon, busy):
                    if begins <= visit.at < until - LONGEST_WRITING:
                        yield visit

    def _hurried(self, until: datetime, rush: timedelta) -> Iterator[Visit]:
        """At whatever hour it is. The first one leaves no number."""
        span = (rush - LONGEST_WRITING).total_seconds()
        for client in self._clients:
            for number in range(HURRIED):
                at = until - rush + timedelta(seconds=self._chance.uniform(0, span))
                address, browser = crowd.visitor(self._chance, client.country)
                lead = crowd.lead(self._chance, client)
                lead.pop("phone" if number == 0 else "", None)
                yield Visit(at, client, self._chance.choice(client.campaigns), address, browser, lead)

    def _day(self, client: Client, date: datetime, busy: float) -> Iterator[Visit]:
        seen: list[tuple[str, str]] = []
        for campaign in client.campaigns:
            for _ in range(self._about(campaign.clicks * busy)):
                is_bot = self._chance.random() < BOTS
                person = self._person(client, seen)
                wants = not is_bot and self._chance.random() * 100 < campaign.leads
                lead = crowd.lead(self._chance, client) if wants else None
                browser = crowd.BOT if is_bot else person[1]
                yield Visit(self._moment(date), client, campaign, person[0], browser, lead)
        address, browser = self._person(client, seen)
        yield Visit(self._moment(date), client, None, address, browser, crowd.lead(self._chance, client))

    def _moment(self, date: datetime) -> datetime:
        [hour] = self._chance.choices(range(24), HOURS)
        seconds = hour * 3600 + self._chance.randrange(3600)
        return (date + timedelta(seconds=seconds)).astimezone(UTC)

    def _person(self, client: Client, seen: list[tuple[str, str]]) -> tuple[str, str]:
        """(address, browser); some come twice a day."""
        if seen and self._chance.random() < RETURNING:
            return self._chance.choice(seen)
        seen.append(crowd.visitor(self._chance, client.country))
        return seen[-1]

    def _about(self, mean: float) -> int:
        """A count as chance would have it (Knuth's way to draw from Poisson's distribution)."""
        limit, product, count = math.exp(-mean), self._chance.random(), 0
        while product > limit:
            product *= self._chance.random()
            count += 1
        return count


def sell(client: Client, room: Salesroom, owners: Sequence[str], *, until: datetime, days: int) -> None:
    """What these salespeople make of those who have arrived. `until`: now, as the month ends there."""
    chance = random.Random(f"{_SEED}{client.slug}")  # noqa: S311 - it invents deals, it guards nothing
    people = list(room.people())
    for number, (id, email) in enumerate(people):
        opened = until - timedelta(days=days * (1 - number / max(1, len(people))) * 0.95)
        owner = owners[number % len(owners)]
        for kind in chance.choices(("call", "email", "meeting"), (5, 4, 1), k=chance.randint(0, 3)):
            at = opened + timedelta(hours=chance.uniform(0.2, 96))
            if at < until:
                room.act(Deed(kind=kind, person=id, owner=owner, at=at))
        if number and chance.random() > BUYING:
            continue
        changed = min(until, opened + timedelta(days=chance.uniform(0.5, 12)))
        [progress] = chance.choices(list(Progress), (4, 4, 5, 3))
        name = email.partition("@")[0].rpartition(".")[2].rstrip("0123456789").title()
        title = f"{chance.choice(client.goods)}, {name}"
        amount = round(chance.randint(*client.worth), -1)
        room.sell(Sale(id, owner, title, amount, client.currency, progress, opened, changed))
