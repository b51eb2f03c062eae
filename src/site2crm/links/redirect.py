"""The redirect: `GET /{slug}`, raw ASGI ahead of everything that a request usually costs.

From memory only: no database, no disk, no log line, no request id. The exact spelling first, then what is read as the
same. What leads nowhere is left to the router, whose 404 page it gets.
"""

from urllib.parse import urlsplit

from site2crm.core import sites
from site2crm.core.asgi import Scope, Send
from site2crm.core.machine import Machine
from site2crm.core.security import Hosts
from site2crm.links import gone, token
from site2crm.links.recording import Given, Recorder
from site2crm.links.registry import LinkRegistry, LinkSpec, way_of
from site2crm.links.shapes import Carry
from site2crm.links.way import Way

OWN_HOST = ""
_ALWAYS, _AUTO = Carry.ALWAYS.value, Carry.AUTO.value
_KNOWN_HOSTS = 256
_NOTHING = {"type": "http.response.body", "body": b"", "more_body": False}


class Redirect:
    def __init__(self, machine: Machine) -> None:
        self._vault = machine.vault
        self._registry = machine.get(LinkRegistry)
        self._sites = sites.of_machine(machine)
        self._recorder = Recorder(machine)
        self._hosts = Hosts(machine.settings.server.public_url)
        self._host = urlsplit(machine.settings.base_url).netloc
        self._secure = machine.settings.server.public_url.startswith("https://")
        self._served: set[bytes] = set()
        """Values of Host that have passed the check before."""

    async def __call__(self, scope: Scope, send: Send, slug: str) -> bool:
        given: Given = dict(scope["headers"])
        is_known = given.get(b"host") in self._served and len(given) == len(scope["headers"])
        if not is_known and not self._serves(scope, given):
            return False
        spec = self._registry.find(OWN_HOST, slug)
        if spec is None or spec.archived:
            return await self._leads_nowhere(scope, send, given, slug, spec)
        way = spec.way or way_of(spec, secure=self._secure)
        carries = spec.carry == _ALWAYS or (spec.carry == _AUTO and self._sites.knows(spec.org_id, way.origin))
        if carries or scope["query_string"]:
            start = self._made(scope, given, spec, way, carries)
        else:
            self._recorder.click(scope, given, spec, host=self._host, query="", utm=way.utm)
            start = way.start
        await send(start)
        await send(_NOTHING)
        return True

    def _made(self, scope: Scope, given: Given, spec: LinkSpec, way: Way, carries: bool) -> dict[str, object]:
        """The answer to this one visitor: their own query goes on, the click's token is added."""
        query = str(scope["query_string"], "latin-1")
        target, utm = way.with_query(query) if query else (way.target, way.utm)
        click_id, at = self._recorder.click(scope, given, spec, host=self._host, query=query, utm=utm)
        if carries:
            target = token.appended(target, token.sign(self._vault, click_id, spec.id, at))
        return way.answer(target)

    async def _leads_nowhere(self, scope: Scope, send: Send, given: Given, slug: str, spec: LinkSpec | None) -> bool:
        # A dot is in no slug: browsers ask for icons, scanners for .php
        if spec is not None or "." not in slug:
            self._recorder.orphan(scope, given, slug, host=self._host, spec=spec)
        if spec is None:
            return False
        await gone.answer(scope, send, secure=self._secure)
        return True

    def _serves(self, scope: Scope, given: Given) -> bool:
        if not self._hosts.allows(scope):
            return False
        if len(self._served) < _KNOWN_HOSTS:
            self._served.add(given[b"host"])
        return True
