"""HubSpot's OAuth, date-versioned (crm/hubspot.md 2.2): an app of the operator's or the customer's own.

The app's credentials are fields of the body. A refresh answers with a refresh token, perhaps the same one.
"""

from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlencode

from site2crm.connectors.contract import CrmError, ErrorClass
from site2crm.connectors.grants import AuthContext, Grant
from site2crm.connectors.hubspot.connector import RIGHTS, SALES_RIGHTS
from site2crm.connectors.hubspot.portal import API_HOST, HUBSPOT_API_VERSION
from site2crm.connectors.wire import json_object, retry_after, send_form
from site2crm.core.http import Response
from site2crm.kit import clock

SIGN_IN_HOST = "app.hubspot.com"
HOSTS = (API_HOST, SIGN_IN_HOST)

OPTIONAL_RIGHTS = ("crm.schemas.contacts.read", *SALES_RIGHTS)
"""Asked for when somebody signs in; an account whose plan lacks one is connected without it."""

_TOKEN = f"/oauth/{HUBSPOT_API_VERSION}/token"
_GONE = {"invalid_grant", "BAD_REFRESH_TOKEN", "BAD_AUTH_CODE"}
_WRONG_APP = {"invalid_client", "BAD_CLIENT_ID", "BAD_CLIENT_SECRET", "unauthorized_client"}
_LONGEST_S = 366 * 86_400


class HubSpotAuth:
    """Signing in at HubSpot."""

    def __init__(self, context: AuthContext) -> None:
        self._context = context
        self._api = (context.base_url or f"https://{API_HOST}").rstrip("/")
        self._sign_in = (context.base_url or f"https://{SIGN_IN_HOST}").rstrip("/")

    def authorize_url(self, *, state: str, redirect_uri: str, challenge: str) -> str:
        asked = {
            "client_id": self._context.app.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(["oauth", *RIGHTS]),
            "optional_scope": " ".join(OPTIONAL_RIGHTS),
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{self._sign_in}/oauth/authorize?{urlencode(asked)}"

    async def exchange(self, callback: Mapping[str, str], *, redirect_uri: str, verifier: str) -> Grant:
        """Which account it is, and what we may do there, is HubSpot's own word: it is asked about the new token."""
        code = {"code": callback["code"], "redirect_uri": redirect_uri, "code_verifier": verifier}
        grant = _grant(await self._asked(_TOKEN, {"grant_type": "authorization_code", **code}))
        said = await self._asked(f"{_TOKEN}/introspect", {"token": grant.access, "token_type_hint": "access_token"})
        if said.get("active") is False:
            raise CrmError(ErrorClass.REAUTH, "HubSpot says that the new token is not active.", code="inactive")
        return _with(grant, scopes=_scopes(said) or grant.scopes, extra={**grant.extra, **_extra(said)})

    async def refresh(self, grant: Grant) -> Grant:
        if not grant.refresh:
            raise CrmError(ErrorClass.REAUTH, "HubSpot gave no refresh token.", code="NO_REFRESH")
        said = await self._asked(_TOKEN, {"grant_type": "refresh_token", "refresh_token": grant.refresh})
        fresh = _grant(said)
        return Grant(
            access=fresh.access,
            refresh=fresh.refresh or grant.refresh,
            expires_at=fresh.expires_at,
            scopes=fresh.scopes or grant.scopes,
            extra={**grant.extra, **fresh.extra},
        )

    async def revoke(self, grant: Grant) -> None:
        hint = {"token": grant.refresh or grant.access}
        hint["token_type_hint"] = "refresh_token" if grant.refresh else "access_token"
        try:
            await self._asked(f"{_TOKEN}/revoke", hint)
        except CrmError as error:
            if error.kind is not ErrorClass.REAUTH:
                raise

    async def _asked(self, path: str, form: Mapping[str, str]) -> dict[str, object]:
        app = self._context.app
        sent = {**form, "client_id": app.client_id, "client_secret": app.client_secret}
        answer = await send_form(self._context, self._api + path, sent, hosts=HOSTS)
        said = json_object(answer.content)
        if answer.status >= 300:
            raise _refusal(answer, said)
        if said is None and answer.content.strip():
            text = f"HubSpot answered {answer.status} with something that is not JSON."
            raise CrmError(ErrorClass.RETRY, text, code="not_json")
        return said or {}


def _grant(said: Mapping[str, object]) -> Grant:
    access, refresh, seconds = said.get("access_token"), said.get("refresh_token"), said.get("expires_in")
    if not isinstance(access, str) or not access:
        raise CrmError(ErrorClass.RETRY, "HubSpot answered without an access token.", code="not_json")
    is_told = isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 < seconds < _LONGEST_S
    return Grant(
        access=access,
        refresh=refresh if isinstance(refresh, str) and refresh else None,
        expires_at=clock.now() + timedelta(seconds=float(seconds)) if is_told else None,  # type: ignore[arg-type]
        scopes=_scopes(said),
        extra=_extra(said),
    )


def _with(grant: Grant, *, scopes: frozenset[str], extra: Mapping[str, str]) -> Grant:
    return Grant(grant.access, grant.refresh, grant.expires_at, scopes, extra)


def _scopes(said: Mapping[str, object]) -> frozenset[str]:
    """A list, not the usual text."""
    listed = said.get("scopes")
    return frozenset(map(str, listed)) if isinstance(listed, list) else frozenset()


def _extra(said: Mapping[str, object]) -> dict[str, str]:
    return {name: str(said[name]) for name in ("hub_id", "user_id", "hub_domain", "user") if said.get(name)}


def _refusal(answer: Response, said: dict[str, object] | None) -> CrmError:
    status, body = answer.status, said or {}
    code = str(body.get("error") or body.get("status") or status)
    text = str(body.get("error_description") or body.get("message") or body.get("error") or "")
    text = text or f"HubSpot answered {status} when it was asked for a token."
    if status == 429:
        return CrmError(ErrorClass.THROTTLE, text, code=code, retry_after=retry_after(answer.headers))
    if status >= 500 or said is None:
        return CrmError(ErrorClass.RETRY, text, code=code, retry_after=retry_after(answer.headers))
    if code in _GONE:
        return CrmError(ErrorClass.REAUTH, f"HubSpot took the sign-in back: {text}", code=code)
    if code in _WRONG_APP or status == 401:
        text = f"HubSpot does not know this app, or its secret is another one: {text}"
        return CrmError(ErrorClass.CONFIG, text, code=code, field="client_secret")
    return CrmError(ErrorClass.CONFIG, f"HubSpot refused the sign-in: {text}", code=code)
