"""How a connector calls out: one function that reports each exchange, masks secrets and types network failures."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from email.utils import parsedate_to_datetime
from json import JSONDecodeError, loads
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import msgspec

from site2crm.connectors.contract import Context, CrmError, ErrorClass, Exchange
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
_WELL = frozenset({200, 201, 202, 204})


class Call(NamedTuple):
    """One request to a CRM; `body` is JSON, already encoded."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""
    note: str = ""


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
    if hosts and context.base_url is None and urlsplit(call.url).hostname not in hosts:
        raise CrmError(ErrorClass.CONFIG, f"{call.url} is not a host of this CRM.")
    _stay_in(context.budget)
    async with context.budget.call() as ticket:
        _stay_in(context.budget)  # the limit may have been reached while this call waited
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
    return answer if answer.status in _WELL else _hushed(context, answer)


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
    return Exchange(
        method=call.method,
        url=_mask(context, call.url),
        request_headers={name: _mask(context, value) for name, value in call.headers.items()},
        request_body=_text(context, call.body),
        status=answer.status if answer else status,
        response_headers={k: _mask(context, v) for k, v in answer.headers.items()} if answer else {},
        response_body=_text(context, answer.content) if answer else "",
        elapsed_ms=answer.elapsed_ms if answer else 0,
        error=_mask(context, error) if error else None,
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
    try:
        value = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def embedded_json(text: str) -> object:
    """The JSON that some vendors put into a sentence, from its first bracket on."""
    start = text.find("[")
    try:
        return loads(text[start:]) if start >= 0 else None
    except (JSONDecodeError, RecursionError):
        return None


def _stay_in(budget: Budget) -> None:
    if wait := budget.closed_for:
        text = "The limit for this access is used up for the moment."
        raise CrmError(ErrorClass.THROTTLE, text, code="BUDGET", retry_after=wait)


def _hushed(context: Context, answer: Response) -> Response:
    """A refusal's words are shown and stored: some CRMs repeat the token in them."""
    words = answer.content.decode("utf-8", "surrogateescape")
    return replace(answer, content=_mask(context, words).encode("utf-8", "surrogateescape"))


def _until(date: str) -> timedelta:
    try:
        return parsedate_to_datetime(date) - clock.now()
    except (ValueError, TypeError):
        return timedelta()


def _text(context: Context, body: bytes) -> str:
    # Masked before it is cut, so that no cut goes through a secret.
    text = _mask(context, body.decode("utf-8", "replace").replace("\x00", "\ufffd"))
    return text if len(text) <= BODY_CAP else f"{text[:BODY_CAP]} … ({len(body):,} bytes)"


def _mask(context: Context, text: str) -> str:
    for secret in context.secrets.values():
        for form in {secret, quote(secret, safe="")} if len(secret) >= 4 else ():
            text = text.replace(form, _hint(secret))
    return text


def _hint(secret: str) -> str:
    """Enough to recognise which token it was, and nothing more."""
    return f"••••{secret[-4:]}" if len(secret) >= 16 else "••••"
