"""What a visitor of a short link gets, and what is recorded of it."""

import pytest

from site2crm.app import Instance
from site2crm.core.eventstore.frame import EventFrame
from site2crm.kit import clock
from site2crm.links.models import Link
from tests import cast
from tests.cast import Person
from tests.links.making import URL, archive, change, click, location, make, recorded


async def test_a_click_leads_on_and_may_not_be_kept(instance: Instance, alice: Person) -> None:
    await make(alice, slug="spring")

    answer = await click(instance, "/spring")

    assert (answer.status_code, answer.headers["location"], answer.content) == (302, URL, b"")
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["x-robots-tag"] == "noindex"
    assert answer.headers["content-length"] == "0"
    assert "set-cookie" not in answer.headers


async def test_a_click_is_recorded_with_what_the_request_said(instance: Instance, alice: Person) -> None:
    link = await make(alice, slug="Spring", campaign="Sale", utm={"utm_source": "mail"})

    await click(
        instance,
        "/spring?gclid=abc",
        **{"User-Agent": "Firefox", "Accept-Language": "de", "Referer": "https://news.example/1"},
    )

    [frame] = recorded(instance)
    assert (frame.kind, frame.org, frame.link, frame.campaign) == ("click", alice.org.id, link["id"], "Sale")
    assert (frame.user_agent, frame.language, frame.referrer) == ("Firefox", "de", "https://news.example/1")
    assert (frame.path, frame.query, frame.domain) == ("Spring", "gclid=abc", "127.0.0.1:8080")
    assert frame.utm == ("mail", "", "", "", "")
    assert (frame.id[:4], frame.flags) == ("clk_", "")


def test_the_record_has_the_fields_of_a_frame_in_their_order() -> None:
    """`recording` writes the array itself: a field added to the frame is added there."""
    assert EventFrame.__struct_fields__ == (
        "version", "kind", "id", "ts", "org", "link", "domain", "form", "campaign", "variant", "visitor", "country",
        "region", "city", "user_agent", "language", "referrer", "path", "query", "utm", "flags", "qr",
    )  # fmt: skip


async def test_no_address_is_written(instance: Instance, alice: Person) -> None:
    await make(alice, slug="spring")

    await click(instance, "/spring", **{"X-Forwarded-For": "203.0.113.77"})

    assert "203.0.113" not in repr(recorded(instance))
    assert "127.0.0.1'" not in repr(recorded(instance))


@pytest.mark.parametrize(
    ("method", "headers", "flags"),
    [
        ("HEAD", {}, "head"),
        ("GET", {"Sec-Purpose": "prefetch"}, "prefetch"),
        ("GET", {"Sec-Purpose": "prefetch;prerender"}, "prefetch"),
        ("GET", {"Purpose": "prefetch"}, "prefetch"),
        ("GET", {"X-Purpose": "preview"}, "prefetch"),
        ("GET", {"X-Moz": "prefetch"}, "prefetch"),
        ("GET", {"Purpose": "reading"}, ""),
    ],
)
async def test_who_only_looks_ahead_is_answered_the_same_and_marked(
    instance: Instance, alice: Person, method: str, headers: dict[str, str], flags: str
) -> None:
    await make(alice, slug="spring")

    answer = await click(instance, "/spring", method, **headers)

    assert (answer.status_code, answer.headers["location"]) == (302, URL)
    assert [frame.flags for frame in recorded(instance)] == [flags]


@pytest.mark.parametrize("path", ["/Spring", "/spring", "/SPRING", "/%53pring", "/spring/"])
async def test_capitals_do_not_matter(instance: Instance, alice: Person, path: str) -> None:
    await make(alice, slug="Spring")

    assert await location(instance, path) == URL


async def test_of_case_twins_the_exact_spelling_decides(instance: Instance, alice: Person) -> None:
    await make(alice, "https://example.com/older", slug="Spring")
    twin = await make(alice, "https://example.com/twin")
    async with instance.machine.session() as session:
        row = await session.get_one(Link, twin["id"])
        row.slug, row.slug_key = "spring", None
    await change(alice, twin, title="So that it is read again")

    found = [await location(instance, path) for path in ("/Spring", "/spring", "/SPRING")]

    assert found == ["https://example.com/older", "https://example.com/twin", "https://example.com/older"]


async def test_letters_of_other_scripts_are_found_in_any_case(instance: Instance, alice: Person) -> None:
    link = await make(alice, slug="Весна")

    assert link["short_url"] == "http://127.0.0.1:8080/%D0%92%D0%B5%D1%81%D0%BD%D0%B0"
    assert await location(instance, "/весна") == URL


async def test_an_edit_is_live_at_once_and_the_old_slug_leads_nowhere(instance: Instance, alice: Person) -> None:
    link = await make(alice, slug="spring")

    await change(alice, link, slug="summer", url="https://example.com/summer")

    assert await location(instance, "/summer") == "https://example.com/summer"
    assert (await click(instance, "/spring")).status_code == 404


async def test_two_links_can_change_places(instance: Instance, alice: Person) -> None:
    one, two = (
        await make(alice, "https://example.com/1", slug="one"),
        await make(alice, "https://example.com/2", slug="two"),
    )

    await change(alice, one, slug="three")
    await change(alice, two, slug="one")
    await change(alice, one, slug="two")

    assert await location(instance, "/one") == "https://example.com/2"
    assert await location(instance, "/two") == "https://example.com/1"


async def test_an_archived_link_says_so_and_comes_back(instance: Instance, alice: Person) -> None:
    link = await make(alice, slug="spring")

    await archive(alice, link)
    ended = await click(instance, "/spring")
    head = await click(instance, "/spring", "HEAD")
    await alice.api.post(f"/api/v1/links/{link['id']}/restore")

    assert (ended.status_code, "This link has ended" in ended.text) == (410, True)
    assert "default-src 'none'" in ended.headers["content-security-policy"]
    assert (head.status_code, head.content) == (410, b"")
    assert [(frame.kind, frame.link) for frame in recorded(instance)] == [("orphan", link["id"])] * 2
    assert await location(instance, "/spring") == URL


async def test_an_unknown_slug_is_the_404_page_and_an_orphan(instance: Instance, alice: Person) -> None:
    answer = await click(instance, "/nowhere", Accept="text/html")

    assert (answer.status_code, "There is nothing here" in answer.text) == (404, True)
    [frame] = recorded(instance)
    assert (frame.kind, frame.org, frame.link, frame.path) == ("orphan", "", "", "nowhere")


async def test_a_scanner_cannot_fill_the_store(instance: Instance) -> None:
    async with cast.client(instance) as scanner:
        with clock.travel(clock.now()):
            for number in range(100):
                await scanner.get(f"/scan{number}")
            await scanner.get("/wp-login.php")

    assert len(recorded(instance)) == 60


@pytest.mark.parametrize("path", ["/", "/login", "/help", "/favicon.ico", "/a/b", "/robots.txt", "/static/x", "/.env"])
async def test_pages_of_the_product_and_deeper_paths_are_no_orphans(instance: Instance, path: str) -> None:
    await click(instance, path)

    assert recorded(instance) == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_other_methods_are_no_clicks(instance: Instance, alice: Person, method: str) -> None:
    await make(alice, slug="spring")

    answer = await click(instance, "/spring", method)

    assert answer.status_code in {404, 405}
    assert recorded(instance) == []


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", ""])
async def test_an_unknown_host_gets_no_redirect_and_counts_nothing(
    instance: Instance, alice: Person, host: str
) -> None:
    await make(alice, slug="spring")

    answer = await click(instance, "/spring", Host=host)

    assert answer.status_code == 404
    assert recorded(instance) == []


async def test_two_hosts_in_one_request_get_no_redirect(instance: Instance, alice: Person) -> None:
    await make(alice, slug="spring")
    async with cast.client(instance) as visitor:
        await visitor.get("/spring")
        answer = await visitor.get("/spring", headers=[("Host", "127.0.0.1:8080"), ("Host", "evil.example")])

    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "https://example.com/x?a=1&utm_source=mail#top"),
        ("?gclid=abc&fbclid=d", "https://example.com/x?a=1&utm_source=mail&gclid=abc&fbclid=d#top"),
        ("?a=2", "https://example.com/x?a=1&utm_source=mail#top"),
        ("?utm_source=other&utm_medium=cpc", "https://example.com/x?a=1&utm_source=mail&utm_medium=cpc#top"),
        ("?s2c_click=forged", "https://example.com/x?a=1&utm_source=mail#top"),
        ("?%61=2", "https://example.com/x?a=1&utm_source=mail#top"),
        ("?b=%20%0d%0aX:y", "https://example.com/x?a=1&utm_source=mail&b=%20%0d%0aX:y#top"),
        ("?b=<script>", "https://example.com/x?a=1&utm_source=mail&b=%3Cscript%3E#top"),
        ("?&&", "https://example.com/x?a=1&utm_source=mail#top"),
    ],
)
async def test_what_stands_behind_the_short_link_goes_on_but_overwrites_nothing(
    instance: Instance, alice: Person, query: str, expected: str
) -> None:
    await make(alice, "https://example.com/x?a=1#top", slug="spring", utm={"utm_source": "mail"})

    assert await location(instance, f"/spring{query}") == expected


async def test_the_parameters_in_effect_are_recorded(instance: Instance, alice: Person) -> None:
    await make(alice, "https://example.com/?utm_campaign=sale", slug="spring", utm={"utm_source": "mail"})

    await click(instance, "/spring?utm_medium=cpc&utm_source=other")

    assert [frame.utm for frame in recorded(instance)] == [("mail", "cpc", "sale", "", "")]


async def test_an_endless_query_is_cut_at_a_parameter(instance: Instance, alice: Person) -> None:
    await make(alice, slug="spring")

    found = await location(instance, "/spring?a=1&b=" + "x" * 7_000)

    assert found == f"{URL}?a=1"


async def test_https_is_said_to_stay(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with cast.an_instance(
        tmp_path_factory.mktemp("https"), server__public_url="https://go.acme.example"
    ) as instance:
        answer = await click(instance, "/nothing", Host="go.acme.example")

    assert answer.headers["strict-transport-security"].startswith("max-age=")
