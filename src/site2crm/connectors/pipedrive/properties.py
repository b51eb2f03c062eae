"""Pipedrive's fields in plain terms, and a lead as what Pipedrive takes (crm/pipedrive.md 4 and 6).

Custom fields are 40-character hashes, different in each account. Version 2 of the API is strict on types, and a
mapped value does not tell its field's: where text is not enough, the type follows the hash, as in `<hash>_enum`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TypeAlias

from site2crm.connectors.contract import FieldDef, FieldType, Kind, PersonIn, Value, Warned

Json: TypeAlias = str | int | float | bool | list[int | str] | dict[str, str | int | float]

_HASH = re.compile(r"([0-9a-f]{40})(?:_(enum|set|monetary|address|user|org|people))?")
_TYPES: dict[str, tuple[FieldType, str]] = {
    "varchar": ("text", ""),
    "varchar_auto": ("text", ""),
    "varchar_options": ("text", ""),
    "text": ("text", ""),
    "phone": ("text", ""),
    "int": ("number", ""),
    "double": ("number", ""),
    "boolean": ("bool", ""),
    "date": ("date", ""),
    "enum": ("choice", "_enum"),
    "set": ("choices", "_set"),
    "monetary": ("money", "_monetary"),
    "address": ("text", "_address"),
    "user": ("ref", "_user"),
    "org": ("ref", "_org"),
    "people": ("ref", "_people"),
}
"""What cannot be filled from a form is not among them: times, ranges, files, what Pipedrive counts itself."""
_MARKETING = ("no_consent", "unsubscribed", "subscribed", "archived")
_PERSON = (
    FieldDef("email", "Email", "text"),
    FieldDef("phone", "Phone", "text"),
    FieldDef("name", "Full name", "text"),
    FieldDef("first_name", "First name", "text"),
    FieldDef("last_name", "Last name", "text"),
    FieldDef("company", "Organization, by its name", "text"),
    FieldDef("message", "Note", "text"),
    FieldDef("owner_id", "Owner", "ref"),
    FieldDef("marketing_status", "Marketing status", "choice", choices=tuple((text, text) for text in _MARKETING)),
)
_ORGANIZATION = (FieldDef("name", "Name", "text", required=True), FieldDef("owner_id", "Owner", "ref"))
_DEAL = (
    FieldDef("title", "Title", "text", required=True),
    FieldDef("value", "Value", "money"),
    FieldDef("currency", "Currency", "text"),
    FieldDef("stage_id", "Stage", "ref"),
    FieldDef("owner_id", "Owner", "ref"),
    FieldDef("expected_close_date", "Expected close date", "date"),
    FieldDef("probability", "Probability", "number"),
)
_STANDARD = {Kind.PERSON: _PERSON, Kind.COMPANY: _ORGANIZATION, Kind.DEAL: _DEAL}
_LABELS = "label_ids"


@dataclass
class Said:
    """A lead, sorted by where it goes. `standard` and `custom` are in Pipedrive's own types."""

    email: str = ""
    phone: str = ""
    number: str = ""
    """The phone that it is found by, whether it is written or not."""
    name: str = ""
    first: str = ""
    last: str = ""
    company: str = ""
    message: str = ""
    standard: dict[str, Json] = field(default_factory=dict)
    for_new_only: tuple[str, ...] = ()
    """Of these, what somebody who is there already keeps."""
    custom: dict[str, Json] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    """Pipedrive's name of a property -> the one that was mapped."""
    warnings: list[Warned] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not any((self.email, self.phone, self.name, self.first, self.last, self.company, self.message,
                        self.standard, self.custom))  # fmt: skip

    def drop(self, name: str, text: str) -> bool:
        """Leave out what Pipedrive does not know or does not let us write; False if it was not there."""
        if self.custom.pop(name, None) is None and self.standard.pop(name, None) is None:
            return False
        self.warnings.append(Warned(self.keys.get(name, name), text))
        return True


def field_defs(kind: Kind, items: Sequence[Mapping[str, object]]) -> list[FieldDef]:
    """The standard ones that a form can fill, and all custom ones. Read-only ones are not flagged there."""
    custom = [known for item in items if (known := _custom(item))]
    labels = [_labels(item) for item in items if item.get("field_code") == _LABELS]
    return [*_STANDARD[kind], *labels, *sorted(custom, key=lambda each: each.label.casefold())]


def read_person(person: PersonIn, *, currency: str | None) -> Said:
    """What a lead says, in Pipedrive's types. Empty answers say nothing."""
    said = Said(email=person.email or "")
    for key, value in person.fields.items():
        if value is None or value in ("", []):
            continue
        if key in ("email", "phone", "name", "company", "message"):
            setattr(said, key, _plain(value))
        elif key in ("first_name", "last_name"):
            setattr(said, key.removesuffix("_name"), _plain(value))
        elif not _put(said, key, value, currency=currency):
            said.warnings.append(Warned(key, f"Pipedrive has no property {key} that can be written."))
    if person.owner and "owner_id" not in said.standard:
        _put(said, "owner_id", person.owner, currency=currency)
        said.for_new_only = () if person.owner_wins else ("owner_id",)
    said.number = said.phone or person.phone or ""
    return said


def number_of(amount: Decimal) -> int | float:
    """JSON numbers: whole ones without a fraction, so that an `int` field takes them too."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def _put(said: Said, key: str, value: Value, *, currency: str | None) -> bool:
    if found := _HASH.fullmatch(key):
        said.custom[found[1]] = _encode(value, found[2] or "", currency=currency)
        said.keys[found[1]] = key
        return True
    if key == _LABELS:
        said.standard[key] = _encode(value, "set", currency=currency)
    elif key == "owner_id":
        said.standard[key] = _number(_plain(value))
    elif key == "marketing_status":
        said.standard[key] = _encode(value, "", currency=currency)
    else:
        return False
    return True


def _encode(value: Value, type: str, *, currency: str | None) -> Json:
    """What does not fit goes as it is: Pipedrive's refusal names it, and a person can mend it."""
    match type:
        case "enum" | "user" | "org" | "people":
            return _number(_plain(value))
        case "set":
            texts = [value] if isinstance(value, str) else list(value) if isinstance(value, Sequence) else []
            return [_number(str(text)) for text in texts]
        case "monetary" if isinstance(value, Decimal | int):
            amount: dict[str, str | int | float] = {"value": number_of(Decimal(value))}
            return {**amount, "currency": currency} if currency else amount
        case "address":
            return {"value": _plain(value)}
    if isinstance(value, bool | int):
        return value
    if isinstance(value, Decimal):
        return number_of(value)
    return _plain(value)


def _plain(value: Value) -> str:
    match value:
        case None:
            return ""
        case str():
            return value.strip()
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case Decimal():
            return format(value, "f")
        case int():
            return str(value)
    return ", ".join(value)


def _number(text: str) -> int | str:
    return int(text) if text.isdecimal() and len(text) < 19 else text


def _custom(item: Mapping[str, object]) -> FieldDef | None:
    code, type = item.get("field_code"), str(item.get("field_type"))
    if not isinstance(code, str) or not _HASH.fullmatch(code) or item.get("is_custom_field") is not True:
        return None
    if type not in _TYPES or item.get("is_writable") is False:
        return None
    ours, suffix = _TYPES[type]
    label = str(item.get("field_name") or code)
    return FieldDef(code + suffix, label, ours, custom=True, choices=_choices(item.get("options")))


def _labels(item: Mapping[str, object]) -> FieldDef:
    return FieldDef(_LABELS, str(item.get("field_name") or "Labels"), "choices", choices=_choices(item.get("options")))


def _choices(options: object) -> tuple[tuple[str, str], ...]:
    listed = options if isinstance(options, list) else []
    return tuple(
        (str(option.get("id", "")), str(option.get("label", ""))) for option in listed if isinstance(option, dict)
    )
