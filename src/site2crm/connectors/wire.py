"""How a connector calls out: one function that reports each exchange, masks secrets and types network failures."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from site2crm.connectors.contract import Context, CrmError, ErrorClass, Exchange
from site2crm.connectors.grants import AuthContext, Grant
from site2crm.connectors.pacing import Budget, Ticket
from site2crm.core.http import (
    AddressRefused,
    OutboundError,
    OutboundTimeout,
    Response,
    ResponseTooLarge,
)
from site2crm.kit import clock

BODY_CAP = 16 * 1024
LONGEST_WAIT = timedelta(hours=24)
_JSON = msgspec.json.Decoder()
_LONGEST_LIST = 2**31
_LONGEST_COUNT = 10
_TAGS = re.compile(r"(?is)<(head|script|style)\b.*?(</\1>|$)|<!--.*?-->|<[^>]*>?")
_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
_WELL = frozenset({200, 201, 202, 204})
_TOLD = frozenset({"grant_type", "redirect_uri", "client_id", "token_type_hint", "scope"})
"""What a sign-in sends that is no secret."""


class Call(NamedTuple):
    """One request to a CRM; `body` is already encoded. `secret`: a token in it that is not among the settings."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""
    note: str = ""
    secret: str = ""


async def send(
    context: Context,
    call: Call,
    *,
    hosts: Collection[str] = (),
    timeout_s: float | None = None,
    max_bytes: int | None = None,
    answered: Callable[[Response, Ticket], None] | None = None,
) -> Response:
    """Send one call when the budget allows it, and report the exchange, whatever becomes of it.

    Raises CrmError(THROTTLE) without an exchange while the vendor's limit is used up for longer than a moment.
    """
    if hosts and context.base_url is None and not is_host_of(call.url, hosts):
        raise _foreign(call.url)
    stay_in(context.budget)
    async with context.budget.call() as ticket:
        stay_in(context.budget)  # the limit may have been reached while this call waited
        try:
            answer = await context.http.request(
                call.method,
                call.url,
                headers=call.headers,
                content=call.body or None,
                timeout_s=timeout_s,
                max_bytes=max_bytes,
            )
        except OutboundError as error:
            status = error.status if isinstance(error, ResponseTooLarge) else None
            context.on_exchange(masked(context, call, status=status, error=str(error)))
            raise
        context.on_exchange(masked(context, call, answer=answer))
        if answered is not None:
            answered(answer, ticket)
    return answer if answer.status in _WELL else _hushed(context, call, answer)


async def send_granted(
    context: Context,
    make: Callable[[Grant], Call],
    *,
    is_stale: Callable[[Response], bool],
    hosts: Collection[str] = (),
    max_bytes: int | None = None,
    answered: Callable[[Response, Ticket], None] | None = None,
) -> Response:
    """As `send`, for a connection that was made by signing in: a refused grant is renewed, once, and the call repeated.

    Raises CrmError(REAUTH) where the vendor gives none any more.
    """
    if context.grants is None:
        raise CrmError(ErrorClass.REAUTH, "Nobody has signed in for this connection yet.", code="NO_GRANT")
    grant = await context.grants.current()
    limits: dict[str, Any] = {"hosts": hosts, "max_bytes": max_bytes, "answered": answered}
    answer = await send(context, make(grant)._replace(secret=grant.access), **limits)
    if not is_stale(answer):
        return answer
    grant = await context.grants.renewed(grant)
    return await send(context, make(grant)._replace(secret=grant.access), **limits)


async def send_form(
    context: AuthContext,
    url: str,
    form: Mapping[str, str],
    *,
    hosts: Collection[str],
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A call of a vendor's sign-in (token, introspect, revoke). No record is kept of it, for it is made of secrets.

    The words of a refusal come without what was sent. Raises CrmError: CONFIG for a foreign host, RETRY for the net.
    """
    if context.base_url is None and not is_host_of(url, hosts):
        raise _foreign(url)
    sent = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json", **(headers or {})}
    try:
        answer = await context.http.request("POST", url, headers=sent, content=urlencode(form).encode())
    except OutboundError as error:
        raise network_error(error) from error
    if answer.status in _WELL:
        return answer
    said = [value for name, value in form.items() if name not in _TOLD]
    return _without(_in_every_form([*said, context.app.client_secret, sent.get("Authorization", "")]), answer)


def stay_in(budget: Budget) -> None:
    """Raises CrmError(THROTTLE) while nothing may be sent."""
    if wait := budget.closed_for:
        text = "The limit for this access is used up for the moment."
        raise CrmError(ErrorClass.THROTTLE, text, code="BUDGET", retry_after=wait)


def is_host_of(url: str, hosts: Collection[str]) -> bool:
    """Whether a URL, which may be a vendor's own word, leads to one of these; ".a.example" is any host below it.

    Only https on its usual port: a token never leaves over anything else.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    if parts.scheme != "https" or port not in (None, 443) or parts.username is not None:
        return False
    if _HOST.fullmatch(host) is None:
        return False  # where a backslash or a blank is, others read another host
    return any(host == known or (known.startswith(".") and host.endswith(known)) for known in hosts)


def network_error(error: OutboundError) -> CrmError:
    """A refused address is for the admin to settle; every other failure may pass."""
    if isinstance(error, AddressRefused):
        return CrmError(ErrorClass.CONFIG, str(error), code="address_refused")
    code = "timeout" if isinstance(error, OutboundTimeout) else "network"
    return CrmError(ErrorClass.RETRY, str(error), code=code)


def masked(
    context: Context,
    call: Call,
    *,
    answer: Response | None = None,
    status: int | None = None,
    error: str | None = None,
) -> Exchange:
    """The exchange without secrets and with short bodies; without an answer: a preview or a failure."""
    hush = partial(_mask, _secrets(context, call))
    return Exchange(
        method=call.method,
        url=hush(call.url),
        request_headers={name: hush(value) for name, value in call.headers.items()},
        request_body=_text(hush, call.body),
        status=answer.status if answer else status,
        response_headers={k: hush(v) for k, v in answer.headers.items()} if answer else {},
        response_body=_text(hush, answer.content) if answer else "",
        elapsed_ms=answer.elapsed_ms if answer else 0,
        error=hush(error) if error else None,
        note=call.note,
    )


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """The wait that the other side asks for (seconds or a date), at most a day."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        wait = timedelta(seconds=float(text))
    except (ValueError, OverflowError):
        wait = _until(text)
    return min(max(wait, timedelta()), LONGEST_WAIT)


def json_object(content: bytes) -> dict[str, object] | None:
    """The JSON object in a body, or None for anything else (HTML, half a document, a list)."""
    value = decoded(content)
    return value if isinstance(value, dict) else None


def decoded(content: bytes, decoder: msgspec.json.Decoder[Any] = _JSON) -> object:
    """The JSON in a body, or None for what is none: another encoding, a number without end."""
    try:
        return decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def whole(value: object) -> int | None:
    """How many there are, or the place in a list; None for what is no such number."""
    return value if isinstance(value, int) and abs(value) < _LONGEST_LIST else None


def count(headers: Mapping[str, str], name: str) -> int | None:
    """How many there are, as a header says it; None for what is no such number."""
    return counted(headers.get(name, ""))


def counted(text: str) -> int | None:
    """What a count is that is written in digits; None for what is no such number."""
    return int(text) if text.isdecimal() and len(text) < _LONGEST_COUNT else None


def unreadable(crm: str, answer: Response) -> str:
    """What came instead of an answer, for people to read: a page's words without its tags."""
    text = answer.content[:4_000].decode("utf-8", "replace")
    what = "a web page" if text.lstrip()[:1] == "<" else "something that cannot be read"
    words = " ".join(_TAGS.sub(" ", text).split())[:120]
    return f"{crm} answered {answer.status} {f'with {what}: “{words}”' if words else 'and said nothing'}."


def embedded_json(text: str) -> object:
    """The JSON that some vendors put into a sentence, from its first bracket on."""
    start = text.find("[")
    return decoded(text[start:].encode("utf-8", "replace")) if start >= 0 else None


def _hushed(context: Context, call: Call, answer: Response) -> Response:
    """A refusal's words are shown and stored: some CRMs repeat the token in them."""
    return _without(_secrets(context, call), answer)


def _without(secrets: Collection[str], answer: Response) -> Response:
    words = answer.content.decode("utf-8", "surrogateescape")
    return replace(answer, content=_mask(secrets, words).encode("utf-8", "surrogateescape"))


def _foreign(url: str) -> CrmError:
    return CrmError(ErrorClass.CONFIG, f"{urlsplit(url).hostname} is not a host of this CRM.", code="foreign_host")


def _until(date: str) -> timedelta:
    try:
        return parsedate_to_datetime(date) - clock.now()
    except (ValueError, TypeError, OverflowError):
        return timedelta()


def _text(hush: Callable[[str], str], body: bytes) -> str:
    # Masked before it is cut, so that no cut goes through a secret.
    text = hush(body.decode("utf-8", "replace").replace("\x00", "\ufffd"))
    return text if len(text) <= BODY_CAP else f"{text[:BODY_CAP]} … ({len(body):,} bytes)"


def _secrets(context: Context, call: Call) -> set[str]:
    return _in_every_form((*context.secrets.values(), call.secret))


def _in_every_form(secrets: Collection[str]) -> set[str]:
    """In which a call may carry them."""
    plain = {secret for secret in secrets if len(secret) >= 4}
    return plain | {quote(secret, safe="") for secret in plain}


def _mask(secrets: Collection[str], text: str) -> str:
    for secret in secrets:
        text = text.replace(secret, _hint(secret))
    return text


def _hint(secret: str) -> str:
    """Enough to recognise which token it was, and nothing more."""
    return f"••••{secret[-4:]}" if len(secret) >= 16 else "••••"
