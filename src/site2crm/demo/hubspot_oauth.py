"""HubSpot's sign-in: the page that asks, codes that work once, tokens that end, and one refresh token for each consent.

What a test sets: `life_s`, `rotates` (a refresh gives another refresh token and ends the old one), `withholds` (rights
that the account does not give). `uninstall()` ends all that was given.
"""

import base64
import hashlib
import html
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from site2crm.demo.server import Answer, Request
from site2crm.kit import clock

CLIENT_ID, CLIENT_SECRET = "b1946ac9-demo-4ed3-app", "demo-app-secret-591785b794601e21"
AUTHORIZE, TOKEN = "/oauth/authorize", "/oauth/2026-09/token"
CODE_LIFE_S = 600


@dataclass
class Consent:
    """One person's yes. `refresh` is today's refresh token."""

    client_id: str
    scopes: tuple[str, ...]
    hub_id: int
    refresh: str


@dataclass
class _Code:
    consent: Consent
    redirect_uri: str
    challenge: str
    until: datetime


class SignIn:
    def __init__(self, *, apps: Mapping[str, str] | None = None, redirect_uris: Iterable[str] = ()) -> None:
        self.apps = dict(apps or {CLIENT_ID: CLIENT_SECRET})
        self.redirect_uris = set(redirect_uris)
        """Those that the app names; none: any."""
        self.life_s = 1800
        self.rotates = False
        self.withholds: set[str] = set()
        self.consents: list[Consent] = []
        self._codes: dict[str, _Code] = {}
        self._tokens: dict[str, tuple[Consent, datetime]] = {}

    def scopes_of(self, token: str) -> set[str] | None:
        """None: unknown, ended or taken back."""
        found = self._tokens.get(token)
        return set(found[0].scopes) if found and found[1] > clock.now() and found[0] in self.consents else None

    def expire(self) -> None:
        """Every access token, now."""
        self._tokens.clear()

    def uninstall(self) -> None:
        """Somebody removed the app from the account."""
        self.consents.clear()
        self._tokens.clear()

    def answer(self, request: Request, hub_id: int) -> Answer | None:
        """None: this is no call of the sign-in."""
        match request.method, request.raw_path:
            case "GET", path if path == AUTHORIZE:
                return self._page(request.query, hub_id)
            case "POST", path if path == AUTHORIZE:
                return self._answered(_form(request), hub_id)
            case "POST", path if path == TOKEN:
                return self._refused(_form(request)) or self._token(_form(request))
            case "POST", path if path == f"{TOKEN}/introspect":
                return self._refused(_form(request)) or self._introspect(_form(request))
            case "POST", path if path == f"{TOKEN}/revoke":
                return self._refused(_form(request)) or self._revoke(_form(request))
        return None

    def _page(self, asked: Mapping[str, str], hub_id: int) -> Answer:
        if fault := self._wrong(asked):
            return _html(400, f"<h1>Authorization failed</h1><p>{html.escape(fault)}</p>")
        hidden = "".join(
            f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
            for name, value in asked.items()
        )
        rights = "".join(f"<li>{html.escape(scope)}</li>" for scope in self._given(asked))
        return _html(
            200,
            f"<h1>Connect the app to HubSpot account {hub_id}</h1><ul>{rights}</ul>"
            f'<form method="post" action="{AUTHORIZE}">{hidden}'
            '<button name="answer" value="yes">Connect app</button> '
            '<button name="answer" value="no">Cancel</button></form>',
        )

    def _answered(self, form: Mapping[str, str], hub_id: int) -> Answer:
        if fault := self._wrong(form):
            return _html(400, f"<h1>Authorization failed</h1><p>{html.escape(fault)}</p>")
        if form.get("answer") != "yes":
            told = {"error": "access_denied", "error_description": "The user did not authorize the app."}
            return _back(form, told)
        return _back(form, {"code": self.consent(form, hub_id=hub_id)})

    def consent(self, asked: Mapping[str, str], *, hub_id: int) -> str:
        """A code, as if somebody had said yes on the page."""
        consent = Consent(asked["client_id"], tuple(self._given(asked)), hub_id, f"r-{secrets.token_hex(20)}")
        self.consents.append(consent)
        code = secrets.token_hex(16)
        challenge = asked.get("code_challenge", "")
        self._codes[code] = _Code(consent, asked["redirect_uri"], challenge, clock.after(CODE_LIFE_S))
        return code

    def _given(self, asked: Mapping[str, str]) -> list[str]:
        wanted = f"{asked.get('scope', '')} {asked.get('optional_scope', '')}".split()
        return [scope for scope in dict.fromkeys(wanted) if scope not in self.withholds]

    def _wrong(self, asked: Mapping[str, str]) -> str:
        if asked.get("client_id") not in self.apps:
            return "We couldn't find the app by its client id."
        uri = asked.get("redirect_uri", "")
        parts = urlsplit(uri)
        if self.redirect_uris and uri not in self.redirect_uris:
            return "The redirect URL doesn't match the one that the app is registered with."
        if parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1"):
            return "The redirect URL has to use https."
        return "" if asked.get("scope") else "The scope parameter is missing."

    def _refused(self, form: Mapping[str, str]) -> Answer | None:
        if self.apps.get(form.get("client_id", "")) == form.get("client_secret"):
            return None
        return _error(401, "invalid_client", "missing or unknown client id, or the secret does not match")

    def _token(self, form: Mapping[str, str]) -> Answer:
        if form.get("grant_type") == "authorization_code":
            return self._exchanged(form)
        consent = next((c for c in self.consents if c.refresh == form.get("refresh_token")), None)
        if consent is None or consent.client_id != form["client_id"]:
            return _error(400, "invalid_grant", "missing or invalid refresh token")
        if self.rotates:
            consent.refresh = f"r-{secrets.token_hex(20)}"
        return self._issued(consent)

    def _exchanged(self, form: Mapping[str, str]) -> Answer:
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or code.until < clock.now() or code.consent.client_id != form["client_id"]:
            return _error(400, "invalid_grant", "missing or unknown auth code")
        if code.redirect_uri != form.get("redirect_uri"):
            return _error(400, "invalid_request", "the redirect_uri is not the one that the code was made for")
        if code.challenge and code.challenge != _challenge(form.get("code_verifier", "")):
            return _error(400, "invalid_grant", "the code_verifier does not match")
        return self._issued(code.consent)

    def _issued(self, consent: Consent) -> Answer:
        token = f"a-{secrets.token_hex(24)}"
        self._tokens[token] = (consent, clock.after(self.life_s))
        return Answer(
            200,
            {
                "token_type": "bearer",
                "access_token": token,
                "refresh_token": consent.refresh,
                "expires_in": self.life_s,
                "token_use": "access_token",
                "hub_id": consent.hub_id,
                "user_id": 99,
                "scopes": list(consent.scopes),
            },
        )

    def _introspect(self, form: Mapping[str, str]) -> Answer:
        scopes = self.scopes_of(form.get("token", ""))
        if scopes is None:
            return Answer(200, {"active": False})
        consent, until = self._tokens[form["token"]]
        left_s = int((until - clock.now()).total_seconds())
        told: dict[str, Any] = {"active": True, "hub_id": consent.hub_id, "hub_domain": "demo.hubspot.example"}
        told |= {"user": "ada@demo.example", "user_id": 99, "app_id": 7, "scopes": sorted(scopes)}
        return Answer(200, {**told, "expires_in": left_s, "token_use": "access_token"})

    def _revoke(self, form: Mapping[str, str]) -> Answer:
        token = form.get("token", "")
        held = self._tokens.pop(token, None)
        self.consents = [c for c in self.consents if c.refresh != token and (held is None or c is not held[0])]
        return Answer(200)


def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _back(asked: Mapping[str, str], told: Mapping[str, str]) -> Answer:
    uri, state = asked["redirect_uri"], asked.get("state", "")
    query = urlencode({**told, "state": state} if state else told)
    return Answer(302, b"", {"Location": f"{uri}{'&' if '?' in uri else '?'}{query}"})


def _error(status: int, error: str, text: str) -> Answer:
    return Answer(status, {"error": error, "error_description": text})


def _html(status: int, body: str) -> Answer:
    head = "<meta charset=utf-8><title>HubSpot</title><link rel=icon href=data:,>"
    page = f"<!doctype html><html lang=en>{head}<body>{body}</body></html>"
    return Answer(status, page.encode(), {"Content-Type": "text/html; charset=utf-8"})
