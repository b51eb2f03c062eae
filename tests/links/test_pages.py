"""`/o/{org}/links` in a browser."""

import pytest

from site2crm.app import Instance
from tests.cast import Person
from tests.links.making import URL, archive, location, make


async def test_the_first_page_says_what_to_do_next(alice: Person, vera: Person) -> None:
    hers, theirs = await alice.web.get("/o/acme/links"), await vera.web.get("/o/acme/links")

    assert "No link yet" in hers.text
    assert 'href="/o/acme/links/new"' in hers.text
    assert 'href="/o/acme/links/new"' not in theirs.text


async def test_a_link_is_made_in_the_browser_and_leads_on(instance: Instance, alice: Person) -> None:
    fields = {"url": URL, "slug": "spring", "title": "Spring", "tags": "print, summer", "utm_source": "mail"}

    made = await alice.web.post("/o/acme/links", data=fields)
    page = await alice.web.get(made.headers["location"])

    assert made.status_code == 303
    assert "http://127.0.0.1:8080/spring" in page.text
    assert ">print</a>" in page.text
    assert await location(instance, "/spring") == f"{URL}?utm_source=mail"


async def test_an_empty_slug_means_one_of_ours(alice: Person) -> None:
    await alice.web.post("/o/acme/links", data={"url": URL, "slug": ""})

    [link] = (await alice.api.get("/api/v1/links")).json()["data"]
    assert len(link["slug"]) == 7


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"url": "javascript:alert(1)"}, "begin with https://"),
        ({"url": URL, "slug": "login"}, "page of this product"),
        ({"url": URL, "slug": "taken"}, "is taken"),
        ({"url": URL, "title": "x" * 300}, "200"),
        ({"url": URL, "tags": "x" * 60}, "50"),
        ({"url": URL, "utm_source": "x" * 300}, "200"),
        ({"url": URL, "carry_click": "perhaps"}, "perhaps"),
        ({}, "whole address"),
    ],
)
async def test_what_is_refused_is_shown_beside_its_field_with_what_was_typed(
    alice: Person, fields: dict[str, str], words: str
) -> None:
    await make(alice, slug="taken")

    answer = await alice.web.post("/o/acme/links", data={"title": "Mine", **fields})

    assert answer.status_code == 422
    assert words in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert fields.get("url", "").partition(":")[0] in answer.text


async def test_the_editor_shows_what_is_there_and_saves_it(alice: Person) -> None:
    link = await make(alice, slug="spring", title="Spring", tags=["a", "b"], utm={"utm_term": "shoes"})
    path = f"/o/acme/links/{link['id']}/edit"

    page = await alice.web.get(path)
    saved = await alice.web.post(path, data={"url": URL, "slug": "summer", "title": "", "tags": "a"})
    now = (await alice.api.get(f"/api/v1/links/{link['id']}")).json()

    assert 'value="a, b"' in page.text
    assert 'value="shoes"' in page.text
    assert saved.status_code == 303
    assert (now["slug"], now["title"], now["tags"], now["utm"]) == ("summer", "", ["a"], {})


async def test_a_refused_edit_keeps_the_link(alice: Person) -> None:
    link = await make(alice, slug="spring")
    path = f"/o/acme/links/{link['id']}/edit"

    answers = [await alice.web.post(path, data={"url": URL, "slug": slug}) for slug in ("", "a.b")]

    assert [answer.status_code for answer in answers] == [422, 422]
    assert (await alice.api.get(f"/api/v1/links/{link['id']}")).json() == link


async def test_ticked_links_are_archived_and_restored_together(instance: Instance, alice: Person) -> None:
    ids = [(await make(alice, slug=slug))["id"] for slug in ("one", "two", "three")]

    await alice.web.post("/o/acme/links/archive", data={"id": ids[:2]})
    live = [row["slug"] for row in (await alice.api.get("/api/v1/links")).json()["data"]]
    archived = await alice.web.get("/o/acme/links?archived=true")
    await alice.web.post("/o/acme/links/restore", data={"id": ids[:2]})

    assert live == ["three"]
    assert ("/one" in archived.text, "/three" in archived.text) == (True, False)
    assert await location(instance, "/one") == URL


async def test_a_mixed_bulk_action_changes_nothing_at_all(alice: Person, charlie: Person) -> None:
    mine, theirs = await make(alice, slug="mine"), await make(charlie, slug="theirs")

    answer = await charlie.web.post("/o/other/links/archive", data={"id": [theirs["id"], mine["id"]]})

    assert answer.status_code == 404
    assert len((await charlie.api.get("/api/v1/links")).json()["data"]) == 1


async def test_filters_are_chips_and_the_csv_follows_them(alice: Person) -> None:
    await make(alice, slug="one", tags=["print"])
    await make(alice, slug="two")

    page = await alice.web.get("/o/acme/links", params={"tag": "print"})
    csv = await alice.web.get("/o/acme/links.csv", params={"tag": "print"})

    assert ("/one" in page.text, "/two" in page.text) == (True, False)
    assert 'href="/o/acme/links.csv?tag=print"' in page.text
    assert ("/one" in csv.text, "/two" in csv.text) == (True, False)


async def test_a_wrong_filter_of_a_csv_is_told_before_its_first_line(alice: Person) -> None:
    answer = await alice.web.get("/o/acme/links.csv", params={"sort": "nonsense"})

    assert answer.status_code == 422


async def test_who_may_only_look_sees_no_button_that_changes(alice: Person, vera: Person) -> None:
    link = await make(alice)

    page = await vera.web.get(f"/o/acme/links/{link['id']}")
    edit = await vera.web.get(f"/o/acme/links/{link['id']}/edit")

    assert (page.status_code, edit.status_code) == (200, 403)
    assert "/archive" not in page.text


async def test_an_archived_links_page_offers_to_restore_it(alice: Person) -> None:
    link = await make(alice)
    await archive(alice, link)

    page = await alice.web.get(f"/o/acme/links/{link['id']}")

    assert "This link is archived" in page.text
    assert f"/o/acme/links/{link['id']}/restore" in page.text


async def test_markup_in_a_title_or_destination_is_text(alice: Person) -> None:
    link = await make(alice, 'https://example.com/?q="><script>', title="<script>alert(1)</script>", tags=["<b>"])

    for path in ("/o/acme/links", f"/o/acme/links/{link['id']}", f"/o/acme/links/{link['id']}/edit"):
        page = await alice.web.get(path)
        assert "<script>alert" not in page.text
        assert "<b>" not in page.text
