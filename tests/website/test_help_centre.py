"""The help centre: every page reads well, leads on, and is found."""

import re
from itertools import pairwise

import httpx
import pytest

from site2crm.core import config, resources
from site2crm.website import facts
from site2crm.website.articles import ARTICLES
from site2crm.website.search import search
from tests.website.html import Page

PATHS = ["/", "/help", "/docs", *(article.url for article in ARTICLES.values())]
ELSEWHERE = {"/login", "/api/v1/openapi.json"}
"""Served by parts that the small app of these tests does not have."""


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_renders_with_one_main_heading(visitor: httpx.AsyncClient, path: str) -> None:
    answer = await visitor.get(path)

    page = Page(answer.text)
    assert answer.status_code == 200
    assert page.headings.count("h1") == 1


@pytest.mark.parametrize("path", PATHS)
async def test_no_anchor_is_there_twice(visitor: httpx.AsyncClient, path: str) -> None:
    ids = Page((await visitor.get(path)).text).ids

    assert [name for name in ids if ids.count(name) > 1] == []


@pytest.mark.parametrize("path", PATHS)
async def test_headings_begin_at_the_top_and_skip_no_level(visitor: httpx.AsyncClient, path: str) -> None:
    main = re.search(r"<main.*</main>", (await visitor.get(path)).text, re.DOTALL)
    levels = [int(tag[1]) for tag in Page(main[0] if main else "").headings]

    assert levels[0] == 1
    assert [(a, b) for a, b in pairwise(levels) if b > a + 1] == []


async def test_every_title_is_another(visitor: httpx.AsyncClient) -> None:
    titles = [Page((await visitor.get(path)).text).title for path in PATHS]

    assert len(set(titles)) == len(PATHS)


async def test_every_link_leads_somewhere(visitor: httpx.AsyncClient) -> None:
    pages = {path: Page((await visitor.get(path)).text) for path in PATHS}
    links = {link if link.startswith("/") else path + link for path, page in pages.items() for link in page.links}

    dead = []
    for link in sorted(link for link in links if not link.startswith("http")):
        path, _, anchor = link.partition("#")
        if "https://" in path or path in ELSEWHERE:
            continue
        known = path in {"/livez", "/readyz", "/health", "/status"} or path in pages
        if not known or (anchor and anchor not in pages[path].ids):
            dead.append(link)
    assert dead == []


def test_every_article_has_its_template_and_every_template_its_article() -> None:
    written = {path.stem for path in (resources.templates() / "help").glob("*.html")} - {"index"}

    assert written == set(ARTICLES)


async def test_an_unknown_article_is_not_found(visitor: httpx.AsyncClient) -> None:
    assert (await visitor.get("/help/nothing", headers={"Accept": "application/json"})).status_code == 404


async def test_the_side_list_marks_the_page(visitor: httpx.AsyncClient) -> None:
    html = (await visitor.get("/help/hubspot")).text

    assert '<a href="/help/hubspot" aria-current="page">' in html


async def test_search_finds_words_of_a_text(visitor: httpx.AsyncClient) -> None:
    html = (await visitor.get("/help", params={"q": "Whsec Signature"})).text

    assert 'href="/help/webhook-crm"><strong>' in html


async def test_search_puts_a_title_first(visitor: httpx.AsyncClient) -> None:
    html = (await visitor.get("/help", params={"q": "hubspot"})).text

    first = re.search(r'<p><a href="([^"]+)"><strong>', html)
    assert first is not None
    assert first[1] == "/help/hubspot"


async def test_search_shows_what_was_typed_as_text(visitor: httpx.AsyncClient) -> None:
    html = (await visitor.get("/help", params={"q": "<script>alert(1)</script>"})).text

    assert "<script>alert" not in html
    assert "0 pages have all of these words" in html


async def test_a_page_says_where_this_instance_is(visitor: httpx.AsyncClient) -> None:
    html = (await visitor.get("/help/on-your-website")).text

    assert "http://127.0.0.1:8080/f/FORM/embed.js" in html
    assert "leads.example.com" not in html


def test_search_without_words_finds_nothing() -> None:
    assert search(facts.of(config.load(None, env={}, flags={})), "  ") == []
