"""Quarantine lets go of what is no spam."""

import pytest

from site2crm.app import Instance
from tests.cast import Person
from tests.leads.posting import a_form, frame, store


@pytest.fixture
async def held(instance: Instance, alice: Person) -> str:
    form_id = await a_form(instance, alice.org.id)
    sent = frame(
        alice.org.id, form_id, email="ada@example.com", kind="spam", status="quarantined", reason="honeypot", at=1e9
    )
    await store(instance, sent)
    return sent.id


async def test_not_spam_makes_a_lead(alice: Person, held: str) -> None:
    answer = (await alice.api.post(f"/api/v1/submissions/{held}/release")).json()
    assert answer["status"] == "accepted" and answer["released_at"] and "honeypot" in answer["reason"]
    lead = (await alice.api.get(f"/api/v1/leads/{answer['lead']}")).json()
    assert (lead["email"], lead["status"]) == ("ada@example.com", "new")


async def test_not_spam_joins_the_lead_that_is_there(instance: Instance, alice: Person, held: str) -> None:
    form_id = (await alice.api.get(f"/api/v1/submissions/{held}")).json()["form"]
    await store(instance, frame(alice.org.id, form_id, email="ada@example.com", message="newer"))
    answer = (await alice.api.post(f"/api/v1/submissions/{held}/release")).json()
    lead = (await alice.api.get(f"/api/v1/leads/{answer['lead']}")).json()
    assert (lead["submissions"], lead["message"]) == (2, "newer")


async def test_releasing_twice_changes_nothing(alice: Person, held: str) -> None:
    first = (await alice.api.post(f"/api/v1/submissions/{held}/release")).json()
    again = await alice.api.post(f"/api/v1/submissions/{held}/release")
    assert again.status_code == 200 and again.json() == first


async def test_what_was_never_held_cannot_be_released(instance: Instance, alice: Person, held: str) -> None:
    form_id = (await alice.api.get(f"/api/v1/submissions/{held}")).json()["form"]
    sent = frame(alice.org.id, form_id, email="test@example.com", status="test")
    await store(instance, sent)
    answer = await alice.api.post(f"/api/v1/submissions/{sent.id}/release")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_in_quarantine")


async def test_the_page_lists_the_reason_and_releases_in_bulk(alice: Person, held: str) -> None:
    page = await alice.web.get("/o/acme/quarantine")
    assert "honeypot" in page.text and "ada@example.com" in page.text
    done = await alice.web.post("/o/acme/quarantine/release", data={"id": [held]})
    assert done.status_code == 303 and "/o/acme/leads/led_" in done.headers["location"]
    assert "Nothing held back" in (await alice.web.get("/o/acme/quarantine")).text


async def test_held_submissions_can_be_deleted_and_released_ones_cannot(alice: Person, held: str) -> None:
    assert (await alice.web.post("/o/acme/quarantine/delete", data={"id": [held]})).status_code == 303
    assert (await alice.api.get(f"/api/v1/submissions/{held}")).status_code == 404
    assert (await alice.web.post("/o/acme/quarantine/delete", data={"id": [held]})).status_code == 404


async def test_a_viewer_may_look_and_not_release(vera: Person, held: str) -> None:
    assert (await vera.api.get(f"/api/v1/submissions/{held}")).status_code == 200
    assert "data-check-all" not in (await vera.web.get("/o/acme/quarantine")).text
    assert (await vera.api.post(f"/api/v1/submissions/{held}/release")).status_code == 403
