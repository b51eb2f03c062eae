"""Every route of the app as something that can be called: its address with sample ids, its method, a body that fits."""

import re
from dataclasses import dataclass
from typing import Any

import httpx

from site2crm.app import Instance
from tests.architecture.test_routes import handlers
from tests.security.world import Holding

PARAMETER = re.compile(r"\{(\w+):\w+\}")
UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
NOT_IDS = {"kind": "inbox"}
"""Parameters that choose among what everybody may have."""
OPEN = {
    "/invite/{token:str}": "whoever has the link is invited",
    "/reset/{token:str}": "whoever has the link",
    "/setup/{token:str}": "whoever has the link",
    "/help/{slug:str}": "articles",
    "/hooks/{connection_id:str}/records": "a custom CRM, by its signature",
    "/hooks/{connection_id:str}/{secret:str}": "a CRM that knows the secret",
    "/hooks/app/{kind:str}/{client_id:str}": "a CRM, by the signature of the app",
    "/api/v1/{path:str}": "the framework's own, under the description of the API",
}
"""Public routes with a parameter, and why a stranger may call them."""
JSON_BODIES: dict[str, dict[str, Any]] = {
    "/api/v1/members/{member_id:str}": {"role": "viewer"},
    "/api/v1/deliveries/replay": {"filter": {"state": "delivered"}},
    "/api/v1/forms": {"name": "Made by the walk"},
    "/api/v1/links": {"url": "https://example.com/walk"},
    "/api/v1/connections": {"kind": "inbox"},
    "/api/v1/invites": {"email": "walk@example.com"},
    "/api/v1/keys": {"name": "Walk", "scopes": ["org:read"]},
}
FORM_BODY = {
    "name": "Walk", "email": "walk@example.com", "role": "viewer", "slug": "walked", "time_zone": "UTC",
    "field_name": "email", "field_type": "email", "field_label": "E-mail", "settings.url": "https://example.com/",
    "source": "email", "property": "email", "scopes": "org:read", "password": "a long walk in the park",
    "url": "https://example.com/walk",
}  # fmt: skip


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    permission: str
    is_public: bool

    @property
    def parameters(self) -> list[str]:
        return PARAMETER.findall(self.path)

    @property
    def is_api(self) -> bool:
        return self.path.startswith("/api/")

    @property
    def names_another(self) -> bool:
        """Whether the address says which org or which resource it is about."""
        return any(name not in NOT_IDS for name in self.parameters)

    @property
    def names_a_thing(self) -> bool:
        """Whether the address says which resource it is about, beside the org."""
        return any(name not in {*NOT_IDS, "org"} for name in self.parameters)

    def url(self, holding: Holding) -> str:
        """Raises KeyError for a parameter without a sample: declare one in `world.Holding.ids`."""
        return PARAMETER.sub(lambda found: {**NOT_IDS, **holding.ids}[found[1]], self.path)

    async def call(self, client: httpx.AsyncClient, holding: Holding, **headers: str) -> httpx.Response:
        body: dict[str, Any] = {}
        if self.method in UNSAFE and self.is_api and self.method != "DELETE":
            body = {"json": JSON_BODIES.get(self.path, {})}
        elif self.method in UNSAFE and not self.is_api:
            chosen = [holding.quarantined] if "quarantine" in self.path else [self._chosen(holding)]
            body = {"data": {**FORM_BODY, "id": chosen}}
        return await client.request(self.method, self.url(holding), headers=headers, **body)

    def _chosen(self, holding: Holding) -> str:
        return holding.ids["delivery_id" if "deliveries" in self.path else "lead_id"]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def every(instance: Instance) -> list[Route]:
    found = [
        Route(method, path, str(handler.opt.get("permission") or ""), bool(handler.opt.get("public")))
        for path, handler in handlers(instance)
        for method in sorted(handler.http_methods - {"OPTIONS", "HEAD"})
    ]
    return sorted(found, key=lambda route: (route.path, route.method))


def guarded(instance: Instance) -> list[Route]:
    return [route for route in every(instance) if not route.is_public and not _is_description(route)]


def _is_description(route: Route) -> bool:
    return route.path.startswith("/api/v1/openapi") or route.path in {"/api/v1", "/api/v1/{path:str}"}
