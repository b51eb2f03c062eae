"""Signing in: OAuth 2.0 web server flow with PKCE and the secret of the customer's External Client App.

crm/salesforce.md 2. No answer tells how long a token lasts: a refused call does.
"""

from collections.abc import Mapping
from urllib.parse import urlencode

from site2crm.connectors.contract import CrmError, ErrorClass
from site2crm.connectors.grants import AuthContext, Grant
from site2crm.connectors.salesforce.login import HOSTS, host_of
from site2crm.connectors.wire import is_host_of, json_object, retry_after, send_form
from site2crm.core.http import Response

SCOPES = ("api", "refresh_token", "openid")
_WRONG_APP = {
    "invalid_client_id": "client_id",
    "invalid_client": "client_secret",
    "unsupported_grant_type": "client_id",
    "redirect_uri_mismatch": "client_id",
    "unauthorized_client": "client_id",
    "invalid_app_access": "client_id",
}


class SalesforceAuth:
    """One External Client App and one login host."""

    def __init__(self, context: AuthContext) -> None:
        for name, value in (("client_id", context.app.client_id), ("client_secret", context.app.client_secret)):
            if not value or not value.isascii() or not value.isprintable() or " " in value:
                words = "key" if name == "client_id" else "secret"
                raise CrmError(ErrorClass.CONFIG, f"This is no consumer {words} of an app: copy it again.", field=name)
        self._context = context
        host = host_of(context.settings)
        self._base = (context.base_url or f"https://{host}").rstrip("/")

    def authorize_url(self, *, state: str, redirect_uri: str, challenge: str) -> str:
        """`prompt=login`: whoever is signed in to another org must be able to choose."""
        query = {
            "response_type": "code",
            "client_id": self._context.app.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(SCOPES),
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "prompt": "login",
        }
        return f"{self._base}/services/oauth2/authorize?{urlencode(query)}"

    async def exchange(self, callback: Mapping[str, str], *, redirect_uri: str, verifier: str) -> Grant:
        form = {
            "grant_type": "authorization_code",
            "code": callback.get("code", ""),
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        return self._grant(await self._token(form), before=None)

    async def refresh(self, grant: Grant) -> Grant:
        """The instance may have moved: its address is taken anew. The refresh token stays, unless it rotates."""
        if not grant.refresh:
            raise CrmError(ErrorClass.REAUTH, "Salesforce gave no lasting access: sign in again.", code="no_refresh")
        form = {"grant_type": "refresh_token", "refresh_token": grant.refresh}
        return self._grant(await self._token(form), before=grant)

    async def revoke(self, grant: Grant) -> None:
        """The refresh token takes its access tokens with it."""
        answer = await self._post("/services/oauth2/revoke", {"token": grant.refresh or grant.access})
        if answer.status >= 500 or answer.status == 429:
            raise _refusal(answer)

    async def _token(self, form: dict[str, str]) -> dict[str, object]:
        app = self._context.app
        form = {**form, "client_id": app.client_id, "client_secret": app.client_secret}
        answer = await self._post("/services/oauth2/token", form)
        said = json_object(answer.content)
        if answer.status != 200 or said is None or "access_token" not in said:
            raise _refusal(answer)
        return said

    async def _post(self, path: str, form: Mapping[str, str]) -> Response:
        return await send_form(self._context, self._base + path, form, hosts=HOSTS)

    def _grant(self, said: Mapping[str, object], *, before: Grant | None) -> Grant:
        instance = str(said.get("instance_url") or "").rstrip("/")
        if not is_host_of(instance, HOSTS):
            text = f"Salesforce named an instance that is none of its own: {instance[:200]!r}."
            raise CrmError(ErrorClass.CONFIG, text, code="foreign_host")
        organization, _, user = str(said.get("id") or "").rpartition("/")
        told = {
            "instance_url": instance,
            "organization_id": organization.rpartition("/")[2],
            "user_id": user,
            "issued_at": str(said.get("issued_at") or ""),
        }
        scope = said.get("scope")
        scopes = frozenset(scope.split()) if isinstance(scope, str) and scope else (before.scopes if before else None)
        refresh = said.get("refresh_token")
        return Grant(
            access=str(said["access_token"]),
            refresh=str(refresh) if refresh else (before.refresh if before else None),
            scopes=scopes if scopes is not None else frozenset(),
            extra={**(before.extra if before else {}), **{name: text for name, text in told.items() if text}},
        )


def _refusal(answer: Response) -> CrmError:
    said = json_object(answer.content) or {}
    code, words = str(said.get("error") or answer.status), str(said.get("error_description") or "")
    if code == "invalid_grant":
        text = f"Salesforce no longer accepts this sign-in: {words or code}."
        return CrmError(ErrorClass.REAUTH, text, code=code)
    if code in _WRONG_APP:
        text = f"Salesforce does not accept the app: {words or code}."
        return CrmError(ErrorClass.CONFIG, text, code=code, field=_WRONG_APP[code])
    if answer.status == 429:
        return CrmError(
            ErrorClass.THROTTLE, words or "Too many sign-ins.", code=code, retry_after=retry_after(answer.headers)
        )
    if said.get("error") and 400 <= answer.status < 500:
        return CrmError(ErrorClass.CONFIG, f"Salesforce refused the sign-in: {words or code}.", code=code)
    start = " ".join(answer.content[:300].decode("utf-8", "replace").split())[:120]
    return CrmError(ErrorClass.RETRY, f"Salesforce answered the sign-in with {answer.status}: {start!r}.", code=code)
