"""The links in memory: many of them, and only what has changed is read again."""

import pytest
from sqlalchemy import insert

from site2crm.app import Instance
from site2crm.kit import clock
from site2crm.links.models import Link
from site2crm.links.registry import LinkRegistry, LinkSpec, refresh
from tests.cast import Person
from tests.links.making import change, location, make

MANY = 100_000


def spec(link_id: str, slug: str, *, revision: int, key: str | None = "", archived: bool = False) -> LinkSpec:
    key = slug.lower() if key == "" else key
    return LinkSpec(link_id, "org_x", "", slug, key, "https://example.com/", "", "{}", "auto", archived, revision)


def test_the_exact_spelling_comes_before_what_is_read_as_the_same() -> None:
    registry = LinkRegistry()
    registry.apply([spec("lnk_1", "Spring", revision=1), spec("lnk_2", "spring", revision=2, key=None)])

    found = [registry.find("", slug) for slug in ("Spring", "spring", "SPRING")]

    assert [each.id if each else "" for each in found] == ["lnk_1", "lnk_2", "lnk_1"]


def test_an_older_state_that_arrives_late_changes_nothing() -> None:
    registry = LinkRegistry()
    registry.apply([spec("lnk_1", "new", revision=2)])
    registry.apply([spec("lnk_1", "old", revision=1)])

    assert registry.find("", "new") is not None
    assert registry.find("", "old") is None


def test_two_that_change_places_in_one_step_are_both_found() -> None:
    registry = LinkRegistry()
    registry.apply([spec("lnk_1", "a", revision=1), spec("lnk_2", "b", revision=1)])
    registry.apply([spec("lnk_1", "b", revision=2), spec("lnk_2", "a", revision=2)])

    found = {slug: registry.find("", slug) for slug in ("a", "b")}

    assert {slug: each.id if each else "" for slug, each in found.items()} == {"a": "lnk_2", "b": "lnk_1"}


@pytest.mark.parametrize("slug", ["", "x" * 10_000, "\ud800", "é" * 5_000, "\u202e"])
def test_nonsense_is_not_found(slug: str) -> None:
    assert LinkRegistry().find("", slug) is None


async def test_of_a_hundred_thousand_links_an_edit_reads_one(instance: Instance, alice: Person) -> None:
    link = await make(alice, slug="spring")
    await _many(instance, alice.org.id)
    registry = instance.machine.get(LinkRegistry)
    registry.revision = 0  # as after a start
    async with instance.machine.session() as session:
        await refresh(session, registry)
    assert len(registry) == MANY + 1
    before = registry.find("", "many99999")
    await change(alice, link, url="https://example.com/new")

    assert await location(instance, "/spring") == "https://example.com/new"
    assert registry.find("", "many99999") is before
    assert await location(instance, "/MANY50000") == "https://example.com/50000"


async def _many(instance: Instance, org_id: str) -> None:
    now = clock.now()
    rows: list[dict[str, object]] = [
        {
            "id": f"lnk_{n:026d}", "org_id": org_id, "domain": "", "slug": f"many{n}", "slug_key": f"many{n}",
            "url": f"https://example.com/{n}", "title": "", "tags": [], "campaign": "", "utm": {},
            "carry_click": "auto", "revision": 1, "created_by": None, "created_at": now, "updated_at": now,
        }
        for n in range(MANY)
    ]  # fmt: skip
    async with instance.machine.session() as session:
        await session.execute(insert(Link), rows)
