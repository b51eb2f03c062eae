"""Signing in at Zoho (crm/zoho.md 2.2): errors come with HTTP 200, and the code belongs to the server that gave it."""

from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlencode

from site2crm.connectors.contract import CrmError, ErrorClass
from site2crm.connectors.grants import AuthContext, Grant
from site2crm.connectors.wire import is_host_of, json_object, send_form
from site2crm.connectors.zoho import centres
from site2crm.core.http import Response
from site2crm.kit import clock

RIGHTS = (
    "ZohoCRM.modules.ALL",
    "ZohoCRM.users.READ",
    "ZohoCRM.org.READ",
    "ZohoCRM.settings.fields.READ",
    "ZohoCRM.settings.layouts.READ",
    "ZohoCRM.settings.pipeline.READ",
    "ZohoCRM.coql.READ",
    "ZohoCRM.notifications.ALL",
)
REFRESHES_WAIT = timedelta(minutes=10)
"""After ten refreshes within ten minutes nothing is given until they are over."""
_ACCESS_LIVES_S = 3600
_LONGEST_S = 366 * 86_400
_WORDS = {
    "invalid_client": (
        ErrorClass.CONFIG, "client_id",
        "Zoho does not know this client id in this data centre. Check both; an app for several data centres needs "
        "Multi-DC switched on in the API console.",
    ),
    "invalid_client_secret": (
        ErrorClass.CONFIG, "client_secret",
        "Zoho does not take the client secret. Copy it again; with Multi-DC each data centre may have its own.",
    ),
    "invalid_redirect_uri": (
        ErrorClass.CONFIG, "client_id",
        "The app at Zoho is registered with another redirect address. Enter ours in the API console.",
    ),
    "invalid_code": (
        ErrorClass.REAUTH, None, "Zoho does not know this sign-in any more: it was taken back, or it waited too long.",
    ),
    "access_denied": (ErrorClass.REAUTH, None, "The access was declined at Zoho."),
}  # fmt: skip


class ZohoAuth:
    """The app of the operator or the customer, in one data centre."""

    def __init__(self, context: AuthContext) -> None:
        self._context = context
        self._centre = centres.chosen(context.settings.get("data_centre", ""))

    def authorize_url(self, *, state: str, redirect_uri: str, challenge: str) -> str:
        """Without `access_type` and `prompt` there would be no refresh token. Zoho has no PKCE."""
        query = {
            "response_type": "code",
            "client_id": self._context.app.client_id,
            "scope": ",".join(RIGHTS),
            "redirect_uri": redirect_uri,
            "access_type": "offline",
            "prompt": "consent",
            "state": state,
        }
        return f"{self._context.base_url or self._centre.accounts_url}/oauth/v2/auth?{urlencode(query)}"

    async def exchange(self, callback: Mapping[str, str], *, redirect_uri: str, verifier: str) -> Grant:
        accounts = callback.get("accounts-server") or self._centre.accounts_url
        form = {"grant_type": "authorization_code", "code": callback.get("code", ""), "redirect_uri": redirect_uri}
        said = await self._token(accounts, form)
        refresh = said.get("refresh_token")
        if not isinstance(refresh, str) or not refresh:
            text = "Zoho gave no lasting access. Remove Site2CRM from your Zoho account's apps, and sign in again."
            raise CrmError(ErrorClass.REAUTH, text, code="NO_REFRESH_TOKEN")
        return self._grant(said, refresh=refresh, accounts=accounts, before=None)

    async def refresh(self, grant: Grant) -> Grant:
        """The refresh token stays: the answer holds none."""
        if not grant.refresh:
            raise CrmError(
                ErrorClass.REAUTH, "There is no lasting access. Sign in at Zoho again.", code="NO_REFRESH_TOKEN"
            )
        accounts = grant.extra.get("accounts_server") or self._centre.accounts_url
        said = await self._token(accounts, {"grant_type": "refresh_token", "refresh_token": grant.refresh})
        return self._grant(said, refresh=grant.refresh, accounts=accounts, before=grant)

    async def revoke(self, grant: Grant) -> None:
        accounts = grant.extra.get("accounts_server") or self._centre.accounts_url
        answer = await self._post(accounts, "/oauth/v2/token/revoke", {"token": grant.refresh or grant.access})
        if answer.status >= 500:
            raise CrmError(ErrorClass.RETRY, f"Zoho answered {answer.status} to the disconnection.", code="revoke")

    async def _token(self, accounts: str, form: Mapping[str, str]) -> dict[str, object]:
        app = self._context.app
        sent = {"client_id": app.client_id, "client_secret": app.client_secret, **form}
        answer = await self._post(accounts, "/oauth/v2/token", sent)
        said = json_object(answer.content)
        if said is None:
            raise CrmError(
                ErrorClass.RETRY, f"Zoho's accounts server answered {answer.status} with a page.", code="not_json"
            )
        if said.get("error") or not isinstance(said.get("access_token"), str):
            raise _refusal(said, answer.status)
        return said

    async def _post(self, accounts: str, path: str, form: Mapping[str, str]) -> Response:
        """In the body, so that no secret gets into a log of addresses."""
        url = (self._context.base_url or accounts).rstrip("/") + path
        return await send_form(self._context, url, form, hosts=centres.ACCOUNTS_HOSTS)

    def _grant(self, said: Mapping[str, object], *, refresh: str, accounts: str, before: Grant | None) -> Grant:
        api = str(said.get("api_domain") or (before.extra.get("api_domain") if before else "") or "")
        if self._context.base_url is None and not is_host_of(api, centres.API_HOSTS):
            text = f"Zoho sent us to {api[:80] or 'no address'}, which is not an address of its API."
            raise CrmError(ErrorClass.CONFIG, text, code="foreign_host", field="data_centre")
        told = said.get("scope")
        scopes = frozenset(told.replace(",", " ").split()) if isinstance(told, str) else frozenset[str]()
        return Grant(
            access=str(said["access_token"]),
            refresh=refresh,
            expires_at=clock.now() + timedelta(seconds=_lives_s(said.get("expires_in"))),
            scopes=scopes or (before.scopes if before else frozenset()),
            extra={**(before.extra if before else {}), "api_domain": api, "accounts_server": accounts},
        )


def _lives_s(told: object) -> float:
    is_told = isinstance(told, int | float) and not isinstance(told, bool) and 0 < told < _LONGEST_S
    return float(told) if is_told else _ACCESS_LIVES_S  # type: ignore[arg-type]


def _refusal(said: Mapping[str, object], status: int) -> CrmError:
    code = str(said.get("error") or status)
    words = str(said.get("error_description") or code)
    if (code.replace("_", " ").lower() == "access denied" and "too many" in words.lower()) or code == "Access Denied":
        text = f"Zoho gives no access for a while: {words}"
        return CrmError(ErrorClass.THROTTLE, text, code="ACCESS_DENIED", retry_after=REFRESHES_WAIT)
    if known := _WORDS.get(code.lower()):
        kind, field, text = known
        return CrmError(kind, f"{text} Zoho says: {words}.", code=code, field=field)
    kind = ErrorClass.RETRY if status >= 500 or not said.get("error") else ErrorClass.CONFIG
    return CrmError(kind, f"Zoho refused the sign-in: {words}.", code=code)
