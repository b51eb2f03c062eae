"""Zoho's accounts server: consent, codes that work once, access tokens that end, and its limits on refreshing."""

import itertools
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from site2crm.demo.server import Answer, Request
from site2crm.kit import clock

CLIENT_ID, CLIENT_SECRET = "1000.DEMOCLIENT", "demo-client-secret-0000"
REDIRECT = "https://app.example.com/oauth/callback"
CODE_LIVES_S = 120
ACCESS_LIVES_S = 3600
MOST_REFRESH_TOKENS = 20
"""Of one user and one client; one more and the oldest is dead, without a word."""
MOST_REFRESHES = 10
REFRESH_WINDOW_S = 600
_PAGE = """<!doctype html><title>Zoho Accounts</title><h1>Zoho CRM</h1>
<p>Site2CRM would like to access: {scopes}</p><p><a href="{link}">Allow</a></p>"""


@dataclass
class _Code:
    redirect: str
    scopes: set[str]
    offline: bool
    at: float = field(default_factory=clock.unix)


@dataclass
class _Refresh:
    scopes: set[str]
    refreshed: list[float] = field(default_factory=list)


class Accounts:
    """The part of the server under /oauth/v2. `api_domain` and `accounts_server` are what it says about itself."""

    def __init__(self) -> None:
        self.clients = {CLIENT_ID: CLIENT_SECRET}
        self.redirects: set[str] = set()
        """The addresses that the app is registered with; empty: any."""
        self.api_domain = "https://www.zohoapis.eu"
        self.accounts_server = "https://accounts.zoho.eu"
        self.location = "eu"
        self.access_lives_s: float = ACCESS_LIVES_S
        self.access: dict[str, tuple[set[str], float]] = {}
        self.refresh_tokens: dict[str, _Refresh] = {}
        self._codes: dict[str, _Code] = {}
        self._numbers = itertools.count(1)

    def grant(self, scopes: set[str]) -> tuple[str, str]:
        """An access and a refresh token, as a sign-in gives them."""
        refresh = f"1000.refresh-{next(self._numbers)}-{secrets.token_hex(8)}"
        self.refresh_tokens[refresh] = _Refresh(set(scopes))
        while len(self.refresh_tokens) > MOST_REFRESH_TOKENS:
            del self.refresh_tokens[next(iter(self.refresh_tokens))]
        return self._new_access(scopes), refresh

    def scopes_of(self, access: str) -> set[str] | None:
        """None: unknown, ended or taken back."""
        scopes, ends = self.access.get(access, (set(), 0.0))
        return scopes if ends > clock.unix() else None

    def accounts_answer(self, request: Request) -> Answer | None:
        """None: the request is not for this part of the server."""
        match request.method, request.path:
            case "GET", "/oauth/v2/auth":
                return self._consent(request)
            case "POST", "/oauth/v2/token":
                return Answer(200, self._token(dict(parse_qsl(request.body.decode()))))
            case "POST", "/oauth/v2/token/revoke":
                return self._revoke(dict(parse_qsl(request.body.decode())).get("token", ""))
        return None

    def _consent(self, request: Request) -> Answer:
        asked = request.query
        redirect = asked.get("redirect_uri", "")
        if asked.get("client_id") not in self.clients or asked.get("response_type") != "code":
            return _page(400, "Invalid Client ID")
        if not redirect or (self.redirects and redirect not in self.redirects):
            return _page(400, "Invalid Redirect Uri")
        scopes = set(filter(None, asked.get("scope", "").split(",")))
        if not scopes or any(" " in scope for scope in scopes):
            return _page(400, "Scope does not exist")
        if asked.get("allow") != "1":
            link = f"{request.target}&allow=1".replace("&", "&amp;")
            return _page(200, _PAGE.format(scopes=", ".join(sorted(scopes)), link=link))
        code = f"1000.code-{secrets.token_hex(8)}"
        offline = asked.get("access_type") == "offline" and asked.get("prompt") == "consent"
        self._codes[code] = _Code(redirect, scopes, offline)
        back = {"state": asked.get("state", ""), "code": code, "location": self.location,
                "accounts-server": self.accounts_server}  # fmt: skip
        return Answer(302, None, {"Location": f"{redirect}{'&' if '?' in redirect else '?'}{urlencode(back)}"})

    def _token(self, said: dict[str, str]) -> dict[str, Any]:
        """Refusals come with HTTP 200 too."""
        if said.get("client_id") not in self.clients:
            return {"error": "invalid_client"}
        if self.clients[said["client_id"]] != said.get("client_secret"):
            return {"error": "invalid_client_secret"}
        if said.get("grant_type") == "refresh_token":
            return self._refreshed(said.get("refresh_token", ""))
        code = self._codes.pop(said.get("code", ""), None)
        if code is None or code.at + CODE_LIVES_S < clock.unix():
            return {"error": "invalid_code"}
        if code.redirect != said.get("redirect_uri"):
            return {"error": "invalid_redirect_uri"}
        if not code.offline:
            return self._answer(self._new_access(code.scopes), code.scopes)
        access, refresh = self.grant(code.scopes)
        return {**self._answer(access, code.scopes), "refresh_token": refresh}

    def _refreshed(self, token: str) -> dict[str, Any]:
        known = self.refresh_tokens.get(token)
        if known is None:
            return {"error": "invalid_code"}
        now = clock.unix()
        known.refreshed = [at for at in known.refreshed if at > now - REFRESH_WINDOW_S]
        if len(known.refreshed) >= MOST_REFRESHES:
            text = "You have made too many requests continuously. Please try again after some time."
            return {"error": "Access Denied", "error_description": text, "status": "failure"}
        known.refreshed.append(now)
        return self._answer(self._new_access(known.scopes), known.scopes)

    def _answer(self, access: str, scopes: set[str]) -> dict[str, Any]:
        return {"access_token": access, "scope": " ".join(sorted(scopes)), "api_domain": self.api_domain,
                "token_type": "Bearer", "expires_in": int(self.access_lives_s)}  # fmt: skip

    def _new_access(self, scopes: set[str]) -> str:
        access = f"1000.access-{next(self._numbers)}-{secrets.token_hex(12)}"
        self.access[access] = (set(scopes), clock.unix() + self.access_lives_s)
        return access

    def _revoke(self, token: str) -> Answer:
        if self.refresh_tokens.pop(token, None) is None:
            return Answer(400, {"error": "invalid_token"})
        self.access.clear()  # one user signs in here: all access tokens come from the refresh tokens
        return Answer(200, {"status": "success"})


def _page(status: int, text: str) -> Answer:
    return Answer(status, f"<html><body>{text}</body></html>".encode(), {"Content-Type": "text/html"})
