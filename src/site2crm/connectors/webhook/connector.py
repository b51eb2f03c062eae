"""The custom CRM: one signed POST per lead; the answer may carry the record's id and address."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from urllib.parse import urlsplit

import msgspec

from site2crm.connectors.contract import (
    Account,
    Act,
    Caps,
    Context,
    CrmError,
    ErrorClass,
    Exchange,
    FieldDef,
    Kind,
    PersonIn,
    Value,
    Written,
)
from site2crm.connectors.webhook.signing import key_of, sign
from site2crm.connectors.wire import Call, json_object, masked, network_error, retry_after, send
from site2crm.core.http import AddressRefused, OutboundError, Response, ResponseTooLarge, check_form
from site2crm.kit import clock, ids

TIMEOUT_S = 20.0
ANSWER_BYTES = 64_000
LONGEST_ID, LONGEST_URL = 200, 2_000
CAPS = Caps(static_key=True, custom_key=True, pushes=True, activities=frozenset(Act))

# 409 is how careful receivers answer while the first try of the same webhook-id is still at work.
_PASSING = {408, 409, 425, 429}
_SUGGESTED = (
    ("email", "E-mail"),
    ("first_name", "First name"),
    ("last_name", "Last name"),
    ("phone", "Phone"),
    ("company", "Company"),
    ("message", "Message"),
)


class WebhookCrm:
    """One receiver."""

    caps = CAPS

    def __init__(self, context: Context) -> None:
        self._url = context.settings.get("url", "").strip()
        try:
            check_form(self._url)
        except AddressRefused as error:
            raise CrmError(ErrorClass.CONFIG, str(error), field="url") from error
        key = key_of(context.secrets.get("secret", "").strip())
        if key is None:
            text = "A signing secret is whsec_ followed by base64 of 24 to 64 bytes."
            raise CrmError(ErrorClass.CONFIG, text, field="secret")
        self._key = key
        self._context = context

    async def verify(self) -> Account:
        """Send a signed ping; any 2xx will do."""
        body = {"type": "ping", "timestamp": _stamp(clock.now()), "data": {}}
        await self._post(self._call(ids.new("png"), body))
        host = urlsplit(self._url).hostname or self._url
        return Account(id=host, name=host)

    async def fields(self, kind: Kind) -> Sequence[FieldDef]:
        """Suggestions only: the receiver takes whatever names the mapping gives."""
        return [FieldDef(key, label, "text") for key, label in _SUGGESTED] if kind is Kind.PERSON else []

    async def upsert_people(self, people: Sequence[PersonIn]) -> Sequence[Written]:
        return [await self._deliver(person) for person in people]

    def preview(self, person: PersonIn) -> Sequence[Exchange]:
        return [masked(self._context, self._person_call(person))]

    async def _deliver(self, person: PersonIn) -> Written:
        try:
            answer = await self._post(self._person_call(person))
        except CrmError as error:
            return Written(person.ref, error=error)
        said = json_object(answer.content) if answer else None
        id, url = (said or {}).get("id"), (said or {}).get("url")
        return Written(
            person.ref,
            id=str(id) if _is_id(id) else person.known_id,
            created=person.known_id is None,
            url=url if isinstance(url, str) and _is_web(url) else None,
        )

    def _person_call(self, person: PersonIn) -> Call:
        fields = {name: _plain(value) for name, value in person.fields.items() if value not in (None, "")}
        data = {**fields, "lead_id": person.lead, "submission_id": person.submission}
        if person.known_id:
            data["id"] = person.known_id
        body = {"type": "lead.created", "timestamp": _stamp(person.at or clock.now()), "data": data}
        return self._call(person.ref, body)

    def _call(self, id: str, payload: object) -> Call:
        body = msgspec.json.encode(payload)
        signature = sign(self._key, body, id=id, timestamp=int(clock.unix()))
        return Call("POST", self._url, {"Content-Type": "application/json", **signature}, body)

    async def _post(self, call: Call) -> Response | None:
        """The answer, None if it was a 2xx with more to say than anybody wants to read."""
        try:
            answer = await send(self._context, call, timeout_s=TIMEOUT_S, max_bytes=ANSWER_BYTES)
        except ResponseTooLarge as error:
            if 200 <= error.status < 300:
                return None
            raise _refusal(error.status, str(error)) from error
        except OutboundError as error:
            raise network_error(error) from error
        if 200 <= answer.status < 300:
            return answer
        refusal = _refusal(answer.status, _said(answer))
        refusal.retry_after = retry_after(answer.headers)
        if refusal.kind is ErrorClass.THROTTLE and refusal.retry_after:
            self._context.budget.close(refusal.retry_after)
        raise refusal


def _refusal(status: int, said: str) -> CrmError:
    text = f"The receiver answered {status}" + (f": {said}" if said else ".")
    return CrmError(_class_of(status), text, code=str(status))


def _class_of(status: int) -> ErrorClass:
    if status == 429:
        return ErrorClass.THROTTLE
    if status in _PASSING or status >= 500:
        return ErrorClass.RETRY
    if status == 401:
        return ErrorClass.REAUTH  # the signature is not accepted: true of every lead, so they wait
    if status in (403, 410) or status < 400:
        return ErrorClass.CONFIG  # switched off, not for us, or moved: redirects are not followed
    return ErrorClass.PERMANENT


def _said(answer: Response) -> str:
    """The receiver's own words, short."""
    if 300 <= answer.status < 400:
        return f"a redirect to {answer.headers.get('location', 'nowhere')}; enter the final address"
    said = json_object(answer.content) or {}
    for name in ("detail", "message", "error", "title"):
        if isinstance(words := said.get(name), str) and words:
            return words[:500]
    return " ".join(answer.content[:2000].decode("utf-8", "replace").split())[:300]


def _plain(value: Value) -> object:
    """JSON as receivers expect it: numbers exact, times in RFC 3339 UTC."""
    match value:
        case Decimal():
            return format(value, "f")
        case datetime():
            return _stamp(value)
        case date():
            return value.isoformat()
        case str() | bool() | int() | None:
            return value
    return list(value)


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _is_id(id: object) -> bool:
    """No longer than a key of every database may be; by a longer one the record is not known."""
    return isinstance(id, str | int) and not isinstance(id, bool) and 0 < len(str(id)) <= LONGEST_ID


def _is_web(url: str) -> bool:
    """The link is shown in the dashboard: nothing but the web may be behind it."""
    if len(url) > LONGEST_URL:
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
