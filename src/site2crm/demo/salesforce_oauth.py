"""The sign-in of the invented Salesforce: consent page, codes used once, PKCE, tokens that end, rotation, revoke."""

import base64
import hashlib
import html
import itertools
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from site2crm.demo.server import Answer, Request
from site2crm.kit import clock

CLIENT_ID = "3MVG9_fake_consumer_key"
CLIENT_SECRET = "fake-consumer-secret-0001"
SCOPES = "api refresh_token openid"
SESSION_S = 7200.0
"""How long an access token lasts; no answer tells."""


@dataclass
class _Code:
    redirect_uri: str
    challenge: str


@dataclass
class SignIn:
    """`rotates`: a refresh token is good once. `redirect_uris` None: any."""

    organization_id: str
    user_id: str
    instance_url: str
    redirect_uris: set[str] | None = None
    needs_pkce: bool = True
    rotates: bool = False
    session_s: float = SESSION_S
    access: dict[str, float] = field(default_factory=dict)
    """Token -> until when it is good."""
    refresh: set[str] = field(default_factory=set)
    refreshed: int = 0
    _codes: dict[str, _Code] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def is_good(self, token: str) -> bool:
        return self.access.get(token, 0.0) > clock.unix()

    def give_access(self) -> str:
        token = f"{self.organization_id[:15]}!AQ.fake-access-{next(self._numbers):06}"
        self.access[token] = clock.unix() + self.session_s
        return token

    def give_refresh(self) -> str:
        token = f"5Aep861.fake-refresh-{next(self._numbers):06}"
        self.refresh.add(token)
        return token

    def answer(self, request: Request) -> Answer | None:
        match request.method, request.raw_path:
            case "GET", "/services/oauth2/authorize":
                return self._authorize(request)
            case "POST", "/services/oauth2/token":
                return self._token(dict(parse_qsl(request.body.decode(), keep_blank_values=True)))
            case "POST", "/services/oauth2/revoke":
                return self._revoke(dict(parse_qsl(request.body.decode())))
        return None

    def _authorize(self, request: Request) -> Answer:
        """A page with one link that leads back; `allow=1` goes there at once."""
        asked = request.query
        wrong = self._fault_of(asked)
        if wrong:
            return _page(f"<p>error={wrong[0]}&amp;error_description={html.escape(wrong[1])}</p>", status=400)
        code = f"aPrx.fake-code-{next(self._numbers):06}"
        self._codes[code] = _Code(asked["redirect_uri"], asked.get("code_challenge", ""))
        there = f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked.get('state', '')})}"
        if asked.get("allow") == "1":
            return Answer(302, None, {"Location": there})
        return _page(f'<p>Allow access?</p><p><a href="{html.escape(there)}">Allow</a></p>')

    def _fault_of(self, asked: dict[str, str]) -> tuple[str, str] | None:
        if asked.get("client_id") != CLIENT_ID:
            return "invalid_client_id", "client identifier invalid"
        redirect = asked.get("redirect_uri", "")
        if not redirect or (self.redirect_uris is not None and redirect not in self.redirect_uris):
            return "redirect_uri_mismatch", "redirect_uri must match configuration"
        if asked.get("response_type") != "code":
            return "unsupported_response_type", "response type not supported"
        if self.needs_pkce and (not asked.get("code_challenge") or asked.get("code_challenge_method") != "S256"):
            return "invalid_request", "missing required code challenge"
        return None

    def _token(self, said: dict[str, str]) -> Answer:
        if said.get("client_id") != CLIENT_ID:
            return _refusal("invalid_client_id", "client identifier invalid")
        if said.get("client_secret") != CLIENT_SECRET:
            return _refusal("invalid_client", "invalid client credentials")
        match said.get("grant_type"):
            case "authorization_code":
                return self._exchange(said)
            case "refresh_token":
                return self._refresh(said.get("refresh_token", ""))
        return _refusal("unsupported_grant_type", "grant type not supported")

    def _exchange(self, said: dict[str, str]) -> Answer:
        code = self._codes.pop(said.get("code", ""), None)
        if code is None:
            return _refusal("invalid_grant", "expired authorization code")
        if said.get("redirect_uri") != code.redirect_uri:
            return _refusal("redirect_uri_mismatch", "redirect_uri must match configuration")
        digest = hashlib.sha256(said.get("code_verifier", "").encode()).digest()
        if code.challenge and base64.urlsafe_b64encode(digest).decode().rstrip("=") != code.challenge:
            return _refusal("invalid_grant", "invalid code verifier")
        return self._granted(self.give_refresh())

    def _refresh(self, token: str) -> Answer:
        if token not in self.refresh:
            return _refusal("invalid_grant", "expired access/refresh token")
        self.refreshed += 1
        if not self.rotates:
            return self._granted(None)
        self.refresh.discard(token)
        return self._granted(self.give_refresh())

    def _granted(self, refresh: str | None) -> Answer:
        body = {
            "access_token": self.give_access(), "signature": "fake", "scope": SCOPES, "instance_url": self.instance_url,
            "id": f"https://login.salesforce.com/id/{self.organization_id}/{self.user_id}", "token_type": "Bearer",
            "issued_at": str(int(clock.unix() * 1000)),
        }  # fmt: skip
        return Answer(200, {**body, "refresh_token": refresh} if refresh else body)

    def _revoke(self, said: dict[str, str]) -> Answer:
        token = said.get("token", "")
        if token in self.refresh:
            self.refresh.discard(token)
            self.access.clear()
            return Answer(200)
        if self.access.pop(token, None) is not None:
            return Answer(200)
        return _refusal("unsupported_token_type", "this token is not supported or has been revoked already")


def _refusal(error: str, description: str) -> Answer:
    return Answer(400, {"error": error, "error_description": description})


def _page(body: str, *, status: int = 200) -> Answer:
    page = f"<!doctype html><html lang=en><title>Salesforce</title><body>{body}</body></html>"
    return Answer(status, page.encode(), {"Content-Type": "text/html"})
