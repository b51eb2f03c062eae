"""The only way out: every outgoing call of the product passes here (SSRF guard, reliability rules).

A name is resolved once, **all** its answers are checked, and the connection goes to a checked address while Host and
TLS name stay the URL's: a name service that changes its mind between check and use gains nothing. Redirects are
never followed, cookies never kept, proxies of the environment not used; time and decoded size are capped.

This is what callers see; `core/http_engine.py` does it, and is loaded at the first call.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from site2crm.core import heavy, tracing
from site2crm.core.addresses import Address, Policy, Refusal, own_addresses, parse_rules

Resolver = Callable[[str], Sequence[str]]

guards: list[Callable[[], None]] = []
"""Called before each request; one that raises forbids the call (core/db: a write transaction is open)."""


class OutboundError(Exception):
    """An outgoing call brought no answer that can be used."""


class OutboundTimeout(OutboundError):
    """The name service, the connection or the whole answer took too long."""


class OutboundFailed(OutboundError):
    """No such name, connection refused or reset, TLS failure, half an answer."""


class ResponseTooLarge(OutboundError):
    """The decoded body passed the cap. The status is known all the same."""

    def __init__(self, limit: int, status: int) -> None:
        super().__init__(f"The answer (status {status}) is larger than {limit:,} bytes.")
        self.status = status


class AddressRefused(OutboundError):
    """The target is not on the public internet, or is written in a way that hides where it is."""

    def __init__(self, reason: str, line: str | None = None) -> None:
        hint = f" To allow it, the operator adds to site2crm.toml: {line}" if line else ""
        super().__init__(f"Refused: {reason}.{hint}")
        self.line = line

    @classmethod
    def from_refusal(cls, refusal: Refusal) -> "AddressRefused":
        return cls(refusal.reason, f'[outbound] allow_private = ["{refusal.entry}"]' if refusal.entry else None)


@dataclass(frozen=True)
class Response:
    """A complete answer; a redirect is an answer like any other. The names of `headers` are found in any case."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    elapsed_ms: int


class Outbound:
    """A pool of kept-alive connections behind the guard. One per process.

    `dialler` opens the socket to an address that was checked (httpcore.AsyncNetworkBackend); tests watch it.
    """

    def __init__(
        self,
        timeout_s: float = 20.0,
        max_response_bytes: int = 1_000_000,
        *,
        allow_private: Sequence[str] = (),
        resolver: Resolver | None = None,
        own: Iterable[Address] | None = None,
        dialler: object = None,
    ) -> None:
        self.timeout_s = timeout_s
        self.max_response_bytes = max_response_bytes
        self._policy = Policy(parse_rules(allow_private), frozenset(own_addresses() if own is None else own))
        self._resolver = resolver
        self._dialler = dialler
        self._engine: Any = None

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        json: object = msgspec.UNSET,
        form: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        max_bytes: int | None = None,
    ) -> Response:
        """Send one request and read the whole answer. Raises OutboundError."""
        for guard in guards:
            guard()
        engine = await self._started()
        with tracing.span(method, kind=tracing.CLIENT) as told:
            told |= {"http.request.method": method, "server.address": _host(url)}
            answer: Response = await engine.request(
                method,
                url,
                headers=headers or {},
                content=content,
                json=json,
                form=form,
                seconds=timeout_s or self.timeout_s,
                limit=max_bytes or self.max_response_bytes,
            )
            told["http.response.status_code"] = answer.status
        return answer

    async def check(self, url: str) -> None:
        """Raise AddressRefused if a request to this URL would be refused; OutboundError if the name is unknown."""
        await (await self._started()).check(url)

    async def aclose(self) -> None:
        """Close all connections."""
        if self._engine is not None:
            await self._engine.aclose()

    async def _started(self) -> Any:
        if self._engine is None:
            module = await asyncio.to_thread(heavy.http_engine)
            self._engine = self._engine or module.Engine(self._policy, resolver=self._resolver, dialler=self._dialler)
        return self._engine


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def check_form(url: str) -> None:
    """Raise AddressRefused for what is no web address that could be called at all; no name is resolved."""
    heavy.http_engine().parse_url(url)
