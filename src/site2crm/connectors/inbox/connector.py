"""A small CRM inside the product: fixed properties, an e-mail check, a choice; the rest goes to `Context.store`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

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
    InboxStore,
    Kind,
    PersonIn,
    Value,
    Warned,
    Written,
)
from site2crm.connectors.wire import Call, masked
from site2crm.core import heavy

CAPS = Caps(batch=100)
INTERESTS = (("sales", "Buying"), ("support", "Help"), ("partner", "Partnership"), ("other", "Something else"))
FIELDS = (
    FieldDef("email", "E-mail", "text"),
    FieldDef("first_name", "First name", "text"),
    FieldDef("last_name", "Last name", "text"),
    FieldDef("phone", "Phone", "text"),
    FieldDef("company", "Company", "text"),
    FieldDef("job_title", "Job title", "text"),
    FieldDef("website", "Website", "text"),
    FieldDef("country", "Country", "text"),
    FieldDef("message", "Message", "text"),
    FieldDef("interest", "Interest", "choice", choices=INTERESTS),
    FieldDef("consent", "Consent", "bool"),
    FieldDef("budget", "Budget", "number"),
    FieldDef("source", "Source", "text"),
    FieldDef("note", "Note", "text"),
    FieldDef("received_at", "Received at", "datetime", writable=False),
)
_BY_KEY = {field.key: field for field in FIELDS}


class Inbox:
    """One inbox per connection."""

    caps = CAPS

    def __init__(self, context: Context) -> None:
        self._context = context

    async def verify(self) -> Account:
        return Account(id=self._context.connection_id, name="Test inbox", url=self._context.base_url)

    async def fields(self, kind: Kind) -> Sequence[FieldDef]:
        return FIELDS if kind is Kind.PERSON else ()

    async def upsert_people(self, people: Sequence[PersonIn]) -> Sequence[Written]:
        """All that are accepted are kept together."""
        judged = [_judged(person) for person in people]
        kept = [each for each in judged if each.error is None]
        told = await self._store().upsert(
            self._context.connection_id, [(_key_of(each.person), each.properties) for each in kept]
        )
        places = {each.person.ref: place for each, place in zip(kept, told, strict=True)}
        return [self._written(each, places.get(each.person.ref)) for each in judged]

    def preview(self, person: PersonIn) -> Sequence[Exchange]:
        properties, _ = _accepted(person.fields)
        return [masked(self._context, self._call(_key_of(person), properties))]

    def _written(self, judged: "_Judged", place: tuple[str, bool] | None) -> Written:
        person, call = judged.person, self._call(_key_of(judged.person), judged.properties)
        if place is None:
            error = judged.error
            if judged.properties:  # else there is nothing to send
                self._report(call, 400, {"message": str(error), "property": error and error.field}, ref=person.ref)
            return Written(person.ref, error=error, warnings=judged.warnings)
        id, created = place
        self._report(call, 201 if created else 200, {"id": id, "properties": judged.properties}, ref=person.ref)
        url = f"{self._context.base_url.rstrip('/')}/{id}" if self._context.base_url else None
        return Written(person.ref, id, created, url, warnings=judged.warnings)

    def _store(self) -> InboxStore:
        if self._context.store is None:
            raise CrmError(ErrorClass.CONFIG, "The Test inbox has no place to keep anything.")
        return self._context.store

    def _call(self, key: str, properties: Mapping[str, str]) -> Call:
        body = msgspec.json.encode({"properties": properties})
        return Call("PUT", f"inbox:/people/{key}", {"Content-Type": "application/json"}, body)

    def _report(self, call: Call, status: int, answer: object, *, ref: str) -> None:
        exchange = masked(self._context, call, status=status)
        said = msgspec.json.encode(answer).decode()
        self._context.on_exchange(replace(exchange, response_body=said, ref=ref))


class _Judged(NamedTuple):
    """A person, and what of them is kept or refused."""

    person: PersonIn
    properties: dict[str, str]
    warnings: list[Warned]
    error: CrmError | None


def _judged(person: PersonIn) -> _Judged:
    properties, warnings = _accepted(person.fields)
    return _Judged(person, properties, warnings, _refused(properties, person))


def _accepted(fields: Mapping[str, Value]) -> tuple[dict[str, str], list[Warned]]:
    """What can be kept, as text, and what is left out with the reason."""
    kept: dict[str, str] = {}
    warnings: list[Warned] = []
    for name, value in fields.items():
        field = _BY_KEY.get(name)
        if field is None:
            warnings.append(Warned(name, f'Property "{name}" does not exist'))
        elif not field.writable:
            warnings.append(Warned(name, f'"{name}" is a read only property; its value cannot be set.'))
        elif value not in (None, ""):
            kept[name] = _plain(value)
    return kept, warnings


def _refused(properties: Mapping[str, str], person: PersonIn) -> CrmError | None:
    if not properties:
        return CrmError(ErrorClass.PERMANENT, "Nothing of this lead is mapped.", code=EMPTY)
    email = properties.get("email") or person.email
    library = heavy.email_validator()
    try:
        if email:
            library.validate_email(email, check_deliverability=False, test_environment=True)
    except library.EmailNotValidError as error:
        text = f"Email address {email} is invalid. {error}"
        return CrmError(ErrorClass.PERMANENT, text, code="INVALID_EMAIL", field="email")
    interest, allowed = properties.get("interest"), [value for value, _ in INTERESTS]
    if interest is not None and interest not in allowed:
        text = f"{interest!r} was not one of the allowed options: {', '.join(allowed)}"
        return CrmError(ErrorClass.PERMANENT, text, code="INVALID_OPTION", field="interest")
    return None


def _key_of(person: PersonIn) -> str:
    """Like a CRM: the e-mail is the key, else the id we know, else the lead."""
    return (person.email or "").lower() or person.phone or person.lead or person.ref


def _plain(value: Value) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int() | Decimal() | None:
            return str(value)
        case datetime() | date():
            return value.isoformat()
    return ";".join(value)
