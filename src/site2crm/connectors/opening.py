"""From a row to a connector: opened secrets, the vendor's address, and what the vendor last said about our limit."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from site2crm.connectors import registry, sealing
from site2crm.connectors.contract import (
    Account,
    Connector,
    Context,
    CrmError,
    ErrorClass,
    Exchange,
    Kind,
    forget_exchange,
)
from site2crm.connectors.granting import Kept
from site2crm.connectors.grants import Grants
from site2crm.connectors.hints import Hooks
from site2crm.connectors.kinds import Way
from site2crm.connectors.models import Connection
from site2crm.connectors.pacing import Budget, Left, Limit
from site2crm.connectors.sales import Sales
from site2crm.connectors.store import Records
from site2crm.core import log
from site2crm.core.config import Settings
from site2crm.core.crypto import Vault
from site2crm.core.db import Database
from site2crm.core.http import Outbound
from site2crm.core.machine import Machine, Part

INBOX = "inbox"

_log = log.get("connectors")

Listener = Callable[[Exchange], None]


class Desk(Protocol):
    """What a call needs of the machine; without a running server there is a small one (`declared_check.Alone`)."""

    @property
    def settings(self) -> Settings: ...

    @property
    def outbound(self) -> Outbound: ...

    @property
    def database(self) -> Database: ...

    def get(self, kind: type[Part]) -> Part: ...

    def url(self, path: str) -> str: ...


class Access(Struct, frozen=True, kw_only=True):
    """All that a call needs; of a stored connection, or of one that is being made."""

    org_id: str
    connection_id: str
    kind: str
    settings: Mapping[str, str]
    secrets: Mapping[str, str]
    account: Mapping[str, str]
    grants: Grants | None = None
    """Of a connection that somebody signs in for."""

    def __repr__(self) -> str:
        return f"Access({self.connection_id})"


class Checked(Struct, frozen=True, kw_only=True):
    """What the CRM said to a test."""

    account: Account | None = None
    fields: list[dict[str, object]] = []
    directory: dict[str, object] | None = None
    """Owners and pipelines, where the kind has them and they could be read."""
    directory_error: str = ""
    error: str = ""
    error_class: ErrorClass | None = None
    setting: str = ""
    """The setting that the error is about, if it is about one."""

    @property
    def ok(self) -> bool:
        return not self.error

    @property
    def needs_a_person(self) -> bool:
        """A dead token or a missing right: nothing will arrive until somebody does something."""
        return self.error_class in (ErrorClass.REAUTH, ErrorClass.REFRESH, ErrorClass.CONFIG)


class Budgets:
    """One per connection, shared by all who use it."""

    def __init__(self) -> None:
        self._budgets: dict[str, Budget] = {}

    def of(self, connection_id: str, limit: Limit | None) -> Budget:
        """`limit`: what is known before the vendor has said anything."""
        known = self._budgets.get(connection_id)
        if known is None:
            known = self._budgets[connection_id] = Budget(limit)
        return known

    def left(self, connection_id: str) -> list[Left]:
        """Of this connection's limits; nothing where this process has not called there yet."""
        known = self._budgets.get(connection_id)
        return known.left if known else []

    def forget(self, connection_id: str) -> None:
        """A new token has a limit of its own."""
        self._budgets.pop(connection_id, None)


def access_to(machine: Machine, connection: Connection) -> Access:
    """Raises CrmError(REAUTH) if no key opens the secrets any more."""
    grants = Kept(machine, connection) if connection.way == Way.OAUTH else None
    return access_by(machine.vault, connection, grants=grants)


def access_by(vault: Vault, connection: Connection, *, grants: Grants | None) -> Access:
    """With grants from elsewhere than the row. Raises as `access_to`."""
    return Access(
        org_id=connection.org_id,
        connection_id=connection.id,
        kind=connection.kind,
        settings=connection.settings,
        secrets=sealing.secrets_of(vault, connection),
        account=connection.account,
        grants=grants,
    )


def open_connector(machine: Machine, connection: Connection, *, on_exchange: Listener = forget_exchange) -> Connector:
    """Ready to call out. Raises CrmError: REAUTH for unreadable secrets, CONFIG for settings that cannot work."""
    return connect(machine, access_to(machine, connection), on_exchange=on_exchange)


def open_deals(machine: Machine, connection: Connection, *, on_exchange: Listener = forget_exchange) -> Sales | None:
    """As `open_connector`, to make deals; None for a kind without."""
    return sales_side(machine, access_to(machine, connection), on_exchange=on_exchange)


def connect(machine: Desk, access: Access, *, on_exchange: Listener = forget_exchange) -> Connector:
    return registry.connect(access.kind, _context(machine, access, on_exchange))


def open_sales(machine: Machine, connection: Connection) -> Sales:
    """To read with what the delivery of leads leaves of the limit. For kinds that sell; raises as `open_connector`."""
    context = _context(machine, access_to(machine, connection), forget_exchange)
    kind = registry.KINDS[connection.kind]
    assert kind.sales is not None
    return kind.sales(replace(context, budget=context.budget.spare))


def open_hooks(machine: Machine, connection: Connection) -> Hooks | None:
    """None: this kind has none. Raises as `open_connector`."""
    return hooks_side(machine, access_to(machine, connection)) if registry.KINDS[connection.kind].hooks else None


def hooks_side(machine: Desk, access: Access) -> Hooks | None:
    opens = registry.KINDS[access.kind].hooks
    if opens is None:
        return None
    context = _context(machine, access, forget_exchange)
    return opens(replace(context, budget=context.budget.spare))


def hook_receipt(kind: str, body: bytes) -> tuple[str, str] | None:
    """(media type, text) of the answer that such a CRM waits for; None: an empty one will do."""
    gives = registry.KINDS[kind].hook_receipt
    return gives(body) if gives else None


def sales_side(machine: Desk, access: Access, *, on_exchange: Listener = forget_exchange) -> Sales | None:
    opens = registry.KINDS[access.kind].sales
    return opens(_context(machine, access, on_exchange)) if opens else None


def limits_left(machine: Machine, connection_id: str) -> list[Left]:
    """What the vendor told that is left; nothing where it tells nothing, or has not been asked yet."""
    return machine.get(Budgets).left(connection_id)


def _context(machine: Desk, access: Access, on_exchange: Listener) -> Context:
    return Context(
        connection_id=access.connection_id,
        http=machine.outbound,
        settings=access.settings,
        secrets=access.secrets,
        grants=access.grants,
        base_url=_base_url(machine, access),
        account=_account(access.account),
        store=Records(machine.database, access.org_id) if access.kind == INBOX else None,
        budget=machine.get(Budgets).of(access.connection_id, registry.KINDS[access.kind].limit),
        on_exchange=on_exchange,
    )


async def examine(connector: Connector, sales: Sales | None = None) -> Checked:
    """Ask who we are there, what can be filled, and whom leads can be given. Never inside a write transaction."""
    try:
        account = await connector.verify()
        fields = await connector.fields(Kind.PERSON)
        directory, said = await _directory(sales)
    except CrmError as error:
        return refused(error)
    except Exception as error:  # noqa: BLE001 - a bug in a connector is told on the page that asked, not a page of ours
        _log.exception("connection.unexpected")
        text = f"An error on our side: {type(error).__name__}. It is in the log."
        return refused(CrmError(ErrorClass.RETRY, text, code=type(error).__name__))
    return Checked(account=account, fields=msgspec.to_builtins(list(fields)), directory=directory, directory_error=said)


async def _directory(sales: Sales | None) -> tuple[dict[str, object] | None, str]:
    """Without the right to read them leads arrive all the same: no reason to fail the test."""
    if sales is None:
        return None, ""
    try:
        return msgspec.to_builtins(await sales.directory()), ""
    except CrmError as error:
        return None, error.text or str(error)


def refused(error: CrmError) -> Checked:
    return Checked(error=error.text or str(error), error_class=error.kind, setting=error.field or "")


def as_stored(account: Account) -> dict[str, str]:
    """Only what the vendor told of who we are."""
    return {name: value for name, value in msgspec.to_builtins(account).items() if value and isinstance(value, str)}


def _account(stored: Mapping[str, str]) -> Account | None:
    return msgspec.convert(stored, Account) if stored.get("id") else None


def _base_url(machine: Desk, access: Access) -> str | None:
    if access.kind == INBOX:
        # The inbox's records are pages of ours: the path is kept, the host is today's.
        return machine.url(urlsplit(access.account.get("url", "")).path)
    return machine.settings.connector_url(access.kind) or None
