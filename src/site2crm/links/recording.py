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
    VERSION,
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

CLICK, ORPHAN = "click", "orphan"
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
        what = (CLICK, spec.org_id, spec.id, host, spec.campaign)
        return self._record(scope, given, what, path=spec.slug, query=query, utm=utm)

    def orphan(self, scope: Scope, given: Given, path: str, *, host: str, spec: LinkSpec | None = None) -> None:
        """Somebody came by an address that leads nowhere: unknown, or of an archived link."""
        if self._limits.take("orphans", limit=ORPHANS_PER_MINUTE, per_s=60).allowed:
            what = (ORPHAN, spec.org_id, spec.id, host, "") if spec else (ORPHAN, "", "", host, "")
            self._record(scope, given, what, path=path.encode("utf-8", "replace").decode()[:PATH_MAX])

    def _record(
        self,
        scope: Scope,
        given: Given,
        what: tuple[str, str, str, str, str],
        *,
        path: str,
        query: str = "",
        utm: Utms = NO_UTM,
    ) -> tuple[str, float]:
        """`what`: kind, org, link, host, campaign."""
        event_id, now = ids.new("clk"), clock.unix()
        kind, org, link, host, campaign = what
        agent = str(given.get(b"user-agent", b"")[:USER_AGENT_MAX], "latin-1")
        visitor, place = self._whence(scope, given, agent, host)
        # An EventFrame as the array that it is in the journal: to make the struct first would cost 2 us
        frame = (
            VERSION, kind, event_id, now, org, link, host, "", campaign, "", visitor, *place, agent,
            str(given.get(b"accept-language", b"")[:LANGUAGE_MAX], "latin-1"),
            str(given.get(b"referer", b"")[:REFERRER_MAX], "latin-1"),
            path, query[:QUERY_MAX], utm, _flags(scope, given), "",
        )  # fmt: skip
        self._append(encode(frame))
        return event_id, now

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
