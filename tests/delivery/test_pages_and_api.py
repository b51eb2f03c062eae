"""Deliveries as a browser and a script see them, and strangers do not."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from site2crm.core import feature
from site2crm.delivery import timeline
from site2crm.delivery.queries import DeliveryItem
from site2crm.demo.server import Fault
from tests.cast import Person
from tests.delivery.conftest import MAPPING, Office


@pytest.fixture
async def dead(office: Office) -> AsyncIterator[DeliveryItem]:
    await office.map({**MAPPING, "company": "industry"})
    await office.submit("ada@example.com", company="Farming", first_name="<script>alert(1)</script>")
    await office.work()
    yield await office.only()


async def test_the_list_shows_the_crms_words_and_filters(office: Office, alice: Person, dead: DeliveryItem) -> None:
    base = f"/o/{office.org.slug}/deliveries"
    shown = await alice.web.get(base)
    refused = await alice.web.get(f"{base}?state=dead&connection={office.connection_id}")
    none = await alice.web.get(f"{base}?state=delivered")
    waiting = await alice.web.get(f"{base}?state=waiting&form=frm_x&from=2026-11-01&to=2026-11-30")

    assert [answer.status_code for answer in (shown, refused, none, waiting)] == [200] * 4
    assert "Farming" in shown.text
    assert "<script>alert(1)" not in shown.text
    assert "Send many again" in refused.text
    assert "1 lead was refused by HubSpot" in (await alice.web.get(f"/o/{office.org.slug}/forms")).text
    assert "1 lead was refused by HubSpot" not in refused.text  # the tab says how many
    assert "Nothing here" in none.text


async def test_one_delivery_shows_what_happened_and_the_button(
    office: Office, alice: Person, dead: DeliveryItem
) -> None:
    shown = await alice.web.get(f"/o/{office.org.slug}/deliveries/{dead.id}")
    assert shown.status_code == 200
    assert "refused Industry" in shown.text
    assert "Edit and resend" in shown.text
    assert "PATCH" in shown.text
    assert "pat-na1" not in shown.text


async def test_the_edit_form_focuses_the_refused_field_and_resends(
    office: Office, alice: Person, dead: DeliveryItem
) -> None:
    url = f"/o/{office.org.slug}/deliveries/{dead.id}/edit"
    form = await alice.web.get(url)
    wrong = await alice.web.post(url, data={"property.industry": "Fishing", "property.email": "ada@example.com"})
    right = await alice.web.post(url, data={"property.industry": "RETAIL", "property.email": "ada@example.com"})
    await office.work()

    assert form.status_code == 200
    assert "autofocus" in form.text
    assert "not a choice of the CRM" in form.text
    assert (wrong.status_code, right.status_code) == (422, 303)
    assert "is not one of the choices" in wrong.text
    delivery = await office.only()
    assert (delivery.state, delivery.overrides) == ("delivered", {"industry": "RETAIL"})


async def test_a_state_is_called_as_its_tab(office: Office, alice: Person, dead: DeliveryItem) -> None:
    base = f"/o/{office.org.slug}"
    for path in (f"{base}/deliveries", f"{base}/deliveries/{dead.id}", f"{base}/leads/{dead.lead}", "/help/deliveries"):
        page = (await alice.web.get(path)).text
        assert ('<span class="badge" data-tone="bad">refused</span>' in page, ">dead</span>" in page) == (True, False)


async def test_bulk_actions_act_on_what_is_ticked(office: Office, alice: Person, dead: DeliveryItem) -> None:
    base = f"/o/{office.org.slug}/deliveries"
    skipped = await alice.web.post(f"{base}/skip", data={"id": dead.id})
    after_skip = (await office.only()).state
    again = await alice.web.post(f"{base}/replay", data={"id": dead.id})
    after_replay = (await office.only()).state
    nothing = await alice.web.post(f"{base}/replay", data={})
    assert (skipped.status_code, again.status_code, nothing.status_code) == (303, 303, 422)
    assert (after_skip, after_replay) == ("skipped", "pending")


async def test_who_may_only_look_ticks_nothing(office: Office, alice: Person, vera: Person, dead: DeliveryItem) -> None:
    base = f"/o/{office.org.slug}/deliveries"
    hers, his = [(await person.web.get(base)).text for person in (alice, vera)]
    assert ("Select all deliveries" in hers, "Select all deliveries" in his, dead.id in his) == (True, False, True)


async def test_everything_that_is_refused_can_be_sent_again_at_once(
    office: Office, alice: Person, dead: DeliveryItem
) -> None:
    done = await alice.web.post(f"/o/{office.org.slug}/deliveries/replay", data={"state": "dead"})
    assert (done.status_code, (await office.only()).state) == (303, "pending")


@pytest.mark.parametrize("page", ["deliveries/replay", "deliveries/skip", "leads/archive"])
async def test_more_ticks_than_a_database_takes_are_refused(office: Office, alice: Person, page: str) -> None:
    ticked = await alice.web.post(f"/o/{office.org.slug}/{page}", data={"id": ["x"] * 40_000})
    assert ticked.status_code == 422
    assert "At most 10,000 at once." in ticked.text


async def test_the_csv_is_inert(office: Office, alice: Person) -> None:
    office.fake.faults.append(
        Fault("status", status=400, body={"status": "error", "message": "=1+1", "category": "VALIDATION_ERROR"})
    )
    await office.submit()
    await office.work()
    office.fake.violations.clear()
    answer = await alice.web.get(f"/o/{office.org.slug}/deliveries.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "'=1+1" in answer.text
    assert len(answer.text.strip().splitlines()) == 2


async def test_the_lead_page_has_a_timeline_a_panel_and_banners(
    office: Office, alice: Person, dead: DeliveryItem
) -> None:
    page = await alice.web.get(f"/o/{office.org.slug}/leads/{dead.lead}")
    async with office.machine.session() as session:
        entries = await timeline.entries(session, office.org.id, dead.lead)
        panels = await feature.panels(session, office.org, "form", office.form_id)
        banners = await timeline.banners(session, office.org)
    assert page.status_code == 200
    assert "Refused by HubSpot" in page.text
    assert (entries[0].type, entries[0].tone, len(entries[0].data["log"])) == ("delivery", "bad", 1)
    assert any(panel.template == "delivery/_numbers.html" for panel in panels)
    assert [banner.tone for banner in banners] == ["bad"]
    assert (await alice.web.get(f"/o/{office.org.slug}/forms/{office.form_id}")).status_code == 200
    assert (await alice.web.get(f"/o/{office.org.slug}/crms/{office.connection_id}")).status_code == 200
    answer = await alice.api.get(f"/api/v1/leads/{dead.lead}/timeline")
    assert "delivery" in [entry["type"] for entry in answer.json()["data"]]


async def test_what_a_removed_connection_refused_asks_nobody_to_send_it_again(
    office: Office, alice: Person, dead: DeliveryItem
) -> None:
    lead = f"/o/{office.org.slug}/leads/{dead.lead}"
    before = (await alice.web.get(lead)).text
    await alice.web.post(f"/o/{office.org.slug}/crms/{office.connection_id}/remove")
    after = (await alice.web.get(lead)).text
    told = "1 lead was refused by HubSpot"
    assert (told in before, f"{dead.id}/replay" in before) == (True, True)
    assert (told in after, f"{dead.id}/replay" in after, "Refused by HubSpot" in after) == (False, False, True)


async def test_a_very_long_value_is_folded_on_the_page_of_a_delivery(office: Office, alice: Person) -> None:
    await office.map({**MAPPING, "message": "message"})
    await office.submit(message="Dear all! " * 200)
    page = (await alice.web.get(f"/o/{office.org.slug}/deliveries/{(await office.only()).id}")).text
    _, _, sent = page.partition("What is sent")
    assert "<details" in sent and "Dear all! Dear all!" in sent


async def test_the_api_lists_shows_replays_and_edits(office: Office, alice: Person, dead: DeliveryItem) -> None:
    listed = await alice.api.get("/api/v1/deliveries", params={"lead": dead.lead, "state": "dead"})
    shown = await alice.api.get(f"/api/v1/deliveries/{dead.id}")
    counted = await alice.api.post("/api/v1/deliveries/replay", json={"filter": {"state": "dead"}, "dry_run": True})
    refused = await alice.api.patch(f"/api/v1/deliveries/{dead.id}", json={"overrides": {"industry": "Fishing"}})
    edited = await alice.api.patch(f"/api/v1/deliveries/{dead.id}", json={"overrides": {"industry": "RETAIL"}})
    await office.work()
    again = await alice.api.post(f"/api/v1/deliveries/{dead.id}/replay")
    wrong = await alice.api.get("/api/v1/deliveries", params={"state": "nonsense"})

    [row] = listed.json()["data"]
    names = {"id", "lead", "submission", "connection", "state", "attempts", "remote_id", "remote_url", "error"}
    assert names <= row.keys()
    assert (row["state"], row["attempts"]) == ("dead", 1)
    assert "Farming" in row["error"]
    assert shown.json()["attempt_log"][0]["exchanges"][0]["method"] == "PATCH"
    assert (counted.json()["count"], counted.json()["dry_run"]) == (1, True)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "overrides.industry")
    assert (edited.status_code, edited.json()["state"]) == (200, "pending")
    assert (again.status_code, again.json()["state"]) == (200, "pending")
    assert wrong.status_code == 422


async def test_pages_go_on_by_cursor(office: Office, alice: Person) -> None:
    for number in range(5):
        await office.submit(f"p{number}@example.com")
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        answer = (await alice.api.get("/api/v1/deliveries", params=params)).json()
        seen += [row["id"] for row in answer["data"]]
        cursor = answer["page"]["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 5


ROUTES = [
    ("GET", "/api/v1/deliveries/{id}", None),
    ("POST", "/api/v1/deliveries/{id}/replay", None),
    ("POST", "/api/v1/deliveries/{id}/skip", None),
    ("PATCH", "/api/v1/deliveries/{id}", {"overrides": {"email": "x@example.com"}}),
]
PAGES = [("GET", ""), ("GET", "/edit"), ("POST", "/replay"), ("POST", "/skip"), ("POST", "/edit")]


async def test_edits_at_the_same_moment_are_both_kept(office: Office, alice: Person, dead: DeliveryItem) -> None:
    """Each is merged with what stands there when it has the lock, not with what it saw before."""
    url = f"/api/v1/deliveries/{dead.id}"
    edits = {"industry": "RETAIL", "firstname": "Ada", "lastname": "Lovelace", "email": "ada@example.org"}
    answers = [alice.api.patch(url, json={"overrides": {name: value}}) for name, value in edits.items()]
    assert {answer.status_code for answer in await asyncio.gather(*answers)} == {200}
    assert (await alice.api.get(url)).json()["overrides"] == edits


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
async def test_another_orgs_delivery_is_not_there(
    charlie: Person, nobody: httpx.AsyncClient, vera: Person, dead: DeliveryItem, office: Office,
    method: str, path: str, body: dict[str, object] | None,
) -> None:  # fmt: skip
    url = path.format(id=dead.id)
    assert (await charlie.api.request(method, url, json=body)).status_code == 404
    assert (await nobody.request(method, url, json=body)).status_code == 401
    assert (await vera.api.request(method, url, json=body)).status_code == (200 if method == "GET" else 403)
    assert (await office.only()).state == "dead"


@pytest.mark.parametrize(("method", "path"), PAGES)
async def test_another_orgs_pages_are_not_there(
    charlie: Person, dead: DeliveryItem, office: Office, method: str, path: str
) -> None:
    for slug in (office.org.slug, charlie.org.slug):
        answer = await charlie.web.request(method, f"/o/{slug}/deliveries/{dead.id}{path}", data={})
        assert answer.status_code == 404
    assert (await office.only()).state == "dead"


async def test_lists_and_bulk_actions_stay_inside_the_org(charlie: Person, dead: DeliveryItem, office: Office) -> None:
    listed = await charlie.api.get("/api/v1/deliveries", params={"lead": dead.lead})
    counted = await charlie.api.post("/api/v1/deliveries/replay", json={"filter": {"ids": [dead.id]}})
    base = f"/o/{charlie.org.slug}/deliveries"
    await charlie.web.post(f"{base}/replay", data={"id": dead.id})
    await charlie.web.post(f"{base}/skip", data={"id": dead.id})
    csv = await charlie.web.get(f"{base}.csv")
    assert (listed.json()["data"], counted.json()["count"]) == ([], 0)
    assert dead.id not in csv.text
    assert (await office.only()).state == "dead"


async def test_what_has_arrived_is_not_pressed_on_anybody_to_send_again(office: Office, alice: Person) -> None:
    await office.submit()
    await office.work()
    shown = (await alice.web.get(f"/o/{office.org.slug}/deliveries/{(await office.only()).id}")).text
    head = shown[shown.index("<h1") : shown.index('class="split"')]
    assert "Edit and resend" in head
    assert 'data-tone="primary"' not in head


@pytest.mark.parametrize("path", ["deliveries.csv", "links.csv", "leads.csv"])
async def test_a_csv_names_its_charset_once(office: Office, alice: Person, path: str) -> None:
    answer = await alice.web.get(f"/o/{office.org.slug}/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")


async def test_a_key_that_may_not_read_leads_sees_and_does_nothing_with_what_was_sent(
    office: Office, alice: Person, dead: DeliveryItem
) -> None:
    scopes = ["deliveries:read", "deliveries:write"]
    made = await alice.api.post("/api/v1/keys", json={"name": "Watch", "scopes": scopes})
    headers = {"Authorization": f"Bearer {made.json()['key']}"}
    url = f"/api/v1/deliveries/{dead.id}"
    listed = await alice.api.get("/api/v1/deliveries", headers=headers)
    assert (listed.status_code, "Farming" in listed.text) == (200, False)
    assert "Farming" in (await alice.api.get("/api/v1/deliveries")).text
    answers = [
        await alice.api.get(url, headers=headers),
        await alice.api.post(f"{url}/replay", headers=headers),
        await alice.api.post(f"{url}/skip", headers=headers),
        await alice.api.patch(url, headers=headers, json={"overrides": {"industry": "RETAIL"}}),
    ]
    assert [answer.status_code for answer in answers] == [403] * 4
    assert all("`leads:read`" in answer.text for answer in answers)
    await office.work()
    assert await office.only() == dead
