"""Access to an account: what OAuth gives, who keeps it fresh, and what a vendor's sign-in page needs to know.

A grant is refreshed by one caller for all (`Grants`), for some vendors replace the refresh token each time and others
count refreshes; the connectors only ask for it. Static keys need none of this: they are settings.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from site2crm.core.http import Outbound


@dataclass(frozen=True)
class Grant:
    """`extra` is what the vendor told besides: instance_url, api_domain, accounts_server, account and user ids."""

    access: str
    refresh: str | None = None
    expires_at: datetime | None = None
    """None: the vendor does not tell; a refused call does."""
    scopes: frozenset[str] = frozenset()
    extra: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Grant(expires_at={self.expires_at!r}, scopes={sorted(self.scopes)!r})"


class Grants(Protocol):
    """The grant of one connection, shared by all who use it, on every node."""

    async def current(self) -> Grant:
        """Good for the next call, refreshed if it is about to expire.

        Raises CrmError: REAUTH if the vendor took it back, CONFIG for a wrong app, RETRY if nobody can tell now.
        """
        ...

    async def renewed(self, stale: Grant) -> Grant:
        """Another one, after the vendor refused this; refreshed once, whoever asks. Raises as `current` does."""
        ...


class App(NamedTuple):
    """The operator's or the customer's own app at the vendor."""

    client_id: str
    client_secret: str

    def __repr__(self) -> str:
        return f"App({self.client_id!r})"


@dataclass(frozen=True)
class AuthContext:
    """`settings` are the connection's: region, data centre, login host. `base_url` replaces all hosts of the vendor."""

    http: Outbound
    app: App
    settings: Mapping[str, str] = field(default_factory=dict)
    base_url: str | None = None


class Auth(Protocol):
    """A vendor's OAuth, without state. What calls out raises CrmError, with the setting in `field` if one is wrong."""

    def authorize_url(self, *, state: str, redirect_uri: str, challenge: str) -> str:
        """Where the browser goes. `challenge` is PKCE's, S256; a vendor without PKCE leaves it out."""
        ...

    async def exchange(self, callback: Mapping[str, str], *, redirect_uri: str, verifier: str) -> Grant:
        """`callback`: the query with which the vendor sent the browser back; `code` is in it, `error` is not."""
        ...

    async def refresh(self, grant: Grant) -> Grant:
        """With the old refresh token where the vendor gives no new one."""
        ...

    async def revoke(self, grant: Grant) -> None:
        """At the vendor; one that is gone already is no error."""
        ...


class Withdrawal(NamedTuple):
    """A vendor says that somebody took our access back there. `app` is its proof: only the vendor knows the secret.

    `account`: the id of the account there. `at`: when that was; None: it does not say.
    """

    app: App
    account: str
    at: datetime | None
    text: str
    """For the person who has to mend it."""


ReadsWithdrawal = Callable[[Mapping[str, str], bytes], Withdrawal | None]
"""From headers with lower-case names and the body; None: this is no such message of the vendor's."""
