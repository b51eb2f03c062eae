"""CRMs that count calls as their vendors publish it, and leads that are sent to them as fast as that allows."""

import asyncio
import math
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from site2crm.connectors import registry
from site2crm.connectors.contract import ErrorClass, PersonIn
from site2crm.connectors.grants import Grant, Grants
from site2crm.connectors.pacing import Budget, Limit
from site2crm.connectors.registry import KINDS
from site2crm.delivery.drain import BATCHES_SIDE_BY_SIDE, MOST_IN_A_CALL, SIDE_BY_SIDE
from site2crm.demo.hubspot import TOKEN
from site2crm.demo.nutshell import EMAIL, KEY, Nutshell
from site2crm.demo.pipedrive import TOKEN as PIPEDRIVE_TOKEN
from site2crm.demo.pipedrive import Pipedrive
from site2crm.demo.salesforce import INSTANCE_URL, Salesforce
from site2crm.demo.server import Answer, Fault, Request
from site2crm.demo.zoho import Zoho
from tests.connectors.connector_cases import Granted, context
from tests.connectors.days import DAILY, Days
from tests.connectors.virtual import skipping
from tests.fakes.hubspot import HubSpotFake

LEADS = int(os.environ.get("SITE2CRM_PACED", "300"))


class Counting(HubSpotFake):
    """Counts calls as HubSpot does: so many in any window, and what remains stands in every answer."""

    def __init__(self, limit: Limit, *, validate: bool = True) -> None:
        super().__init__(validate=validate)
        self.limits.burst, self.limits.window_s = limit.calls, limit.window_s


@dataclass(frozen=True)
class Paced:
    """`limits`: what the vendor publishes, by the name that `limit_of` gives to a call."""

    server: Callable[[], Any]
    settings: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    grants: Callable[[Any], Grants] | None = None
    limits: Mapping[str, Limit] = field(default_factory=dict)


def limit_of(request: Request) -> str:
    return "search" if request.path.endswith("/search") else "burst"


def pipedrive_of(plan: str) -> Callable[[], Pipedrive]:
    def server() -> Pipedrive:
        made = Pipedrive()
        made.limits.plan, made.limits.seats = plan, 100_000  # the limit of a day is another matter
        return made

    return server


def _zoho() -> Zoho:
    """Whose days are counted as they are there: credits come back one by one (`days.Days`)."""
    made = Zoho()
    made.day_s = math.inf
    return made


def _salesforce_grants(server: Salesforce) -> Grants:
    server.sign_in.session_s = 100_000_000
    return Granted(Grant(server.sign_in.give_access(), extra={"instance_url": INSTANCE_URL}))


NO_LIMIT = 10_000_000
HUBSPOT, PROFESSIONAL = Limit(100, 10.0), Limit(190, 10.0)
PACED = {
    "hubspot": Paced(lambda: Counting(HUBSPOT, validate=False), secrets={"token": TOKEN}, limits={"burst": HUBSPOT}),
    "hubspot-professional": Paced(
        lambda: Counting(PROFESSIONAL, validate=False), secrets={"token": TOKEN}, limits={"burst": PROFESSIONAL}
    ),
    "pipedrive": Paced(
        pipedrive_of("lite"),
        secrets={"token": PIPEDRIVE_TOKEN},
        limits={"burst": Limit(20, 2.0), "search": Limit(10, 2.0)},
    ),
    "pipedrive-premium": Paced(
        pipedrive_of("premium"),
        secrets={"token": PIPEDRIVE_TOKEN},
        limits={"burst": Limit(100, 2.0), "search": Limit(10, 2.0)},
    ),
    "nutshell": Paced(Nutshell, settings={"email": EMAIL}, secrets={"api_key": KEY}),
    "salesforce": Paced(Salesforce, settings={"target": "contact"}, grants=_salesforce_grants),
    "zoho": Paced(
        _zoho,
        settings={"data_centre": "eu", "module": "Contacts"},
        grants=lambda server: Granted(Grant(server.token, refresh=server.refresh_token)),
    ),
}


@dataclass
class Outcome:
    leads: int
    seconds: float
    calls: Counter[str]
    refused: int
    at_once: int
    server: Any
    days: Days | None = None

    def share(self, limits: Mapping[str, Limit]) -> float:
        """Of the limit that is nearest, over the whole time."""
        return max(self.calls[name] / self.seconds * limit.window_s / limit.calls for name, limit in limits.items())


class Watch:
    """How many calls are at the server at the same time."""

    def __init__(self, server: Any, takes_s: float) -> None:
        self.now = self.most = 0
        self._answer = server.answer
        server.answer = self.answer
        server.faults.append(Begun("slow", count=-1, seconds=takes_s, watch=self))

    def answer(self, request: Request) -> Answer:
        self.now -= 1
        answer: Answer = self._answer(request)
        return answer


class Line:
    """How many calls of a client are under way."""

    def __init__(self, http: Any) -> None:
        self.now = 0
        self._request, http.request = http.request, self.request

    async def request(self, *said: Any, **named: Any) -> Any:
        self.now += 1
        try:
            return await self._request(*said, **named)
        finally:
            self.now -= 1


@dataclass
class Begun(Fault):
    watch: Watch | None = None

    def matches(self, request: Request) -> bool:
        assert self.watch is not None
        self.watch.now += 1
        self.watch.most = max(self.watch.most, self.watch.now)
        return True


def person(kind: str, number: int) -> PersonIn:
    email = f"p{number}@example.com"
    said = {"email": email, "first_name": "Ada", "last_name": "Lovelace", "message": f"Message {number}"}
    mapping = KINDS[kind].default_mapping
    fields = {mapping[name]: value for name, value in said.items()}
    refs = {"ref": f"dlv_{number}", "lead": f"led_{number}", "submission": f"sub_{number}"}
    return PersonIn(email=email, first="Ada", last="Lovelace", fields=fields, **refs)


async def flood(name: str, leads: int, *, takes_s: float, is_free: bool = False, a_day: int | None = None) -> Outcome:
    """Side by side as a drain does it. `takes_s`: each call, at the vendor. `is_free`: in real time, without limits.

    `a_day`: so much is left of the vendor's limit of a day; without it that one is no matter.
    """
    kind, played, server = name.partition("-")[0], PACED[name], PACED[name].server()
    if is_free and isinstance(server, Counting):
        server.limits.burst = NO_LIMIT
    if is_free and isinstance(server, Pipedrive):
        server.limits.most = NO_LIMIT
    async with AsyncExitStack() as stack:
        await server.start()
        stack.push_async_callback(server.stop)
        given = {"settings": played.settings, "secrets": played.secrets, "base_url": server.url}
        given["grants"] = played.grants(server) if played.grants else None
        given["budget"] = Budget(None if is_free else KINDS[kind].limit)
        opened, _ = await stack.enter_async_context(context(timeout_s=100.0, **given))
        connector = registry.connect(kind, opened)
        await opened.http.request("GET", f"{server.url}/_fake/requests")  # threads of its start are in real time
        server.requests.clear()
        line = Line(opened.http)
        if not is_free:
            stack.enter_context(skipping(lambda: line.now > watch.now))
        days = Days(server, DAILY[kind], ours=a_day) if a_day else None
        watch, began = Watch(server, takes_s), time.monotonic()
        await _send_all(connector, [person(kind, number) for number in range(leads)])
        seconds = time.monotonic() - began
    calls = Counter(limit_of(request) for request in server.requests)
    refused = sum(request.status in (429, 403) for request in server.requests)
    return Outcome(leads, seconds, calls, refused, watch.most, server, days)


async def _send_all(connector: Any, people: list[PersonIn]) -> None:
    batch = min(connector.caps.batch, MOST_IN_A_CALL)
    lanes = SIDE_BY_SIDE if batch == 1 else BATCHES_SIDE_BY_SIDE
    waiting = iter([people[at : at + batch] for at in range(0, len(people), batch)])

    async def lane() -> None:
        for some in waiting:
            while some := await _left(connector, some):
                pass

    await asyncio.gather(*(lane() for _ in range(lanes)))


async def _left(connector: Any, people: list[PersonIn]) -> list[PersonIn]:
    """Who is to be sent again, after the pause that the limit asks for."""
    refused = {written.ref: written.error for written in await connector.upsert_people(people) if written.error}
    assert all(error.kind is ErrorClass.THROTTLE for error in refused.values()), refused
    if refused:
        await asyncio.sleep(max(error.retry_after for error in refused.values()).total_seconds())
    return [person for person in people if person.ref in refused]
