"""`POST /f/{form}`: whatever was posted is on the disk before it is answered.

Raw ASGI, ahead of the router; no database. Normalise, append to the journal, wait for the shared fsync, answer.
A browser is sent to the thank-you page (303); everybody else gets 201 `{"id": "sub_..."}`; a repeat or a provider's
test call 200. No rule about spam refuses anything: it is stored with its reason and waits in quarantine.
"""

import asyncio
import hashlib
import re
from typing import Any
from urllib.parse import quote

import msgspec

from site2crm.core import errors, front, ratelimit, security
from site2crm.core.asgi import Receive, Scope, Send
from site2crm.core.config import IpPrivacy
from site2crm.core.errors import AppError
from site2crm.core.journal.contract import JournalBroken, JournalFull
from site2crm.core.machine import Machine
from site2crm.forms.bodies import BodyRefused
from site2crm.forms.errors import FormNotFound
from site2crm.forms.events import SubmissionFrame
from site2crm.forms.hosted import hosted_answer
from site2crm.forms.normalise import Normalised, normalise
from site2crm.forms.recent import Recent
from site2crm.forms.refusal import is_browser, refuse
from site2crm.forms.registry import FormRegistry, FormSpec
from site2crm.kit import clock, ids, urls
from site2crm.links import token

FLOOD_WINDOW_S = 60
RETRY_S = "5"
AGENT_CAP = 400
KEY_CAP = 255
TRAPPED = "Honeypot: the hidden field that people leave empty was filled in."
NO_FORM = (
    "The address may be mistyped, or the form was deleted. "
    "If it is your website, copy the address again from the form's page."
)

_KEY = re.compile(r"[0-9a-z]{6,40}")
_encode = msgspec.msgpack.Encoder().encode

Headers = list[tuple[bytes, bytes]]


class Refused(AppError):
    """A body that cannot be read: told with its own status, code and cure."""

    def __init__(self, refused: BodyRefused) -> None:
        fields = [errors.FieldError(refused.field, refused.detail)] if refused.field else []
        super().__init__(refused.detail, errors=fields)
        self.status, self.code = refused.status, refused.code
        self.title = "The submission could not be read"


class Intake:
    """Everything under `/f/`."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._forms = machine.get(FormRegistry)
        self._recent = Recent(machine.settings.intake.dedupe_window)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        key, _, rest = scope["path"][3:].partition("/")
        form = self._forms.find(key) if _KEY.fullmatch(key) else None
        origin = security.header(scope, b"origin")
        if form is None:
            return await refuse(scope, send, FormNotFound(NO_FORM))
        if scope["method"] == "OPTIONS":
            return await front.respond(send, 204, cors(form, origin, preflight=True), b"")
        if scope["method"] != "POST" or rest:
            return await hosted_answer(self._machine, form, scope, send, part=rest)
        try:
            return await self._submitted(form, scope, receive, send, origin)
        except AppError as error:
            error.headers.update({key.decode(): value.decode() for key, value in cors(form, origin)})
            return await refuse(scope, send, error)

    async def _submitted(self, form: FormSpec, scope: Scope, receive: Receive, send: Send, origin: str) -> None:
        if not form.admits(origin if origin != "null" else None):
            raise errors.Forbidden(
                f"{origin[:200]} may not post to this form. Add it to the form's allowed origins, or clear the list."
            )
        body = await self._body(scope, receive)
        content_type = security.header(scope, b"content-type")
        if security.header(scope, b"content-encoding") not in {"", "identity"}:
            raise errors.UnsupportedMedia("Send the body without Content-Encoding.")
        lead = self._normalised(form, body, content_type)
        frame = self._frame(form, scope, body, content_type, lead)
        scope["state"]["submission"] = frame.id
        repeat = await self._stored(frame, scope)
        await _answer(form, scope, send, frame, repeat=repeat)

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        server = self._machine.settings.server
        declared = security.header(scope, b"content-length")
        if declared.isdigit() and int(declared) > server.max_body:
            raise _too_large(server.max_body)
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(server.body_timeout):
                while True:
                    message: Any = await receive()
                    if message["type"] == "http.disconnect":
                        raise errors.BadRequest("The connection was closed before the whole body had arrived.")
                    part = message.get("body", b"")
                    size += len(part)
                    if size > server.max_body:
                        raise _too_large(server.max_body)
                    parts.append(part)
                    if not message.get("more_body"):
                        return b"".join(parts)
        except TimeoutError as error:
            raise errors.RequestTimeout from error

    def _normalised(self, form: FormSpec, body: bytes, content_type: str) -> Normalised:
        try:
            return normalise(
                body,
                content_type,
                field_map=form.field_map,
                form_fields=form.types,
            )
        except BodyRefused as refused:
            raise Refused(refused) from refused

    def _frame(self, form: FormSpec, scope: Scope, body: bytes, content_type: str, lead: Normalised) -> SubmissionFrame:
        address = scope["state"]["address"]
        status, reason = self._judged(form, address, lead)
        body_hash = hashlib.sha256(body).hexdigest()
        key = _repeat_key(scope, lead)
        kept_address = self._kept_address(lead.ip or address)
        lead.ip = None  # the whole address reaches no disk unless [privacy] ip keeps it
        return SubmissionFrame(
            version=1,
            id=ids.derived("sub", form.id, key) if key else ids.new("sub"),
            org_id=form.org_id,
            form_id=form.id,
            received_at=clock.unix(),
            status=status,
            reason=reason,
            content_type=content_type[:200],
            body=body,
            body_hash=body_hash,
            address=kept_address,
            user_agent=security.header(scope, b"user-agent")[:AGENT_CAP],
            origin=_sent_from(scope)[:AGENT_CAP],
            normalised=lead,
            country=form.country,
            request_id=scope["state"]["request_id"],
        )

    def _judged(self, form: FormSpec, address: str, lead: Normalised) -> tuple[str, str]:
        """Where it goes: a flood, a bot and a test call are all stored, none of them is delivered."""
        limit = self._machine.settings.intake.per_address_per_minute
        verdict = self._machine.limits.take(
            f"intake:{form.org_id}:{ratelimit.network(address)}", limit=limit, per_s=FLOOD_WINDOW_S
        )
        if lead.kind == "test":
            return "test", "The form builder's test call."
        if lead.kind == "spam":
            return "quarantined", TRAPPED
        if not verdict.allowed and not lead.provider_id:
            return "quarantined", f"More than {limit} submissions a minute from one address."
        too_fast = self._filled_too_fast(lead)
        return ("quarantined", too_fast) if too_fast else ("accepted", lead.reason)

    def _filled_too_fast(self, lead: Normalised) -> str:
        """Our own pages say when they were opened, our script for how long; a body that says neither is not judged."""
        least = self._machine.settings.intake.min_fill_seconds
        opened = _open_seconds(lead)
        if least and opened is not None and 0 <= opened < least:
            return f"Filled in {opened:.1f} seconds; a person needs at least {least}."
        return ""

    def _kept_address(self, address: str) -> str:
        privacy = self._machine.settings.privacy.ip
        if privacy is IpPrivacy.KEEP:
            return address
        if privacy is IpPrivacy.HASH:
            return self._machine.vault.mac("address", address)[:32]
        return security.shorten(address) if privacy is IpPrivacy.TRUNCATE else ""

    async def _stored(self, frame: SubmissionFrame, scope: Scope) -> bool:
        """On the disk when this returns; True if the same was sent just before, which is then not stored again."""
        same = f"{frame.form_id}:{frame.body_hash}:{scope['state']['address']}"
        known = self._recent.find(frame.id) or self._recent.find(same)
        if known is not None:
            frame.id = await known
            return True
        try:
            done = self._machine.journal.append_durable(_encode(frame))
            self._recent.remember([frame.id, same], frame.id, done)
            await done
        except (JournalFull, JournalBroken) as error:
            self._recent.forget([frame.id, same])
            raise errors.Unavailable(
                "The submission could not be written to the disk. Send it again.", headers={"Retry-After": RETRY_S}
            ) from error
        return False


def _sent_from(scope: Scope) -> str:
    """The website, or where the browser names none the page, without the token of the click that led there."""
    return token.stripped(security.header(scope, b"origin") or security.header(scope, b"referer"))


def _repeat_key(scope: Scope, lead: Normalised) -> str | None:
    """What makes two requests one submission: the sender's key, our embed's, or the form builder's own id."""
    sent = security.header(scope, b"idempotency-key") or lead.ours.get("key", "")
    if sent:
        return sent[:KEY_CAP]
    return f"{lead.provider}:{lead.provider_id}" if lead.provider_id else None


def _open_seconds(lead: Normalised) -> float | None:
    """How long the visitor had the form before them."""
    milliseconds, opened_at = lead.ours.get("open_ms", ""), lead.ours.get("at", "")
    if milliseconds.isdecimal() and len(milliseconds) < 12:
        return int(milliseconds) / 1000
    if opened_at.isdecimal() and len(opened_at) < 12:
        return clock.unix() - int(opened_at)
    return None


def _too_large(cap: int) -> errors.TooLarge:
    return errors.TooLarge(f"At most {cap // 1024:,} KiB. Send files elsewhere and post their address.")


async def _answer(form: FormSpec, scope: Scope, send: Send, frame: SubmissionFrame, *, repeat: bool) -> None:
    """A bot is answered like everybody: it learns nothing."""
    origin = security.header(scope, b"origin")
    if is_browser(scope):
        target = thanks_url(form, frame.normalised.redirect_to)
        headers = [(b"location", target.encode()), (b"cache-control", b"no-store")]
        return await front.respond(send, 303, headers, b"")
    done_before = repeat or frame.status == "test"
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), *cors(form, origin)]
    return await front.respond(send, 200 if done_before else 201, headers, b'{"id":"%s"}' % frame.id.encode())


def thanks_url(form: FormSpec, wanted: str | None) -> str:
    """Where the visitor goes next. A posted `_next` counts only towards an origin the form names: no open redirect."""
    if wanted and urls.is_http_url(wanted) and form.origins:
        origin = urls.origin(wanted)
        if origin is not None and form.admits(origin):
            return quote(wanted, safe="%/:?#[]@!$&'()*+,;=~")
    return form.redirect_url or f"/f/{form.key}/thanks"


def cors(form: FormSpec, origin: str, *, preflight: bool = False) -> Headers:
    """Other websites may read the answer; never with credentials."""
    if not form.admits(origin if origin != "null" else None):
        return []
    allowed = origin if form.origins and origin else "*"
    headers = [(b"access-control-allow-origin", allowed.encode("latin-1")), (b"vary", b"origin")]
    if preflight:
        headers += [
            (b"access-control-allow-methods", b"POST"),
            (b"access-control-allow-headers", b"content-type, idempotency-key"),
            (b"access-control-max-age", b"86400"),
        ]
    return headers
