"""What no CRM says by mistake, and what somebody types who looks for a hole: every page still answers."""

import csv
import io
import random
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from site2crm.connectors.contract import Act
from site2crm.connectors.hubspot import records
from site2crm.connectors.hubspot.properties import moment as of_hubspot
from site2crm.connectors.nutshell.values import moment as of_nutshell
from site2crm.connectors.pipedrive.reading import _moment as of_pipedrive
from site2crm.connectors.sales import Activity, Deal, Directory, Money, Owner, Pipeline, Stage, Status
from site2crm.connectors.salesforce.changes import moment as of_salesforce
from site2crm.connectors.zoho.client import moment as of_zoho
from site2crm.deals import storing, sums
from site2crm.deals.queries import Wanted
from site2crm.deals.storing import Source
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests.cast import Person
from tests.deals.conftest import Floor

SCRIPT = "<script>alert(1)</script>"
PATHS = ("/o/acme/deals", "/o/acme/deals/people", "/o/acme/deals.csv", "/o/acme/deals/people.csv")


async def keep(floor: Floor, *deals: Deal, activities: tuple[Activity, ...] = ()) -> None:
    source = Source(floor.org_id, floor.connection_id, "EUR")
    async with floor.machine.session() as session:
        await storing.deals(session, source, deals)
        await storing.activities(session, source, activities)


def a_deal(id: str = "1", **said: Any) -> Deal:
    now = clock.now()
    return Deal(**{"id": id, "title": "Offer", "status": Status.WON, "created_at": now, "updated_at": now, **said})


async def expect_answers(alice: Person, floor: Floor) -> None:
    for path in (*PATHS, *(f"/o/acme/deals/{deal.id}" for deal in await floor.deals())):
        assert (await alice.web.get(path)).status_code == 200, path
    for path in ("/api/v1/deals", "/api/v1/salespeople"):
        assert (await alice.api.get(path)).status_code == 200, path


async def test_a_sum_of_amounts_may_pass_what_64_bits_hold(floor: Floor, alice: Person) -> None:
    value = Money(Decimal("90000000000000000.01"), "EUR")
    now = clock.now()
    await keep(floor, *(a_deal(str(n), value=value, closed_at=now, pipeline="p", stage="s") for n in range(3)))
    await expect_answers(alice, floor)
    async with floor.machine.session() as session:
        won = sums.totals(await sums.in_sight(session, floor.org_id, Wanted()) or [], Wanted())["won"]
    assert [one.amount for one in won.sums] == ["270000000000000000.03"]


async def test_negative_amounts_are_added_up_exactly(floor: Floor) -> None:
    amounts = ("-12345678901.99", "12345678901.98", "-0.01")
    await keep(floor, *(a_deal(str(n), value=Money(Decimal(text), "EUR")) for n, text in enumerate(amounts)))
    async with floor.machine.session() as session:
        won = sums.totals(await sums.in_sight(session, floor.org_id, Wanted()) or [], Wanted())["won"]
    assert [one.amount for one in won.sums] == ["-0.02"]


@pytest.mark.parametrize("at", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"])
async def test_a_time_at_the_end_of_the_calendar_is_shown_in_every_zone(
    floor: Floor, alice: Person, at: datetime, zone: str
) -> None:
    assert (await alice.api.patch("/api/v1/org", json={"time_zone": zone})).status_code == 200
    call = Activity("7", Act.CALL, None, at, done=True, updated_at=at, people=["9"])
    await keep(floor, a_deal(created_at=at, updated_at=at, closed_at=at, people=["9"]), activities=(call,))
    await expect_answers(alice, floor)


async def test_what_no_database_takes_stops_no_reading(floor: Floor, alice: Person) -> None:
    """PostgreSQL has no null character in a text, neither has a number beyond 64 bits."""
    call = Activity("7\x00", Act.CALL, "a\x00", clock.now(), done=True, updated_at=clock.now(), seconds=10**30)
    await keep(floor, a_deal("1\x00", title="A\x00B", owner="a\x00", people=["9\x00"]), activities=(call,))
    await expect_answers(alice, floor)
    assert (await floor.only()).title == "A\ufffdB"


async def test_an_address_that_is_a_script_is_no_address(floor: Floor) -> None:
    await keep(floor, a_deal(url="javascript:alert(1)"))
    assert (await floor.only()).url is None


async def test_names_from_the_crm_are_text_on_pages_and_no_formula_in_files(floor: Floor, alice: Person) -> None:
    await keep(
        floor, a_deal(title="=HYPERLINK(1)<script>alert(1)</script>", owner="<img src=x>", stage="<b>", pipeline="@p")
    )
    await expect_answers(alice, floor)
    [deal] = await floor.deals()
    for path in ("/o/acme/deals", f"/o/acme/deals/{deal.id}"):
        page = (await alice.web.get(path)).text
        assert "<script>alert" not in page
        assert "<img src=x>" not in page
    assert "'=HYPERLINK" in (await alice.web.get("/o/acme/deals.csv")).text


async def test_salespeople_stages_and_pipelines_are_text_too(floor: Floor, alice: Person) -> None:
    """On the deal's page, the ranking, the lead's page, the connection's page and in both files."""
    lead, contact = await floor.lead()
    stages = [Stage("s", f"+{SCRIPT}", 1, Status.WON)]
    found = Directory([Owner("o", f"={SCRIPT}", f"@{SCRIPT}", active=True)], [Pipeline("p", f"-{SCRIPT}", stages)])
    async with floor.machine.session() as session:
        await storing.directory(session, Source(floor.org_id, floor.connection_id, "EUR"), found)
    at = clock.now()
    call = Activity("7", Act.CALL, "o", at, done=True, updated_at=at, people=[contact])
    deal = a_deal(title=f"\t={SCRIPT}", owner="o", stage="s", pipeline="p", closed_at=at, people=[contact])
    await keep(floor, deal, activities=(call,))
    [kept] = await floor.deals()
    shown = 0
    for path in (
        f"/o/acme/deals/{kept.id}",
        f"/o/acme/leads/{lead}",
        f"/o/acme/crms/{floor.connection_id}",
        *PATHS[:2],
    ):
        page = await alice.web.get(path)
        assert page.status_code == 200
        assert "<script>alert(1)" not in page.text, path
        shown += "alert(1)" in page.text
    assert shown >= 3
    for path in PATHS[2:]:
        rows = list(csv.reader(io.StringIO((await alice.web.get(path)).text.removeprefix("\ufeff"))))
        cells = [cell for row in rows[1:] for cell in row]
        assert any("alert(1)" in cell for cell in cells), path
        assert not [cell for cell in cells if cell.startswith(tuple("=+-@\t\r\n"))], path


@pytest.mark.parametrize(
    "query",
    [
        "q=" + "+".join(f"a{n}" for n in range(3000)),
        "period=365d&to=0001-01-05",
        "from=9999-12-31&to=9999-12-31",
        "pipeline=%00:%00&stage=%00&owner=x:%00",
        "lead=%00&connection=%F0%9F%98%80",
    ],
)
async def test_no_filter_breaks_a_page(floor: Floor, alice: Person, query: str) -> None:
    await keep(floor, a_deal())
    for path in PATHS:
        assert (await alice.web.get(f"{path}?{query}")).status_code in (200, 422), path
    for path in ("/api/v1/deals", "/api/v1/salespeople"):
        told = query.replace("q=", "search=").replace("from=", "since=").replace("to=", "until=")
        assert (await alice.api.get(f"{path}?{told}")).status_code < 500, path


async def test_a_crm_whose_list_never_moves_on_is_not_read_for_ever(floor: Floor) -> None:
    same = {"results": [], "paging": {"next": {"after": "here"}}}
    floor.fake.faults.append(Fault("status", count=-1, status=200, body=same, method="GET", path="/objects/"))
    await floor.read()
    assert "again and again" in (await floor.feed()).error


@pytest.mark.parametrize("read", [of_hubspot, of_nutshell, of_pipedrive, of_salesforce, of_zoho])
@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_time_without_a_place_in_utc_is_none(read: Callable[[object], datetime | None], text: str) -> None:
    assert read(text) is None


def test_a_number_of_a_billion_digits_is_none() -> None:
    assert records._number("1E+999999999") is None


def noise(letters: int) -> str:
    """A text that no compression makes short, three bytes a letter."""
    chance = random.Random(letters)
    return "".join(chr(chance.randrange(0x4E00, 0x9FFF)) for _ in range(letters))


async def test_names_and_ids_without_end_stop_no_reading(floor: Floor, alice: Person) -> None:
    """PostgreSQL refuses a row whose key is longer than a third of a page."""
    endless, at = noise(20_000), clock.now()
    stages = [Stage(f"s{endless}", endless, 1, Status.WON)]
    found = Directory([Owner(f"o{endless}", endless, endless, active=True)], [Pipeline(f"p{endless}", endless, stages)])
    async with floor.machine.session() as session:
        await storing.directory(session, Source(floor.org_id, floor.connection_id, "EUR"), found)
    named = {"owner": f"o{endless}", "stage": f"s{endless}", "pipeline": f"p{endless}", "people": [f"h{endless}"]}
    call = Activity(f"a{endless}", Act.CALL, named["owner"], at, done=True, updated_at=at, people=[f"h{endless}"])
    await keep(
        floor, a_deal(f"d{endless}", title=endless, url=f"https://x.example/{endless}", **named), activities=(call,)
    )
    await expect_answers(alice, floor)
    deal = await floor.only()
    assert deal.url is None
    assert deal.owner is not None and deal.owner.name == endless[: storing.LONGEST]
    assert len((await alice.web.get("/o/acme/deals")).content) < 100_000


async def test_a_crm_that_refuses_with_a_book_is_quoted_in_a_few_lines(floor: Floor, alice: Person) -> None:
    book = {"status": "error", "category": "MISSING_SCOPES", "message": "No. " * 100_000}
    floor.fake.faults.append(Fault("status", count=-1, status=403, body=book))
    await floor.read()
    await floor.office.submit("ada@example.com")
    await floor.office.work()
    assert await floor.office.state() == "parked"
    delivery = await floor.office.only()
    for path in ("crms", f"crms/{floor.connection_id}", "deals", "leads", f"deliveries/{delivery.id}"):
        shown = await alice.web.get(f"/o/acme/{path}")
        assert (shown.status_code, len(shown.content) < 150_000) == (200, True), (path, len(shown.content))
