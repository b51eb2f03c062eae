"""HubSpot: verify, discover properties, upsert contacts by the safe path (crm/hubspot.md 4.1).

The batch upsert is not used: with `idProperty=email` it is not partial and would empty what we do not send.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

import msgspec

from site2crm.connectors.contract import (
    EMPTY,
    Account,
    Caps,
    Context,
    CrmError,
    ErrorClass,
    Exchange,
    FieldDef,
    Kind,
    PersonIn,
    Warned,
    Written,
)
from site2crm.connectors.hubspot import answers
from site2crm.connectors.hubspot.answers import HubSpotError
from site2crm.connectors.hubspot.properties import encode_all, field_def
from site2crm.connectors.pacing import Limit, Ticket
from site2crm.connectors.wire import Call, masked, network_error, send
from site2crm.core.http import OutboundError, Response

HUBSPOT_API_VERSION = "2026-09"
HOSTS = ("api.hubapi.com",)
RIGHTS = ("crm.objects.contacts.read", "crm.objects.contacts.write")
LIMIT = Limit(100, 10.0)
"""A token of a Free or Starter account (crm/hubspot.md 9); the answers tell the larger ones."""
SEARCH_LIMIT = Limit(5, 1.0)
"""For each account, beside the other one (crm/hubspot.md 9)."""

_CONTACTS = f"/crm/objects/{HUBSPOT_API_VERSION}/contacts"
_OBJECTS = {Kind.PERSON: "contacts", Kind.COMPANY: "companies", Kind.DEAL: "deals"}
_PROPERTY_LIST_BYTES = 16_000_000
_STOPS_THE_REST = {ErrorClass.REAUTH, ErrorClass.THROTTLE, ErrorClass.CONFIG}


class HubSpot:
    """One HubSpot portal behind a static token."""

    caps = Caps(static_key=True)

    def __init__(self, context: Context) -> None:
        token = context.secrets.get("token", "").strip()
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise CrmError(ErrorClass.CONFIG, "This is not an access token.", field="token")
        self._context = context
        self._token = token
        self._base = (context.base_url or f"https://{HOSTS[0]}").rstrip("/")
        self._tz = context.account.tz if context.account else None

    async def verify(self) -> Account:
        """Who we are there, and whether the token may do what we need."""
        details = await self._call("GET", f"/account-info/{HUBSPOT_API_VERSION}/details")
        await self._check_rights()
        portal = str(details.get("portalId", ""))
        return Account(
            id=portal,
            name=f"HubSpot account {portal}",
            currency=_text(details.get("companyCurrency")),
            tz=_text(details.get("timeZone")),
            url=f"https://{details.get('uiDomain') or 'app.hubspot.com'}/contacts/{portal}",
        )

    async def fields(self, kind: Kind) -> Sequence[FieldDef]:
        """Every property that HubSpot shows, custom ones too."""
        path = f"/crm/properties/{HUBSPOT_API_VERSION}/{_OBJECTS[kind]}"
        listed = (await self._call("GET", path, max_bytes=_PROPERTY_LIST_BYTES)).get("results")
        items = listed if isinstance(listed, list) else []
        found = [field_def(item) for item in items if isinstance(item, dict)]
        return sorted((field for field in found if field), key=lambda field: field.label.casefold())

    async def upsert_people(self, people: Sequence[PersonIn]) -> Sequence[Written]:
        """One after the other; a dead token or a reached limit is not tried again for the rest."""
        written: list[Written] = []
        stopped: CrmError | None = None
        for person in people:
            if stopped is None:
                written.append(await self._upsert(person))
                error = written[-1].error
                stopped = error if error and error.kind in _STOPS_THE_REST else None
            else:
                written.append(Written(person.ref, error=stopped))
        return written

    def preview(self, person: PersonIn) -> Sequence[Exchange]:
        """What `upsert_people` sends if HubSpot refuses nothing."""
        properties, email = encode_all(person.fields), _email_of(person)
        if person.known_id:
            calls = [self._patch_call(person.known_id, properties)]
        else:
            key = "address" if email else "number"
            note = f"only if no contact has this {key} yet"
            calls = [self._patch_email_call(email, properties)] if email else []
            calls.append(self._create_call(_for_create(person, properties), note=note))
        return [masked(self._context, call) for call in calls]

    async def _check_rights(self) -> None:
        path = "/oauth/v2/private-apps/get/access-token-info"
        try:
            listed = (await self._call("POST", path, {"tokenKey": self._token})).get("scopes")
        except CrmError:
            listed = None  # service keys are not known to be served there: try a read instead
        if not isinstance(listed, list):
            await self._call("GET", f"{_CONTACTS}?limit=1")
            return
        if missing := [right for right in RIGHTS if right not in listed]:
            text = f"The token lacks the right {', '.join(missing)}."
            raise CrmError(ErrorClass.CONFIG, text, code="MISSING_SCOPES", field="token")

    async def _upsert(self, person: PersonIn) -> Written:
        properties = encode_all(person.fields)
        warnings: list[Warned] = []
        while True:
            try:
                id, created = await self._place(person, properties)
            except HubSpotError as error:
                dropped = _droppable(error, properties)
                if not dropped:
                    return Written(person.ref, error=_final(error), warnings=warnings)
                warnings += dropped
                for warned in dropped:
                    del properties[warned.property]
            except CrmError as error:
                return Written(person.ref, error=error, warnings=warnings)
            else:
                return Written(person.ref, id, created, self._record_url(id), warnings=warnings)

    async def _place(self, person: PersonIn, properties: Mapping[str, str]) -> tuple[str, bool]:
        """The contact's id and whether it is new: known id, then e-mail or phone, then create."""
        email = _email_of(person)
        if not properties and not email:
            raise HubSpotError(ErrorClass.PERMANENT, "Nothing of this lead is mapped to HubSpot.", code=EMPTY)
        if person.known_id and (id := await self._update_known(person.known_id, properties, email)):
            return id, False
        if email and (id := await self._patch(self._patch_email_call(email, properties))):
            return id, False
        phone = person.phone or properties.get("phone")
        if not email and phone and (id := await self._find_by_phone(phone)):
            return _some(await self._patch(self._patch_call(id, properties))), False
        try:
            return await self._send(self._create_call(_for_create(person, properties))), True
        except HubSpotError as error:
            return await self._update_instead(error, properties, email), False

    async def _update_known(self, id: str, properties: Mapping[str, str], email: str | None) -> str | None:
        try:
            return await self._patch(self._patch_call(id, properties or {"email": email or ""}))
        except HubSpotError as error:
            return await self._update_instead(error, properties, email)

    async def _update_instead(self, error: HubSpotError, properties: Mapping[str, str], email: str | None) -> str:
        """Another contact holds the address (a race, or a merge): that one is the lead's."""
        if error.kind is not ErrorClass.CONFLICT:
            raise error
        others = {name: value for name, value in properties.items() if name != "email"}
        if error.existing_id:
            call = self._patch_call(error.existing_id, others or dict(properties))
        elif email:
            call = self._patch_email_call(email, properties)
        else:
            raise error
        return _some(await self._patch(call))

    async def _find_by_phone(self, phone: str) -> str | None:
        """The one contact with this number; several are nobody's, so that none is overwritten by guess."""
        same = {"propertyName": "phone", "operator": "EQ", "value": phone}
        body = {"filterGroups": [{"filters": [same]}], "properties": ["phone"], "limit": 2}
        async with self._context.budget.part("search", SEARCH_LIMIT).call():
            found = (await self._call("POST", f"{_CONTACTS}/search", body)).get("results")
        if not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], dict):
            return None
        return _id(found[0])

    async def _patch(self, call: Call) -> str | None:
        """The id of the updated contact, None if there is no such contact."""
        try:
            return await self._send(call)
        except HubSpotError as error:
            if error.kind is ErrorClass.NOT_FOUND:
                return None
            raise

    async def _send(self, call: Call) -> str:
        id = _id(await self._exchange(call))
        if id is None:
            raise HubSpotError(ErrorClass.RETRY, "HubSpot answered without the contact's id.", code="not_json")
        return id

    def _patch_call(self, id: str, properties: Mapping[str, str]) -> Call:
        return self._json_call("PATCH", f"{_CONTACTS}/{quote(id, safe='')}", {"properties": properties})

    def _patch_email_call(self, email: str, properties: Mapping[str, str]) -> Call:
        # The address is the key already; sent along, it would replace the primary one of a merged contact.
        others = {name: value for name, value in properties.items() if name != "email"}
        path = f"{_CONTACTS}/{quote(email, safe='')}?idProperty=email"
        return self._json_call("PATCH", path, {"properties": others or {"email": email}})

    def _create_call(self, properties: Mapping[str, str], *, note: str = "") -> Call:
        return self._json_call("POST", _CONTACTS, {"properties": properties})._replace(note=note)

    def _json_call(self, method: str, path: str, body: object = None) -> Call:
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        if body is None:
            return Call(method, self._base + path, headers)
        headers["Content-Type"] = "application/json"
        return Call(method, self._base + path, headers, msgspec.json.encode(body))

    async def _call(
        self, method: str, path: str, body: object = None, *, max_bytes: int | None = None
    ) -> dict[str, object]:
        return await self._exchange(self._json_call(method, path, body), max_bytes=max_bytes)

    async def _exchange(self, call: Call, *, max_bytes: int | None = None) -> dict[str, object]:
        try:
            answer = await send(self._context, call, hosts=HOSTS, max_bytes=max_bytes, answered=self._heed)
        except OutboundError as error:
            raise network_error(error) from error
        try:
            return answers.read(answer, tz=self._tz)
        except HubSpotError as error:
            if error.kind is ErrorClass.THROTTLE and error.retry_after is not None:
                self._context.budget.close(error.retry_after)
            raise

    def _heed(self, answer: Response, ticket: Ticket) -> None:
        """What HubSpot says of our limit. Search answers carry no such headers; then the last word stands."""
        headers = answer.headers
        if headers.get("x-hubspot-ratelimit-daily-remaining") == "0":
            self._context.budget.close(answers.midnight(self._tz))
            return
        remaining = headers.get("x-hubspot-ratelimit-remaining", "")
        if remaining.isdecimal():
            calls = headers.get("x-hubspot-ratelimit-max", "")
            interval = headers.get("x-hubspot-ratelimit-interval-milliseconds", "")
            limit = Limit(
                int(calls) if calls.isdecimal() else LIMIT.calls,
                int(interval) / 1000 if interval.isdecimal() and int(interval) else LIMIT.window_s,
            )
            self._context.budget.told(int(remaining), limit, ticket)

    def _record_url(self, id: str) -> str | None:
        account = self._context.account
        return f"{account.url}/record/0-1/{id}" if account and account.url else None


def _email_of(person: PersonIn) -> str | None:
    mapped = person.fields.get("email")
    return person.email or (mapped if isinstance(mapped, str) and mapped else None)


def _for_create(person: PersonIn, properties: Mapping[str, str]) -> dict[str, str]:
    """HubSpot creates nobody without an e-mail or a name: a caller known by number only is called by it."""
    created = dict(properties)
    if email := _email_of(person):
        return {**created, "email": email}
    phone = person.phone or created.get("phone")
    if phone and not created.get("firstname") and not created.get("lastname"):
        created["lastname"] = phone
    return created


def _droppable(error: HubSpotError, properties: Mapping[str, str]) -> list[Warned]:
    """The unknown and read-only ones. A refused value beside them shows at the next try, alone."""
    if error.kind is not ErrorClass.PERMANENT:
        return []
    said = {problem.name: problem.text for problem in error.problems if problem.unwritable}
    return [Warned(name, said[name]) for name in properties if name in said and name != "email"]


def _final(error: HubSpotError) -> CrmError:
    """After our own second try: a conflict stays for good, a contact deleted meanwhile is tried anew."""
    if error.kind is ErrorClass.CONFLICT:
        error.kind = ErrorClass.PERMANENT
    elif error.kind is ErrorClass.NOT_FOUND:
        error.kind = ErrorClass.RETRY
    return error


def _some(id: str | None) -> str:
    if id is None:
        raise HubSpotError(ErrorClass.NOT_FOUND, "The contact vanished while it was being updated.")
    return id


def _id(record: Mapping[str, object]) -> str | None:
    """An answer with anything else in its place is not HubSpot's, and says nothing about the contact."""
    id = record.get("id")
    return str(id) if isinstance(id, str | int) and not isinstance(id, bool) and id != "" else None


def _text(value: object) -> str | None:
    return str(value) if value not in (None, "") else None
