"""The JSON API of leads and submissions: shapes, pages, strangers."""

from typing import Any

import pytest

from site2crm.app import Instance
from tests.cast import Person
from tests.leads.posting import a_form, frame, store


@pytest.fixture
async def form_id(instance: Instance, alice: Person) -> str:
    return await a_form(instance, alice.org.id)


@pytest.fixture
async def lead(instance: Instance, alice: Person, form_id: str) -> dict[str, Any]:
    sent = frame(
        alice.org.id, form_id, email="ada@example.com", first_name="Ada", message="Hello", custom={"size": "50"}
    )
    await store(instance, sent)
    found: dict[str, Any] = (await alice.api.get("/api/v1/leads")).json()["data"][0]
    return found


async def test_a_lead_has_the_promised_shape(lead: dict[str, Any]) -> None:
    promised = {"id", "email", "first_name", "last_name", "phone", "company", "message", "status", "custom"}
    assert promised | {"attribution", "created_at"} <= lead.keys()
    assert (lead["email"], lead["custom"], lead["status"]) == ("ada@example.com", {"size": "50"}, "new")
    assert lead["created_at"].endswith("Z")


async def test_pages_have_no_gap_and_no_repeat(instance: Instance, alice: Person, form_id: str) -> None:
    frames = [frame(alice.org.id, form_id, email=f"p{n}@example.com", at=1e9 + n // 3) for n in range(25)]
    await store(instance, *frames)
    for asked in ({}, {"sort": "activity"}, {"q": "p"}, {"form": form_id}, {"status": "all"}):
        seen, params = [], {"limit": "4", **asked}
        while True:
            page = (await alice.api.get("/api/v1/leads", params=params)).json()
            seen += [lead["email"] for lead in page["data"]]
            if not page["page"]["has_more"]:
                break
            params["cursor"] = page["page"]["next_cursor"]
        assert len(seen) == len(set(seen)) == 25, asked


@pytest.mark.parametrize(
    "asked",
    [
        {"limit": "0"}, {"limit": "201"}, {"limit": "x"}, {"cursor": "nonsense"}, {"status": "unknown"},
        {"sort": "name"}, {"from": "yesterday"}, {"to": "2026-13-01"}, {"cursor": "WyIyMDI2LTAxLTAxVDAwOjAwOjAwWiIsIngiXQ", "q": "a"},
    ],
)  # fmt: skip
async def test_nonsense_is_refused_with_the_field(alice: Person, lead: dict[str, Any], asked: dict[str, str]) -> None:
    answer = await alice.api.get("/api/v1/leads", params=asked)
    assert answer.status_code in {400, 422} and answer.headers["content-type"] == "application/problem+json"


async def test_a_period_is_days_or_moments(instance: Instance, alice: Person, form_id: str) -> None:
    day = 86_400
    await store(
        instance, *(frame(alice.org.id, form_id, email=f"{n}@example.com", at=20_000 * day + n * day) for n in range(5))
    )

    async def count(**asked: str) -> int:
        return len((await alice.api.get("/api/v1/leads", params=asked)).json()["data"])

    assert await count(**{"from": "2024-10-05"}) == 4
    assert await count(to="2024-10-05") == 2
    assert await count(**{"from": "2024-10-05", "to": "2024-10-06"}) == 2
    assert await count(**{"from": "2024-10-05T00:00:01Z", "q": "example"}) == 3


async def test_patch_is_a_merge_patch(alice: Person, lead: dict[str, Any]) -> None:
    change = {"company": " Acme ", "message": None, "custom": {"size": None, "city": "Bonn"}}
    answer = (await alice.api.patch(f"/api/v1/leads/{lead['id']}", json=change)).json()
    assert (answer["company"], answer["message"], answer["custom"]) == ("Acme", None, {"city": "Bonn"})
    assert (answer["email"], answer["first_name"]) == ("ada@example.com", "Ada")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"nope": 1}, 400),
        ({"email": "not an address"}, 422),
        ({"status": "sold"}, 400),
        ({"first_name": "x" * 301}, 400),
    ],
)
async def test_a_wrong_change_is_refused(
    alice: Person, lead: dict[str, Any], change: dict[str, Any], status: int
) -> None:
    answer = await alice.api.patch(f"/api/v1/leads/{lead['id']}", json=change)
    assert answer.status_code in {status, 422}


async def test_an_address_belongs_to_one_lead(
    instance: Instance, alice: Person, form_id: str, lead: dict[str, Any]
) -> None:
    await store(instance, frame(alice.org.id, form_id, email="bob@example.com"))
    answer = await alice.api.patch(f"/api/v1/leads/{lead['id']}", json={"email": "BOB@example.com"})
    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")


async def test_an_archived_lead_leaves_the_list_until_it_is_asked_for(alice: Person, lead: dict[str, Any]) -> None:
    await alice.api.patch(f"/api/v1/leads/{lead['id']}", json={"status": "archived"})

    async def listed(**asked: str) -> int:
        return len((await alice.api.get("/api/v1/leads", params=asked)).json()["data"])

    assert [await listed(), await listed(q="ada")] == [0, 0]
    assert [await listed(status="archived"), await listed(status="all", q="ada")] == [1, 1]


async def test_delete_takes_the_submissions_along(alice: Person, lead: dict[str, Any]) -> None:
    assert (await alice.api.delete(f"/api/v1/leads/{lead['id']}")).status_code == 204
    assert (await alice.api.get(f"/api/v1/leads/{lead['id']}")).status_code == 404
    assert (await alice.api.get("/api/v1/submissions")).json()["data"] == []


async def test_the_timeline_tells_submissions(alice: Person, lead: dict[str, Any]) -> None:
    (entry,) = (await alice.api.get(f"/api/v1/leads/{lead['id']}/timeline")).json()["data"]
    assert (entry["type"], entry["status"]) == ("submission", "accepted")
    assert entry["at"].endswith("Z") and entry["normalised"]["email"] == "ada@example.com"


async def test_a_submission_is_shown_as_it_was_posted(instance: Instance, alice: Person, form_id: str) -> None:
    text, raw = (
        frame(alice.org.id, form_id, email="a@example.com", body="é=1".encode()),
        frame(alice.org.id, form_id, email="b@example.com", body=b"\xff\x00"),
    )
    await store(instance, text, raw)
    shown = (await alice.api.get(f"/api/v1/submissions/{text.id}")).json()
    assert (shown["body"], shown["body_base64"]) == ("é=1", None)
    shown = (await alice.api.get(f"/api/v1/submissions/{raw.id}")).json()
    assert (shown["body"], shown["body_base64"]) == (None, "/wA=")


async def test_submissions_are_filtered_and_paged(instance: Instance, alice: Person, form_id: str) -> None:
    other = await a_form(instance, alice.org.id, "Other")
    await store(
        instance,
        *(frame(alice.org.id, form_id, email=f"p{n}@example.com", at=1e9 + n) for n in range(5)),
        frame(alice.org.id, other, email="q@example.com", status="quarantined", reason="honeypot", at=1e9 + 9),
    )

    async def listed(**asked: str) -> list[str]:
        page = (await alice.api.get("/api/v1/submissions", params=asked)).json()
        return [row["normalised"]["email"] for row in page["data"]]

    assert await listed() == ["q@example.com", *(f"p{n}@example.com" for n in (4, 3, 2, 1, 0))]
    assert await listed(status="quarantined") == await listed(form=other) == ["q@example.com"]
    assert len(await listed(form=form_id)) == 5
    first = (await alice.api.get("/api/v1/submissions", params={"limit": "3"})).json()
    rest = (await alice.api.get("/api/v1/submissions", params={"cursor": first["page"]["next_cursor"]})).json()
    assert [row["normalised"]["email"] for row in rest["data"]] == [
        "p2@example.com",
        "p1@example.com",
        "p0@example.com",
    ]


async def test_a_stranger_finds_nothing(charlie: Person, alice: Person, lead: dict[str, Any]) -> None:
    submission = (await alice.api.get("/api/v1/submissions")).json()["data"][0]["id"]
    form_id = lead["form"]
    for path in (
        f"/api/v1/leads/{lead['id']}", f"/api/v1/leads/{lead['id']}/timeline", f"/api/v1/submissions/{submission}",
    ):  # fmt: skip
        assert (await charlie.api.get(path)).status_code == 404, path
    assert (await charlie.api.patch(f"/api/v1/leads/{lead['id']}", json={"company": "x"})).status_code == 404
    assert (await charlie.api.delete(f"/api/v1/leads/{lead['id']}")).status_code == 404
    assert (await charlie.api.post(f"/api/v1/submissions/{submission}/release")).status_code == 404
    for path in (
        "/api/v1/leads", "/api/v1/leads?q=ada", f"/api/v1/leads?form={form_id}", "/api/v1/leads?email=ada@example.com",
        f"/api/v1/submissions?form={form_id}", f"/api/v1/submissions?lead={lead['id']}",
    ):  # fmt: skip
        assert (await charlie.api.get(path)).json()["data"] == [], path
    assert (await alice.api.get(f"/api/v1/leads/{lead['id']}")).json()["company"] is None


async def test_a_viewer_cannot_change(vera: Person, lead: dict[str, Any]) -> None:
    assert (await vera.api.get(f"/api/v1/leads/{lead['id']}")).status_code == 200
    assert (await vera.api.patch(f"/api/v1/leads/{lead['id']}", json={"company": "x"})).status_code == 403
    assert (await vera.api.delete(f"/api/v1/leads/{lead['id']}")).status_code == 403


async def test_a_key_that_may_not_read_leads_gets_none_by_changing_it(alice: Person, lead: dict[str, Any]) -> None:
    submission = (await alice.api.get("/api/v1/submissions")).json()["data"][0]["id"]
    made = await alice.api.post("/api/v1/keys", json={"name": "Writes", "scopes": ["leads:write"]})
    headers = {"Authorization": f"Bearer {made.json()['key']}"}
    answers = [
        await alice.api.patch(f"/api/v1/leads/{lead['id']}", headers=headers, json={"company": "Read me"}),
        await alice.api.post(f"/api/v1/submissions/{submission}/release", headers=headers),
    ]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert all("`leads:read`" in answer.text for answer in answers)
    assert (await alice.api.get(f"/api/v1/leads/{lead['id']}")).json()["company"] != "Read me"
