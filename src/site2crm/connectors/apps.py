"""The app that people sign in to: the connection's own, else the one that the operator has for all."""

from collections.abc import Mapping

from site2crm.connectors.contract import CrmError, ErrorClass
from site2crm.connectors.grants import App, Auth, AuthContext
from site2crm.connectors.kinds import APP_ID, APP_SECRET, ConnectorKind
from site2crm.core.machine import Machine


def operators(machine: Machine, kind: str) -> App | None:
    """What `[connectors.<kind>]` names."""
    known = machine.settings.connectors.get(kind)
    return App(known.client_id, known.client_secret.reveal()) if known and known.client_id else None


def auth_of(machine: Machine, kind: ConnectorKind, *, settings: Mapping[str, str], secrets: Mapping[str, str]) -> Auth:
    """Ready to call out. Raises CrmError(CONFIG), with the setting in `field`."""
    if kind.auth is None:
        raise CrmError(ErrorClass.CONFIG, f"{kind.label} has no sign-in: enter a key.", code="no_sign_in")
    context = AuthContext(
        http=machine.outbound,
        app=_app(machine, kind, settings.get(APP_ID, ""), secrets.get(APP_SECRET, "")),
        settings=settings,
        base_url=machine.settings.connector_url(kind.name) or None,
    )
    return kind.auth(context)


def _app(machine: Machine, kind: ConnectorKind, id: str, secret: str) -> App:
    if id and secret:
        return App(id, secret)
    if id or secret:
        missing, other = (APP_SECRET, "id") if id else (APP_ID, "secret")
        raise CrmError(ErrorClass.CONFIG, f"Enter it too: it belongs to the client {other}.", field=missing)
    shared = operators(machine, kind.name)
    if shared is None:
        text = (
            f"{kind.label} lets people sign in to an app only: enter the client id and secret of yours. "
            f"The operator can set one for everybody, in site2crm.toml under [connectors.{kind.name}]."
        )
        raise CrmError(ErrorClass.CONFIG, text, code="no_app", field=APP_ID)
    return shared
