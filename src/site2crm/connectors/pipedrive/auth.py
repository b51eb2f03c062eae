"""Signing in at Pipedrive (crm/pipedrive.md 2.2): scopes are fixed in the app there, and there is no PKCE.

The answer names the address at which the account is called; it is checked before any token goes there.
"""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

from site2crm.connectors.contract import CrmError, ErrorClass
from site2crm.connectors.grants import App, AuthContext, Grant, Withdrawal
from site2crm.connectors.kinds import APP_SECRET
from site2crm.connectors.pipedrive.client import HOSTS
from site2crm.connectors.wire import is_host_of, json_object, retry_after, send_form
from site2crm.core.http import Response
from site2crm.kit import clock

_HOST = "https://oauth.pipedrive.com"
_LONGEST_S = 366 * 86_400


class PipedriveAuth:
    """One app at Pipedrive."""

    def __init__(self, context: AuthContext) -> None:
        self._context = context
        self._base = (context.base_url or _HOST).rstrip("/")

    def authorize_url(self, *, state: str, redirect_uri: str, challenge: str) -> str:
        asked = {"client_id": self._context.app.client_id, "redirect_uri": redirect_uri, "state": state}
        return f"{self._base}/oauth/authorize?{urlencode(asked, quote_via=quote)}"

    async def exchange(self, callback: Mapping[str, str], *, redirect_uri: str, verifier: str) -> Grant:
        form = {"grant_type": "authorization_code", "code": callback.get("code", ""), "redirect_uri": redirect_uri}
        return self._granted(await self._post("token", form), before=None)

    async def refresh(self, grant: Grant) -> Grant:
        if not grant.refresh:
            raise CrmError(ErrorClass.REAUTH, "This sign-in cannot be renewed. Sign in again.", code="NO_REFRESH")
        form = {"grant_type": "refresh_token", "refresh_token": grant.refresh}
        return self._granted(await self._post("token", form), before=grant)

    async def revoke(self, grant: Grant) -> None:
        """Removes the app from the account there. A token that is gone already is answered in the same way."""
        if not grant.refresh:
            return
        answer = await self._post("revoke", {"token": grant.refresh, "token_type_hint": "refresh_token"})
        if answer.status >= 400:
            raise _refusal(answer)

    async def _post(self, name: str, form: Mapping[str, str]) -> Response:
        app = self._context.app
        proof = base64.b64encode(f"{app.client_id}:{app.client_secret}".encode()).decode()
        headers = {"Authorization": f"Basic {proof}"}
        return await send_form(self._context, f"{self._base}/oauth/{name}", form, hosts=HOSTS, headers=headers)

    def _granted(self, answer: Response, *, before: Grant | None) -> Grant:
        told = json_object(answer.content)
        if answer.status != 200 or told is None or not _text(told, "access_token"):
            raise _refusal(answer)
        domain = _text(told, "api_domain").rstrip("/") or (before.extra.get("api_domain", "") if before else "")
        if not is_host_of(domain, HOSTS):
            text = f"Pipedrive's sign-in named {domain[:100] or 'nothing'} as its address, which is not Pipedrive's."
            raise CrmError(ErrorClass.CONFIG, text, code="foreign_host")
        life = told.get("expires_in")
        is_told = isinstance(life, int) and 0 < life < _LONGEST_S
        return Grant(
            access=_text(told, "access_token"),
            refresh=_text(told, "refresh_token") or (before.refresh if before else None),
            expires_at=clock.now() + timedelta(seconds=life) if is_told else None,  # type: ignore[arg-type]
            scopes=frozenset(filter(None, _text(told, "scope").replace(",", " ").split())),
            extra={"api_domain": domain},
        )


def read_withdrawal(headers: Mapping[str, str], body: bytes) -> Withdrawal | None:
    """Somebody uninstalled the app there: told once, by DELETE, proved by the app's own credentials as HTTP Basic."""
    kind, _, given = headers.get("authorization", "").partition(" ")
    told = json_object(body) or {}
    company = told.get("company_id")
    if kind.lower() != "basic" or not isinstance(company, int | str) or isinstance(company, bool):
        return None
    try:
        client_id, _, secret = base64.b64decode(given.strip(), validate=True).decode().partition(":")
    except ValueError:  # no base 64, or no text in it
        return None
    text = "Pipedrive ended this sign-in: somebody removed the app there."
    return Withdrawal(App(client_id, secret), str(company), _moment(told.get("timestamp")), text)


def _moment(value: object) -> datetime | None:
    """The end of the second that is named: whatever was done in it was done before."""
    try:
        moment = datetime.fromisoformat(str(value)) + timedelta(seconds=1)
    except (ValueError, OverflowError):
        return None
    return clock.as_utc(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _refusal(answer: Response) -> CrmError:
    status, told = answer.status, json_object(answer.content) or {}
    text = _text(told, "message") or _text(told, "error") or "nothing that can be read"
    if status == 429:
        return CrmError(ErrorClass.THROTTLE, text, code="429", retry_after=retry_after(answer.headers))
    if not told or not 400 <= status < 500 or status == 408:
        return CrmError(ErrorClass.RETRY, f"Pipedrive's sign-in answered {status}: {text}.", code="not_json")
    if "invalid_grant" in f"{text} {_text(told, 'error')}".lower().replace(" ", "_"):
        return CrmError(ErrorClass.REAUTH, f"Pipedrive ended this sign-in: {text}.", code="invalid_grant")
    text = f"Pipedrive does not accept the app: {text}. Check its client id, its secret and its callback address."
    return CrmError(ErrorClass.CONFIG, text, code="invalid_client", field=APP_SECRET)


def _text(told: Mapping[str, object], name: str) -> str:
    value = told.get(name)
    return value.strip() if isinstance(value, str) else ""
