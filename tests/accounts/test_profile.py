"""A user's own page."""

import httpx
import pytest

from site2crm.app import Instance
from tests import cast
from tests.accounts.browser import PASSWORD, browser, log_in
from tests.cast import Person


async def change(person: Person, current: str, new: str) -> int:
    return (await person.web.post("/profile/password", data={"current": current, "password": new})).status_code


async def test_a_new_password_ends_every_other_session(instance: Instance, alice: Person) -> None:
    async with browser(instance) as other:
        await log_in(other, alice.email)
        changed = await change(alice, cast.PASSWORD, PASSWORD)

        assert changed == 303
        assert (await other.get("/profile")).status_code == 303
        assert (await alice.web.get("/profile")).status_code == 200
        assert (await log_in(other, alice.email)).status_code == 401
        assert (await log_in(other, alice.email, PASSWORD)).status_code == 303


async def test_it_needs_the_current_one(alice: Person) -> None:
    assert await change(alice, "wrong", PASSWORD) == 422
    assert await change(alice, cast.PASSWORD, "short") == 422
    assert await change(alice, cast.PASSWORD, alice.email) == 422


async def test_guessing_the_current_one_gets_slow(alice: Person) -> None:
    answers = [await change(alice, "wrong", PASSWORD) for _ in range(7)]

    assert answers[-1] == 429


async def test_sessions_are_listed_and_ended(instance: Instance, alice: Person) -> None:
    async with browser(instance, **{"User-Agent": "Netscape 4"}) as other:
        await log_in(other, alice.email)
        page = (await alice.web.get("/profile")).text
        ends = page.split('action="/profile/sessions/')[1].split("/end")[0]
        await alice.web.post(f"/profile/sessions/{ends}/end")

        assert "Netscape 4" in page
        assert (await other.get("/profile")).status_code == 303


async def test_nobody_ends_somebody_elses_session(alice: Person, charlie: Person, instance: Instance) -> None:
    async with browser(instance) as other:
        await log_in(other, alice.email)
        page = (await alice.web.get("/profile")).text
        hers = page.split('action="/profile/sessions/')[1].split("/end")[0]

        assert (await charlie.web.post(f"/profile/sessions/{hers}/end")).status_code == 404
        assert (await charlie.web.post("/profile/sessions/%25/end")).status_code == 404
        assert (await other.get("/profile")).status_code == 200


async def test_all_others_end_at_once(instance: Instance, alice: Person) -> None:
    async with browser(instance) as other:
        await log_in(other, alice.email)
        await alice.web.post("/profile/sessions/end-others")

        assert (await other.get("/profile")).status_code == 303
        assert (await alice.web.get("/profile")).status_code == 200


async def test_the_name_is_saved(alice: Person) -> None:
    await alice.web.post("/profile", data={"name": "  Alice \x00 <b>  Acme "})

    assert "Alice &lt;b&gt; Acme" in (await alice.web.get("/profile")).text


@pytest.mark.parametrize("theme", ["light", "dark", "system"])
async def test_the_theme_is_kept_and_leads_back(alice: Person, theme: str) -> None:
    answer = await alice.web.post("/theme", data={"theme": theme}, headers={"Referer": f"{cast.BASE}/profile"})

    assert answer.headers["location"] == "/profile"
    assert f'data-theme="{theme}"' in (await alice.web.get("/profile")).text


async def test_another_sites_page_is_not_where_the_theme_leads(instance: Instance) -> None:
    async with browser(instance) as web:
        answer = await web.post("/theme", data={"theme": "dark"}, headers={"Referer": "http://evil.example/x"})
        refused = await web.post("/theme", data={"theme": "pink"})

    assert answer.headers["location"] == "/o"
    assert "theme=dark" in answer.headers["set-cookie"]
    assert refused.status_code == 422


async def test_a_redirect_has_no_body(alice: Person, nobody: httpx.AsyncClient) -> None:
    answers = [await alice.web.post("/profile", data={"name": "Alice"}), await nobody.get("/profile")]

    assert [(answer.status_code, answer.content) for answer in answers] == [(303, b"")] * 2


async def test_the_sidebar_is_that_of_the_org_one_comes_from(alice: Person) -> None:
    await alice.web.post("/orgs/new", data={"name": "Beta", "slug": "beta", "time_zone": "UTC"})
    for slug in ("beta", "acme"):
        await alice.web.get(f"/o/{slug}/leads", headers={"Sec-Fetch-Dest": "document"})
        for path in ("/profile", "/orgs/new"):
            page = (await alice.web.get(path)).text

            assert f'href="/o/{slug}/leads"' in page
            assert f'href="/o/{slug}/settings/team"' in page


async def test_what_an_open_tab_fetches_does_not_move_its_owner(alice: Person) -> None:
    await alice.web.post("/orgs/new", data={"name": "Beta", "slug": "beta", "time_zone": "UTC"})
    await alice.web.get("/o/acme/leads", headers={"Sec-Fetch-Dest": "document"})
    await alice.web.get("/o/beta/leads", headers={"Sec-Fetch-Dest": "empty"})

    assert 'href="/o/acme/leads"' in (await alice.web.get("/profile")).text


async def test_who_is_in_no_org_has_a_profile(instance: Instance, alice: Person, bob: Person) -> None:
    found = (await alice.api.get("/api/v1/members")).json()["data"]
    [membership] = [member["id"] for member in found if member["user_id"] == bob.user_id]
    await alice.api.delete(f"/api/v1/members/{membership}")

    assert (await bob.web.get("/profile")).status_code == 200
