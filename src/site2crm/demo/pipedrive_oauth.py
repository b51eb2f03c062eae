"""Sign-in at the invented Pipedrive: consent page, codes used once, access tokens that expire, refresh tokens.

The token answer's facts are Pipedrive's: HTTP Basic, scopes separated by commas, `api_domain`, no PKCE.
"""

import base64
import hmac
import html
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

from site2crm.demo.server import Answer, Request
from site2crm.kit import clock

CODE_LIFE = timedelta(minutes=5)
ACCESS_LIFE = timedelta(minutes=60)
REFRESH_LIFE = timedelta(days=60)
SCOPES = (
    "base", "contacts:full", "deals:full", "leads:full", "activities:read", "users:read", "search:read", "admin",
)  # fmt: skip


@dataclass
class _Code:
    redirect_uri: str
    until: datetime


@dataclass
class Access:
    scopes: frozenset[str]
    until: datetime


@dataclass
class OAuth:
    """`rotates`: each refresh gives a new refresh token and ends the one before."""

    api_domain: str
    client_id: str = "demo-app"
    client_secret: str = "demo-secret"
    scopes: tuple[str, ...] = SCOPES
    rotates: bool = False
    access: dict[str, Access] = field(default_factory=dict)
    refresh: dict[str, datetime] = field(default_factory=dict)
    _codes: dict[str, _Code] = field(default_factory=dict)

    def answer(self, request: Request) -> Answer:
        match request.method, request.path:
            case "GET", "/oauth/authorize":
                return self._authorize(request)
            case "POST", "/oauth/token":
                return self._token(request)
            case "POST", "/oauth/revoke":
                return self._revoke(request)
        return Answer(404, {"success": False, "error": "Not found"})

    def granted(self, token: str) -> Access | None:
        """What an access token may do; None if it has expired or never was one."""
        found = self.access.get(token)
        return found if found and found.until > clock.now() else None

    def issue(self) -> dict[str, Any]:
        """The tokens of a sign-in, without its pages."""
        refresh = f"123:456:{secrets.token_hex(20)}"
        self.refresh[refresh] = clock.now() + REFRESH_LIFE
        return self._issued(refresh)

    def expire(self) -> None:
        """All access tokens, at once."""
        self.access.clear()

    def uninstall(self) -> None:
        """As when somebody removes the app in the account."""
        self.access.clear()
        self.refresh.clear()

    def notice(self, company_id: int) -> tuple[dict[str, str], dict[str, Any]]:
        """What Pipedrive sends to the redirect address by DELETE when somebody removes the app."""
        proof = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        at = clock.now().strftime("%Y-%m-%dT%H:%M:%S.000Z")
        body = {"client_id": self.client_id, "company_id": company_id, "user_id": 1, "timestamp": at}
        return {"Authorization": f"Basic {proof}"}, body

    def _authorize(self, request: Request) -> Answer:
        asked = request.query
        if asked.get("client_id") != self.client_id or not asked.get("redirect_uri"):
            return _page(400, "<h1>This app is not known</h1>")
        back, state = asked["redirect_uri"], {"state": asked["state"]} if "state" in asked else {}
        if "deny" in asked:
            return Answer(302, None, {"Location": f"{back}?{urlencode({'error': 'user_denied', **state})}"})
        if "allow" in asked:
            code = secrets.token_hex(20)
            self._codes[code] = _Code(back, clock.now() + CODE_LIFE)
            return Answer(302, None, {"Location": f"{back}?{urlencode({'code': code, **state})}"})
        here = html.escape(request.target)
        scopes = "".join(f"<li>{html.escape(scope)}</li>" for scope in self.scopes)
        return _page(
            200,
            f"<h1>Allow Site2CRM to use Acme Ltd?</h1><ul>{scopes}</ul>"
            f'<p><a href="{here}&amp;allow=1">Allow</a> <a href="{here}&amp;deny=1">Cancel</a></p>',
        )

    def _token(self, request: Request) -> Answer:
        form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        if not self._is_app(request):
            return _refused("invalid_client", "Invalid client: client is invalid")
        match form.get("grant_type"):
            case "authorization_code":
                code = self._codes.pop(form.get("code", ""), None)
                if code is None or code.until < clock.now():
                    return _refused("invalid_grant", "Invalid grant: authorization code is invalid")
                if code.redirect_uri != form.get("redirect_uri"):
                    return _refused("invalid_grant", "Invalid grant: redirect_uri does not match")
                return Answer(200, self.issue())
            case "refresh_token":
                return self._refreshed(form.get("refresh_token", ""))
        return _refused("invalid_request", "Invalid request: grant_type is missing")

    def _refreshed(self, refresh: str) -> Answer:
        until = self.refresh.get(refresh)
        if until is None or until < clock.now():
            return _refused("invalid_grant", "Invalid grant: refresh_token is invalid")
        if self.rotates:
            del self.refresh[refresh]
            return Answer(200, self.issue())
        self.refresh[refresh] = clock.now() + REFRESH_LIFE
        return Answer(200, self._issued(refresh))

    def _issued(self, refresh: str) -> dict[str, Any]:
        access = f"v1u:{secrets.token_hex(40)}"
        self.access[access] = Access(frozenset(self.scopes), clock.now() + ACCESS_LIFE)
        return {
            "access_token": access, "token_type": "Bearer", "refresh_token": refresh, "scope": ",".join(self.scopes),
            "expires_in": int(ACCESS_LIFE.total_seconds()) - 1, "api_domain": self.api_domain,
        }  # fmt: skip

    def _revoke(self, request: Request) -> Answer:
        form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        if self._is_app(request) and form.get("token") in self.refresh:
            self.uninstall()
        return Answer(200, None)

    def _is_app(self, request: Request) -> bool:
        wanted = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        return hmac.compare_digest(request.headers.get("authorization", ""), f"Basic {wanted}")


def _refused(error: str, message: str) -> Answer:
    return Answer(400, {"success": False, "message": message, "error": error})


def _page(status: int, body: str) -> Answer:
    text = f"<!doctype html><html lang=en><meta charset=utf-8><title>Pipedrive (demo)</title><body>{body}</body></html>"
    return Answer(status, text.encode(), {"Content-Type": "text/html; charset=utf-8"})
