"""One record for each request to a short link, copied into the journal before the answer: a killed process loses none.

No await, no disk, no lock; a few microseconds.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from site2crm.core import security
from site2crm.core.asgi import Scope
from site2crm.core.eventstore.frame import (
    HEAD,
    LANGUAGE_MAX,
    NO_UTM,
    PATH_MAX,
    PREFETCH,
    QUERY_MAX,
    REFERRER_MAX,
    USER_AGENT_MAX,
    EventFrame,
    encode,
)
from site2crm.core.geo import Geo, Place
from site2crm.core.machine import Machine
from site2crm.core.visitors import Visitors
from site2crm.kit import clock, ids
from site2crm.links.registry import LinkSpec
from site2crm.links.way import Utms

Given = Mapping[bytes, bytes]
"""The headers of a request."""

ORPHANS_PER_MINUTE = 60
"""A scanner asks for thousands of addresses: more than this say nothing new."""
_ANNOUNCED = (b"sec-purpose", b"purpose", b"x-purpose", b"x-moz")


class Recorder:
    def __init__(self, machine: Machine) -> None:
        self._append = machine.journal.append
        self._limits = machine.limits
        self._trusted = machine.settings.server.trusted_proxies
        self._visitors = machine.get(Visitors)
        self._geo = machine.get(Geo)
        self._address_behind = lru_cache(maxsize=8192)(self._behind)

    def click(
        self, scope: Scope, given: Given, spec: LinkSpec, *, host: str, query: str, utm: Utms
    ) -> tuple[str, float]:
        """The id and the moment of the click."""
        click_id, now = ids.new("clk"), clock.unix()
        agent = str(given.get(b"user-agent", b"")[:USER_AGENT_MAX], "latin-1")
        visitor, place = self._whence(scope, given, agent, host)
        frame = EventFrame(
            id=click_id,
            ts=now,
            org=spec.org_id,
            link=spec.id,
            domain=host,
            campaign=spec.campaign,
            visitor=visitor,
            country=place.country,
            region=place.region,
            city=place.city,
            user_agent=agent,
            language=str(given.get(b"accept-language", b"")[:LANGUAGE_MAX], "latin-1"),
            referrer=str(given.get(b"referer", b"")[:REFERRER_MAX], "latin-1"),
            path=spec.slug,
            query=query[:QUERY_MAX],
            utm=utm,
            flags=_flags(scope, given),
        )
        self._append(encode(frame))
        return click_id, now

    def orphan(self, scope: Scope, given: Given, path: str, *, host: str, spec: LinkSpec | None = None) -> None:
        """Somebody came by an address that leads nowhere: unknown, or of an archived link."""
        if not self._limits.take("orphans", limit=ORPHANS_PER_MINUTE, per_s=60).allowed:
            return
        agent = str(given.get(b"user-agent", b"")[:USER_AGENT_MAX], "latin-1")
        visitor, place = self._whence(scope, given, agent, host)
        frame = EventFrame(
            kind="orphan",
            id=ids.new("clk"),
            ts=clock.unix(),
            org=spec.org_id if spec else "",
            link=spec.id if spec else "",
            domain=host,
            visitor=visitor,
            country=place.country,
            region=place.region,
            city=place.city,
            user_agent=agent,
            language=str(given.get(b"accept-language", b"")[:LANGUAGE_MAX], "latin-1"),
            referrer=str(given.get(b"referer", b"")[:REFERRER_MAX], "latin-1"),
            path=path.encode("utf-8", "replace").decode()[:PATH_MAX],
            utm=NO_UTM,
            flags=_flags(scope, given),
        )
        self._append(encode(frame))

    def _whence(self, scope: Scope, given: Given, agent: str, host: str) -> tuple[str, Place]:
        """Visitor and place. The address itself goes no further than here."""
        address = self._address(scope, given)
        visitor = self._visitors.hash(address, agent, host, dnt=given.get(b"dnt", b""), gpc=given.get(b"sec-gpc", b""))
        return visitor, self._geo.place(address)

    def _address(self, scope: Scope, given: Given) -> str:
        client: Any = scope.get("client")
        peer: str = client[0] if client else ""
        return self._address_behind(peer, given.get(b"x-forwarded-for", b"")) if self._trusted else peer

    def _behind(self, peer: str, forwarded: bytes) -> str:
        hops = [(b"x-forwarded-for", forwarded)] if forwarded else []
        return security.client_address({"client": (peer, 0), "headers": hops}, self._trusted)


def _flags(scope: Scope, given: Given) -> str:
    """Why it counts apart, as far as the request itself says so."""
    if scope["method"] == "HEAD":
        return HEAD
    for name in _ANNOUNCED:
        if name in given:
            said = given[name].lower()
            return PREFETCH if b"prefetch" in said or b"preview" in said or b"prerender" in said else ""
    return ""
