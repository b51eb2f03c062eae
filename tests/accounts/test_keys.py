"""API keys: shown once, limited to their scopes, counted, revoked."""

import httpx
import pytest

from site2crm.accounts.authentication import KEY_LIMIT
from site2crm.app import Instance
from site2crm.kit import clock
from tests import cast
from tests.accounts.browser import browser
from tests.cast import Person

KEYS = "/o/acme/settings/keys"


async def make(person: Person, *scopes: str) -> httpx.Response:
    return await person.api.post("/api/v1/keys", json={"name": "Zapier", "scopes": list(scopes)})


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def test_the_page_shows_a_new_key_once(alice: Person) -> None:
    made = await alice.web.post(KEYS, data={"name": "Zapier", "scopes": ["leads:read", "forms:read"]})
    later = await alice.web.get(KEYS)

    assert made.status_code == 201
    key = made.text.split('value="s2c_live_')[1].split('"')[0]
    assert key not in later.text
    assert "Zapier" in later.text
    answer = await alice.api.get("/api/v1/me", headers=bearer(f"s2c_live_{key}"))
    assert answer.json()["permissions"] == ["forms:read", "leads:read"]


async def test_a_key_does_what_its_scopes_say(alice: Person) -> None:
    key = (await make(alice, "keys:read")).json()["key"]

    assert (await alice.api.get("/api/v1/keys", headers=bearer(key))).status_code == 200
    assert (await alice.api.get("/api/v1/members", headers=bearer(key))).status_code == 403


async def test_a_revoked_key_opens_nothing(alice: Person) -> None:
    made = (await make(alice, "org:read")).json()
    await alice.api.delete(f"/api/v1/keys/{made['id']}")

    assert (await alice.api.get("/api/v1/org", headers=bearer(made["key"]))).status_code == 401
    assert (await alice.api.delete(f"/api/v1/keys/{made['id']}")).status_code == 404


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer s2c_live_",
        "Bearer s2c_live_x_y",
        "Bearer {key}x",
        "Basic {key}",
        "{key}",
        "Bearer s2c_live__",
    ],
)
async def test_anything_but_the_whole_key_is_nobody(instance: Instance, alice: Person, header: str) -> None:
    async with cast.client(instance) as api:
        answer = await api.get("/api/v1/org", headers={"Authorization": header.replace("{key}", alice.key)})

    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthorized"


async def test_a_wrong_key_beside_a_good_cookie_is_nobody(alice: Person) -> None:
    assert (await alice.web.get("/profile", headers=bearer("s2c_live_x_y"))).status_code == 303


async def test_a_cookie_opens_no_org_of_the_api(alice: Person) -> None:
    assert (await alice.web.get("/api/v1/me")).status_code == 200
    assert (await alice.web.get("/api/v1/members")).status_code == 404


async def test_nobody_makes_a_key_that_can_more_than_they(alice: Person, bob: Person) -> None:
    await alice.api.patch(f"/api/v1/members/{await _member(alice, bob.email)}", json={"role": "admin"})

    everything = await bob.web.post(KEYS, data={"name": "x", "scopes": ["all"]})
    org_write = await bob.web.post(KEYS, data={"name": "x", "scopes": ["org:write"]})
    fine = await bob.web.post(KEYS, data={"name": "x", "scopes": ["leads:read"]})

    assert [answer.status_code for answer in (everything, org_write, fine)] == [403, 403, 201]


@pytest.mark.parametrize(
    "body",
    [{"name": "x", "scopes": []}, {"name": "x", "scopes": ["leads:burn"]}, {"name": " ", "scopes": ["leads:read"]}],
)
async def test_a_key_needs_a_name_and_scopes_that_exist(alice: Person, body: dict[str, object]) -> None:
    answer = await alice.api.post("/api/v1/keys", json=body)

    assert answer.status_code == 422
    assert answer.json()["errors"]


async def test_every_answer_says_what_is_left_of_the_minute(alice: Person) -> None:
    first, refused = await alice.api.get("/api/v1/org"), await alice.api.post("/api/v1/keys", json={})

    assert first.headers["x-ratelimit-limit"] == str(KEY_LIMIT)
    assert first.headers["x-ratelimit-remaining"] == str(KEY_LIMIT - 1)
    assert refused.status_code == 422
    assert refused.headers["x-ratelimit-remaining"] == str(KEY_LIMIT - 2)


async def test_too_many_requests_are_refused_for_this_key_only(alice: Person, charlie: Person) -> None:
    with clock.travel(clock.now()) as forward:
        for _ in range(KEY_LIMIT):
            await alice.api.get("/api/v1/me")
        refused = await alice.api.get("/api/v1/me")
        other = await charlie.api.get("/api/v1/me")
        forward(float(refused.headers["retry-after"]))
        after = await alice.api.get("/api/v1/me")

    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert (other.status_code, after.status_code) == (200, 200)


async def test_when_a_key_was_last_used_is_known_to_the_minute(alice: Person) -> None:
    with clock.travel(clock.now()) as forward:
        await alice.api.get("/api/v1/me")
        first = await _last_used(alice)
        forward(30)
        assert await _last_used(alice) == first
        forward(31)
        assert await _last_used(alice) != first


async def test_a_key_has_no_profile(alice: Person) -> None:
    assert (await alice.api.get("/profile", headers={"Accept": "application/json"})).status_code == 403


async def test_without_javascript_every_form_posts(instance: Instance, alice: Person) -> None:
    page = (await alice.web.get(KEYS)).text

    assert page.count("<form") == page.count('method="post"')
    async with browser(instance) as web:
        assert 'action="/login" method="post"' in (await web.get("/login")).text


async def _member(alice: Person, email: str) -> str:
    rows = (await alice.api.get("/api/v1/members")).json()["data"]
    return next(row["id"] for row in rows if row["email"] == email)


async def _last_used(alice: Person) -> str:
    await alice.api.get("/api/v1/me")
    return (await alice.api.get("/api/v1/keys")).json()["data"][0]["last_used_at"]
