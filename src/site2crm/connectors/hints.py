"""Webhooks of a CRM: hints that something changed there. They never carry truth; the record is read anew.

Kinds whose hooks an API makes have `ConnectorKind.hooks`; for those that are made by hand (`Caps.hooks` "manual") only
`parse` is used, and the help page of the kind says where to enter the address. Where they belong to the app that people
sign in to ("app"), one address serves every account that let the app in, and `ConnectorKind.app_hooks` reads them.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

from site2crm.connectors.contract import Act, Kind


class Change(NamedTuple):
    """`at` None: the CRM does not say."""

    kind: Kind | Act
    id: str
    op: Literal["upsert", "delete"]
    at: datetime | None


class BadProof(Exception):
    """The hook does not prove that it comes from the CRM. Raised before the body is parsed."""


class Hooks(Protocol):
    """One per connection. What calls out raises CrmError."""

    async def watch(self, url: str, secret: str) -> datetime | None:
        """Make or renew the hooks that call `url`; when they lapse, None for never. Doing it again adds none."""
        ...

    async def unwatch(self, path: str) -> None:
        """Remove those that call an address with this path in it, whatever its host; none there is no error."""
        ...

    def parse(self, headers: Mapping[str, str], body: bytes, *, url: str, secret: str) -> Sequence[Change]:
        """What changed. Raises BadProof; ValueError for a body that is not the CRM's.

        `headers` have lower-case names. `url` is the address given to `watch`, whatever the proxy made of the request.
        """
        ...


class AppHooks(Protocol):
    """Those of an app at the vendor, for all accounts that let it in. Without state."""

    def check(self, headers: Mapping[str, str], body: bytes, *, url: str, secret: str) -> None:
        """Raises BadProof, in words for whoever set it up. `secret` is the app's; the rest as in `Hooks.parse`."""
        ...

    def accounts(self, body: bytes) -> Collection[str]:
        """`Account.id` of those where something changed that is read. ValueError for a body that is not the CRM's."""
        ...
