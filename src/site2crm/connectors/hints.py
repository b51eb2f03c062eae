"""Webhooks of a CRM: hints that something changed there. They never carry truth; the record is read anew.

Kinds whose hooks an API makes have `ConnectorKind.hooks`; for those that are made by hand (`Caps.hooks` "manual") only
`parse` is used, and the help page of the kind says where to enter the address.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

from site2crm.connectors.contract import Kind


class Change(NamedTuple):
    """`at` None: the CRM does not say."""

    kind: Kind
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
