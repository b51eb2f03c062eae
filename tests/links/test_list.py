"""The list: search, filters, order, pages."""

import pytest
from sqlalchemy import insert

from site2crm.app import Instance
from site2crm.kit import clock, ids
from site2crm.links import search
from site2crm.links.models import Link, LinkSearch
from tests.cast import Person
from tests.links.making import archive, change, make


async def slugs(person: Person, **query: str) -> list[str]:
    answer = await person.api.get("/api/v1/links", params=query)
    assert answer.status_code == 200, answer.text
    return [row["slug"] for row in answer.json()["data"]]


@pytest.mark.parametrize(
    "q",
    [
        "spring",
        "SPR",
        "sale",
        "müller",
        "muller",
        "landing",
        "www.shop.example",
        "https://www.shop.example/landing/page",
        "http://127.0.0.1:8080/spring-sale",
        "print",
        "easter",
        "spring shop",
        "springsale",
    ],
)
async def test_a_link_is_found_by_whatever_it_has(alice: Person, q: str) -> None:
    await make(
        alice,
        "https://www.shop.example/landing/page",
        slug="spring-sale",
        title="Spring Sale for Müller",
        tags=["Print"],
        campaign="Easter",
    )
    await make(alice, "https://other.example/", slug="other")

    assert await slugs(alice, q=q) == ["spring-sale"]


@pytest.mark.parametrize("q", ["winter", "spring winter", '"', "***", "%", "' OR 1=1--", "NEAR(", "ring"])
async def test_what_no_link_has_finds_nothing(alice: Person, q: str) -> None:
    await make(alice, slug="spring")

    assert await slugs(alice, q=q) == []


async def test_tags_and_campaigns_filter_whole(alice: Person) -> None:
    await make(alice, slug="one", tags=["Print", "summer"], campaign="Easter")
    await make(alice, slug="two", tags=["printer"], campaign="Easter Monday")

    assert await slugs(alice, tag="print") == ["one"]
    assert await slugs(alice, campaign="Easter") == ["one"]
    assert await slugs(alice, tag="printer", q="two") == ["two"]
    assert await slugs(alice, tag="print", q="two") == []


async def test_an_edit_is_found_by_its_new_words_only(alice: Person) -> None:
    link = await make(alice, slug="one", title="Before")
    await change(alice, link, title="After")

    assert (await slugs(alice, q="after"), await slugs(alice, q="before")) == (["one"], [])


async def test_archived_links_are_a_list_of_their_own(alice: Person) -> None:
    await make(alice, slug="one", title="Sale")
    await archive(alice, await make(alice, slug="two", title="Sale"))

    assert await slugs(alice) == ["one"]
    assert await slugs(alice, archived="true") == ["two"]
    assert (await slugs(alice, q="sale"), await slugs(alice, q="sale", archived="true")) == (["one"], ["two"])


async def test_newest_first_or_what_was_changed_last(alice: Person) -> None:
    one = await make(alice, slug="one")
    await make(alice, slug="two")
    await change(alice, one, title="x")

    assert await slugs(alice) == ["two", "one"]
    assert await slugs(alice, sort="changed") == ["one", "two"]
    assert (await alice.api.get("/api/v1/links", params={"sort": "clicks"})).status_code == 422


@pytest.mark.parametrize("query", [{}, {"q": "sale"}, {"sort": "changed"}, {"tag": "a"}])
async def test_pages_follow_one_another_without_gap_or_repeat(alice: Person, query: dict[str, str]) -> None:
    made = [(await make(alice, title="Sale", tags=["a"]))["slug"] for _ in range(5)]

    found, cursor = [], ""
    while True:
        asked = {**query, "limit": "2", **({"cursor": cursor} if cursor else {})}
        page = (await alice.api.get("/api/v1/links", params=asked)).json()
        found += [row["slug"] for row in page["data"]]
        cursor = page["page"]["next_cursor"]
        if not cursor:
            break

    assert found == list(reversed(made))


async def test_a_cursor_of_another_list_is_refused(alice: Person) -> None:
    for _ in range(2):
        await make(alice, title="Sale")
    cursor = (await alice.api.get("/api/v1/links", params={"limit": 1})).json()["page"]["next_cursor"]

    answer = await alice.api.get("/api/v1/links", params={"q": "sale", "cursor": cursor})

    assert answer.status_code == 422


async def test_a_rare_word_is_found_behind_a_thousand_newer_links(instance: Instance, alice: Person) -> None:
    await make(alice, slug="rare", title="Needle")
    await fill(instance, alice.org.id, 1_500)

    assert await slugs(alice, q="needle") == ["rare"]
    assert await slugs(alice, q="needle hay") == []
    assert len(await slugs(alice, q="hay")) == 50


async def fill(instance: Instance, org_id: str, count: int) -> None:
    """Many links at once, as an import writes them."""
    now = clock.now()
    links: list[dict[str, object]] = [
        {
            "id": ids.new("lnk"), "org_id": org_id, "domain": "", "slug": f"hay{n}", "slug_key": f"hay{n}",
            "url": f"https://example.com/{n}", "title": "Hay", "tags": [], "campaign": "", "utm": {},
            "carry_click": "auto", "revision": 1, "created_by": None, "created_at": now, "updated_at": now,
        }
        for n in range(count)
    ]  # fmt: skip
    rows = [
        {
            "org_id": org_id,
            "link_id": link["id"],
            "words": search.words(
                org_id, slug=str(link["slug"]), url=str(link["url"]), title="Hay", tags=[], campaign=""
            ),
        }
        for link in links
    ]
    async with instance.machine.session() as session:
        await session.execute(insert(Link), links)
        await session.execute(insert(LinkSearch), rows)
