"""How `core/http.py` calls out. Reached through `core/heavy.py` only: no start waits for an HTTP client."""

import asyncio
import socket
import ssl
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from ipaddress import IPv4Address, IPv6Address

import certifi
import httpcore
import httpx
import msgspec

from site2crm import __version__
from site2crm.core.addresses import Address, Policy, literal, number_form, unwrap
from site2crm.core.http_contract import (
    AddressRefused,
    OutboundFailed,
    OutboundTimeout,
    Resolver,
    Response,
    ResponseTooLarge,
)

RESOLVE_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 10.0
KEEPALIVE_S = 30.0
LAST_PORT = 65_535
MOST_CONNECTIONS = 1_000
"""More than are called at the same time: who waits for a place here waits for somebody else's slow server. Callers keep
bounds of their own, such as one call for each CRM when there are many."""


class Engine:
    """The pool, and the backend that opens its sockets."""

    def __init__(
        self, policy: Policy, *, resolver: Resolver | None, dialler: httpcore.AsyncNetworkBackend | None
    ) -> None:
        self._backend = _GuardedBackend(
            policy, resolver=resolver or system_resolver, dialler=dialler or httpcore.AnyIOBackend()
        )
        self._pool: httpcore.AsyncConnectionPool | None = None

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        content: bytes | None,
        json: object,
        form: Mapping[str, str] | None,
        seconds: float,
        limit: int,
    ) -> Response:
        target = parse_url(url)
        sent = _build(method, target, headers=headers, content=content, json=json, form=form)
        started = time.perf_counter()
        try:
            async with asyncio.timeout(seconds):
                status, received, body = await self._exchange(sent, limit)
        except (TimeoutError, httpcore.TimeoutException) as error:
            raise OutboundTimeout(f"No complete answer from {target.host} within {seconds:g} s.") from error
        except httpcore.RemoteProtocolError as error:
            raise OutboundFailed(f"{target.host} broke off its answer ({error or type(error).__name__}).") from error
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise OutboundFailed(f"{target.host}: {error or type(error).__name__}") from error
        return Response(status, received, body, round((time.perf_counter() - started) * 1000))

    async def check(self, url: str) -> None:
        target = parse_url(url)
        port = target.port or (443 if target.scheme == "https" else 80)
        await self._backend.permitted(target.raw_host.decode(), port)

    async def aclose(self) -> None:
        if self._pool is not None:
            await self._pool.aclose()
        self._backend.close()

    async def _connections(self) -> httpcore.AsyncConnectionPool:
        """Made at the first call: reading the trusted certificates takes a tenth of a second of no start."""
        if self._pool is None:
            context = await asyncio.to_thread(_tls)
            self._pool = self._pool or httpcore.AsyncConnectionPool(
                ssl_context=context,
                max_connections=MOST_CONNECTIONS,
                max_keepalive_connections=20,
                keepalive_expiry=KEEPALIVE_S,
                network_backend=self._backend,
            )
        return self._pool

    async def _exchange(self, sent: httpx.Request, limit: int) -> tuple[int, httpx.Headers, bytes]:
        url = httpcore.URL(
            scheme=sent.url.raw_scheme,
            host=sent.url.raw_host,
            port=sent.url.port,
            target=sent.url.raw_path,
        )
        pool = await self._connections()
        async with pool.stream(
            sent.method,
            url,
            headers=sent.headers.raw,
            content=sent.content or None,
            extensions={"timeout": {"connect": CONNECT_TIMEOUT_S}},
        ) as answer:
            headers = httpx.Headers(answer.headers)
            return answer.status, headers, await _read(answer, headers, limit=limit)


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    """Opens sockets for the pool: the one place where a name becomes an address."""

    def __init__(self, policy: Policy, *, resolver: Resolver, dialler: httpcore.AsyncNetworkBackend) -> None:
        self._policy = policy
        self._resolver = resolver
        self._dialler = dialler
        # A pool of its own: names that never answer must not use up the threads of everybody else.
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="resolver")

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await self.permitted(host, port)
        for address in addresses[:-1]:
            try:
                return await self._dialler.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._dialler.connect_tcp(str(addresses[-1]), port, timeout, local_address, socket_options)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise AddressRefused("a local socket is not a place to call")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def permitted(self, host: str, port: int) -> Sequence[Address]:
        """Every address of the host, all of them allowed."""
        if (refusal := self._policy.refuse_name(host, port)) is not None:
            raise AddressRefused.from_refusal(refusal)
        written = number_form(host.removesuffix("."))
        addresses = [written] if written is not None else await self._resolve(host)
        for address in addresses:
            if (refusal := self._policy.refuse_address(host, port, address)) is not None:
                raise AddressRefused.from_refusal(refusal)
        return [_connectable(address) for address in addresses]

    async def _resolve(self, host: str) -> list[Address]:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(RESOLVE_TIMEOUT_S):
                answers = await loop.run_in_executor(self._threads, self._resolver, host)
        except TimeoutError as error:
            raise OutboundTimeout(f"The name service did not answer for {host}.") from error
        except OSError as error:
            raise OutboundFailed(f"The name {host} is not known ({error.strerror or error}).") from error
        addresses = [address for answer in answers if (address := literal(answer)) is not None]
        if not addresses or len(addresses) < len(answers):
            raise OutboundFailed(f"The name {host} has no usable address.")
        return addresses

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def system_resolver(host: str) -> Sequence[str]:
    """Ask the operating system, without repeats and in its order."""
    answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


def parse_url(url: str) -> httpx.URL:
    """The URL that will be called; what is checked and what is sent come from this one reading."""
    try:
        target = httpx.URL(url)
    except (httpx.InvalidURL, TypeError, ValueError) as error:
        raise AddressRefused(f"this is not a web address ({error})") from error
    if target.scheme not in ("http", "https"):
        raise AddressRefused("only an address that begins with https:// or http:// can be called")
    if not target.host:
        raise AddressRefused("the address has no host")
    if target.port is not None and not 0 < target.port <= LAST_PORT:
        raise AddressRefused(f"a port is a number from 1 to {LAST_PORT}")
    if target.userinfo or "@" in target.netloc.decode():
        raise AddressRefused("a web address must not carry a user name or password")
    return target


def _build(
    method: str,
    url: httpx.URL,
    *,
    headers: Mapping[str, str],
    content: bytes | None,
    json: object,
    form: Mapping[str, str] | None,
) -> httpx.Request:
    base = {"User-Agent": f"Site2CRM/{__version__}", "Accept-Encoding": "gzip", "Accept": "*/*"}
    if json is not msgspec.UNSET:
        content = msgspec.json.encode(json)
        base["Content-Type"] = "application/json"
    merged = httpx.Headers(base)
    merged.update(headers)
    request = httpx.Request(method, url, headers=merged, content=content, data=dict(form) if form else None)
    request.read()
    return request


async def _read(answer: httpcore.Response, headers: httpx.Headers, *, limit: int) -> bytes:
    inflate = _inflater(headers)
    body = bytearray()
    async for chunk in answer.aiter_stream():
        # One byte more than allowed is enough to know, so a bomb is never unpacked further than that.
        room = limit + 1 - len(body)
        try:
            body += inflate.decompress(chunk, room) if inflate else chunk[:room]
        except zlib.error as error:
            raise OutboundFailed(f"The answer is not the gzip it claims to be ({error}).") from error
        if len(body) > limit:
            raise ResponseTooLarge(limit, answer.status)
    if inflate and body and not inflate.eof:
        raise OutboundFailed("The compressed answer ends in the middle.")
    return bytes(body)


def _inflater(headers: httpx.Headers) -> "zlib._Decompress | None":
    match headers.get("content-encoding", "identity").strip().lower():
        case "identity" | "":
            return None
        case "gzip" | "x-gzip":
            return zlib.decompressobj(wbits=31)
        case other:
            raise OutboundFailed(f"The answer is packed with {other!r}, which nobody asked for.")


def _connectable(address: Address) -> IPv4Address | IPv6Address:
    """A mapped address is dialled as the IPv4 address that was checked."""
    inner = unwrap(address)
    return inner if isinstance(address, IPv6Address) and address.ipv4_mapped else address


@cache
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certifi.where())
    context.load_default_certs()  # an agency's own authority, installed in the system, counts too
    return context
