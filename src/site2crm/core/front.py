"""The outermost layer, raw ASGI: what every request passes, and the paths that must not pay for a router.

Short links and forms are answered here by their own small apps; everything else goes on to Litestar.
"""

import asyncio
import re
from collections.abc import Mapping
from time import perf_counter
from typing import Any

import msgspec

from site2crm.core import assets, errors, log, security, tracing, web
from site2crm.core.asgi import ASGIApp, Fallback, Receive, Scope, Send
from site2crm.core.errors import AppError
from site2crm.core.machine import Machine, Phase
from site2crm.core.reserved import SEGMENTS
from site2crm.kit import ids

QUIET = frozenset({"/livez", "/readyz", "/health", "/healthz", "/metrics"})
"""Asked every few seconds by whoever watches us: not worth a line."""

STREAMED = "/live"
"""Open for as long as somebody looks at the page: no measure of how fast we answer."""

SOON = "This server is about to follow another one. Forms and links go on."
UNFINISHED = "An upgrade could not be finished; the log says why. Forms and links go on, and nothing they take is lost."
PAGES_WAIT_S = 15.0
MOST_WAITING = 200
"""Pages that wait must not take the connections that forms and links need."""

_log = log.get("http")

_READING = frozenset({"GET", "HEAD"})
_METHODS = frozenset({*_READING, *security.UNSAFE, "OPTIONS"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")


class Front:
    """Checks host and origin, numbers the request, adds the headers every answer has, chooses who answers."""

    def __init__(
        self, machine: Machine, app: ASGIApp, raw: Mapping[str, ASGIApp], fallback: Fallback | None = None
    ) -> None:
        server = machine.settings.server
        self._machine = machine
        self._meter = machine.meter
        self._app = app
        self._raw = raw
        self._fallback = fallback
        self._hosts = security.Hosts(server.public_url)
        self._trusted = server.trusted_proxies
        self._origins = frozenset(url.rstrip("/") for url in (server.public_url,) if url)
        self._secure = server.public_url.startswith("https://")
        self._body_timeout_s = server.body_timeout
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if self._fallback is not None and (segment := _open_segment(scope)):
            begun = perf_counter()
            if await self._fallback(scope, send, segment):
                self._meter.redirects.add(perf_counter() - begun)
                return None
        self._begin(scope)
        send = self._finished(scope, send)
        refused = self._refusal(scope)
        if refused is not None:
            return await problem(scope, send, refused)
        segment = scope["path"].split("/", 2)[1]
        if segment == "static":
            self._meter.statics += 1
            return await _static(scope, send)
        if segment in self._raw:
            return await self._raw_answered(segment, scope, receive, send)
        if not self._machine.whole.is_set() and scope["path"] not in QUIET and not await self._became_whole():
            return await problem(scope, send, self._not_yet())
        return await self._routed(scope, receive, send)

    async def _became_whole(self) -> bool:
        """A page waits a moment for an upgrade to come to its end, in the place of an error."""
        if self._machine.phase is not Phase.CAPTURING or self._machine.trouble or self._waiting >= MOST_WAITING:
            return False
        self._waiting += 1
        try:
            async with asyncio.timeout(PAGES_WAIT_S):
                return await self._machine.whole.wait()
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1

    def _not_yet(self) -> AppError:
        return errors.Unavailable(UNFINISHED if self._machine.trouble else SOON, headers={"Retry-After": "2"})

    def _begin(self, scope: Scope) -> None:
        state: dict[str, Any] = scope.setdefault("state", {})
        state["machine"] = self._machine
        state["request_id"] = self._named_at_the_edge(scope) or ids.request()
        state["address"] = security.client_address(scope, self._trusted)

    def _named_at_the_edge(self, scope: Scope) -> str:
        """What a proxy of ours calls the request. A stranger may not choose: theirs would pass for another's."""
        given = security.header(scope, b"x-request-id")
        if not given or not _REQUEST_ID.fullmatch(given):
            return ""
        return given if security.is_edge(scope, self._trusted) else ""

    def _refusal(self, scope: Scope) -> AppError | None:
        if not self._hosts.allows(scope):
            return errors.NotFound("This host is not served here. The administrator sets it as [server] public_url.")
        if not scope["path"].startswith("/"):
            return errors.BadRequest("An address begins with a slash.")  # `OPTIONS *`, `CONNECT host:443`
        if scope["method"] not in security.UNSAFE or security.is_open_to_other_sites(scope["path"]):
            return None
        bearer = security.header(scope, b"authorization").lower().startswith("bearer ")
        if bearer or security.same_origin(scope, self._origins):
            return None
        return errors.Forbidden("This request came from another website. Reload the page and try again.")

    def _finished(self, scope: Scope, send: Send) -> Send:
        secure, request_id = self._secure, scope["state"]["request_id"].encode()
        head = scope["method"] == "HEAD"

        async def finish(message: Any) -> None:
            if message["type"] == "http.response.start":
                scope["state"]["answering"] = True
                headers = list(message["headers"])
                named = {key.lower() for key, _ in headers}
                headers += [pair for pair in security.BASE_HEADERS if pair[0] not in named]
                if b"content-security-policy" not in named:
                    headers.append(security.CLOSED_POLICY)
                if scope["path"].startswith("/api/") and b"cache-control" not in named:
                    headers.append((b"cache-control", b"no-store"))
                if secure:
                    headers = [security.HSTS, *map(security.secured, headers)]
                headers.append((b"x-request-id", request_id))
                message["headers"] = headers
                scope["state"]["status"] = message["status"]
            elif head:
                message = {**message, "body": b""}
            await send(message)

        return finish

    async def _raw_answered(self, segment: str, scope: Scope, receive: Receive, send: Send) -> None:
        begun, method = perf_counter(), scope["method"]
        try:
            await self._raw[segment](scope, receive, send)
        finally:
            seconds = perf_counter() - begun
            self._meter.forms.add(seconds)
            self._meter.answered(f"/{segment}", _known(method), scope["state"].get("status", 0))
            _trace(f"/{segment}", method, scope, seconds)

    async def _routed(self, scope: Scope, receive: Receive, send: Send) -> None:
        log.bind(request_id=scope["state"]["request_id"])
        if scope["method"] == "HEAD":
            scope["method"] = "GET"
        loop = asyncio.get_running_loop()
        until = loop.time() + self._body_timeout_s
        complete = False

        async def receive_in_time() -> Any:
            nonlocal complete
            if complete:
                return await receive()
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError as error:
                raise errors.RequestTimeout from error
            complete = not message.get("more_body", False)
            return message

        begun = loop.time()
        try:
            await self._app(scope, receive_in_time, send)
        except AppError as error:  # from between here and the router, which renders its own
            if scope["state"].get("answering"):
                raise
            await problem(scope, send, error)
        finally:
            # The route's pattern, not the path: a path can hold a setup or reset token
            path = scope.get("path_template") or "unknown"
            self._count(path, scope, loop.time() - begun)
            _trace(path, scope["method"], scope, loop.time() - begun)
            ms = round((loop.time() - begun) * 1000, 1)
            write = _log.debug if path in QUIET else _log.info
            write("request", method=scope["method"], path=path, status=scope["state"].get("status"), ms=ms)

    def _count(self, path: str, scope: Scope, seconds: float) -> None:
        if not path.endswith(STREAMED):
            (self._meter.api if path.startswith("/api/") else self._meter.pages).add(seconds)
        self._meter.answered(path, _known(scope["method"]), scope["state"].get("status", 0))


def _trace(path: str, method: str, scope: Scope, seconds: float) -> None:
    if path in QUIET or path.endswith(STREAMED) or not tracing.is_on():
        return
    state = scope["state"]
    method, status = _known(method), state.get("status", 0)
    told: tracing.Attributes = {"http.request.method": method, "http.route": path, "request_id": state["request_id"]}
    failed = str(status) if status >= 500 else "" if status else "unanswered"
    tracing.answered(
        f"{method} {path}",
        state.get("submission") or state["request_id"],
        seconds=seconds,
        attributes={**told, "http.response.status_code": status},
        failed=failed,
    )


def _open_segment(scope: Scope) -> str:
    """The path of a GET or HEAD if it has one part only, which is none of the product's own; else nothing."""
    path: str = scope["path"]
    segment = path[1:-1] if path[-1:] == "/" else path[1:]
    if not segment or "/" in segment or segment in SEGMENTS or scope["method"] not in _READING:
        return ""
    return segment


def _known(method: str) -> str:
    """A stranger may write any word in the place of the method."""
    return method if method in _METHODS else "other"


async def problem(scope: Scope, send: Send, error: AppError) -> None:
    """Answer from outside the router: with a page for who looks at it, with problem+json for everybody else."""
    request_id = scope["state"].get("request_id", "")
    if "text/html" in security.header(scope, b"accept") and not scope["path"].startswith("/api/"):
        page, told = web.problem_page(error, request_id)
        body = page.encode()
    else:
        told = {"Content-Type": web.PROBLEM_JSON, "Cache-Control": "no-store"}
        body = msgspec.json.encode(web.as_problem(error, request_id))
    headers = [(key.lower().encode(), value.encode()) for key, value in {**told, **error.headers}.items()]
    await respond(send, error.status, headers, body)


async def respond(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    """One whole answer."""
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _static(scope: Scope, send: Send) -> None:
    status, headers, body = assets.serve(
        scope["path"],
        accept_encoding=security.header(scope, b"accept-encoding"),
        if_none_match=security.header(scope, b"if-none-match"),
    )
    await respond(send, status, [(key.encode(), value.encode()) for key, value in headers], body)
