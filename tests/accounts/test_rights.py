"""Alice owns Acme, Bob is a member, Vera looks, Charlie owns another org: every route of accounts, for each of them."""

import pytest

from site2crm.app import Instance
from tests import cast
from tests.cast import Person

ORG_PAGES = ["/o/acme/settings/general", "/o/acme/settings/team", "/o/acme/settings/keys"]
ORG_FORMS = [
    "/o/acme/settings/general",
    "/o/acme/settings/team/invites",
    "/o/acme/settings/team/invites/inv_X/resend",
    "/o/acme/settings/team/invites/inv_X/revoke",
    "/o/acme/settings/team/mbr_X/role",
    "/o/acme/settings/team/mbr_X/remove",
    "/o/acme/settings/keys",
    "/o/acme/settings/keys/key_X/revoke",
]


@pytest.mark.parametrize("path", ORG_PAGES)
async def test_pages_by_role(alice: Person, bob: Person, vera: Person, charlie: Person, path: str) -> None:
    inside = 200 if path.endswith("general") else 403

    answers = [(await person.web.get(path)).status_code for person in (alice, bob, vera, charlie)]

    assert answers == [200, inside, inside, 404]


@pytest.mark.parametrize("path", ORG_FORMS)
async def test_forms_are_closed_to_members_and_do_not_exist_for_strangers(
    alice: Person, bob: Person, vera: Person, charlie: Person, path: str
) -> None:
    answers = [(await person.web.post(path, data={"role": "viewer"})).status_code for person in (bob, vera, charlie)]

    assert answers == [403, 403, 404]


@pytest.mark.parametrize("path", [*ORG_PAGES, "/profile", "/orgs/new", "/o"])
async def test_who_is_nobody_is_sent_to_the_login_and_back(instance: Instance, alice: Person, path: str) -> None:
    async with cast.client(instance, Accept="text/html") as web:
        answer = await web.get(path)

    assert (answer.status_code, answer.headers["location"]) == (303, f"/login?next={path.replace('/', '%2F')}")


async def test_a_part_of_an_open_page_is_not_replaced_by_the_login(instance: Instance, alice: Person) -> None:
    """A script follows a redirect, and would take the page of the login for its answer."""
    async with cast.client(instance, Accept="text/html") as web:
        answer = await web.get("/o/acme/leads", headers={"HX-Request": "true"})

    assert answer.status_code == 401


async def test_who_was_logged_out_meanwhile_is_told_how_to_send_it_again(instance: Instance, alice: Person) -> None:
    async with cast.client(instance, Accept="text/html") as web:
        answer = await web.post("/profile", data={"name": "Acme"}, headers={"Referer": f"{web.base_url}/o"})

    assert answer.status_code == 401
    assert "You are logged out" in answer.text and "Nothing was changed." in answer.text
    assert "API key" not in answer.text
    assert 'href="/login?next=%2Fo"' in answer.text


@pytest.mark.parametrize("path", ["/api/v1/me", "/api/v1/org", "/api/v1/members", "/api/v1/invites", "/api/v1/keys"])
async def test_the_api_wants_a_key(instance: Instance, path: str) -> None:
    async with cast.client(instance) as api:
        answer = await api.get(path)

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


async def test_ids_of_another_org_are_nowhere(alice: Person, bob: Person, charlie: Person) -> None:
    member = (await alice.api.get("/api/v1/members")).json()["data"][0]["id"]
    invite = (await alice.api.post("/api/v1/invites", json={"email": "x@acme.example"})).json()["id"]
    key = (await alice.api.get("/api/v1/keys")).json()["data"][0]["id"]

    answers = [
        await charlie.api.patch(f"/api/v1/members/{member}", json={"role": "viewer"}),
        await charlie.api.delete(f"/api/v1/members/{member}"),
        await charlie.api.post(f"/api/v1/invites/{invite}/resend"),
        await charlie.api.delete(f"/api/v1/invites/{invite}"),
        await charlie.api.delete(f"/api/v1/keys/{key}"),
        await charlie.web.post(f"/o/other/settings/team/{member}/remove"),
        await charlie.web.post(f"/o/other/settings/keys/{key}/revoke"),
        await charlie.api.get("/o/acme/settings/keys"),
    ]

    assert [answer.status_code for answer in answers] == [404] * len(answers)


async def test_lists_show_ones_own_org_only(alice: Person, bob: Person, charlie: Person) -> None:
    rows = (await charlie.api.get("/api/v1/members")).json()["data"]

    assert [row["email"] for row in rows] == [charlie.email]


async def test_a_super_admin_is_a_stranger_in_other_orgs(instance: Instance, alice: Person, charlie: Person) -> None:
    async with instance.machine.session() as session:
        user = await session.get_one(cast.users.User, charlie.user_id)
        user.is_super = True

    assert (await charlie.web.get("/o/acme/settings/general")).status_code == 404


async def test_lists_come_in_pages(alice: Person, bob: Person, vera: Person) -> None:
    first = (await alice.api.get("/api/v1/members?limit=2")).json()
    second = (
        await alice.api.get("/api/v1/members", params={"limit": 2, "cursor": first["page"]["next_cursor"]})
    ).json()

    assert {row["email"] for row in first["data"] + second["data"]} == {alice.email, bob.email, vera.email}
    assert (first["page"]["has_more"], second["page"]["has_more"]) == (True, False)
    assert (await alice.api.get("/api/v1/members?limit=0")).status_code == 422
    assert (await alice.api.get("/api/v1/members?cursor=x")).status_code == 422


@pytest.mark.parametrize("page", ["", "/leads", "/deliveries", "/deliveries.csv", "/settings/keys", "/crms/live"])
async def test_a_key_opens_no_pages(alice: Person, page: str) -> None:
    """They show more than one right lets a key see: what was sent to a CRM, or a lead in a preview."""
    answer = await alice.api.get(f"/o/acme{page}")
    assert answer.status_code == 403
    assert "/api/v1" in answer.text
    assert (await alice.api.get("/api/v1/leads")).status_code == 200
