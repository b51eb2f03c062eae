"""At the limit that a vendor publishes leads arrive at no less than nine tenths of it, and nothing is ever refused.

`SITE2CRM_PACED=10000` (`make soak`): so many leads for each; waiting takes no time (`virtual.skipping`).
"""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from site2crm.connectors import registry
from site2crm.connectors.hubspot.connector import HubSpot
from site2crm.connectors.pacing import DAY_S, Budget
from site2crm.connectors.registry import KINDS
from site2crm.kit import clock
from tests.connectors.connector_cases import context
from tests.connectors.days import DAILY
from tests.connectors.paced import HUBSPOT, LEADS, PACED, TOKEN, Counting, Line, flood, person
from tests.connectors.virtual import skipping

PUBLISHED = [
    name for name, paced in PACED.items() if paced.limits and (LEADS >= 1_000 or name != "hubspot-professional")
]
DAY = {"salesforce": 100_000, "zoho": 50_000}
"""Calls, or credits, of the smallest edition that has an API and is not for trying it out."""


@pytest.mark.timeout(600 if LEADS < 1_000 else 3_000)
@pytest.mark.parametrize("name", PUBLISHED)
async def test_leads_arrive_at_nine_tenths_of_the_published_limit(name: str) -> None:
    outcome = await flood(name, LEADS, takes_s=0.02)
    share = outcome.share(PACED[name].limits)
    print(f"{name}: {share:.1%} of the limit, {LEADS / outcome.seconds:.2f} leads/s, {outcome.calls}")
    assert outcome.refused == 0
    assert share >= 0.9


A_DAY = {"hubspot": (100, 90), "pipedrive": (60, 1_500), "salesforce": (500, 12), "zoho": (500, 20)}
"""So many leads, and what others leave of a limit of a day: they take some days. 10,000 take all of Pipedrive's."""


@pytest.mark.timeout(600 if LEADS < 1_000 else 3_000)
@pytest.mark.parametrize("name", DAILY)
async def test_leads_arrive_at_nine_tenths_of_the_limit_of_a_day(name: str) -> None:
    leads, ours = A_DAY[name]
    if LEADS >= 1_000:
        leads, ours = LEADS, DAILY[name].published if name == "pipedrive" else ours * LEADS // leads
    outcome = await flood(name, leads, takes_s=0.02, a_day=ours)
    assert outcome.days is not None
    share = outcome.days.least_s / outcome.seconds
    days = outcome.seconds / DAY_S
    print(f"{name}: {share:.1%} of {ours} a day, {outcome.days.used} in {days:.2f} days, {outcome.refused} refused")
    assert share >= 0.9


@pytest.mark.parametrize("kind", [name for name in PACED if "-" not in name])
async def test_after_a_long_wait_leads_go_on_beside_each_other(kind: str) -> None:
    played, server = PACED[kind], PACED[kind].server()
    async with AsyncExitStack() as stack:
        await server.start()
        stack.push_async_callback(server.stop)
        budget = Budget(KINDS[kind].limit)
        given = {"settings": played.settings, "secrets": played.secrets, "base_url": server.url, "budget": budget}
        given["grants"] = played.grants(server) if played.grants else None
        opened, _ = await stack.enter_async_context(context(timeout_s=100.0, **given))
        forward = stack.enter_context(clock.travel(clock.now()))
        budget.close(timedelta(hours=1))
        forward(3_600)
        async with asyncio.timeout(30):
            people = [registry.connect(kind, opened).upsert_people([person(kind, number)]) for number in range(3)]
            written = [result for [result] in await asyncio.gather(*people)]
    assert [result.error for result in written] == [None] * 3


@pytest.mark.parametrize("name", DAY)
async def test_ten_thousand_leads_fit_into_a_day_by_far(name: str) -> None:
    """Nobody publishes a limit for a shorter time here, but for calls at once: Zoho's smallest edition has five."""
    outcome = await flood(name, 400, takes_s=0.2)
    used = outcome.server.daily_used if name == "salesforce" else outcome.server.credits_used
    print(f"{name}: {used} of a day for {outcome.leads} leads, {outcome.at_once} at once")
    assert used / outcome.leads * 10_000 <= DAY[name] / 5
    assert outcome.at_once <= 3
    assert outcome.leads / outcome.seconds >= 10_000 / 3_600


async def test_without_a_published_limit_we_keep_to_our_own() -> None:
    outcome = await flood("nutshell", 20, takes_s=0.2)
    rate = outcome.calls.total() / outcome.seconds
    print(f"nutshell: {rate:.2f} calls/s, {outcome.at_once} at once")
    assert outcome.at_once == 2
    assert 2.2 <= rate <= 3


async def test_who_uses_the_same_access_is_made_room_for_once_they_are_seen() -> None:
    """A tenth of the limit is used by somebody else, from the second minute on: we see it in the next answers."""
    portal, told = Counting(HUBSPOT, validate=False), list[int]()
    async with AsyncExitStack() as stack:
        await portal.start()
        stack.push_async_callback(portal.stop)
        secrets = {"token": TOKEN}
        opened, _ = await stack.enter_async_context(
            context(secrets=secrets, base_url=portal.url, budget=Budget(HUBSPOT))
        )
        await opened.http.request("GET", f"{portal.url}/_fake/requests")
        line = Line(opened.http)
        stack.enter_context(skipping(lambda: line.now > 0))

        async def others() -> None:
            await asyncio.sleep(60)
            headers = {"Authorization": f"Bearer {TOKEN}"}
            for _ in range(60):
                answer = await opened.http.request("GET", f"{portal.url}/account-info/2026-09/details", headers=headers)
                told.append(answer.status)
                await asyncio.sleep(1)

        async def ours(lane: int) -> None:
            for number in range(lane, 600, 6):
                [written] = await HubSpot(opened).upsert_people([person("hubspot", number)])
                assert written.error is None

        await asyncio.gather(others(), *(ours(lane) for lane in range(6)))
    unseen = round(HUBSPOT.window_s) + 1
    assert portal.limits.refused == told.count(429)
    assert told[:unseen].count(200) >= 4
    assert set(told[unseen:]) == {200}
