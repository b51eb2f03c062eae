"""Organisations: making, changing, switching."""

import pytest

from site2crm.accounts import orgs, queries
from site2crm.app import Instance
from tests.cast import Person

GENERAL = "/o/acme/settings/general"
FORM = {"name": "Acme", "slug": "acme", "time_zone": "UTC", "country": ""}


async def test_an_owner_has_several_and_switches_between_them(alice: Person) -> None:
    made = await alice.web.post(
        "/orgs/new", data={"name": "Böhm & Söhne", "time_zone": "Europe/Berlin", "country": "de"}
    )
    page = await alice.web.get("/o/bohm-sohne/settings/general")

    assert made.headers["location"] == "/o/bohm-sohne/"
    assert 'href="/o/acme/"' in page.text


async def test_two_of_one_name_get_addresses_of_their_own(instance: Instance, alice: Person) -> None:
    async with instance.machine.session() as session:
        slugs = [(await orgs.create(session, alice.user_id, name="Blue Sky")).slug for _ in range(3)]

    assert slugs == ["blue-sky", "blue-sky-2", "blue-sky-3"]


@pytest.mark.parametrize("name", ["漢字", "!!!", "Admin", "x"])
async def test_a_name_that_gives_no_address_gets_one_all_the_same(instance: Instance, alice: Person, name: str) -> None:
    async with instance.machine.session() as session:
        made = await orgs.create(session, alice.user_id, name=name)

    assert orgs.checked_slug(made.slug) == made.slug


@pytest.mark.parametrize(
    "slug", ["a", "-ab", "ab-", "Acme", "a b", "a_b", "a" * 41, "admin", "new", "größe", "../x", "a\n"]
)
async def test_bad_and_reserved_addresses_are_refused(alice: Person, slug: str) -> None:
    answer = await alice.api.patch("/api/v1/org", json={"slug": slug})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "slug"


async def test_a_taken_address_is_named(alice: Person, charlie: Person) -> None:
    answer = await alice.web.post(GENERAL, data={**FORM, "slug": "other"})

    assert answer.status_code == 409
    assert "is taken" in answer.text


async def test_what_is_saved_is_used(alice: Person) -> None:
    saved = await alice.web.post(
        GENERAL, data={**FORM, "name": "Acme GmbH", "slug": "acme-de", "time_zone": "Europe/Berlin", "country": "de"}
    )

    assert saved.headers["location"] == "/o/acme-de/settings/general"
    org = (await alice.api.get("/api/v1/org")).json()
    assert (org["name"], org["slug"], org["time_zone"], org["country"]) == (
        "Acme GmbH",
        "acme-de",
        "Europe/Berlin",
        "DE",
    )
    assert (await alice.web.get(GENERAL)).status_code == 404


async def test_a_patch_leaves_out_what_it_does_not_name_and_null_clears(alice: Person) -> None:
    await alice.api.patch("/api/v1/org", json={"country": "DE"})
    kept = (await alice.api.patch("/api/v1/org", json={"name": "Acme 2"})).json()
    cleared = (await alice.api.patch("/api/v1/org", json={"country": None})).json()

    assert (kept["name"], kept["country"], cleared["country"]) == ("Acme 2", "DE", "")


@pytest.mark.parametrize(
    ("field", "value"), [("time_zone", "Mars/Base"), ("country", "XX"), ("name", " \n "), ("name", "x" * 101)]
)
async def test_nonsense_is_refused_with_the_field(alice: Person, field: str, value: str) -> None:
    answer = await alice.web.post(GENERAL, data={**FORM, field: value})

    assert answer.status_code == 422
    assert f'href="#f-{field}"' in answer.text


async def test_script_in_a_name_is_shown_as_text(alice: Person) -> None:
    await alice.web.post(GENERAL, data={**FORM, "name": "<script>alert(1)</script>"})

    page = (await alice.web.get(GENERAL)).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


async def test_a_member_reads_the_settings_and_changes_nothing(alice: Person, bob: Person) -> None:
    assert "<form" not in (await bob.web.get(GENERAL)).text.split("<main")[1].split("</main>")[0]
    assert (await bob.web.post(GENERAL, data=FORM)).status_code == 403


async def test_only_owners_make_organisations(alice: Person, bob: Person) -> None:
    assert (await alice.web.get("/orgs/new")).status_code == 200
    assert (await bob.web.get("/orgs/new")).status_code == 403
    assert (await bob.web.post("/orgs/new", data={"name": "Mine"})).status_code == 403


async def test_other_features_find_names(instance: Instance, alice: Person) -> None:
    async with instance.machine.session() as session:
        assert await queries.names(session, [alice.user_id, "usr_gone"]) == {alice.user_id: "Alice"}


async def test_time_zones_are_offered_by_todays_names_and_an_old_one_stays(alice: Person) -> None:
    before = (await alice.web.get(GENERAL)).text
    changed = await alice.web.post(GENERAL, data={**FORM, "time_zone": "Asia/Calcutta"})
    after = (await alice.web.get(GENERAL)).text

    assert changed.status_code == 303
    assert 'value="Asia/Kolkata"' in before and 'value="Europe/Oslo"' in before and 'value="UTC"' in before
    assert "Calcutta" not in before and "Brazil/" not in before
    assert '<option value="Asia/Calcutta" selected' in after
