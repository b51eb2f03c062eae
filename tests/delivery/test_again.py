"""Sending many again: counted first, then sent once, and only those of the own org."""

import re
from html import unescape

import pytest

from tests.cast import Person
from tests.delivery.conftest import MAPPING, Office

AGAIN, REPLAY, API = "/o/acme/deliveries/again", "/o/acme/deliveries/replay", "/api/v1/deliveries/replay"


@pytest.fixture
async def refused(office: Office) -> Office:
    """One arrived, two were refused."""
    await office.map({**MAPPING, "company": "industry"})
    await office.submit("ada@example.com")
    for name in ("eve", "bob"):
        await office.submit(f"{name}@example.com", company="Farming")
    await office.work()
    return office


def fields(page: str) -> dict[str, str]:
    form = page[page.index('<form class="form" action="/o/acme/deliveries/replay"') :]
    return {name: unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form)}


async def states(office: Office) -> list[str]:
    return sorted(each.state for each in await office.deliveries())


async def test_the_page_counts_before_anything_is_sent(refused: Office, alice: Person) -> None:
    page = (await alice.web.get(AGAIN)).text
    assert "Send 2 deliveries again" in page
    assert await states(refused) == ["dead", "dead", "delivered"]
    assert "Nothing to send again" in (await alice.web.get(f"{AGAIN}?state=retrying")).text
    assert "Send 1 delivery again" in (await alice.web.get(f"{AGAIN}?state=delivered")).text
    assert "Nothing to send again" in (await alice.web.get(f"{AGAIN}?to=2020-01-01")).text


async def test_confirmed_twice_it_is_sent_once(refused: Office, alice: Person) -> None:
    confirmed = fields((await alice.web.get(f"{AGAIN}?state=delivered")).text)
    for _ in range(2):
        assert (await alice.web.post(REPLAY, data=confirmed)).status_code == 303
        await refused.work()
    [arrived] = await refused.deliveries(state="delivered")
    assert arrived.attempts == 2


async def test_the_api_counts_by_state_and_code_and_repeats_nothing(refused: Office, alice: Person) -> None:
    about = {"connection": refused.connection_id, "state": "dead"}
    counted = (await alice.api.post(API, json={"filter": about, "dry_run": True})).json()
    assert (counted["count"], counted["states"], counted["more"]) == (2, {"dead": 2}, False)
    [code] = counted["codes"]
    none = await alice.api.post(API, json={"filter": {**about, "code": "another"}, "dry_run": True})
    assert none.json()["count"] == 0
    same = {"filter": {**about, "code": code, "as_of": counted["as_of"]}}
    done = [(await alice.api.post(API, json=same)).json()["count"]]
    await refused.work()
    done.append((await alice.api.post(API, json=same)).json()["count"])
    assert done == [2, 0]


async def test_a_stranger_counts_and_sends_nothing(refused: Office, charlie: Person, vera: Person) -> None:
    about = {"filter": {"connection": refused.connection_id}}
    assert (await charlie.api.post(API, json=about)).json()["count"] == 0
    assert (await charlie.web.get(AGAIN)).status_code == 404
    assert (await vera.web.get(AGAIN)).status_code == 403
    assert await states(refused) == ["dead", "dead", "delivered"]


async def test_a_wrong_moment_is_told(refused: Office, alice: Person) -> None:
    for wrong in ("yesterday", "2026-11-21T10:00:00"):
        answer = await alice.web.post(REPLAY, data={"state": "dead", "as_of": wrong})
        assert answer.status_code == 422
    assert await states(refused) == ["dead", "dead", "delivered"]
