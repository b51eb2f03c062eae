"""Deals are found by the beginnings of the words of their titles, be they few or many."""

from datetime import UTC, datetime, timedelta

import pytest

from site2crm.connectors.sales import Deal, Status
from site2crm.deals import finding, storing, sums
from site2crm.deals.queries import Wanted
from tests.cast import Person
from tests.deals.conftest import Floor

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MANY = 60


async def keep(floor: Floor, *titles: str, hours: int = 0) -> None:
    """Named by their place: a title that comes later with `hours` is a new word on the deal of that place."""
    at = NOON + timedelta(hours=hours)
    deals = [
        Deal(str(n), title, Status.OPEN, created_at=NOON + timedelta(minutes=n), updated_at=at)
        for n, title in enumerate(titles)
    ]
    async with floor.machine.session() as session:
        await storing.deals(session, storing.Source(floor.org_id, floor.connection_id, "EUR"), deals)


async def found(floor: Floor, search: str) -> list[str]:
    """Newest first; the sums are about the same ones."""
    titles = [deal.title for deal in await floor.deals(search=search)]
    wanted = Wanted(search=search)
    async with floor.machine.session() as session:
        there = sums.totals(await sums.in_sight(session, floor.org_id, wanted) or [], wanted)
    assert there["open"].count == len(titles)
    return titles


@pytest.mark.parametrize("search", ["batt", "BATTERY", "müll", "battery muller", "77", "Offer 77 batt"])
async def test_one_among_many_is_found_by_any_of_its_words(floor: Floor, search: str) -> None:
    await keep(floor, *["Roof"] * MANY, "Battery for Müller, offer 77")
    assert await found(floor, search) == ["Battery for Müller, offer 77"]


@pytest.mark.parametrize("search", ["attery", "roof battery", "zzz", "...", "%", "'"])
async def test_what_no_word_begins_with_finds_nothing(floor: Floor, search: str) -> None:
    await keep(floor, *["Roof"] * MANY, "Battery")
    assert await found(floor, search) == []


async def test_what_most_have_is_found_too_newest_first(floor: Floor) -> None:
    titles = [f"Roof {number}" for number in range(MANY)]
    await keep(floor, *titles)
    assert await found(floor, "roo") == titles[::-1]


async def test_more_than_a_few_that_are_rare_among_the_newest_are_found(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "SAMPLE", 10)
    monkeypatch.setattr(finding, "FEW", 5)
    await keep(floor, *["Battery"] * 20, *["Roof"] * 20)
    assert await found(floor, "battery") == ["Battery"] * 20


async def test_what_very_many_have_is_listed_and_not_added_up(
    floor: Floor, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "MOST_FOUND", MANY)
    await keep(floor, *["Roof, battery"] * MANY, "Roof")
    many = (await alice.web.get("/o/acme/deals?q=roof")).text
    assert "More than 60 deals have this word: they are listed, not added up." in many
    assert many.count("Roof, battery") >= 40
    assert "Won of those closed" not in many
    assert "Won of those closed" in (await alice.web.get("/o/acme/deals?q=roof+battery")).text


async def test_a_new_title_is_what_it_is_found_by_and_an_older_word_is_not(floor: Floor) -> None:
    await keep(floor, "Roof", hours=1)
    await keep(floor, "Battery", hours=2)
    await keep(floor, "Window", hours=1)
    assert [await found(floor, word) for word in ("roof", "battery", "window")] == [[], ["Battery"], []]


async def test_nobody_finds_the_deals_of_another_org(floor: Floor, charlie: Person) -> None:
    await keep(floor, "Battery")
    answer = await charlie.api.get("/api/v1/deals", params={"search": "battery"})
    assert answer.json()["data"] == []
