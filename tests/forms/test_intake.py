"""`POST /f/{form}` on a whole instance: what it answers, what it stores, what it refuses."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from site2crm.app import Instance
from site2crm.forms.events import SubmissionFrame
from tests import cast
from tests.cast import Person

INTAKE = Path(__file__).parent / "intake"
CASES = json.loads((INTAKE / "expected.json").read_text())["cases"]
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}


async def a_form(alice: Person, **fields: Any) -> str:
    """A new form of Acme; the path to post to."""
    made = await alice.api.post("/api/v1/forms", json={"name": "Contact", **fields})
    assert made.status_code == 201, made.text
    return f"/f/{made.json()['key']}"


async def settled(instance: Instance) -> None:
    """Wait until the consumer has applied everything that was accepted."""
    for _ in range(500):
        if instance.machine.journal.stats().submissions.lag_records == 0:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the journal was not drained")


async def leads_of(alice: Person, **query: Any) -> list[dict[str, Any]]:
    answer = await alice.api.get("/api/v1/leads", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def test_a_script_gets_201_and_the_id(alice: Person, nobody: httpx.AsyncClient) -> None:
    answer = await nobody.post(await a_form(alice), json={"email": "ada@example.com"})
    assert answer.status_code == 201
    assert answer.json()["id"].startswith("sub_")


async def test_a_browser_is_sent_to_the_thank_you_page(alice: Person, nobody: httpx.AsyncClient) -> None:
    path = await a_form(alice)
    answer = await nobody.post(path, data={"email": "ada@example.com"}, headers={"Sec-Fetch-Mode": "navigate"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{path}/thanks")
    assert (await nobody.get(answer.headers["location"])).status_code == 200


@pytest.mark.parametrize(
    ("origins", "wanted", "goes_there"),
    [
        (["https://www.example.com"], "https://www.example.com/thanks", True),
        (["https://*.example.com"], "https://shop.example.com/thanks", True),
        (["https://www.example.com"], "https://evil.example/thanks", False),
        (["https://www.example.com"], "https://www.example.com.evil.example/", False),
        (["https://www.example.com"], "//evil.example", False),
        (["https://www.example.com"], "javascript:alert(1)", False),
        (["https://www.example.com"], "https://www.example.com@evil.example/", False),
        ([], "https://www.example.com/thanks", False),
    ],
)
async def test_next_leads_to_the_forms_own_websites_only(
    alice: Person, nobody: httpx.AsyncClient, origins: list[str], wanted: str, goes_there: bool
) -> None:
    path = await a_form(alice, allowed_origins=origins)
    body = {"email": "ada@example.com", "_next": wanted}
    answer = await nobody.post(path, data=body, headers={"Sec-Fetch-Mode": "navigate"})
    assert answer.headers["location"] == (wanted if goes_there else f"{path}/thanks")


async def test_the_same_idempotency_key_is_one_submission(
    instance: Instance, alice: Person, nobody: httpx.AsyncClient
) -> None:
    path = await a_form(alice)
    answers = [
        await nobody.post(path, json={"email": "ada@example.com", "n": n}, headers={"Idempotency-Key": "k1"})
        for n in range(3)
    ]
    await settled(instance)
    assert [answer.status_code for answer in answers] == [201, 200, 200]
    assert len({answer.json()["id"] for answer in answers}) == 1
    submissions = (await alice.api.get("/api/v1/submissions")).json()["data"]
    assert len(submissions) == 1


async def test_twenty_posts_of_one_key_at_once_are_one_submission(
    instance: Instance, alice: Person, nobody: httpx.AsyncClient
) -> None:
    path = await a_form(alice)
    headers = {"Idempotency-Key": "k1"}
    posts = [nobody.post(path, json={"email": "ada@example.com"}, headers=headers) for _ in range(20)]
    answers = await asyncio.gather(*posts)
    await settled(instance)
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len((await alice.api.get("/api/v1/submissions")).json()["data"]) == 1


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["file"])
async def test_every_builders_body_is_taken(
    instance: Instance, alice: Person, nobody: httpx.AsyncClient, case: dict[str, Any]
) -> None:
    path = await a_form(alice)
    body = (INTAKE / case["file"]).read_bytes()
    headers = {"Content-Type": case["content_type"]}
    first = await nobody.post(path, content=body, headers=headers)
    second = await nobody.post(path, content=body, headers=headers)
    await settled(instance)
    leads = await leads_of(alice)
    if case["kind"] == "reject":
        assert 400 <= first.status_code < 500
        return
    if case["kind"] == "test":
        assert (first.status_code, leads) == (200, [])
        return
    assert (first.status_code, second.status_code) == (201, 200)
    if case["kind"] == "spam":
        assert leads == []
        return
    assert len(leads) == 1
    for name in ("email", "first_name", "last_name", "company"):
        if name in case["expected"]:
            assert leads[0][name] == case["expected"][name], name


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}", {"Content-Type": "application/json"}, 400),
        (b"[" * 200_000, {"Content-Type": "application/json"}, 400),
        (b'{"email": "ada@exa', {"Content-Type": "application/json"}, 400),
        (b"x" * (2 * 1024 * 1024), URLENCODED, 413),
        (b"&".join(b"f%d=1" % n for n in range(10_000)), URLENCODED, 413),
        (b"\x1f\x8b\x08\x00", {**URLENCODED, "Content-Encoding": "gzip"}, 415),
        (b"<x/>", {"Content-Type": "application/xml"}, 415),
        (b"--x\r\nbroken", {"Content-Type": "multipart/form-data; boundary=x"}, 400),
        (b"a=1", {"Content-Type": "multipart/form-data"}, 400),
    ],
)
async def test_what_cannot_be_read_is_a_4xx_with_the_cure(
    alice: Person, nobody: httpx.AsyncClient, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = await nobody.post(await a_form(alice), content=body, headers=headers)
    assert answer.status_code == status
    problem = answer.json()
    assert problem["status"] == status
    assert problem["detail"]
    assert problem["request_id"].startswith("req_")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"email=ada%40example.com&name=A%00da%00", "application/x-www-form-urlencoded"),
        (b"email=ada%40example.com&name=\xff\xfe\xfa", "application/x-www-form-urlencoded"),
        (b'{"email": "ada@example.com", "email": "eve@example.com"}', "application/json"),
        (b'\xef\xbb\xbf{"email": "ada@example.com"}', "application/json"),
        (b"email=ada%40example.com", ""),
        (b'{"email": "ada@example.com"}', "text/plain;charset=UTF-8"),
    ],
)
async def test_what_is_odd_but_readable_is_kept(
    instance: Instance, alice: Person, nobody: httpx.AsyncClient, body: bytes, content_type: str
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = await nobody.post(await a_form(alice), content=body, headers=headers)
    await settled(instance)
    assert answer.status_code == 201
    assert len(await leads_of(alice)) == 1


async def test_an_unknown_shape_becomes_a_lead_that_needs_review(
    instance: Instance, alice: Person, nobody: httpx.AsyncClient
) -> None:
    await nobody.post(await a_form(alice), json={"zzz": {"yyy": "something"}})
    await settled(instance)
    leads = await leads_of(alice)
    assert [lead["status"] for lead in leads] == ["needs_review"]
    assert "something" in str(leads[0]["custom"])


async def test_a_filled_honeypot_is_answered_like_a_success_and_waits_in_quarantine(
    instance: Instance, alice: Person, nobody: httpx.AsyncClient
) -> None:
    answer = await nobody.post(await a_form(alice), data={"email": "bot@example.com", "_gotcha": "x"})
    await settled(instance)
    assert answer.status_code == 201
    held = (await alice.api.get("/api/v1/submissions", params={"status": "quarantined"})).json()["data"]
    assert len(held) == 1
    assert await leads_of(alice) == []
    released = await alice.api.post(f"/api/v1/submissions/{held[0]['id']}/release")
    assert released.status_code == 200, released.text
    assert [lead["email"] for lead in await leads_of(alice)] == ["bot@example.com"]


async def test_a_form_that_is_filled_too_fast_waits_in_quarantine(
    instance: Instance, alice: Person, nobody: httpx.AsyncClient
) -> None:
    await nobody.post(await a_form(alice), data={"email": "bot@example.com", "s2c_open_ms": "300"})
    await settled(instance)
    held = (await alice.api.get("/api/v1/submissions", params={"status": "quarantined"})).json()["data"]
    assert "seconds" in held[0]["reason"]


async def test_a_flood_from_one_address_is_kept_and_not_refused(tmp_path: Path) -> None:
    from contextlib import AsyncExitStack

    from site2crm.accounts.permissions import Role

    async with (
        cast.an_instance(tmp_path, intake__per_address_per_minute="5") as instance,
        AsyncExitStack() as stack,
        cast.client(instance) as nobody,
    ):
        alice = await cast.Cast(instance, stack).person("alice", Role.OWNER, "acme")
        path = await a_form(alice)
        answers = [await nobody.post(path, data={"email": f"p{n}@example.com"}) for n in range(8)]
        await settled(instance)
        held = (await alice.api.get("/api/v1/submissions", params={"status": "quarantined"})).json()["data"]
    assert {answer.status_code for answer in answers} == {201}
    assert len(held) == 3


async def test_another_website_is_refused_when_the_form_names_its_own(alice: Person, nobody: httpx.AsyncClient) -> None:
    path = await a_form(alice, allowed_origins=["https://www.example.com"])
    body = {"email": "ada@example.com"}
    right = await nobody.post(path, data=body, headers={"Origin": "https://www.example.com"})
    wrong = await nobody.post(path, data=body, headers={"Origin": "https://evil.example"})
    none = await nobody.post(path, data={"email": "curl@example.com"})
    assert (right.status_code, wrong.status_code, none.status_code) == (201, 403, 201)
    assert right.headers["access-control-allow-origin"] == "https://www.example.com"
    assert "access-control-allow-credentials" not in right.headers
    assert "allowed origins" in wrong.json()["detail"]


async def test_a_preflight_is_answered(alice: Person, nobody: httpx.AsyncClient) -> None:
    answer = await nobody.options(await a_form(alice), headers={"Origin": "https://www.example.com"})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "idempotency-key" in answer.headers["access-control-allow-headers"]


async def test_an_unknown_form_is_404_and_says_so(nobody: httpx.AsyncClient) -> None:
    answer = await nobody.post("/f/doesnotexist", data={"email": "ada@example.com"})
    assert (answer.status_code, answer.json()["code"]) == (404, "form_not_found")


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/f/0unknown0", "/f/not-a-key", "/f/", "/f/0unknown0/frame"])
async def test_a_browser_is_told_on_a_page_that_a_form_does_not_exist(
    nobody: httpx.AsyncClient, method: str, path: str
) -> None:
    answer = await nobody.request(method, path, headers={"Accept": "text/html,*/*;q=0.8"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "This form does not exist" in answer.text
    assert "copy the address again" in answer.text
    assert ("Nothing was sent" in answer.text) == (method == "POST")
    assert "frame-ancestors" not in answer.headers["content-security-policy"]


async def test_a_browser_is_told_on_a_page_why_its_submission_was_refused(
    alice: Person, nobody: httpx.AsyncClient
) -> None:
    path = await a_form(alice, allowed_origins=["https://www.example.com"])
    headers = {"Sec-Fetch-Mode": "navigate", "Origin": "https://evil.example"}
    answer = await nobody.post(path, data={"email": "ada@example.com"}, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert "https://evil.example may not post to this form" in answer.text


async def test_an_archived_form_takes_nothing(alice: Person, nobody: httpx.AsyncClient, instance: Instance) -> None:
    path = await a_form(alice)
    form = (await alice.api.get("/api/v1/forms")).json()["data"][0]
    await alice.api.delete(f"/api/v1/forms/{form['id']}")
    await instance.machine.revisions.refresh()
    assert (await nobody.post(path, data={"email": "ada@example.com"})).status_code == 404


async def test_the_hosted_page_names_who_may_frame_it(alice: Person, nobody: httpx.AsyncClient) -> None:
    path = await a_form(alice, allowed_origins=["https://www.example.com"])
    page = await nobody.get(path)
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors https://www.example.com" in policy
    assert "form-action 'self' https://www.example.com" in policy
    assert "set-cookie" not in page.headers


async def test_the_embed_script_cannot_be_closed_from_within(alice: Person, nobody: httpx.AsyncClient) -> None:
    path = await a_form(alice, thanks_text="</script><script>alert(1)</script>")
    script = await nobody.get(f"{path}/embed.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert "</script" not in script.text
    again = await nobody.get(f"{path}/embed.js", headers={"If-None-Match": script.headers["etag"]})
    assert again.status_code == 304


async def test_a_frame_survives_the_journal() -> None:
    assert SubmissionFrame.__struct_config__.array_like
