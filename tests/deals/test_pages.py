"""The pages and the API of deals and salespeople: what they show, to whom, and what they say when there is nothing."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest

from site2crm.connectors import service as connections
from site2crm.deals import syncing
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests.cast import Person
from tests.deals.conftest import Floor


async def filled(floor: Floor) -> tuple[str, str]:
    """A won deal of a lead, an open one in another currency, and a salesperson with a day's work."""
    owner = floor.fake.sales.add_owner("Grace", "Hopper")  # first: a cron that comes due in between reads them, too
    lead, contact = await floor.lead()
    now = clock.now()
    closed = {"dealstage": "closedwon", "closedate": (now - timedelta(days=1)).isoformat()}
    floor.deal("Big one", contacts=(contact,), amount="1500.50", hubspot_owner_id=owner, **closed)
    floor.deal("Far away", amount="3000", deal_currency_code="JPY", hubspot_owner_id=owner)
    for kind in ("calls", "calls", "emails", "meetings"):
        at = (now - timedelta(hours=3)).isoformat()
        floor.fake.sales.add(kind, contacts=[contact], hubspot_owner_id=owner, hs_timestamp=at)
    await floor.read()
    return lead, owner


async def test_the_list_shows_sums_stages_and_leads(floor: Floor, alice: Person) -> None:
    await filled(floor)
    page = (await alice.web.get("/o/acme/deals")).text
    for words in ("Big one", "1,500.50 EUR", "3,000 JPY", "Closed won", "Grace Hopper", "Ada", "Appointment scheduled"):
        assert words in page


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("q=BIG", {"Big one"}),
        ("q=nothing", set()),
        ("status=won", {"Big one"}),
        ("status=lost", set()),
        ("stage=closedwon", {"Big one"}),
        ("from=2020-01-01&to=2020-12-31", set()),
    ],
)
async def test_filters_narrow_the_list(floor: Floor, alice: Person, query: str, titles: set[str]) -> None:
    await filled(floor)
    page = (await alice.web.get(f"/o/acme/deals?{query}")).text
    assert {title for title in ("Big one", "Far away") if title in page} == titles


async def test_a_pipeline_and_an_owner_are_filters_of_their_crm(floor: Floor, alice: Person) -> None:
    _, owner = await filled(floor)
    con = floor.connection_id
    assert "Big one" in (await alice.web.get(f"/o/acme/deals?pipeline={con}:default&owner={con}:{owner}")).text
    assert "Big one" not in (await alice.web.get(f"/o/acme/deals?owner={con}:999")).text
    assert "No deal fits" in (await alice.web.get(f"/o/acme/deals?pipeline={con}:partners")).text


@pytest.mark.parametrize("query", ["status=sold", "from=yesterday", "cursor=x"])
async def test_a_wrong_filter_is_named(floor: Floor, alice: Person, query: str) -> None:
    refused = await alice.web.get(f"/o/acme/deals?{query}", headers={"Accept": "text/html"})
    assert (refused.status_code, f"{query.partition('=')[0]}: " in refused.text) == (422, True)
    assert (await alice.web.get(f"/o/acme/deals.csv?{query.replace('cursor=x', 'to=x')}")).status_code == 422


async def test_a_deal_shows_its_lead_and_what_was_done(floor: Floor, alice: Person) -> None:
    lead, _ = await filled(floor)
    [deal] = await floor.deals(search="big")
    page = (await alice.web.get(f"/o/acme/deals/{deal.id}")).text
    assert f"/o/acme/leads/{lead}" in page
    assert page.count("Grace Hopper") >= 5
    assert "1,500.50 EUR" in page


async def test_the_timeline_of_a_lead_shows_its_deals(floor: Floor, alice: Person) -> None:
    lead, _ = await filled(floor)
    page = (await alice.web.get(f"/o/acme/leads/{lead}")).text
    assert "Won: Big one" in page
    assert "Far away" not in page


async def test_the_page_of_a_connection_says_how_its_deals_are_read(floor: Floor, alice: Person) -> None:
    await filled(floor)
    page = (await alice.web.get(f"/o/acme/crms/{floor.connection_id}")).text
    assert "Deals of this CRM" in page
    assert "Read now" in page


async def test_without_a_crm_the_page_says_what_to_do(alice: Person, charlie: Person) -> None:
    page = (await charlie.web.get(f"/o/{charlie.org.slug}/deals")).text
    people = (await charlie.web.get(f"/o/{charlie.org.slug}/deals/people")).text
    assert "No CRM with deals is connected" in page
    assert "No CRM with deals is connected" in people


async def test_a_first_reading_shows_how_far_it_is(floor: Floor, alice: Person) -> None:
    await floor.look()
    assert "Reading HubSpot" in (await alice.web.get("/o/acme/deals")).text
    await floor.read()
    page = (await alice.web.get("/o/acme/deals")).text
    assert "Reading HubSpot" not in page
    assert "No deals yet" in page


async def test_salespeople_are_ranked_by_points(floor: Floor, alice: Person) -> None:
    await filled(floor)
    floor.fake.sales.add_owner("Idle", "Person")
    with clock.travel(clock.now() + timedelta(hours=2)):
        await floor.read()
    found = (await alice.api.get("/api/v1/salespeople")).json()
    first, second = found["people"]
    assert (first["name"], first["calls"], first["emails"], first["meetings"], first["won"]) == (
        "Grace Hopper",
        2,
        1,
        1,
        1,
    )
    assert first["amounts"] == [{"currency": "EUR", "amount_minor": 150050, "amount": "1500.50"}]
    assert first["score"] == round(2 * 1 + 1 * 0.5 + 5 + 20 + 1.5005 * 2, 1)
    assert (second["name"], second["score"]) == ("Idle Person", 0)
    page = (await alice.web.get("/o/acme/deals/people")).text
    assert page.index("Grace Hopper") < page.index("Idle Person")
    places = '<td class="num" data-none>{}</td>'
    assert [page.count(places.format(number)) for number in (1, 2)] == [1, 1]
    tied = (await alice.web.get("/o/acme/deals/people?from=2020-01-01&to=2020-02-01")).text
    assert tied.count("Idle Person") == 1 and tied.count(places.format(1)) == 2  # as many points, one place


async def test_what_happened_before_the_period_does_not_count(floor: Floor, alice: Person) -> None:
    await filled(floor)
    found = (await alice.api.get("/api/v1/salespeople?since=2020-01-01T00:00:00Z&until=2020-02-01T00:00:00Z")).json()
    assert [(one["won"], one["calls"], one["score"]) for one in found["people"]] == [(0, 0, 0)]
    wrong = await alice.web.get("/o/acme/deals/people?period=7d&from=2026-02-01&to=2026-01-01")
    assert (wrong.status_code, 'id="people"' in wrong.text, "day is before" in wrong.text) == (422, True, True)
    assert 'href="/o/acme/deals/people?period=7d&amp;from=2026-02-01"' in wrong.text  # without the last day
    assert (await alice.web.get("/o/acme/deals/people?period=century")).status_code == 422


async def test_one_person_in_two_crms_is_one_line(floor: Floor, alice: Person) -> None:
    await filled(floor)
    second = await floor.office.connect()
    await floor.look()
    await syncing.read(floor.machine, floor.org_id, second)
    everywhere = (await alice.api.get("/api/v1/salespeople")).json()["people"]
    one = (await alice.api.get(f"/api/v1/salespeople?connection={second}")).json()["people"]
    assert [(len(everywhere), everywhere[0]["calls"]), (len(one), one[0]["calls"])] == [(1, 4), (1, 2)]
    assert len(everywhere[0]["connections"]) == 2


async def test_a_crm_that_tells_no_emails_shows_a_dash(floor: Floor, alice: Person) -> None:
    floor.fake.sales.add_owner("Grace", "Hopper")
    forbidden = {"status": "error", "category": "MISSING_SCOPES", "message": "no"}
    floor.fake.faults.append(Fault("status", status=403, count=-1, path="/emails", body=forbidden))
    await floor.read()
    [one] = (await alice.api.get("/api/v1/salespeople")).json()["people"]
    assert (one["emails"], one["calls"]) == (None, 0)
    assert "does not tell e-mails" in (await alice.web.get("/o/acme/deals/people")).text


async def test_weights_are_the_orgs_own(floor: Floor, alice: Person, bob: Person) -> None:
    await filled(floor)
    form = {"call": "10", "email": "0", "meeting": "0", "won": "0", "amount": "0,5", "currency": "eur"}
    saved = await alice.web.post("/o/acme/deals/people", data=form)
    assert saved.status_code == 303
    found = (await alice.api.get("/api/v1/salespeople")).json()
    assert found["people"][0]["score"] == round(20 + 1.5005 * 0.5, 1)
    assert found["weights"] == {"call": 10, "email": 0, "meeting": 0, "won": 0, "amount": 0.5, "currency": "EUR"}
    assert (await bob.web.post("/o/acme/deals/people", data=form)).status_code == 403


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("call", "many"),
        ("won", "-1"),
        ("meeting", "1e9"),
        ("currency", "euro"),
        ("amount", "nan"),
        ("call", ""),
        ("won", "1_000"),
        ("won", "1,000"),
    ],
)
async def test_a_wrong_weight_is_named(floor: Floor, alice: Person, field: str, value: str) -> None:
    form = {"call": "1", "email": "1", "meeting": "1", "won": "1", "amount": "1", "currency": "", field: value}
    page = await alice.web.post("/o/acme/deals/people", data=form)
    assert page.status_code == 422
    assert f'value="{value}"' in page.text


async def test_deals_and_people_are_exported(floor: Floor, alice: Person) -> None:
    lead, _ = await filled(floor)
    deals = list(csv.DictReader(io.StringIO((await alice.web.get("/o/acme/deals.csv")).text.lstrip("\ufeff"))))
    assert {(row["title"], row["amount"], row["currency"], row["lead"]) for row in deals} == {
        ("Big one", "1500.50", "EUR", lead), ("Far away", "3000", "JPY", "")
    }  # fmt: skip
    people = list(csv.DictReader(io.StringIO((await alice.web.get("/o/acme/deals/people.csv")).text.lstrip("\ufeff"))))
    assert [(row["name"], row["calls"], row["amount"], row["currency"]) for row in people] == [
        ("Grace Hopper", "2", "1500.50", "EUR")
    ]


async def test_the_api_pages_and_filters(floor: Floor, alice: Person) -> None:
    lead, _ = await filled(floor)
    first = (await alice.api.get("/api/v1/deals?limit=1")).json()
    second = (await alice.api.get(f"/api/v1/deals?limit=1&cursor={first['page']['next_cursor']}")).json()
    assert (first["page"]["has_more"], second["page"]["has_more"]) == (True, False)
    assert {first["data"][0]["title"], second["data"][0]["title"]} == {"Big one", "Far away"}
    [mine] = (await alice.api.get(f"/api/v1/deals?lead={lead}")).json()["data"]
    detail = (await alice.api.get(f"/api/v1/deals/{mine['id']}")).json()
    assert (detail["title"], detail["lead"], len(detail["activities"])) == ("Big one", lead, 4)
    assert (await alice.api.get("/api/v1/deals?lead=led_nobody")).json()["data"] == []
    assert (await alice.api.get("/api/v1/deals?status=sold")).status_code == 422


async def test_reading_now_is_for_admins_and_for_running_crms(floor: Floor, alice: Person, bob: Person) -> None:
    floor.deal()
    started = await alice.api.post("/api/v1/deals/sync", json={})
    assert (started.status_code, started.json()) == (202, {"connections": [floor.connection_id]})
    await floor.office.work()
    assert len(await floor.deals()) == 1
    assert (await bob.api.post("/api/v1/deals/sync", json={})).status_code == 403
    assert (await alice.api.post("/api/v1/deals/sync", json={"connection": "con_x"})).status_code == 404
    inbox = await floor.office.connect(kind="inbox", mapping={"email": "email"})
    assert (await alice.api.post("/api/v1/deals/sync", json={"connection": inbox})).status_code == 409
    async with floor.machine.session() as session:
        await connections.pause(session, floor.org_id, floor.connection_id)
    stopped = await alice.api.post("/api/v1/deals/sync", json={"connection": floor.connection_id})
    assert (stopped.status_code, "resume" in stopped.text) == (409, True)
    all_stopped = await alice.api.post("/api/v1/deals/sync", json={})
    assert (all_stopped.status_code, "is stopped: resume one first" in all_stopped.text) == (409, True)


async def test_a_stranger_sees_nothing(floor: Floor, charlie: Person, alice: Person) -> None:
    lead, _ = await filled(floor)
    [deal] = await floor.deals(search="big")
    assert (await charlie.api.get("/api/v1/deals")).json()["data"] == []
    assert (await charlie.api.get(f"/api/v1/deals?lead={lead}&connection={floor.connection_id}")).json()["data"] == []
    assert (await charlie.api.get(f"/api/v1/deals/{deal.id}")).status_code == 404
    assert (await charlie.api.get("/api/v1/salespeople")).json()["people"] == []
    assert (await charlie.api.get(f"/api/v1/salespeople?connection={floor.connection_id}")).json()["people"] == []
    sync = await charlie.api.post("/api/v1/deals/sync", json={"connection": floor.connection_id})
    assert sync.status_code == 404
    assert (await charlie.web.get(f"/o/acme/deals/{deal.id}")).status_code == 404
    assert (await charlie.web.get(f"/o/{charlie.org.slug}/deals/{deal.id}")).status_code == 404
    assert "Big one" not in (await charlie.web.get(f"/o/{charlie.org.slug}/deals.csv")).text


async def test_a_key_sees_of_a_lead_and_its_deal_what_its_scopes_say(floor: Floor, alice: Person) -> None:
    """Where a lead came from is the lead's, what became of it the deal's and the delivery's."""
    lead, _ = await filled(floor)
    [deal] = await floor.deals(search="big")

    async def seen(path: str, *scopes: str) -> Any:
        made = await alice.api.post("/api/v1/keys", json={"name": "Some", "scopes": list(scopes)})
        headers = {"Authorization": f"Bearer {made.json()['key']}"}
        return (await alice.api.get(f"/api/v1/{path}", headers=headers)).json()

    async def told(*scopes: str) -> set[str]:
        return {entry["type"] for entry in (await seen(f"leads/{lead}/timeline", *scopes))["data"]}

    assert (await seen(f"deals/{deal.id}", "deals:read"))["first_touch"] is None
    assert (await seen(f"deals/{deal.id}", "deals:read", "leads:read"))["first_touch"] is not None
    assert await told("leads:read") == {"submission"}
    assert await told("leads:read", "deals:read") == {"submission", "deal"}
    assert await told("leads:read", "deliveries:read") == {"submission", "delivery"}
