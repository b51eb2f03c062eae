"""What protects a person at a browser: forged requests, cookies, policies, headers."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from http.cookies import SimpleCookie
from pathlib import Path

import httpx
import pytest

from site2crm.accounts.permissions import Role
from site2crm.core.security import OPEN_TO_OTHER_SITES
from tests import cast
from tests.cast import PASSWORD, Cast
from tests.security import pages, routes
from tests.security.routes import UNSAFE
from tests.security.world import World

HTTPS = "https://leads.acme.example"
FORGED = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "x"},
    {"Sec-Fetch-Site": "cross-site", "Origin": cast.BASE},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:8080.evil.example"},
    {"Origin": "http://127.0.0.1"},
    {"Referer": cast.BASE + "/o/acme/leads"},
    {},
]
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "strict-origin-when-cross-origin",
}


@pytest.fixture
async def browser(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """Acme's owner, with their cookie and nothing else."""
    async with cast.client(world.instance, Accept="text/html") as client:
        client.cookies.set("s2c", world.acme.owner.web.cookies["s2c"])
        yield client


async def test_a_forged_request_is_refused_everywhere(world: World, browser: httpx.AsyncClient) -> None:
    for headers in FORGED:
        before, wrong = await world.fingerprint(), []
        for route in routes.every(world.instance):
            if route.path.startswith(OPEN_TO_OTHER_SITES):  # whoever calls there proves it, with every body
                continue
            if route.method in UNSAFE and all(name in world.acme.ids | routes.NOT_IDS for name in route.parameters):
                answer = await route.call(browser, world.acme, **headers)
                if answer.status_code != 403:
                    wrong.append(f"{route}: {answer.status_code}")
        assert wrong == []
        assert await world.fingerprint() == before


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": cast.BASE}]
)
async def test_ones_own_pages_are_let_through(browser: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert (await browser.post("/theme", data={"theme": "dark"}, headers=headers)).status_code in {204, 303}


async def test_a_cookie_is_no_way_around_the_key(world: World, browser: httpx.AsyncClient) -> None:
    """`Bearer` exempts from the origin check because then the cookie does not count."""
    headers = {"Authorization": "Bearer s2c_live_x_y", "Sec-Fetch-Site": "cross-site"}
    before = await world.fingerprint()
    assert (await browser.post("/o/acme/forms", data=routes.FORM_BODY, headers=headers)).status_code == 401
    assert await world.fingerprint() == before


async def test_a_page_of_plain_http_is_not_the_https_site(tmp_path: Path) -> None:
    async with cast.an_instance(tmp_path, server__public_url=HTTPS) as instance:
        transport = httpx.ASGITransport(app=instance.app)
        client = httpx.AsyncClient(transport=transport, base_url=HTTPS)
        theirs = await client.post("/login", headers={"Origin": HTTPS.replace("https", "http")})
        ours = await client.post("/login", headers={"Origin": HTTPS})
        await client.aclose()
    assert (theirs.status_code, ours.status_code) == (403, 401)


def flags(answer: httpx.Response) -> dict[str, dict[str, str]]:
    """Cookie -> its attributes."""
    found = {}
    for line in answer.headers.get_list("set-cookie"):
        for name, morsel in SimpleCookie(line).items():
            found[name] = {key: str(value).lower() for key, value in morsel.items() if value}
    return found


@pytest.mark.parametrize(("public_url", "name"), [("", "s2c"), (HTTPS, "__Host-s2c")])
async def test_the_cookies_of_a_visit_are_closed(tmp_path: Path, public_url: str, name: str) -> None:
    base = public_url or cast.BASE
    async with cast.an_instance(tmp_path, server__public_url=public_url) as instance, AsyncExitStack() as stack:
        alice = await Cast(instance, stack).person("alice", Role.OWNER, "acme")
        same = {"Sec-Fetch-Site": "same-origin"}
        transport = httpx.ASGITransport(app=instance.app)
        async with httpx.AsyncClient(transport=transport, base_url=base, headers=same) as client:
            login = await client.post("/login", data={"email": alice.email, "password": PASSWORD})
            saved = await client.post(
                "/o/acme/settings/general", data={"name": "A", "slug": "acme", "time_zone": "UTC"}
            )
            theme = await client.post("/theme", data={"theme": "dark"})
            out = await client.post("/logout")
    assert [answer.status_code for answer in (login, saved, out)] == [303] * 3
    assert name in flags(login)
    assert "s2c_flash" in flags(saved)
    for answer in (login, saved, theme, out):
        for cookie, attributes in flags(answer).items():
            assert attributes.get("path") == "/", cookie
            assert "domain" not in attributes, cookie
            assert attributes.get("samesite") in {"lax", "strict"}, cookie
            assert ("secure" in attributes) == bool(public_url), cookie
            assert "httponly" in attributes or cookie == "theme", cookie


async def test_login_gives_a_new_session_and_logout_ends_it(world: World) -> None:
    old = world.acme.owner.web.cookies["s2c"]
    login = await world.acme.owner.web.post("/login", data={"email": world.acme.owner.email, "password": PASSWORD})
    new = login.cookies["s2c"]
    assert new != old
    assert len(new) >= 32
    async with cast.client(world.instance, Cookie=f"s2c={old}") as planted:
        assert (await planted.get("/o/acme/leads")).status_code == 303
    same = {"Sec-Fetch-Site": "same-origin"}
    async with cast.client(world.instance, Cookie=f"s2c={new}", **same) as copied:
        await copied.post("/logout")
        assert (await copied.get("/o/acme/leads")).status_code == 303


async def test_every_page_has_a_closed_policy(world: World) -> None:
    found = await pages.all_pages(world, world.acme.owner)
    assert len(found) > 30
    nonces = []
    for path, answer in found.items():
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy, path
        assert "*" not in policy.replace("frame-ancestors *", ""), path
        for directive in ("default-src 'none'", "base-uri 'none'", "frame-ancestors", "form-action"):
            assert directive in policy, (path, directive)
        if not path.startswith("/f/"):
            nonce = re.search(r"'nonce-([^']{16,})'", policy)
            assert nonce, path
            assert "require-trusted-types-for 'script'" in policy
            assert "frame-ancestors 'none'" in policy
            assert answer.headers["cache-control"] == "no-store" or path.startswith(("/help", "/docs")), path
            nonces.append(nonce[1])
            assert pages.markup(answer).nonces <= {nonce[1]}, path
        assert pages.markup(answer).wrong == [], path
    assert len(set(nonces)) == len(nonces), "a nonce is used once"


async def test_every_answer_has_the_headers_errors_too(world: World, nobody: httpx.AsyncClient) -> None:
    owner = world.acme.owner
    key = world.acme.form_key
    answers = [
        await nobody.get("/nowhere"), await nobody.get("/api/v1/nowhere"), await nobody.get("/api/v1/leads"),
        await nobody.get("/o/acme/leads"), await nobody.post("/login", data={"email": "x"}), await nobody.get("/livez"),
        await nobody.post("/login", headers={"Sec-Fetch-Site": "cross-site"}), await nobody.put("/login"),
        await nobody.get("/login", headers={"Host": "evil.example"}), await nobody.get("/static/nothing.js"),
        await nobody.get("/static/app.css"), await nobody.get(f"/f/{key}"), await nobody.post(f"/f/{key}", content=b""),
        await nobody.get("/f/nothing1"), await nobody.get(f"/f/{key}/embed.js"), await nobody.get("/robots.txt"),
        await owner.api.get("/api/v1/leads?limit=x"), await owner.api.post("/api/v1/forms", content=b"["),
        await owner.api.get("/api/v1/openapi.json"), await owner.web.get("/o/acme/leads.csv"),
        await owner.web.get("/o/acme/forms/x"), await world.vera.web.get("/o/acme/settings/team"),
        await owner.web.post("/o/acme/forms", data={"name": ""}), await owner.api.delete("/api/v1/forms"),
        await owner.api.post("/api/v1/forms", content=b"x" * 2_000_000), await nobody.options("/login"),
    ]  # fmt: skip
    for answer in answers:
        where = f"{answer.request.method} {answer.request.url} {answer.status_code}"
        for name, value in HEADERS.items():
            assert answer.headers.get(name) == value, (where, name)
        assert "content-security-policy" in answer.headers, where
        assert "unsafe" not in answer.headers["content-security-policy"], where
        assert answer.headers.get("x-request-id", "").startswith("req_"), where
        assert "access-control-allow-credentials" not in answer.headers, where
        text = answer.headers.get("content-type", "")
        assert not text.startswith("text/") or "charset" in text, where


async def test_what_is_personal_is_not_stored_by_a_browser(world: World) -> None:
    owner = world.acme.owner
    for path in ("/o/acme/leads", "/o/acme/leads.csv", "/profile", "/api/v1/leads", "/api/v1/keys", "/api/v1/me"):
        client = owner.api if path.startswith("/api") else owner.web
        assert "no-store" in (await client.get(path)).headers.get("cache-control", ""), path


async def test_https_tells_browsers_to_stay_there(tmp_path: Path) -> None:
    async with cast.an_instance(tmp_path, server__public_url=HTTPS) as instance:
        transport = httpx.ASGITransport(app=instance.app)
        async with httpx.AsyncClient(transport=transport, base_url=HTTPS) as client:
            answers = [await client.get(path) for path in ("/login", "/api/v1/leads", "/static/app.css", "/nowhere")]
    assert all("max-age=31536000" in answer.headers["strict-transport-security"] for answer in answers)


async def test_no_other_website_may_read_the_dashboard_or_the_api(world: World) -> None:
    origin = {"Origin": "https://evil.example"}
    for path in ("/o/acme/leads", "/api/v1/leads", "/api/v1/openapi.json", "/login", "/static/app.css"):
        client = world.acme.owner.api if path.startswith("/api") else world.acme.owner.web
        for answer in (await client.get(path, headers=origin), await client.options(path, headers=origin)):
            assert "access-control-allow-origin" not in answer.headers, path


ELSEWHERE = [
    "//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil.example", "/%2fevil.example", "http:evil.example",
    "javascript:alert(1)", "/\t/evil.example", " //evil.example", "/o/acme\r\nSet-Cookie: a=b", "///evil.example", "/.//evil.example",
    "https:/evil.example", "data:text/html,x", "/@evil.example", "?next=//evil.example",
]  # fmt: skip


async def test_login_leads_to_no_other_website(world: World) -> None:
    for target in ELSEWHERE:
        login = {"email": world.acme.owner.email, "password": PASSWORD, "next": target}
        answer = await world.acme.owner.web.post("/login", data=login)
        location = answer.headers["location"]
        assert location.startswith("/")
        assert not re.match(r"/[/\\]", re.sub(r"[\t\r\n]", "", location))
        assert str(httpx.URL(cast.BASE).join(location)).startswith(cast.BASE)
