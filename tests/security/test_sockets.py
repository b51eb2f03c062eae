"""What only a raw socket can send, against the real server: hosts, lengths that disagree, bodies that never end."""

import contextlib
import json
import random
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.server import Server

CONFIG = """header_timeout = "2s"
body_timeout = "1s"
[intake]
per_address_per_minute = 30
"""
PATIENCE_S = 8


class Site:
    """A server with an org and one form."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.api = server.an_org()
        made = self.api.post("/api/v1/forms", json={"name": "Contact"})
        self.form = f"/f/{made.json()['key']}"
        self.authorization = self.api.headers["Authorization"]

    def send(self, *parts: bytes, pause_s: float = 0.0) -> bytes:
        """All that comes back until the server closes, or is silent for a while."""
        with self.connected() as sock:
            for part in parts:
                with contextlib.suppress(OSError):
                    sock.sendall(part)
                time.sleep(pause_s)
            return _received(sock)

    def connected(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.server.port), timeout=PATIENCE_S)

    def head(self, line: str, *headers: str, host: bool = True) -> bytes:
        lines = [line, *([f"Host: 127.0.0.1:{self.server.port}"] if host else []), *headers, "", ""]
        return "\r\n".join(lines).encode("latin-1")

    def is_well(self) -> bool:
        return httpx.get(f"{self.server.url}/health", timeout=5).status_code == 200

    def submissions(self, **query: str) -> list[dict[str, str]]:
        time.sleep(0.3)
        found: list[dict[str, str]] = self.api.get("/api/v1/submissions", params={"limit": "200", **query}).json()[
            "data"
        ]
        return found


def _received(sock: socket.socket) -> bytes:
    data = b""
    sock.settimeout(1.5)
    with contextlib.suppress(OSError):
        while part := sock.recv(65_536):
            data += part
    return data


def status(answer: bytes) -> int:
    """0: closed without a word."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    server = Server(tmp_path_factory.mktemp("sockets"), config=CONFIG).start()
    try:
        yield Site(server)
    finally:
        assert server.stop() == 0
        assert "Traceback" not in server.log(), server.log()[-4000:]


@pytest.mark.parametrize(
    "hosts",
    [
        ["Host: evil.example"], ["Host: evil.example:80"], ["Host: 127.0.0.1@evil.example"], ["Host: 127.0.0.1.evil.example"],
        ["Host: localhost", "Host: evil.example"], ["Host: localhost", "Host: localhost"], [], ["Host:"], ["Host: 127.0.0.1:x"],
        ["Host: [::1"], ["Host: 127.0.0.1, evil.example"], ["Host: xn--localhost-"], ["Host: 127.0.0.1:80:80"],
        ["Host: \xff"], ["X-Forwarded-Host: localhost", "Host: evil.example"],
    ],
)  # fmt: skip
def test_another_host_is_not_served(site: Site, hosts: list[str]) -> None:
    for path in ("/login", "/livez", site.form, "/static/app.css", "/api/v1/me"):
        answer = site.send(site.head(f"GET {path} HTTP/1.1", *hosts, "Connection: close", host=False))
        assert status(answer) in {0, 400, 404, 421}, (path, answer[:300])
        assert b"evil.example" not in answer


@pytest.mark.parametrize(
    "target", ["http://evil.example/login", "http://127.0.0.1@evil.example/login", "//evil.example/login"]
)
def test_an_absolute_address_in_the_first_line_leads_nowhere_else(site: Site, target: str) -> None:
    answer = site.send(site.head(f"GET {target} HTTP/1.1", "Connection: close"))
    assert status(answer) in {0, 200, 400, 404, 421}
    assert b"evil.example" not in answer


def test_links_are_made_from_the_configuration_not_from_the_host(site: Site) -> None:
    answer = httpx.get(
        f"http://localhost:{site.server.port}{site.form}/embed.js", headers={"X-Forwarded-Host": "evil.example"}
    )
    assert "evil.example" not in answer.text


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"\x00" * 5000, b"GET / HTTP/9.9\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: " + b"y" * 900_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"X%d: y\r\n" % n for n in range(2000)) + b"\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\nX\x00: y\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"TRACE / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings, close\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    ],
)  # fmt: skip
def test_nonsense_is_refused(site: Site, request_bytes: bytes) -> None:
    answer = site.send(request_bytes)
    assert status(answer) < 500
    assert site.is_well()


@pytest.mark.parametrize("path", ["/api/v1/forms", "/login", "form"])
@pytest.mark.parametrize("lengths", [["Content-Length: 4", "Content-Length: 40"], ["Content-Length: -1"], ["Content-Length: 4x"],
                                     ["Content-Length: 99999999999999999999999"], ["Transfer-Encoding: gzip"], ["Transfer-Encoding: chunked, x"],
                                     ["Transfer-Encoding: xchunked"]])  # fmt: skip
def test_a_length_that_cannot_be_is_refused(site: Site, path: str, lengths: list[str]) -> None:
    target = site.form if path == "form" else path
    answer = site.send(site.head(f"POST {target} HTTP/1.1", *lengths, "Connection: close"), b"a=1&")
    assert status(answer) < 500
    assert status(answer) != 201, answer[:300]


def test_two_lengths_smuggle_no_second_request(site: Site) -> None:
    """Content-Length and Transfer-Encoding disagree: what is left over is never carried out as a request."""
    inner = site.head(f"POST {site.form} HTTP/1.1", "Content-Type: application/json", "Content-Length: 29")
    smuggled = inner + b'{"email":"smuggled@evil.test"}'
    body = b"0\r\n\r\n" + smuggled
    head = site.head(f"POST {site.form} HTTP/1.1", f"Content-Length: {len(body)}", "Transfer-Encoding: chunked")
    answer = site.send(head + body)
    assert answer.count(b"HTTP/1.1 ") <= 1 or status(answer) in {0, 400}, answer
    assert not [row for row in site.submissions() if "smuggled" in json.dumps(row)]


@pytest.mark.parametrize("headers", [["Idempotency-Key: slow"], []])
@pytest.mark.parametrize("path", ["/api/v1/forms", "/login", "form"])
def test_a_body_that_never_ends_is_cut_off(site: Site, path: str, headers: list[str]) -> None:
    target = site.form if path == "form" else path
    kind = "application/json" if path == "/api/v1/forms" else "application/x-www-form-urlencoded"
    head = site.head(
        f"POST {target} HTTP/1.1", f"Authorization: {site.authorization}", f"Content-Type: {kind}", "Content-Length: 5000", *headers
    )  # fmt: skip
    started = time.monotonic()
    answer = site.send(head, b"a=1", b"&", b"b", pause_s=0.3)
    assert status(answer) in {0, 408}, answer[:300]
    assert time.monotonic() - started < PATIENCE_S
    assert site.is_well()


def test_half_a_body_is_no_lead(site: Site) -> None:
    before = len(site.submissions())
    for _ in range(20):
        with site.connected() as sock:
            head = site.head(f"POST {site.form} HTTP/1.1", "Content-Type: application/json", "Content-Length: 500")
            sock.sendall(head + b'{"email": "half@example.com"')
    assert site.is_well()
    assert len(site.submissions()) == before


def test_headers_that_never_end_are_cut_off(site: Site) -> None:
    with site.connected() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        sock.settimeout(PATIENCE_S)
        assert status(sock.recv(65_536)) in {0, 408}


@pytest.mark.parametrize("path", ["/api/v1/forms", "form"])
def test_expect_100_continue(site: Site, path: str) -> None:
    """Go on is said to what will be read; a body that is too large is refused before it is sent."""
    body = b'{"name": "Ada", "email": "ada@example.com"}' if path == "form" else b'{"name": "Ada"}'
    target = site.form if path == "form" else path
    common = (f"Authorization: {site.authorization}", "Content-Type: application/json", "Expect: 100-continue")
    taken = site.send(
        site.head(f"POST {target} HTTP/1.1", *common, f"Content-Length: {len(body)}", "Connection: close"), body, pause_s=0.2
    )  # fmt: skip
    assert status(taken) in {100, 201}, taken[:300]
    assert b" 201 " in taken
    large = site.send(site.head(f"POST {target} HTTP/1.1", *common, "Content-Length: 52428800", "Connection: close"))
    assert status(large) in {0, 413, 417}, large[:300]


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("path", ["/api/v1/forms", "/login", "form"])
def test_50_mb_are_refused_early(site: Site, path: str, chunked: bool) -> None:
    target = site.form if path == "form" else path
    kind = "application/json" if path == "/api/v1/forms" else "application/x-www-form-urlencoded"
    length = "Transfer-Encoding: chunked" if chunked else "Content-Length: 52428800"
    block = b"10000\r\n" + b"x" * 65_536 + b"\r\n" if chunked else b"x" * 65_536
    started, answer, sent = time.monotonic(), b"", 0
    with site.connected() as sock:
        sock.sendall(
            site.head(
                f"POST {target} HTTP/1.1", f"Authorization: {site.authorization}", f"Content-Type: {kind}", length
            )
        )
        with contextlib.suppress(OSError):
            for _ in range(800):
                sock.sendall(block)
                sent += 1
        answer = _received(sock)
    assert status(answer) in {0, 413}, answer[:300]
    assert sent < 800 or status(answer) == 413
    assert time.monotonic() - started < PATIENCE_S
    assert site.is_well()


def test_a_hundred_silent_connections_keep_nobody_out(site: Site) -> None:
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(site.connected()) for _ in range(100)]
        for sock in silent[:50]:
            sock.sendall(b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n")
        for _ in range(5):
            assert httpx.get(f"{site.server.url}/login", timeout=5).status_code == 200
        assert httpx.post(f"{site.server.url}{site.form}", json={"email": "busy@example.com"}, timeout=5).is_success


def test_a_made_up_forwarded_for_is_no_new_visitor(site: Site) -> None:
    """No proxy is trusted here: the flood limit counts the peer, whatever the header says."""
    with httpx.Client(base_url=site.server.url) as flood:  # one connection: the limit gives way as time goes by
        for n in range(45):
            named = {"X-Forwarded-For": _anyone(), "X-Real-IP": _anyone(), "Forwarded": f"for={_anyone()}"}
            assert flood.post(site.form, json={"email": f"flood{n}@example.com"}, headers=named).status_code == 201
    held = [row for row in site.submissions(status="quarantined") if "address" in row.get("reason", "")]
    assert len(held) >= 10


def test_a_made_up_forwarded_for_guesses_no_more_passwords(site: Site) -> None:
    """All at once: one after the other, a slow machine would give the limit time to fill up again."""

    def guess(n: int) -> int:
        guessed = {"email": f"user{n}@acme.example", "password": "wrong wrong wrong"}
        named = {"X-Forwarded-For": _anyone()}
        return httpx.post(f"{site.server.url}/login", data=guessed, headers=named, timeout=60).status_code

    with ThreadPoolExecutor(50) as guessers:
        answers = list(guessers.map(guess, range(50)))
    assert answers.count(429) >= 10, answers


def _anyone() -> str:
    return ".".join(str(random.randint(1, 250)) for _ in range(4))
