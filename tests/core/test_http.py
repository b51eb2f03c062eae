"""The only way out: what may be called, and what an unkind server can do to us."""

import asyncio
import gzip
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address

import httpcore
import pytest

from site2crm.core import addresses, http, http_engine
from site2crm.core.addresses import is_public, parse_rules, unwrap
from site2crm.core.http import (
    AddressRefused,
    Outbound,
    OutboundFailed,
    OutboundTimeout,
    ResponseTooLarge,
)
from tests.core.url_forms import LOOPBACK_FORMS, NAMES, PUBLIC, WHOLE_URLS
from tests.server import environment

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def fake_dns(host: str) -> Sequence[str]:
    if host in NAMES:
        return NAMES[host]
    if host.rstrip(".").lower().endswith(("localhost", "localdomain")):
        return ["127.0.0.1", "::1"]
    raise OSError("unknown name")


@asynccontextmanager
async def server(handler: Handler, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[int]:
    async def careful(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(careful, host, port)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()


def answering(raw: bytes, *, seen: list[bytes] | None = None) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if seen is not None:
                seen.append(head)
            writer.write(raw)
            await writer.drain()
            if b"Content-Length" not in raw:
                return

    return handle


class Dialler(httpcore.AnyIOBackend):
    """Notes every address, and reaches none outside this machine."""

    def __init__(self) -> None:
        self.dialled: list[str] = []

    async def connect_tcp(self, host: str, port: int, *more: object) -> httpcore.AsyncNetworkStream:
        self.dialled.append(host)
        if not ip_address(host).is_loopback:
            raise httpcore.ConnectError("no way out of the test")
        return await super().connect_tcp(host, port, *more)


@asynccontextmanager
async def outbound(
    *allow: str,
    timeout_s: float = 5.0,
    max_bytes: int = 100_000,
    dns: http.Resolver = fake_dns,
    dialler: Dialler | None = None,
) -> AsyncIterator[Outbound]:
    own = [ip_address("8.8.4.4")]
    client = Outbound(timeout_s, max_bytes, allow_private=allow, resolver=dns, own=own, dialler=dialler or Dialler())
    try:
        yield client
    finally:
        await client.aclose()


@asynccontextmanager
async def sentinels() -> AsyncIterator[tuple[int, list[bytes]]]:
    seen: list[bytes] = []
    async with server(answering(OK, seen=seen)) as port, server(answering(OK, seen=seen), "::1", port):
        yield port, seen


async def test_no_way_of_writing_a_private_address_reaches_it() -> None:
    dialler, passed = Dialler(), []
    async with sentinels() as (port, seen), outbound(dialler=dialler) as client:
        urls = [f"http://{form}:{port}/" for form in LOOPBACK_FORMS] + [u.format(port=port) for u in WHOLE_URLS]
        for url in urls:
            try:
                await client.request("GET", url, timeout_s=2)
            except (AddressRefused, OutboundFailed):
                continue
            passed.append(url)
    assert len(urls) >= 120
    assert (seen, passed) == ([], [])
    assert set(dialler.dialled) <= {PUBLIC}


@pytest.mark.parametrize("form", [f for f in LOOPBACK_FORMS if "%" not in f and f.isascii()])
async def test_a_private_address_is_refused_as_such(form: str) -> None:
    async with outbound() as client:
        with pytest.raises(AddressRefused):
            await client.check(f"https://{form}/")


@pytest.mark.parametrize(
    ("url", "entry"),
    [
        ("http://10.1.2.3/", "10.0.0.0/8"),
        ("http://172.20.0.1/", "172.16.0.0/12"),
        ("http://[fd12::1]/", "fc00::/7"),
        ("http://127.0.0.1:8080/", "127.0.0.1"),
        ("http://[::1]/", "::1"),
        ("http://2130706433/", "127.0.0.1"),
        ("http://crm.internal/", "crm.internal"),
        ("http://localhost/", "localhost"),
        ("http://[::ffff:192.168.1.5]/", "192.168.0.0/16"),
        ("http://8.8.4.4/", "8.8.4.4"),
    ],
)
async def test_the_refusal_prints_the_line_that_opens_it(url: str, entry: str) -> None:
    async with outbound() as client:
        with pytest.raises(AddressRefused) as refusal:
            await client.check(url)
    assert f'[outbound] allow_private = ["{entry}"]' in str(refusal.value)
    async with outbound(entry, dns=lambda host: ["127.0.0.1"]) as client:
        await client.check(url)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://" + "a" * 64 + ".example/", "is not a host name"),
        ("https://" + "ab." * 100 + "example/", "is not a host name"),
        ("https://a..b/", "is not a host name"),
        ("https://exa mple.com/", "is not a host name"),
        ("https://example.com:99999/", "a port is a number from 1 to 65535"),
        ("https://example.com:0/", "a port is a number from 1 to 65535"),
        ("example.com/hook", "begins with https://"),
    ],
)
async def test_what_can_be_no_address_is_refused_without_a_line_that_would_not_help(url: str, why: str) -> None:
    async with outbound() as client:
        with pytest.raises(AddressRefused, match=re.escape(why)) as refusal:
            await client.check(url)
    assert "allow_private" not in str(refusal.value)


@pytest.mark.parametrize("rule", ["127.0.0.0/8", "127.0.0.1", "127.0.0.1:{port}"])
async def test_what_the_operator_allows_is_called(rule: str) -> None:
    async with sentinels() as (port, seen), outbound(rule.format(port=port)) as client:
        answer = await client.request("POST", f"http://127.0.0.1:{port}/x?y=1", json={"a": 1})
    assert (answer.status, answer.content) == (200, b"ok")
    assert seen[0].startswith(b"POST /x?y=1 HTTP/1.1\r\n")


async def test_a_rule_with_a_port_opens_that_port_only() -> None:
    async with sentinels() as (port, seen), outbound(f"127.0.0.1:{port + 1}") as client:
        with pytest.raises(AddressRefused):
            await client.request("GET", f"http://127.0.0.1:{port}/")
    assert seen == []


@pytest.mark.parametrize("entry", ["", "10.0.0.0/99", "a b", "host:port", "host:0", "http://x/", "*"])
def test_a_wrong_rule_is_refused_at_the_start(entry: str) -> None:
    with pytest.raises(ValueError, match="allow_private"):
        parse_rules([entry])


async def test_a_name_that_changes_its_mind_gains_nothing() -> None:
    answers: Iterator[list[str]] = iter([[PUBLIC], ["127.0.0.1"], ["127.0.0.1"]])
    asked: list[str] = []

    def rebinding(host: str) -> Sequence[str]:
        asked.append(host)
        return next(answers)

    dialler = Dialler()
    async with sentinels() as (port, seen), outbound(dns=rebinding, dialler=dialler) as client:
        with pytest.raises(OutboundFailed):
            await client.request("GET", f"http://rebind.example.com:{port}/")
        with pytest.raises(AddressRefused):
            await client.request("GET", f"http://rebind.example.com:{port}/")
    assert (seen, len(asked), dialler.dialled) == ([], 2, [PUBLIC])


async def test_the_checked_address_gets_the_name_of_the_url() -> None:
    seen: list[bytes] = []
    async with (
        server(answering(OK, seen=seen)) as port,
        outbound("crm.example.com", dns=lambda _: ["127.0.0.1"]) as client,
    ):
        await client.request("GET", f"http://crm.example.com:{port}/")
        await client.request("GET", f"http://crm.example.com:{port}/")
    assert all(f"Host: crm.example.com:{port}\r\n".encode() in head for head in seen)
    assert len(seen) == 2


async def test_the_next_address_is_tried_when_one_is_down() -> None:
    def both(_: str) -> Sequence[str]:
        return ["127.0.0.9", "127.0.0.1"]

    async with server(answering(OK)) as port, outbound("crm.example.com", dns=both) as client:
        assert (await client.request("GET", f"http://crm.example.com:{port}/")).status == 200


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_not_followed(status: int) -> None:
    async with sentinels() as (inner, seen):
        raw = f"HTTP/1.1 {status} X\r\nLocation: http://[::1]:{inner}/\r\nContent-Length: 0\r\n\r\n".encode()
        async with server(answering(raw)) as port, outbound(f"127.0.0.1:{port}") as client:
            answer = await client.request("GET", f"http://127.0.0.1:{port}/")
    assert (answer.status, answer.headers["location"], seen) == (status, f"http://[::1]:{inner}/", [])


async def test_cookies_of_one_answer_are_not_sent_with_the_next_request() -> None:
    seen: list[bytes] = []
    raw = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    async with server(answering(raw, seen=seen)) as port, outbound("127.0.0.1") as client:
        await client.request("GET", f"http://127.0.0.1:{port}/")
        await client.request("GET", f"http://127.0.0.1:{port}/")
    assert b"cookie" not in seen[1].lower()


async def test_a_slow_drip_ends_at_the_total_time() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with server(drip) as port, outbound("127.0.0.1", timeout_s=0.4) as client:
        with pytest.raises(OutboundTimeout):
            await client.request("GET", f"http://127.0.0.1:{port}/")


async def test_a_name_service_that_hangs_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_engine, "RESOLVE_TIMEOUT_S", 0.1)
    hang = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(_: str) -> Sequence[str]:
        asyncio.run_coroutine_threadsafe(hang.wait(), loop).result()
        return [PUBLIC]

    async with outbound(dns=slow) as client:
        with pytest.raises(OutboundTimeout, match="name service"):
            await client.request("GET", "http://slow.example.com/")
        hang.set()


async def test_an_endless_body_stops_at_the_cap() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async with server(endless) as port, outbound("127.0.0.1") as client:
        with pytest.raises(ResponseTooLarge) as error:
            await client.request("GET", f"http://127.0.0.1:{port}/")
    assert error.value.status == 200


async def test_a_small_archive_is_not_unpacked_past_the_cap() -> None:
    packed = gzip.compress(b"0" * 50_000_000)
    raw = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed
    async with server(answering(raw)) as port, outbound("127.0.0.1") as client:
        with pytest.raises(ResponseTooLarge):
            await client.request("GET", f"http://127.0.0.1:{port}/")


async def test_a_packed_answer_is_unpacked() -> None:
    packed = gzip.compress(b'{"a": 1}')
    raw = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed
    async with server(answering(raw)) as port, outbound("127.0.0.1") as client:
        assert (await client.request("GET", f"http://127.0.0.1:{port}/")).content == b'{"a": 1}'


BROKEN = {
    "half a body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nX: y\r\n\r\nhalf",
    "half a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nhalf",
    "no head": b"HTT",
    "nothing": b"",
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "not gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\nplain text",
    "unknown packing": b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nConnection: close\r\n\r\nx",
    "half an archive": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n"
    + gzip.compress(b"hello world" * 99)[:20],
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN.keys())
async def test_half_an_answer_is_no_answer(raw: bytes) -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        await writer.drain()

    async with server(once) as port, outbound("127.0.0.1") as client:
        with pytest.raises(OutboundFailed):
            await client.request("GET", f"http://127.0.0.1:{port}/")


async def test_a_reset_connection_is_a_failure() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    async with server(reset) as port, outbound("127.0.0.1") as client:
        with pytest.raises(OutboundFailed):
            await client.request("GET", f"http://127.0.0.1:{port}/")


async def test_nobody_listening_and_an_unknown_name_are_failures() -> None:
    async with server(answering(OK)) as port:
        pass
    async with outbound("127.0.0.1") as client:
        for url in (f"http://127.0.0.1:{port}/", "http://unknown.example.com/"):
            with pytest.raises(OutboundFailed):
                await client.request("GET", url)


async def test_a_header_cannot_carry_a_second_one() -> None:
    async with sentinels() as (port, seen), outbound("127.0.0.1") as client:
        with pytest.raises(OutboundFailed):
            await client.request("GET", f"http://127.0.0.1:{port}/", headers={"X": "a\r\nY: b"})
    assert seen == []


async def test_a_guard_can_forbid_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid() -> None:
        raise RuntimeError("a write transaction is open")

    monkeypatch.setattr(http, "guards", [forbid])
    async with sentinels() as (port, seen), outbound("127.0.0.1") as client:
        with pytest.raises(RuntimeError, match="write transaction"):
            await client.request("GET", f"http://127.0.0.1:{port}/")
    assert seen == []


async def test_connections_are_kept_for_the_next_request() -> None:
    connections = 0

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await answering(OK)(reader, writer)

    async with server(count) as port, outbound("127.0.0.1") as client:
        for _ in range(3):
            await client.request("POST", f"http://127.0.0.1:{port}/", form={"a": "b"})
    assert connections == 1


async def test_this_machine_is_refused_even_where_it_is_public() -> None:
    async with outbound() as client:
        with pytest.raises(AddressRefused, match="this machine"):
            await client.check("http://8.8.4.4/")


def test_own_addresses_hold_loopback() -> None:
    assert ip_address("127.0.0.1") in addresses.own_addresses()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_own_addresses_are_known_to_a_service_that_is_shown_its_own_process_only() -> None:
    """As our systemd unit does it: ProcSubset=pid."""
    as_unit = 'mount -t proc -o subset=pid proc /proc && exec "$@"'
    ask = "from site2crm.core import addresses; print(*addresses.own_addresses())"
    words = ["unshare", "--mount", "sh", "-c", as_unit, "sh", sys.executable, "-c", ask]
    told = subprocess.run(words, capture_output=True, text=True, env=environment(), check=False)
    if "mount" in told.stderr or "unshare" in told.stderr:
        pytest.skip("this machine does not let root mount")
    assert "127.0.0.1" in told.stdout.split(), told.stderr


@pytest.mark.parametrize("text", [PUBLIC, "2606:4700::1111", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8", "2002:808:808::1"])
def test_public_addresses_stay_reachable(text: str) -> None:
    assert is_public(unwrap(ip_address(text)))
