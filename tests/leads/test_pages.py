"""The dashboard's pages of leads."""

import asyncio
import csv
import io

import pytest

from site2crm.app import Instance
from site2crm.core.live import CHANGED, PING
from site2crm.leads import live
from tests.cast import Person
from tests.leads.posting import a_form, frame, store

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
async def form_id(instance: Instance, alice: Person) -> str:
    return await a_form(instance, alice.org.id)


async def first_lead(person: Person) -> str:
    found: str = (await person.api.get("/api/v1/leads")).json()["data"][0]["id"]
    return found


async def test_an_empty_list_says_what_to_do_next(alice: Person) -> None:
    page = await alice.web.get("/o/acme/leads")
    assert page.status_code == 200 and "Create a form" in page.text and "/o/acme/forms/new" in page.text


async def test_the_list_shows_filters_as_chips(instance: Instance, alice: Person, form_id: str) -> None:
    await store(instance, frame(alice.org.id, form_id, email="ada@example.com", first_name="Ada", last_name="Sample"))
    page = await alice.web.get("/o/acme/leads", params={"q": "ada", "form": form_id, "from": "2020-01-01"})
    assert "Ada Sample" in page.text
    assert "Remove filter Form Contact" in page.text and "Remove filter From 2020-01-01" in page.text
    nothing = await alice.web.get("/o/acme/leads?q=nobody")
    assert "Nothing found" in nothing.text


async def test_a_lead_has_one_page_with_everything(instance: Instance, alice: Person, form_id: str) -> None:
    said = {"email": "ada@example.com", "first_name": "Ada", "message": "Hello", "custom": {"Team size": "50"}}
    attribution = {"first.utm_source": "newsletter", "utm_source": "google"}
    await store(
        instance,
        frame(alice.org.id, form_id, **said, consent={"newsletter": "yes"}, attribution=attribution, body=b"raw=1"),
    )
    page = await alice.web.get(f"/o/acme/leads/{await first_lead(alice)}")
    for text in ("Ada", "Hello", "Team size", "newsletter", "First touch", "google", "Sent Contact", "raw=1"):
        assert text in page.text, text


@pytest.mark.parametrize("field", ["email", "first_name", "last_name", "phone", "company", "message"])
async def test_a_script_in_a_field_is_text(instance: Instance, alice: Person, form_id: str, field: str) -> None:
    said = {"custom": {SCRIPT: SCRIPT}, "consent": {SCRIPT: SCRIPT}, "attribution": {"utm_source": SCRIPT}}
    await store(
        instance,
        frame(alice.org.id, form_id, **{field: SCRIPT}, **said),
        frame(alice.org.id, form_id, **{field: SCRIPT + "2"}, status="quarantined", reason=SCRIPT),
    )
    pages = ["/o/acme/leads", f"/o/acme/leads/{await first_lead(alice)}", "/o/acme/quarantine"]
    for path in pages:
        page = await alice.web.get(path)
        assert page.status_code == 200 and SCRIPT not in page.text, path


async def test_editing_saves_or_says_why_not(instance: Instance, alice: Person, form_id: str) -> None:
    await store(instance, frame(alice.org.id, form_id, email="bob@example.com"))
    await store(instance, frame(alice.org.id, form_id, email="ada@example.com", custom={"Size": "1"}))
    url = f"/o/acme/leads/{await first_lead(alice)}"
    fields = {"email": "ada@example.com", "first_name": "Ada", "custom.Size": "2"}
    assert (await alice.web.post(url, data=fields)).status_code == 303
    saved = (await alice.api.get(url.replace("/o/acme", "/api/v1"))).json()
    assert (saved["first_name"], saved["custom"]) == ("Ada", {"Size": "2"})
    refused = await alice.web.post(url, data={**fields, "email": "bob@example.com", "company": "Kept in the form"})
    assert refused.status_code == 422 and "belongs to lead" in refused.text and "Kept in the form" in refused.text


async def test_bulk_archive_restore_and_delete(instance: Instance, alice: Person, form_id: str) -> None:
    await store(instance, *(frame(alice.org.id, form_id, email=f"{n}@example.com") for n in range(3)))
    ids = [lead["id"] for lead in (await alice.api.get("/api/v1/leads")).json()["data"]]
    assert (await alice.web.post("/o/acme/leads/archive", data={"id": ids[:2]})).status_code == 303
    assert len((await alice.api.get("/api/v1/leads")).json()["data"]) == 1
    assert (await alice.web.post("/o/acme/leads/restore", data={"id": ids[:2]})).status_code == 303
    assert (await alice.web.post(f"/o/acme/leads/{ids[0]}/delete")).status_code == 303
    assert len((await alice.api.get("/api/v1/leads")).json()["data"]) == 2


async def test_an_export_is_complete_and_inert(instance: Instance, alice: Person, form_id: str) -> None:
    formula = "=HYPERLINK(1)"
    await store(
        instance,
        frame(alice.org.id, form_id, email="ada@example.com", company=formula, custom={"Size": "+50", "=Name": "a"}),
        frame(alice.org.id, form_id, email="bob@example.com", message='say "hi",\nplease'),
    )
    answer = await alice.web.get("/o/acme/leads.csv")
    assert answer.headers["content-disposition"].startswith('attachment; filename="leads-acme-')
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [row["email"] for row in rows] == ["bob@example.com", "ada@example.com"]
    assert (rows[1]["company"], rows[1]["Size"], rows[1]["'=Name"]) == ("'" + formula, "'+50", "a")
    assert rows[0]["message"] == 'say "hi",\nplease'
    one = await alice.web.get("/o/acme/leads.csv", params={"id": rows[0]["id"]})
    assert "bob@example.com" in one.text and "ada@example.com" not in one.text


async def test_export_needs_its_own_right(vera: Person) -> None:
    assert (await vera.web.get("/o/acme/leads.csv")).status_code == 403


async def test_a_stranger_sees_no_page_and_exports_nothing(
    instance: Instance, alice: Person, charlie: Person, form_id: str
) -> None:
    await store(instance, frame(alice.org.id, form_id, email="ada@example.com"))
    lead_id = await first_lead(alice)
    for path in ("/o/acme/leads", f"/o/acme/leads/{lead_id}", "/o/acme/leads.csv", "/o/acme/quarantine"):
        assert (await charlie.web.get(path)).status_code == 404
    assert (await charlie.web.get(f"/o/other/leads/{lead_id}")).status_code == 404
    assert (await charlie.web.post("/o/other/leads/archive", data={"id": [lead_id]})).status_code == 404
    assert "ada@example.com" not in (await charlie.web.get("/o/other/leads.csv", params={"id": lead_id})).text


async def test_an_open_list_hears_of_a_new_lead(instance: Instance, alice: Person, form_id: str) -> None:
    stream = live.stream(alice.org.id)
    assert await anext(stream) == PING
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    await store(instance, frame(alice.org.id, form_id, email="ada@example.com"))
    async with asyncio.timeout(5):
        assert await waiting == CHANGED
    await stream.aclose()


async def test_the_numbers_of_a_form_add_up(instance: Instance, alice: Person, form_id: str) -> None:
    await store(
        instance,
        frame(alice.org.id, form_id, email="ada@example.com", body=b"1"),
        frame(alice.org.id, form_id, email="ada@example.com", body=b"1"),
        frame(alice.org.id, form_id, message="?", kind="needs_review"),
        frame(alice.org.id, form_id, email="bot@example.com", status="quarantined"),
        frame(alice.org.id, form_id, email="test@example.com", status="test"),
    )
    page = await alice.web.get(f"/o/acme/forms/{form_id}")
    shown = [text.split("</dd>")[0] for text in page.text.split("<dd>")[1:7]]
    assert shown == ["5", "2", "1", "1", "1", "1"]
