"""`/api/v1/links`."""

from typing import Any

import pytest

from site2crm.app import Instance
from tests.cast import Person
from tests.links.making import URL, archive, change, make, refused


async def test_a_link_is_made_with_a_slug_of_its_own(alice: Person) -> None:
    link = await make(alice, slug="Spring", title=" Spring  sale ", tags=["print", "Print", " a,b "], campaign="Sale")

    assert (link["slug"], link["short_url"]) == ("Spring", "http://127.0.0.1:8080/Spring")
    assert (link["url"], link["target"], link["domain"]) == (URL, URL, "127.0.0.1:8080")
    assert (link["title"], link["tags"], link["campaign"]) == ("Spring sale", ["print", "a b"], "Sale")
    assert (link["carry_click"], link["archived_at"]) == ("auto", None)
    assert link["id"].startswith("lnk_")


async def test_without_a_slug_it_gets_one_of_seven_signs(alice: Person) -> None:
    made = [await make(alice), await make(alice, slug=None)]

    assert [len(link["slug"]) for link in made] == [7, 7]
    assert made[0]["slug"] != made[1]["slug"]


@pytest.mark.parametrize("slug", ["spring", "Spring", "SPRING"])
async def test_a_slug_is_given_out_once_whatever_its_case(alice: Person, charlie: Person, slug: str) -> None:
    await make(alice, slug="Spring")

    answer = await charlie.api.post("/api/v1/links", json={"url": URL, "slug": slug})

    assert (answer.status_code, answer.json()["code"]) == (409, "slug_taken")
    assert "Choose another" in refused(answer)["slug"]
    assert "acme" not in answer.text.lower()


async def test_an_archived_link_keeps_its_slug(alice: Person) -> None:
    await archive(alice, await make(alice, slug="spring"))

    answer = await alice.api.post("/api/v1/links", json={"url": URL, "slug": "spring"})

    assert answer.status_code == 409


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"url": "javascript:alert(1)"}, "url"),
        ({"url": "//evil.example"}, "url"),
        ({"url": "\\\\evil.example"}, "url"),
        ({"url": "https://user@example.com"}, "url"),
        ({"url": "https://example.com/\t"}, "url"),
        ({"url": "https://example.com/" + "x" * 100_000}, "url"),
        ({"url": "http://127.0.0.1:8080/other"}, "url"),
        ({"url": URL, "slug": ""}, "slug"),
        ({"url": URL, "slug": "login"}, "slug"),
        ({"url": URL, "slug": "a.b"}, "slug"),
        ({"url": URL, "slug": "a/b"}, "slug"),
        ({"url": URL, "slug": "50%"}, "slug"),
        ({"url": URL, "slug": "🎉"}, "slug"),
        ({"url": URL, "slug": "\u202egpj"}, "slug"),
        ({"url": URL, "domain": "other.example"}, "domain"),
        ({"url": URL, "tags": [f"tag {n}" for n in range(21)]}, "tags"),
    ],
)
async def test_every_trick_is_refused_naming_the_field_and_the_cure(
    alice: Person, body: dict[str, Any], field: str
) -> None:
    answer = await alice.api.post("/api/v1/links", json=body)

    assert answer.status_code == 422
    assert len(refused(answer)[field]) > 10
    assert (await alice.api.get("/api/v1/links")).json()["data"] == []


async def test_every_field_that_does_not_fit_is_told_at_once(alice: Person) -> None:
    answer = await alice.api.post("/api/v1/links", json={"url": "ftp://x", "slug": "a.b"})

    assert refused(answer).keys() == {"url", "slug"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": 5},
        {"url": None},
        {"url": URL, "slug": 5},
        {"url": URL, "tags": "print"},
        {"url": URL, "title": "x" * 201},
        {"url": URL, "carry_click": "perhaps"},
        {"url": URL, "utm": {"utm_colour": "red"}},
        {"url": URL, "clicks": 5},
        {"url": URL, "id": "lnk_x"},
    ],
)
async def test_what_has_another_shape_is_a_4xx(alice: Person, body: dict[str, Any]) -> None:
    assert (await alice.api.post("/api/v1/links", json=body)).status_code in {400, 422}


async def test_the_own_host_may_be_named_as_the_domain(alice: Person) -> None:
    assert (await make(alice, domain="127.0.0.1:8080"))["domain"] == "127.0.0.1:8080"


async def test_a_patch_changes_what_it_names_and_null_clears(alice: Person) -> None:
    link = await make(alice, slug="spring", title="Spring", tags=["a"], utm={"utm_source": "mail", "utm_term": "x"})

    changed = (await change(alice, link, tags=None, utm={"utm_term": None, "utm_medium": "email"})).json()

    assert (changed["title"], changed["tags"], changed["slug"], changed["url"]) == ("Spring", [], "spring", URL)
    assert changed["utm"] == {"utm_source": "mail", "utm_medium": "email"}
    assert changed["target"] == f"{URL}?utm_source=mail&utm_medium=email"
    assert (await change(alice, link, utm=None)).json()["utm"] == {}


async def test_a_patch_may_write_the_same_slug_in_other_letters(alice: Person) -> None:
    link = await make(alice, slug="spring")

    assert (await change(alice, link, slug="Spring")).json()["slug"] == "Spring"


async def test_a_refused_patch_changes_nothing(alice: Person) -> None:
    await make(alice, slug="taken")
    link = await make(alice, slug="spring", title="Before")

    answers = [
        await change(alice, link, title="After", slug="taken"),
        await change(alice, link, title="After", url="//x"),
        await change(alice, link, url=None),
        await change(alice, link, slug=None),
    ]

    assert [answer.status_code for answer in answers][:2] == [409, 422]
    assert {answer.status_code for answer in answers[2:]} <= {400, 422}
    assert (await alice.api.get(f"/api/v1/links/{link['id']}")).json() == link


async def test_archiving_twice_is_harmless_and_restoring_brings_it_back(alice: Person) -> None:
    link = await make(alice)
    await archive(alice, link)
    await archive(alice, link)

    archived = (await alice.api.get("/api/v1/links", params={"archived": True})).json()["data"]
    restored = (await alice.api.post(f"/api/v1/links/{link['id']}/restore")).json()

    assert [row["id"] for row in archived] == [link["id"]]
    assert restored["archived_at"] is None


async def test_who_may_do_what(alice: Person, bob: Person, vera: Person, charlie: Person) -> None:
    link = await make(alice)
    path = f"/api/v1/links/{link['id']}"

    read = [(await who.api.get(path)).status_code for who in (alice, bob, vera, charlie)]
    written = [(await who.api.patch(path, json={"title": "x"})).status_code for who in (alice, bob, vera, charlie)]
    made = [(await who.api.post("/api/v1/links", json={"url": URL})).status_code for who in (bob, vera, charlie)]
    ended = [(await who.api.delete(path)).status_code for who in (vera, charlie, bob)]

    assert (read, written) == ([200, 200, 200, 404], [200, 200, 403, 404])
    assert (made, ended) == ([201, 403, 201], [403, 404, 200])


async def test_a_list_shows_ones_own_links_only(alice: Person, charlie: Person) -> None:
    await make(alice, title="Mine")

    assert (await charlie.api.get("/api/v1/links")).json()["data"] == []
    assert (await charlie.api.get("/api/v1/links", params={"q": "mine"})).json()["data"] == []


async def test_a_csv_has_every_link_and_no_formula(alice: Person) -> None:
    await make(alice, slug="spring", title="=HYPERLINK(1)", tags=["a", "b"])

    answer = await alice.api.get("/api/v1/links.csv")

    assert answer.headers["content-type"].startswith("text/csv")
    assert "http://127.0.0.1:8080/spring" in answer.text
    assert "'=HYPERLINK(1)" in answer.text
    assert '"a, b"' in answer.text


async def test_a_repeated_post_with_its_key_is_one_link(instance: Instance, alice: Person) -> None:
    headers = {"Idempotency-Key": "once"}
    answers = [await alice.api.post("/api/v1/links", json={"url": URL}, headers=headers) for _ in range(2)]

    assert answers[0].json()["id"] == answers[1].json()["id"]
