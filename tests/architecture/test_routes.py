"""Every route has a permission or says that it is public, and every first path segment is reserved."""

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from site2crm.accounts.permissions import Permission
from site2crm.app import Instance
from site2crm.core.access import INSTANCE, SIGNED_IN
from site2crm.core.reserved import SEGMENTS
from site2crm.features import FEATURES


def litestar_of(instance: Instance) -> Litestar:
    app: Litestar = instance.app._app._app  # type: ignore[attr-defined]  # Front -> Idempotent -> Litestar
    return app


def handlers(instance: Instance) -> list[tuple[str, HTTPRouteHandler]]:
    routes = [route for route in litestar_of(instance).routes if isinstance(route, HTTPRoute)]
    found = [(route.path, handler) for route in routes for handler in route.route_handlers]
    return [(path, handler) for path, handler in found if handler.http_methods != {"OPTIONS"}]  # the framework's own


async def test_every_route_names_a_permission_or_is_public(instance: Instance) -> None:
    known = {*Permission, SIGNED_IN, INSTANCE}
    silent = [
        f"{path} {handler.handler_name}"
        for path, handler in handlers(instance)
        if not path.startswith("/api/v1/openapi") and path not in {"/api/v1", "/api/v1/"}
        if not handler.opt.get("public") and handler.opt.get("permission") not in known
    ]
    assert silent == []


async def test_every_first_segment_is_reserved(instance: Instance) -> None:
    paths = {path for path, _ in handlers(instance)} | {f"/{segment}" for part in FEATURES for segment in part.raw}
    segments = {path.split("/")[1] for path in paths} - {""}
    assert {segment for segment in segments if not segment.startswith("{")} <= SEGMENTS


async def test_no_unsafe_get(instance: Instance) -> None:
    """A GET with a verb in its path would change something by a link."""
    verbs = {"delete", "archive", "restore", "replay", "release", "pause", "resume", "logout"}
    wrong = [
        path
        for path, handler in handlers(instance)
        if "GET" in handler.http_methods and verbs & set(path.strip("/").split("/"))
    ]
    assert wrong == []
