"""Who asks, and may they: every route names a permission or declares itself public.

`accounts` fills in `Who`; this module only knows how to hold a route to what it declares.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from msgspec import Struct

from site2crm.core.errors import Forbidden, NotFound, Unauthorized

Connection = ASGIConnection[Any, Any, Any, Any]

API = "/api/"
"""What keys are for. Pages are made for roles: they show more than a single right lets a key see."""

SIGNED_IN = "signed_in"
"""The permission of pages that belong to a user and not to an org."""

INSTANCE = "instance"
"""The permission of pages about the whole instance: super admins have it, signed in; no key and no role does."""


class OrgRef(Struct, frozen=True):
    """An org as the shell shows it."""

    id: str
    slug: str
    name: str
    time_zone: str = "UTC"


class Who(Struct, frozen=True, kw_only=True):
    """A signed-in user or an API key, and the org this request is about."""

    user_id: str | None = None
    email: str = ""
    name: str = ""
    theme: str = "system"
    is_super: bool = False
    session_hash: str = ""
    key_id: str | None = None
    role: str = ""
    permissions: frozenset[str] = frozenset()
    org: OrgRef | None = None
    orgs: tuple[OrgRef, ...] = ()
    makes_orgs: bool = False
    """Owners of any org and super admins may open another one."""

    def can(self, permission: str) -> bool:
        return self.is_super if permission == INSTANCE else permission in self.permissions

    def require(self, permission: str) -> None:
        """For what needs a second permission beside the route's own. Raises Forbidden."""
        if not self.can(permission):
            raise Forbidden(f"This needs the right `{permission}`.")

    @property
    def actor(self) -> str:
        """Who did it, for the records: a user's or a key's id."""
        return self.user_id or self.key_id or ""

    @property
    def org_id(self) -> str:
        """The org of this request. Raises NotFound on a route that has none."""
        if self.org is None:
            raise NotFound
        return self.org.id

    def path(self, place: str = "") -> str:
        """The address of a dashboard page in the org of this request: `/o/acme/leads`. Raises as `org_id`."""
        if self.org is None:
            raise NotFound
        return f"/o/{self.org.slug}/{place}".removesuffix("/")


Authenticator = Callable[[Connection], Awaitable[Who | None]]


def public() -> dict[str, Any]:
    """Route `opt`: anybody may call this."""
    return {"public": True}


def needs(permission: str) -> dict[str, Any]:
    """Route `opt`: only who has this permission in the org of the request."""
    return {"permission": permission}


async def guard(connection: Connection, handler: BaseRouteHandler) -> None:
    """The one guard, on the whole app. Another org's resource is 404, a missing role 403, nobody 401."""
    if connection.scope.get("method") == "OPTIONS":
        return  # the framework's own answer: which methods there are
    state = connection.scope["state"]
    authenticate: Authenticator = connection.app.state.authenticate
    who = await authenticate(connection)
    state["who"] = who
    if not handler.opt.get("public"):
        _hold(who, handler.opt.get("permission"))
        if who is not None and who.key_id and not connection.scope["path"].startswith(API):
            raise Forbidden("An API key is for addresses that begin with /api/v1. Sign in to see pages.")
    state["allowed"] = True
    refused: Exception | None = state.get("refused")
    if refused is not None:
        raise refused


def _hold(who: Who | None, permission: str | None) -> None:
    if who is None or permission is None:
        raise Unauthorized
    if permission == SIGNED_IN:
        if who.user_id is None:
            raise Forbidden("An API key has no user. Sign in for this.")
        return
    if permission == INSTANCE:
        if not who.is_super:
            raise Forbidden("This is for the administrators of the instance.")
        return
    if who.org is None:
        raise NotFound
    who.require(permission)


def who_asks(connection: Connection) -> Who | None:
    """The caller, where a route is open to all."""
    return connection.scope["state"].get("who")
