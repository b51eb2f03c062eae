"""Whatever is sent is answered with a 4xx that says why: never a 5xx, never a hang."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from site2crm.app import Instance
from tests.architecture.test_routes import handlers
from tests.security import hostile, routes
from tests.security.routes import NOT_IDS, PARAMETER, UNSAFE, Route
from tests.security.world import World, get, settled

LIMIT_S = 30
READ_QUERIES = ("/leads", ".csv", "/deliveries", "/quarantine", "/forms", "/crms", "/inbox", "/help", "/login", "/o")
PUBLIC_POSTS = ("/login", "/reset", "/logout", "/theme", "/setup/x", "/reset/x", "/invite/x")


class Attacker:
    """Sends as Acme's owner, and keeps what was answered wrongly."""

    def __init__(self, world: World, key_id: str) -> None:
        self.world = world
        self._key = f"key {key_id}"
        self.wrong: list[str] = []

    async def send(self, method: str, url: str, what: str, *, api: bool = True, **request: object) -> httpx.Response:
        self.world.instance.machine.limits.forget(self._key)
        owner = self.world.acme.owner
        async with asyncio.timeout(LIMIT_S):
            client = owner.api if api else owner.web
            answer = await client.request(method, url, **request)  # type: ignore[arg-type]
        self._judge(answer, method, url, what)
        return answer

    def expect(self, is_right: bool, answer: httpx.Response, what: str) -> None:
        if not is_right:
            self.wrong.append(f"{answer.request.method} {str(answer.request.url)[:100]} {what}: {_short(answer)}")

    def _judge(self, answer: httpx.Response, method: str, url: str, what: str) -> None:
        self.expect(answer.status_code < 500, answer, what)
        if url.startswith("/api/") and answer.status_code >= 400:
            right = answer.headers["content-type"].startswith("application/problem+json")
            has_id = method == "HEAD" or b'"request_id":"req_' in answer.content
            self.expect(right and has_id, answer, f"{what} (not a problem)")


def _short(answer: httpx.Response) -> str:
    return f"{answer.status_code} {answer.headers.get('content-type')} {answer.text[:160]!r}"


@pytest.fixture
async def attacker(world: World) -> AsyncIterator[Attacker]:
    me = await get(world.acme.owner, "/api/v1/me")
    attacker = Attacker(world, me["key_id"])
    yield attacker
    assert not attacker.wrong, "\n".join(attacker.wrong[:40])


def lists(world: World, *, api: bool) -> list[str]:
    """What may read its query. Pages of one thing do not, the API's lists and the pages named here do."""
    found = [route for route in routes.every(world.instance) if route.method == "GET" and route.is_api == api]
    found = [route for route in found if api or route.path.endswith(READ_QUERIES)]
    return [route.url(world.acme) for route in found if _fits(route, world) and not route.path.endswith("/live")]


def _fits(route: Route, world: World) -> bool:
    return all(name in {**world.acme.ids, **NOT_IDS} for name in route.parameters)


def _takes_body(route: Route) -> bool:
    return route.method in UNSAFE - {"DELETE"}


async def test_no_body_breaks_the_api(attacker: Attacker) -> None:
    for place, route in enumerate(routes.guarded(attacker.world.instance)):
        if not route.is_api or not _takes_body(route):
            continue
        for body in hostile.some(hostile.BODIES, place):
            headers = {"Content-Type": body.content_type.encode("latin-1")}
            url = route.url(attacker.world.acme)
            await attacker.send(route.method, url, body.name, content=body.content, headers=headers)


async def test_what_a_body_of_json_needs_is_told_as_4xx(attacker: Attacker) -> None:
    for path in ("/api/v1/forms", "/api/v1/connections", "/api/v1/keys", "/api/v1/deliveries/replay"):
        for body in hostile.BODIES:
            if body.name in {"the same field twice", "right to left", "a content type of nonsense"}:
                continue
            headers = {"Content-Type": body.content_type.encode("latin-1")}
            answer = await attacker.send("POST", path, body.name, content=body.content, headers=headers)
            attacker.expect(answer.status_code in {400, 413, 415, 422} or _is_fine(body, answer), answer, body.name)


def _is_fine(body: hostile.Body, answer: httpx.Response) -> bool:
    """A name may hold a null byte, which is taken out; JSON's charset parameter means nothing."""
    return body.name in {"a charset of nonsense", "null bytes"} and answer.status_code == 201


async def test_no_body_breaks_a_page(attacker: Attacker) -> None:
    for place, route in enumerate(routes.guarded(attacker.world.instance)):
        if route.is_api or not _takes_body(route) or "password" in route.path or route.path.endswith("/remove"):
            continue
        for body in hostile.some(hostile.BODIES, place):
            headers = {"Content-Type": body.content_type.encode("latin-1")}
            url = route.url(attacker.world.acme)
            await attacker.send(route.method, url, body.name, api=False, content=body.content, headers=headers)


async def test_no_body_breaks_what_is_open_to_all(nobody: httpx.AsyncClient) -> None:
    for path in PUBLIC_POSTS:
        for body in hostile.BODIES:
            headers = {"Content-Type": body.content_type.encode("latin-1")}
            async with asyncio.timeout(LIMIT_S):
                answer = await nobody.post(path, content=body.content, headers=headers)
            assert answer.status_code < 500, (body.name, answer.text[:200])


async def test_no_body_breaks_the_intake(world: World, nobody: httpx.AsyncClient) -> None:
    for body in hostile.BODIES:
        headers = {"Content-Type": body.content_type.encode("latin-1")}
        async with asyncio.timeout(LIMIT_S):
            answer = await nobody.post(f"/f/{world.acme.form_key}", content=body.content, headers=headers)
        assert answer.status_code < 500, (body.name, answer.text[:200])
    await settled(world.instance)
    assert (await get(world.acme.owner, "/api/v1/leads"))["data"], "the list still opens"


@pytest.mark.parametrize("api", [True, False])
async def test_no_query_breaks_a_list(attacker: Attacker, api: bool) -> None:
    for place, path in enumerate(lists(attacker.world, api=api)):
        for query in hostile.some(hostile.QUERIES, place):
            await attacker.send("GET", f"{path}?{query}", query[:60], api=api)


LIMITS = [query for query in hostile.QUERIES if query.startswith("limit=")]


async def test_a_wrong_limit_is_told(world: World) -> None:
    for query in LIMITS:
        answer = await world.acme.owner.api.get(f"/api/v1/leads?{query}")
        assert answer.status_code in {400, 422} or query in {"limit=", "limit=1&limit=2", "limit=٣"}, answer.text[:200]


async def test_no_id_breaks_a_route(attacker: Attacker) -> None:
    for place, route in enumerate(routes.every(attacker.world.instance)):
        names = [name for name in route.parameters if name != "org"]
        if not names or route.path.startswith("/profile"):
            continue
        for odd in hostile.some(hostile.IDS, place):
            filled = {**attacker.world.acme.ids, **dict.fromkeys(names, odd)}
            url = PARAMETER.sub(lambda found, filled=filled: filled[found[1]], route.path)  # type: ignore[misc]
            body = {"json": routes.JSON_BODIES.get(route.path, {})} if _takes_body(route) and route.is_api else {}
            data = {"data": routes.FORM_BODY} if _takes_body(route) and not route.is_api else {}
            answer = await attacker.send(route.method, url, odd[:40], api=route.is_api, **body, **data)
            attacker.expect(answer.status_code >= 300 or not _names_a_thing(route), answer, f"found {odd[:40]}")


def _names_a_thing(route: Route) -> bool:
    return route.names_a_thing and route.path not in routes.OPEN


async def test_the_intake_takes_no_odd_key(nobody: httpx.AsyncClient) -> None:
    for odd in hostile.IDS:
        for path in (f"/f/{odd}", f"/f/{odd}/embed.js", f"/f/{odd}/frame/x", "/f/", "/f", "/f//"):
            for method in ("GET", "POST", "OPTIONS", "HEAD", "DELETE"):
                answer = await nobody.request(method, path, content=b"a=1")
                assert 300 <= answer.status_code < 500, (method, path, answer.status_code)


METHODS = ("HEAD", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "BREW", "PUT", "PATCH", "DELETE", "POST")


async def test_no_method_breaks_a_route(attacker: Attacker) -> None:
    """HEAD answers like GET without a body; a method that nobody declared is 4xx."""
    seen: dict[str, set[str]] = {}
    for path, handler in handlers(attacker.world.instance):
        seen.setdefault(path, set()).update(handler.http_methods)
    for route in {each.path: each for each in routes.every(attacker.world.instance)}.values():
        if not _fits(route, attacker.world) or route.path.endswith("/live"):
            continue
        for method in METHODS:
            if method in seen[route.path] - {"HEAD", "OPTIONS"}:
                continue
            answer = await attacker.send(method, route.url(attacker.world.acme), method, api=route.is_api)
            _judge_method(attacker, method, answer, seen[route.path])
            if method == "HEAD" and "GET" in seen[route.path]:
                got = await attacker.send("GET", route.url(attacker.world.acme), "GET", api=route.is_api)
                attacker.expect(answer.status_code == got.status_code and answer.content == b"", answer, "HEAD")


def _judge_method(attacker: Attacker, method: str, answer: httpx.Response, offered: set[str]) -> None:
    if method == "OPTIONS":
        attacker.expect(answer.status_code in {200, 204}, answer, "OPTIONS")
    elif method != "HEAD" or "GET" not in offered:
        attacker.expect(answer.status_code in {400, 403, 404, 405, 501}, answer, method)


async def test_head_is_as_long_as_get(world: World) -> None:
    for path in ("/api/v1/leads", "/o/acme/leads", "/livez", f"/f/{world.acme.form_key}", "/static/app.css", "/help"):
        client = world.acme.owner.api if path.startswith("/api") else world.acme.owner.web
        head, got = await client.head(path), await client.get(path)
        assert (head.status_code, head.content) == (got.status_code, b""), path
        assert head.headers["content-type"] == got.headers["content-type"], path


async def test_50_mb_are_not_read_to_the_end(world: World) -> None:
    """Refused as soon as the limit is passed, whether or not the client declared the size."""
    targets: dict[str, Callable[[], httpx.AsyncClient]] = {
        "/api/v1/forms": lambda: world.acme.owner.api,
        "/login": lambda: world.acme.owner.web,
        f"/f/{world.acme.form_key}": lambda: world.acme.owner.web,
    }
    for path, client in targets.items():
        for extra in ({}, {"Idempotency-Key": "k"}):
            sent = 0

            async def body() -> AsyncIterator[bytes]:
                nonlocal sent
                for _ in range(800):
                    sent += 65_536
                    yield b"x" * 65_536

            kind = hostile.FORM if path == "/login" else hostile.JSON
            async with asyncio.timeout(LIMIT_S):
                answer = await client().post(path, content=body(), headers={"Content-Type": kind, **extra})
            assert answer.status_code == 413, (path, answer.text[:200])
            assert sent < 2 * hostile.MIB, path


ODD_HEADERS = [
    {"Accept": "\xff/\xff"}, {"Accept": "text/html;q=x"}, {"Accept-Language": "%" * 5000}, {"Cookie": "s2c=\xff; theme=\x01"},
    {"Cookie": "s2c_flash=AAAA; s2c="}, {"Cookie": "s2c_flash=bnVsbA==; s2c=%00"}, {"Cookie": "=;=;=; s2c"},
    {"Cookie": "; ".join(f"c{n}=x" for n in range(3000))}, {"Authorization": "Bearer"}, {"Authorization": "Basic Og=="},
    {"Authorization": "\xff"}, {"Authorization": "Bearer s2c_live_\xff_\xfe"}, {"If-None-Match": "\xff" * 3000},
    {"HX-Request": "true", "HX-Request-Type": "partial"}, {"Referer": "\xff"}, {"User-Agent": "\xff" * 9000},
    {"X-Forwarded-For": "\xff, 1.2.3.4, ,,"}, {"Content-Length": "x"}, {"Range": "bytes=0-99999999999"},
    {"Idempotency-Key": "\xff" * 300}, {"Origin": "null"}, {"Sec-Fetch-Site": "\xff"}, {"Content-Type": "\xff"},
]  # fmt: skip


async def test_no_header_breaks_a_page(world: World, nobody: httpx.AsyncClient) -> None:
    for headers in ODD_HEADERS:
        raw = {name: value.encode("latin-1") for name, value in headers.items()}
        for path in (
            "/login",
            "/o/acme/leads",
            "/api/v1/leads",
            f"/f/{world.acme.form_key}",
            "/static/app.css",
            "/nowhere",
        ):
            answer = await nobody.get(path, headers=raw)
            assert answer.status_code < 500, (path, answer.text[:200])
        for path in ("/login", "/api/v1/forms", f"/f/{world.acme.form_key}"):
            answer = await nobody.post(path, headers=raw, content=b"{}")
            assert answer.status_code < 500, (path, answer.text[:200])


async def test_an_unknown_address_is_404_in_the_callers_language(nobody: httpx.AsyncClient) -> None:
    page = await nobody.get("/no/such/page", headers={"Accept": "text/html"})
    problem = await nobody.get("/api/v1/nothing/here")
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert (problem.status_code, problem.headers["content-type"]) == (404, "application/problem+json")


async def test_the_instance_is_well_afterwards(instance: Instance, attacker: Attacker) -> None:
    """What was thrown at the API last leaves nothing open: the next request is answered."""
    bodies = [body.content for body in hostile.BODIES]
    posts = [attacker.world.acme.owner.api.post("/api/v1/forms", content=content) for content in bodies]
    await asyncio.gather(*posts)
    assert (await attacker.world.acme.owner.api.get("/health")).status_code == 200
