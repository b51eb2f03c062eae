"""Nobody reads or changes another org's things, by any route, by any id, as anybody."""

from collections.abc import Iterable
from dataclasses import replace

import httpx
import pytest

from site2crm.accounts.permissions import ROLES, Role
from site2crm.app import Instance
from tests import cast
from tests.security import routes
from tests.security.routes import OPEN, UNSAFE, Route
from tests.security.world import CANARY, World, get, post, settled, work


def described(wrong: Iterable[tuple[Route, httpx.Response]]) -> str:
    return "\n".join(f"{route} -> {answer.status_code} {answer.text[:120]!r}" for route, answer in wrong)


async def test_every_route_with_an_id_has_a_sample_of_acme(world: World) -> None:
    """A new route cannot be forgotten: without a sample this fails."""
    lacking = []
    for route in routes.every(world.instance):
        try:
            route.url(world.acme)
        except KeyError as error:
            if not (route.is_public and route.path in OPEN):
                lacking.append(f"{route}: no sample for {error}")
    assert lacking == []


async def test_nobody_gets_anywhere(world: World, nobody: httpx.AsyncClient) -> None:
    before, wrong = await world.fingerprint(), []
    for route in routes.guarded(world.instance):
        answer = await route.call(nobody, world.acme, Accept="text/html")
        to_login = answer.status_code == 303 and answer.headers["location"].startswith("/login")
        expected = answer.status_code == 401 if route.is_api or route.method in UNSAFE else to_login
        if not expected or CANARY in answer.text:
            wrong.append((route, answer))
    assert not wrong, described(wrong)
    assert await world.fingerprint() == before


@pytest.mark.parametrize("way", ["api", "web"])
async def test_a_stranger_finds_nothing_of_acme(world: World, way: str) -> None:
    before, wrong = await world.fingerprint(), []
    charlie = getattr(world.other.owner, way)
    for route in routes.guarded(world.instance):
        if route.permission == "signed_in" and way == "api":
            continue  # 403: a key has no user, whose ever it is
        answer = await route.call(charlie, world.acme)
        missed = route.names_another and answer.status_code != 404
        if missed or answer.status_code >= 500 or CANARY in answer.text:
            wrong.append((route, answer))
    assert not wrong, described(wrong)
    assert await world.fingerprint() == before


@pytest.mark.parametrize(("way", "status"), [("api", 403), ("web", 404)])
async def test_acmes_ids_mean_nothing_below_ones_own_address(world: World, way: str, status: int) -> None:
    """`/o/other/...` with Acme's ids: the org is right, the thing is not. A key opens no pages at all."""
    mixed = replace(world.acme, ids={**world.acme.ids, "org": "other"})
    before, wrong, walked = await world.fingerprint(), [], 0
    for route in routes.guarded(world.instance):
        if not route.names_a_thing or not route.path.startswith("/o/"):
            continue
        answer = await route.call(getattr(world.other.owner, way), mixed)
        walked += 1
        if answer.status_code != status or CANARY in answer.text:
            wrong.append((route, answer))
    assert not wrong, described(wrong)
    assert walked > 25
    assert await world.fingerprint() == before


async def test_an_unknown_org_and_another_org_look_the_same(world: World) -> None:
    charlie = world.other.owner.web
    acme, unknown = await charlie.get("/o/acme/leads"), await charlie.get("/o/nowhere/leads")
    assert (acme.status_code, unknown.status_code) == (404, 404)
    assert len(acme.text) == len(unknown.text)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.MEMBER])
@pytest.mark.parametrize("way", ["api", "web"])
async def test_a_role_stops_where_its_rights_end(world: World, role: Role, way: str) -> None:
    person = {Role.VIEWER: world.vera, Role.MEMBER: world.bob}[role]
    before, wrong, refused = await world.fingerprint(), [], 0
    for route in routes.guarded(world.instance):
        if route.permission in ROLES[role] or route.permission == "signed_in" or (route.is_api and way == "web"):
            continue
        answer = await route.call(getattr(person, way), world.acme)
        refused += 1
        if answer.status_code != 403:
            wrong.append((route, answer))
    assert not wrong, described(wrong)
    assert refused > 20
    assert await world.fingerprint() == before


async def test_a_revoked_key_opens_nothing(world: World) -> None:
    made = await post(world.acme.owner, "/api/v1/keys", {"name": "Old", "scopes": ["all"]})
    await world.acme.owner.api.delete(f"/api/v1/keys/{made['id']}")
    before = await world.fingerprint()
    await refused_everywhere(world, made["key"], {401, 303})
    assert await world.fingerprint() == before


SPOILT = ["{key}x", "{key}%00", "s2c_live_", "s2c_live__", "", "s2c_live_é_é"]


async def test_almost_the_key_opens_nothing(world: World) -> None:
    for spoilt in SPOILT:
        key = spoilt.replace("{key}", world.acme.owner.key)
        headers = {"Authorization": f"Bearer {key}".encode()}
        async with cast.client(world.instance) as client:
            assert (await client.get("/api/v1/leads", headers=headers)).status_code == 401


async def test_a_key_does_what_its_scopes_say_and_no_more(world: World) -> None:
    """Its scope is leads:read; everything else of the same org is 403."""
    wrong = []
    async with cast.client(world.instance, Authorization=f"Bearer {world.acme.plain_key}") as client:
        for route in routes.guarded(world.instance):
            if route.permission in {"leads:read", "signed_in"}:
                continue
            answer = await route.call(client, world.acme)
            if answer.status_code != 403:
                wrong.append((route, answer))
        assert (await client.get("/api/v1/leads")).status_code == 200
    assert not wrong, described(wrong)


async def test_a_removed_member_is_a_stranger_at_once(world: World) -> None:
    members = (await get(world.acme.owner, "/api/v1/members"))["data"]
    bob = next(row["id"] for row in members if row["email"] == world.bob.email)
    assert (await world.bob.web.get("/o/acme/leads")).status_code == 200
    await world.acme.owner.api.delete(f"/api/v1/members/{bob}")
    assert (await world.bob.web.get("/o/acme/leads")).status_code == 404


async def refused_everywhere(world: World, key: str, statuses: set[int]) -> None:
    wrong = []
    async with cast.client(world.instance, Authorization=f"Bearer {key}") as client:
        for route in routes.guarded(world.instance):
            answer = await route.call(client, world.acme)
            if answer.status_code not in statuses or CANARY in answer.text:
                wrong.append((route, answer))
    assert not wrong, described(wrong)


LISTS = [
    ("/api/v1/leads", "form", "form_id"),
    ("/api/v1/submissions", "form", "form_id"),
    ("/api/v1/submissions", "lead", "lead_id"),
    ("/api/v1/deliveries", "lead", "lead_id"),
    ("/api/v1/deliveries", "submission", "submission_id"),
    ("/api/v1/deliveries", "connection", "connection_id"),
    ("/api/v1/deliveries", "form", "form_id"),
]


async def test_a_filter_by_another_orgs_id_finds_nothing(world: World) -> None:
    for path, name, sample in LISTS:
        found = await get(world.other.owner, path, **{name: world.acme.ids[sample]})
        assert found["data"] == []


FILTERED_PAGES = [
    "leads?form={form_id}", "leads?q=" + CANARY, "leads?email=ada@" + CANARY + ".example",
    "leads.csv?form={form_id}", "leads.csv?id={lead_id}", "quarantine?form={form_id}",
    "deliveries?lead={lead_id}", "deliveries?connection={connection_id}", "deliveries?form={form_id}",
    "deliveries.csv?lead={lead_id}", "deliveries.csv?connection={connection_id}", "forms?q=" + CANARY,
    "deals?connection={connection_id}", "deals?lead={lead_id}", "deals.csv?lead={lead_id}", "deals?q=" + CANARY,
    "deals/people?connection={connection_id}", "deals/people.csv?connection={connection_id}", "links?q=" + CANARY, "links.csv?q=" + CANARY,
]  # fmt: skip


async def test_a_page_filtered_by_another_orgs_id_shows_nothing_of_it(world: World) -> None:
    for path in FILTERED_PAGES:
        url = "/o/other/" + path.format(**world.acme.ids)
        answer = await world.other.owner.web.get(url)
        assert answer.status_code in {200, 404}
        mirrored = answer.text.replace(f"ada@{CANARY}.example", "").replace(f"ada%40{CANARY}.example", "")
        assert f"Ada {CANARY}" not in answer.text
        assert f"Form {CANARY}" not in answer.text
        assert CANARY not in mirrored or "q=" in path


async def test_another_orgs_cursor_shows_only_ones_own(world: World) -> None:
    for n in range(2):
        await world.acme.owner.api.post(f"/f/{world.acme.form_key}", json={"email": f"p{n}@{CANARY}.example"})
    await settled(world.instance)
    page = await get(world.acme.owner, "/api/v1/leads", limit="1")
    answer = await world.other.owner.api.get("/api/v1/leads", params={"cursor": page["page"]["next_cursor"]})
    assert answer.status_code == 200
    assert CANARY not in answer.text


BULK = [
    ("leads/archive", "lead_id"),
    ("leads/restore", "lead_id"),
    ("links/archive", "link_id"),
    ("links/restore", "link_id"),
    ("quarantine/release", "quarantined"),
    ("quarantine/delete", "quarantined"),
    ("deliveries/replay", "delivery_id"),
    ("deliveries/skip", "delivery_id"),
]


async def test_bulk_actions_do_not_reach_another_orgs_rows(world: World) -> None:
    for path, sample in BULK:
        ids = {**world.acme.ids, "quarantined": world.acme.quarantined}
        own = {**world.other.ids, "quarantined": world.other.quarantined}
        before = await world.fingerprint()
        for chosen in ([ids[sample]], [own[sample], ids[sample]]):
            answer = await world.other.owner.web.post(f"/o/other/{path}", data={"id": chosen, "ticked": "delivered"})
            assert answer.status_code in {303, 404}, answer.text[:200]
            assert CANARY not in answer.text
        assert await world.fingerprint() == before


async def test_a_mixed_bulk_action_changes_nothing_at_all(world: World) -> None:
    """Half done would tell which ids exist."""
    mixed = [world.other.ids["lead_id"], world.acme.ids["lead_id"]]
    answer = await world.other.owner.web.post("/o/other/leads/archive", data={"id": mixed})
    assert answer.status_code == 404
    own = await get(world.other.owner, f"/api/v1/leads/{world.other.ids['lead_id']}")
    assert own["status"] == "new"


async def test_replay_by_filter_stays_in_the_org(world: World) -> None:
    before = await world.fingerprint()
    ids = world.acme.ids
    filters = [
        {"ids": [ids["delivery_id"]], "state": "delivered"},
        {"connection": ids["connection_id"], "state": "delivered"},
        {"form": ids["form_id"], "state": "delivered"},
        {"lead": ids["lead_id"], "state": "delivered"},
    ]
    for wanted in filters:
        for dry_run in (True, False):
            body = {"filter": wanted, "dry_run": dry_run}
            answer = await world.other.owner.api.post("/api/v1/deliveries/replay", json=body)
            if answer.status_code == 200:
                assert answer.json()["count"] == 0
            else:
                assert answer.status_code in {404, 422}, answer.text
    assert await world.fingerprint() == before


async def test_a_connection_cannot_take_another_orgs_form(world: World) -> None:
    charlie, before = world.other.owner, await world.fingerprint()
    stolen = [world.acme.ids["form_id"]]
    made = await charlie.api.post("/api/v1/connections", json={"kind": "inbox", "form_ids": stolen})
    own = f"/api/v1/connections/{world.other.ids['connection_id']}"
    changed = await charlie.api.patch(own, json={"form_ids": stolen})
    page = await charlie.web.post("/o/other/crms/new/inbox", data={"form_ids": stolen})
    edited = await charlie.web.post(
        f"/o/other/crms/{world.other.ids['connection_id']}/edit", data={"name": "x", "form_ids": stolen}
    )
    assert [answer.status_code for answer in (made, changed, page, edited)] == [422] * 4
    assert not any(CANARY in answer.text for answer in (made, changed, page, edited))
    assert (await get(charlie, own))["form_ids"] == []
    assert await world.fingerprint() == before


async def test_a_preview_with_another_orgs_lead_is_404(world: World) -> None:
    path = f"/api/v1/connections/{world.other.ids['connection_id']}/preview"
    answer = await world.other.owner.api.post(path, json={"lead": world.acme.ids["lead_id"]})
    assert answer.status_code in {404, 422}
    assert CANARY not in answer.text


async def test_a_record_under_the_wrong_connection_is_404(world: World) -> None:
    path = f"/o/other/crms/{world.other.ids['connection_id']}/inbox/{world.acme.ids['record_id']}"
    assert (await world.other.owner.web.get(path)).status_code == 404


async def test_overrides_of_another_orgs_delivery_are_404(world: World) -> None:
    before = await world.fingerprint()
    path = f"/api/v1/deliveries/{world.acme.ids['delivery_id']}"
    answer = await world.other.owner.api.patch(path, json={"overrides": {"email": "eve@example.com"}})
    assert answer.status_code == 404
    assert await world.fingerprint() == before


async def test_a_submission_names_no_org_but_its_forms(world: World) -> None:
    """`org_id`, `form_id` and the like in a body are answers, not instructions."""
    before = await world.fingerprint()
    claims = {"org_id": world.acme.owner.org.id, "form_id": world.acme.ids["form_id"], "id": world.acme.ids["lead_id"]}
    body = {"email": "eve@example.com", **claims, "lead_id": world.acme.ids["lead_id"], "status": "accepted"}
    answer = await world.other.owner.api.post(f"/f/{world.other.form_key}", json=body)
    assert answer.status_code == 201
    await settled(world.instance)
    await work(world.instance)
    assert await world.fingerprint() == before


NOT_OFFERED = [
    ("/api/v1/forms/{form_id}", {"org_id": "org_x"}),
    ("/api/v1/forms/{form_id}", {"key": "stolen"}),
    ("/api/v1/links/{link_id}", {"org_id": "org_x"}),
    ("/api/v1/links/{link_id}", {"archived_at": None}),
    ("/api/v1/leads/{lead_id}", {"org_id": "org_x"}),
    ("/api/v1/leads/{lead_id}", {"created_at": "2020-01-01T00:00:00Z"}),
    ("/api/v1/connections/{connection_id}", {"state": "active"}),
    ("/api/v1/connections/{connection_id}", {"kind": "webhook"}),
    ("/api/v1/connections/{connection_id}", {"account": {"id": "1"}}),
    ("/api/v1/members/{member_id}", {"role": "viewer", "user_id": "usr_x"}),
    ("/api/v1/org", {"id": "org_x"}),
    ("/api/v1/deliveries/{delivery_id}", {"state": "delivered"}),
]


async def test_what_is_not_offered_cannot_be_assigned(world: World) -> None:
    for path, extra in NOT_OFFERED:
        before = await world.fingerprint()
        answer = await world.acme.owner.api.patch(path.format(**world.acme.ids), json=extra)
        assert answer.status_code in {400, 422}
        assert await world.fingerprint() == before


async def test_a_member_makes_nobody_more_than_they_are(world: World) -> None:
    """By page, for profile and org settings: extra fields change no right."""
    await world.vera.web.post("/profile", data={"name": "Vera", "email": world.vera.email, "is_super": "1"})
    await world.vera.web.post("/profile", data={"name": "Vera", "role": "owner", "theme": "dark"})
    assert (await world.vera.web.post("/o/acme/settings/general", data={"name": "Mine"})).status_code == 403
    assert (await get(world.vera, "/api/v1/me"))["permissions"] == sorted(ROLES[Role.VIEWER])


async def test_a_users_session_is_not_ended_by_another(world: World) -> None:
    path = f"/profile/sessions/{world.acme.ids['session_id']}/end"
    assert (await world.other.owner.web.post(path)).status_code == 404
    assert (await world.acme.owner.web.get("/o/acme/leads")).status_code == 200


async def test_the_events_of_an_org_go_to_its_own_people(world: World) -> None:
    assert (await world.other.owner.web.get("/o/acme/leads/live")).status_code == 404


async def test_an_instance_without_orgs_in_common_shows_no_names(instance: Instance, world: World) -> None:
    """What belongs to no org in particular does not name Acme's things either."""
    for path in ("/o", "/profile", "/help", "/docs", "/", "/orgs/new", "/api/v1/me", "/health", "/readyz"):
        answer = await world.other.owner.web.get(path, follow_redirects=True)
        assert CANARY not in answer.text, path
        assert "acme" not in answer.text.lower() or path in {"/help", "/docs", "/"}, path
