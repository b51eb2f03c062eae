"""What lets us in, as it is stored: sealed, and bound to the row and column where it stands."""

from collections.abc import Mapping

import msgspec

from site2crm.connectors.contract import CrmError, ErrorClass
from site2crm.connectors.grants import Grant
from site2crm.connectors.models import Connection
from site2crm.core.crypto import Unreadable, Vault

HINT_CHARACTERS = 4
_LONG_ENOUGH = 16
"""Of a shorter secret the last four characters would give too much away."""


def hints(secrets: Mapping[str, str]) -> dict[str, str]:
    """The end of each secret, so that a person can tell two tokens apart."""
    return {name: value[-HINT_CHARACTERS:] if len(value) >= _LONG_ENOUGH else "" for name, value in secrets.items()}


def sealed_secrets(vault: Vault, secrets: Mapping[str, str], *, org_id: str, connection_id: str) -> str:
    return vault.seal(msgspec.json.encode(secrets), aad=_aad(org_id, "secrets", connection_id))


def secrets_of(vault: Vault, connection: Connection) -> dict[str, str]:
    """Raises CrmError(REAUTH) if no key opens them any more."""
    if not connection.secrets:
        return {}  # it is being made, or it was removed
    return msgspec.json.decode(_opened(vault, connection, "secrets"), type=dict[str, str])


def sealed_grant(vault: Vault, grant: Grant, *, org_id: str, connection_id: str) -> str:
    return vault.seal(msgspec.json.encode(grant), aad=_aad(org_id, "grant", connection_id))


def grant_of(vault: Vault, connection: Connection) -> Grant:
    """Raises CrmError(REAUTH): nobody has signed in, or no key opens what that gave."""
    if not connection.grant:
        raise nobody()
    return msgspec.json.decode(_opened(vault, connection, "grant"), type=Grant)


def nobody() -> CrmError:
    return CrmError(ErrorClass.REAUTH, "Nobody has signed in for this connection yet.", code="NO_GRANT")


def _opened(vault: Vault, connection: Connection, column: str) -> bytes:
    sealed = connection.grant if column == "grant" else connection.secrets
    try:
        return vault.open(sealed, aad=_aad(connection.org_id, column, connection.id))
    except Unreadable as error:
        how = "Sign in again." if connection.way == "oauth" else "Enter it again."
        text = f"The stored access cannot be read: the key that sealed it is gone. {how}"
        raise CrmError(ErrorClass.REAUTH, text, code="UNREADABLE") from error


def _aad(org_id: str, column: str, connection_id: str) -> str:
    return f"{org_id}|connection|{column}|{connection_id}"
