"""What a stranger, a signed-in person, a robot and a browser find at the door."""

import httpx


async def test_a_stranger_sees_what_this_is(visitor: httpx.AsyncClient) -> None:
    html = (await visitor.get("/")).text

    assert 'href="/login"' in html
    assert 'href="/help"' in html


async def test_who_is_signed_in_goes_on_to_the_dashboard(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.get("/", headers={"Cookie": "s2c=yes"})

    assert (answer.status_code, answer.headers["location"]) == (303, "/o")


async def test_robots_may_read_the_help_and_nothing_of_an_org(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.get("/robots.txt")

    assert answer.headers["content-type"].startswith("text/plain")
    assert "Allow: /\n" in answer.text
    assert "Disallow: /o\n" in answer.text


async def test_the_icon_of_old_browsers_leads_to_ours(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.get("/favicon.ico")

    assert answer.status_code == 302
    assert answer.headers["location"].endswith("/favicon.svg")


async def test_the_theme_of_the_cookie_is_shown_without_a_script(visitor: httpx.AsyncClient) -> None:
    html = (await visitor.get("/help", headers={"Cookie": "theme=dark"})).text

    assert 'data-theme="dark"' in html
