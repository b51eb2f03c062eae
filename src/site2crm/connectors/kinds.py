"""What is known of a kind of CRM before there is a connection: one entry of the registry."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from site2crm.connectors.contract import Caps, Connector, Context
from site2crm.connectors.grants import Auth, AuthContext, ReadsWithdrawal
from site2crm.connectors.hints import AppHooks, Hooks
from site2crm.connectors.pacing import Limit
from site2crm.connectors.pushing import ReadsPush
from site2crm.connectors.sales import Sales


class Way(StrEnum):
    """How a connection gets in: a setting may belong to one of the ways only."""

    ANY = "any"
    KEY = "key"  # a key that is entered
    OAUTH = "oauth"  # signing in at the CRM


APP_ID, APP_SECRET = "client_id", "client_secret"
"""The settings that hold a connection's own app at the vendor; without them it is `[connectors.<kind>]`'s."""


@dataclass(frozen=True)
class SettingField:
    """One input of the connection form. `make` fills a field that was left empty; `secret` ones go to `secrets`."""

    name: str
    label: str
    kind: Literal["secret", "text", "url", "choice"]
    required: bool = True
    help: str = ""
    placeholder: str = ""
    choices: Sequence[tuple[str, str]] = ()
    make: Callable[[], str] | None = None
    way: Way = Way.ANY


def app_fields(*, id_help: str, secret_help: str) -> tuple[SettingField, SettingField]:
    """For a kind with `auth`. Needed only where the operator has no app."""
    return (
        SettingField(APP_ID, "Client id", "text", required=False, help=id_help, way=Way.OAUTH),
        SettingField(APP_SECRET, "Client secret", "secret", required=False, help=secret_help, way=Way.OAUTH),
    )


@dataclass(frozen=True)
class ConnectorKind:
    """One entry of the registry: all that is known before a connection exists."""

    name: str
    label: str
    caps: Caps
    settings: tuple[SettingField, ...]
    default_mapping: Mapping[str, str]  # our field -> the CRM's property
    opens: Callable[[Context], Connector]  # raises CrmError(CONFIG, field=...) for wrong settings
    auth: Callable[[AuthContext], Auth] | None = None  # with `Caps.oauth`; raises as `opens` does
    sales: Callable[[Context], Sales] | None = None  # with `Caps.deals`; raises as `opens` does
    hooks: Callable[[Context], Hooks] | None = None  # with `Caps.hooks`; raises as `opens` does
    hook_receipt: Callable[[bytes], tuple[str, str] | None] | None = None  # (media type, body) that the CRM waits for
    app_hooks: AppHooks | None = None  # with `Caps.hooks` "app"
    reads_push: ReadsPush | None = None  # with `Caps.pushes`
    fills: tuple[str, ...] = ()  # required properties that get a stand-in where a lead has nothing for them
    bars_deals: Callable[[Mapping[str, str]], str] | None = None  # why these settings allow no deals; "": they do
    revokes_apart: bool = False  # to take one sign-in back leaves the others of the same account and app alone
    reads_withdrawal: ReadsWithdrawal | None = None  # of a vendor that calls the redirect address with DELETE
    rights: tuple[str, ...] = ()  # what the token must be allowed
    help_slug: str = ""
    hosts: tuple[str, ...] = ()  # the only hosts it calls, unless base_url is set; ".a.example": any below it
    limit: Limit | None = None  # of the smallest plan; the vendor's answers may tell a larger one
    cures: Sequence[tuple[str, str]] = ()  # (words in the reason why it stopped, what to do); "" fits every reason
    about: str = ""  # one line for the page that offers it
    icon: str = "plug"
    short: str = ""  # where the label is too long; empty: the label

    @property
    def ways(self) -> tuple[Way, ...]:
        """Signing in first: no key has to be fetched and kept for it."""
        by_key = self.caps.static_key or self.auth is None
        return tuple(way for way, offered in ((Way.OAUTH, self.auth is not None), (Way.KEY, by_key)) if offered)

    def fields_of(self, way: Way) -> tuple[SettingField, ...]:
        return tuple(field for field in self.settings if field.way in (way, Way.ANY))
